//! `admin`: what the admin endpoint is asked, by its Unix socket.

use std::{
    fmt::Write as _,
    fs::File,
    io::{self, Read, Write},
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
    process::ExitCode,
    time::Duration,
};

use clap::{Args, Subcommand};
use serde_json::Value;

use super::{ambient::Ambient, args, fail, plan, refuse, say};

/// What to ask of a running server.
#[derive(Debug, Subcommand)]
pub enum AdminCommand {
    /// Say which modules are in force.
    Status(Status),
    /// Read modules, policies and secrets anew, as SIGHUP does.
    Reload(Asked),
    /// Put another module in force, between two requests.
    ///
    /// It is kept in memory: the next restart or reload goes back to what the
    /// configuration names.
    Swap(Swap),
}

/// Whom to ask.
#[derive(Debug, Clone, Default, Args)]
pub struct Asked {
    /// Where the configuration is.
    #[command(flatten)]
    pub file: args::File,
    /// The server's socket; without, the configuration's `admin.socket`.
    #[arg(long, value_name = "PATH")]
    pub socket: Option<PathBuf>,
}

/// Whom to ask what is in force.
#[derive(Debug, Clone, Default, Args)]
pub struct Status {
    /// Whom.
    #[command(flatten)]
    pub asked: Asked,
    /// Print it as JSON.
    #[arg(long)]
    pub json: bool,
}

/// What to put where.
#[derive(Debug, Clone, Args)]
pub struct Swap {
    /// A WebAssembly component.
    #[arg(value_name = "MODULE.wasm")]
    pub module: PathBuf,
    /// In the place of this policy's module, rather than of the registry.
    #[arg(long, value_name = "NAME")]
    pub policy: Option<String>,
    /// The server's socket; without, `admin.socket` of --config, or of the
    /// configuration in its usual place.
    #[arg(long, value_name = "PATH")]
    pub socket: Option<PathBuf>,
    /// Where the configuration is.
    #[arg(long, value_name = "CONFIG")]
    pub config: Option<PathBuf>,
}

/// The largest module, as the server has it, and the largest answer.
const MODULE: u64 = 64 << 20;
const ANSWER: u64 = 1 << 20;

/// Compiling takes long on a small machine.
const PATIENCE: Duration = Duration::from_secs(600);

pub(super) fn run(command: &AdminCommand, ambient: &Ambient) -> ExitCode {
    let asked = match command {
        AdminCommand::Status(status) => status.asked.clone(),
        AdminCommand::Reload(asked) => asked.clone(),
        AdminCommand::Swap(swap) => {
            Asked { file: args::File { config: swap.config.clone(), no_config: false }, socket: swap.socket.clone() }
        }
    };
    let socket = match asked.socket {
        Some(socket) => socket,
        None => match plan::storage(&asked.file, ambient) {
            Ok((config, _)) => match config.admin.socket {
                Some(socket) => socket,
                None => return fail("`admin.socket` is not configured: set it, or name a socket by --socket"),
            },
            Err(error) => return refuse(&error),
        },
    };
    let answer = match command {
        AdminCommand::Status(_) => ask(&socket, "GET", "/v1/modules", &[]),
        AdminCommand::Reload(_) => ask(&socket, "POST", "/v1/reload", &[]),
        AdminCommand::Swap(Swap { module, policy, .. }) => {
            let path = match policy {
                Some(name) => format!("/v1/policies/{name}"),
                None => "/v1/registry".to_owned(),
            };
            match read(module) {
                Ok(bytes) => ask(&socket, "PUT", &path, &bytes),
                Err(error) => return fail(&format!("the module {} cannot be read: {error}", module.display())),
            }
        }
    };
    match answer {
        Ok((200, document)) => {
            let whole = matches!(command, AdminCommand::Status(Status { json: true, .. }));
            say(io::stdout(), &if whole { format!("{document:#}\n") } else { table(&document) });
            ExitCode::SUCCESS
        }
        Ok((_, document)) => fail(text(&document, "error").unwrap_or("the server gives no reason")),
        Err(error) => fail(&format!("{}: {error}", socket.display())),
    }
}

fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(MODULE + 1).read_to_end(&mut bytes)?;
    if u64::try_from(bytes.len()).is_ok_and(|length| length <= MODULE) {
        return Ok(bytes);
    }
    Err(io::Error::new(io::ErrorKind::FileTooLarge, format!("it has more than {MODULE} bytes")))
}

/// One request and its answer.
fn ask(socket: &Path, method: &str, path: &str, body: &[u8]) -> io::Result<(u16, Value)> {
    if path.bytes().any(|byte| !byte.is_ascii_graphic()) {
        return Err(io::Error::other("that is no name of a policy"));
    }
    let mut stream = UnixStream::connect(socket)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let head = format!(
        "{method} {path} HTTP/1.1\r\nhost: skerry\r\nconnection: close\r\ncontent-type: application/wasm\r\n\
         content-length: {}\r\n\r\n",
        body.len()
    );
    // A server that refuses the body answers before it has all of it.
    let sent = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(body));
    let mut answer = Vec::new();
    let heard = stream.take(ANSWER).read_to_end(&mut answer);
    let text = String::from_utf8_lossy(&answer);
    let status = text.split(' ').nth(1).and_then(|status| status.parse().ok());
    let document = text.split_once("\r\n\r\n").and_then(|(_, body)| serde_json::from_str(body).ok());
    match status.zip(document) {
        Some(answer) => Ok(answer),
        None => Err(sent.and(heard).err().unwrap_or_else(|| io::Error::other("it gives no answer"))),
    }
}

fn text<'a>(document: &'a Value, name: &str) -> Option<&'a str> {
    document.get(name)?.as_str()
}

/// For people: a line for each module.
fn table(document: &Value) -> String {
    let one = std::slice::from_ref(document);
    let modules: Vec<&Value> = match (document.get("registry"), document.get("policies").and_then(Value::as_array)) {
        (Some(registry), Some(policies)) => [registry].into_iter().chain(policies).collect(),
        _ => one.iter().collect(),
    };
    let text = |module: &Value, name: &str| text(module, name).unwrap_or("-").to_owned();
    let rows: Vec<[String; 4]> =
        modules.iter().map(|module| ["name", "world", "since", "from"].map(|name| text(module, name))).collect();
    let width = |column: usize| rows.iter().filter_map(|row| row.get(column)).map(String::len).max().unwrap_or(0);
    let mut out = String::new();
    for (row, module) in rows.iter().zip(&modules) {
        let [name, world, since, from] = row;
        let (a, b, c) = (width(0), width(1), width(2));
        // Writing to a text cannot fail.
        let _ = writeln!(out, "{name:a$}  {world:b$}  {since:c$}  {from}  {}", text(module, "sha256"));
    }
    out
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_line_for_each_module() {
        let registry =
            json!({"name": "registry", "world": "registry", "from": "built in", "sha256": null, "since": "now"});
        let policy = json!({"name": "a", "world": "auth-policy", "from": "/a", "sha256": "sha256:1", "since": "then"});
        let lines = table(&json!({"registry": registry, "policies": [policy]}));
        assert_eq!(lines, "registry  registry     now   built in  -\na         auth-policy  then  /a  sha256:1\n");
        assert_eq!(table(&policy), "a  auth-policy  then  /a  sha256:1\n");
    }
}
