//! `tls check` and `tls trust`.

use std::{
    io::IsTerminal,
    path::{Path, PathBuf},
    process::ExitCode,
    time::{Duration, SystemTime},
};

use clap::{Args, Subcommand};

use super::{
    ambient::Ambient,
    args::{File, Serve},
    fail, plan, refuse, say,
};
use crate::{
    config::Listen,
    tls::{
        check::{Asked, Target, check, screen},
        trust::{Client, Trust, trust},
    },
};

/// What to do about TLS.
#[derive(Debug, Subcommand)]
pub enum TlsCommand {
    /// Look at a registry's TLS from outside, as its clients see it.
    ///
    /// It shows addresses, protocol, the chain as it is served, names, days
    /// left, who vouches for it and the answer to GET /v2/, and says of each
    /// thing that is wrong what to do. The exit status is 0 if clients are
    /// served (there may be warnings), 1 if something makes them fail, and 2
    /// if nobody could be reached or the command is wrong.
    Check(CheckArgs),
    /// Say how clients are made to trust the authority of a first run.
    ///
    /// Without `--write` it prints the commands, to be looked at and run.
    Trust(TrustArgs),
}

/// What to look at.
#[derive(Debug, Clone, Args)]
pub struct CheckArgs {
    /// The registry; the port is 443 where none is named.
    #[arg(value_name = "HOST[:PORT]")]
    pub target: Target,
    /// Print the report as JSON.
    #[arg(long)]
    pub json: bool,
    /// Trust the authorities of this PEM file alone, and not the system's.
    #[arg(long, value_name = "FILE")]
    pub ca: Option<PathBuf>,
    /// Ask for this name, and demand it of the certificate.
    #[arg(long, value_name = "NAME")]
    pub server_name: Option<String>,
    /// Check every address of the name, and not only the first that answers.
    #[arg(long)]
    pub all: bool,
    /// How long each step may take.
    #[arg(long, value_name = "SECONDS", default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=300))]
    pub timeout: u64,
}

/// Whom to make trust what.
#[derive(Debug, Clone, Default, Args)]
pub struct TrustArgs {
    /// Where the configuration is.
    #[command(flatten)]
    pub file: File,
    /// The directory that `serve --data` was given.
    #[arg(long, value_name = "DIRECTORY", conflicts_with = "ca")]
    pub data: Option<PathBuf>,
    /// Trust this PEM file instead of the authority of the first run.
    #[arg(long, value_name = "FILE")]
    pub ca: Option<PathBuf>,
    /// The registry's name in references; may be repeated.
    ///
    /// Without: localhost, and the port of the configuration.
    #[arg(long = "for", value_name = "HOST[:PORT]")]
    pub names: Vec<Target>,
    /// The Docker engine.
    #[arg(long)]
    pub docker: bool,
    /// podman, buildah and skopeo.
    #[arg(long)]
    pub podman: bool,
    /// The system: curl, crane, oras, regctl and most others.
    #[arg(long)]
    pub system: bool,
    /// Write the files, rather than print the commands.
    #[arg(long)]
    pub write: bool,
    /// Write below this directory, such as an image's root.
    #[arg(long, value_name = "DIRECTORY", requires = "write")]
    pub root: Option<PathBuf>,
}

pub(super) fn run(command: &TlsCommand, ambient: &Ambient) -> ExitCode {
    match command {
        TlsCommand::Check(args) => checked(args, ambient),
        TlsCommand::Trust(args) => trusted(args, ambient),
    }
}

fn checked(args: &CheckArgs, ambient: &Ambient) -> ExitCode {
    let asked = Asked {
        target: args.target.clone(),
        server_name: args.server_name.clone(),
        ca: args.ca.clone(),
        patience: Duration::from_secs(args.timeout),
        all: args.all,
    };
    let report = match check(&asked, SystemTime::now()) {
        Ok(report) => report,
        Err(sentence) => {
            say(std::io::stderr(), &format!("error: {sentence}\n"));
            return ExitCode::from(2);
        }
    };
    let text = match args.json {
        true => serde_json::to_string_pretty(&report).unwrap_or_default() + "\n",
        false => {
            let colour = std::io::stdout().is_terminal() && ambient.variable("NO_COLOR").is_none();
            screen(&report, colour)
        }
    };
    say(std::io::stdout(), &text);
    ExitCode::from(report.exit_status)
}

fn trusted(args: &TrustArgs, ambient: &Ambient) -> ExitCode {
    let (authority, port) = match &args.ca {
        Some(file) => (file.clone(), None),
        None => {
            let serve = Serve { file: args.file.clone(), data: args.data.clone(), ..Serve::default() };
            match plan::authority(&serve, ambient) {
                Ok((file, _)) if !file.exists() => {
                    return fail(&format!(
                        "{}: there is no authority; `skerry serve` with nothing configured makes one, or name a file with --ca",
                        file.display()
                    ));
                }
                Ok((file, listen)) => (file, port(&listen)),
                Err(error) => return refuse(&error),
            }
        }
    };
    let mut names = args.names.clone();
    if names.is_empty() {
        names.push(Target { host: "localhost".to_owned(), port: port.unwrap_or(5000) });
    }
    let home = if ambient.root { None } else { ambient.variable("HOME").map(Path::new) };
    let every = !(args.docker || args.podman || args.system);
    let wanted = [(Client::Docker, args.docker), (Client::Podman, args.podman), (Client::System, args.system)];
    let asked = Trust {
        authority,
        names,
        clients: wanted.into_iter().filter(|(_, wanted)| *wanted || every).map(|(client, _)| client).collect(),
        home: home.filter(|home| home.is_absolute()).map(Path::to_owned),
        root: args.root.clone(),
    };
    let done = match trust(&asked) {
        Ok(steps) if args.write => steps.write(),
        Ok(steps) => Ok(steps.commands()),
        Err(error) => Err(error.to_string()),
    };
    match done {
        Ok(text) => {
            say(std::io::stdout(), &text);
            ExitCode::SUCCESS
        }
        Err(sentence) => fail(&sentence),
    }
}

fn port(listen: &Listen) -> Option<u16> {
    Some(listen.port).filter(|port| *port != 0)
}
