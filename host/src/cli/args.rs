//! The command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use super::{
    admin::AdminCommand, collect::GarbageCollect, guest::GuestCommand, htpasswd::Htpasswd, policy::PolicyCommand,
    retain::RetainArgs, tls::TlsCommand, verify::VerifyArgs,
};

/// An OCI registry for the edge: control in WebAssembly, bytes in native code.
#[derive(Debug, Parser)]
#[command(
    name = "skerry",
    version,
    propagate_version = true,
    after_help = "Try it: `skerry serve` needs no configuration, and says what to do next."
)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Serve images to docker, podman and every other OCI client.
    ///
    /// With nothing configured it listens on https://localhost:5000, with a
    /// certificate of its own making, and prints how to trust it.
    Serve(Serve),
    /// Look at the configuration.
    Config {
        /// What to look at.
        #[command(subcommand)]
        command: ConfigCommand,
    },
    /// Remove from the volume what no image needs any more.
    ///
    /// It works on the files, beside a server or without one. As with
    /// distribution, run it while nobody pushes, or with the server read-only
    /// (`storage.maintenance.readonly`): what began within the grace time is
    /// spared, but an old blob that somebody links again while it is removed
    /// is not.
    GarbageCollect(GarbageCollect),
    /// Read a whole volume, and say what is damaged and what mends it.
    ///
    /// It hashes all that is stored and follows every link: of a volume of
    /// ours or of distribution's, beside a running server or without one.
    /// Nothing is written without `--repair`. It exits with 0 if all is whole,
    /// 1 if something is damaged, 2 if it could not be found out.
    Verify(VerifyArgs),
    /// Remove the tags that the policies do not keep, once.
    ///
    /// It asks the policies of the configuration (such as `retention`), beside
    /// a server or without one. What no tag leads to any more stays until a
    /// garbage collection.
    Retain(RetainArgs),
    /// Work with modules of your own: registries and policies.
    Guest {
        /// What to do.
        #[command(subcommand)]
        command: GuestCommand,
    },
    /// Look at the modules of a running server, and put others in force.
    ///
    /// It is asked by its Unix socket: set `admin.socket`.
    Admin {
        /// What to ask.
        #[command(subcommand)]
        command: AdminCommand,
    },
    /// Make a line for a password file: `htpasswd -Bbn USER PASSWORD`.
    Htpasswd(Htpasswd),
    /// Work with rules about who may do what, and what may be stored.
    Policy {
        /// What to do.
        #[command(subcommand)]
        command: PolicyCommand,
    },
    /// Look at a registry's TLS, or let clients trust the one of a first run.
    Tls {
        /// Which of the two.
        #[command(subcommand)]
        command: TlsCommand,
    },
}

/// What to look at.
#[derive(Debug, Subcommand)]
pub enum ConfigCommand {
    /// Check a configuration, and print it as it would be used.
    ///
    /// Variables and defaults are filled in, secrets are masked. Warnings go
    /// to standard error; the exit status is 1 if `serve` would not start.
    Check(File),
    /// Print every default, with a word on each.
    Defaults,
    /// Print every key, its variable, and what becomes of it.
    ///
    /// Those of distribution 2.8 and 3 work, are ignored with a warning, or
    /// are refused, with the reason; ours are beside them. `0` stands for the
    /// place in a list, `*` for any other name.
    Keys,
}

/// Where the configuration is.
#[derive(Debug, Clone, Default, Args)]
pub struct File {
    /// A config.yml as distribution (registry:2, registry:3) has it.
    ///
    /// Without: $REGISTRY_CONFIGURATION_PATH, /etc/distribution/config.yml or
    /// /etc/docker/registry/config.yml, whichever is there first. Variables
    /// such as REGISTRY_HTTP_ADDR come on top.
    #[arg(value_name = "CONFIG")]
    pub config: Option<PathBuf>,
    /// Read no file, though there may be one in its usual place.
    #[arg(long, conflicts_with = "config")]
    pub no_config: bool,
}

/// How to serve.
#[derive(Debug, Clone, Default, Args)]
pub struct Serve {
    /// Where the configuration is.
    #[command(flatten)]
    pub file: File,
    /// Listen here: `:5000`, `127.0.0.1:5000`, `[::1]:5000` (`http.addr`).
    #[arg(long, value_name = "ADDRESS")]
    pub addr: Option<String>,
    /// Keep everything in this directory (`storage.filesystem.rootdirectory`).
    #[arg(long, value_name = "DIRECTORY")]
    pub data: Option<PathBuf>,
    /// PEM file of the certificate and its chain (`http.tls.certificate`).
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    pub tls_cert: Option<PathBuf>,
    /// PEM file of its private key (`http.tls.key`).
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    pub tls_key: Option<PathBuf>,
    /// Without TLS, though nothing else is configured.
    #[arg(long, conflicts_with_all = ["tls_cert", "tls_key"])]
    pub plain_http: bool,
    /// error, warn, info or debug (`log.level`).
    #[arg(long, value_name = "LEVEL")]
    pub log_level: Option<String>,
}
