//! The servers that are compared, each as its own documentation would have it:
//! TLS, and a line of log for each request, to a file.

use std::{
    fmt, fs,
    fs::File,
    net::{SocketAddr, TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{
        OnceLock,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use skerry_tests::{authority::Authority, binary, children, client::Client, tools};

use crate::{link::Place, process::Processes};

/// Longest that a server may take until it answers.
const START: Duration = Duration::from_secs(60);

/// A server that can be measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Who {
    /// As it is by default.
    Skerry,
    /// Each answer computed in a fresh instance.
    Computed,
    /// The same host with the same routing as native code.
    Twin,
    /// With a chain of three policies, whose decisions are kept.
    Guarded,
    /// With that chain, each of whose policies is asked each time.
    Asked,
    Nginx,
    /// registry 3.1.2.
    Registry3,
    /// Debian's docker-registry 2.8.
    Registry2,
    /// No server: what all of them rest on.
    Disk,
}

/// The program that is measured.
static OURS: OnceLock<PathBuf> = OnceLock::new();

/// Whether it is the one that is shipped, which has no names for a profiler to
/// show.
static SHIPPED: AtomicBool = AtomicBool::new(false);

/// It is, from now on.
pub fn as_shipped() {
    SHIPPED.store(true, Ordering::Relaxed);
}

/// Built when it is first asked for.
fn ours() -> &'static Path {
    OURS.get_or_init(|| match SHIPPED.load(Ordering::Relaxed) {
        true => binary::shipped(),
        false => binary::skerry().to_owned(),
    })
}

impl Who {
    pub const ALL: [Self; 9] = [
        Self::Skerry,
        Self::Computed,
        Self::Twin,
        Self::Guarded,
        Self::Asked,
        Self::Nginx,
        Self::Registry3,
        Self::Registry2,
        Self::Disk,
    ];

    /// Those that let everybody do everything.
    pub const OPEN: [Self; 6] =
        [Self::Skerry, Self::Computed, Self::Twin, Self::Nginx, Self::Registry3, Self::Registry2];

    /// Those that are ours.
    pub const OURS: [Self; 5] = [Self::Skerry, Self::Computed, Self::Twin, Self::Guarded, Self::Asked];

    /// What it is called in options and results.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Skerry => "skerry",
            Self::Computed => "computed",
            Self::Twin => "twin",
            Self::Guarded => "guarded",
            Self::Asked => "asked",
            Self::Nginx => "nginx",
            Self::Registry3 => "registry3",
            Self::Registry2 => "registry2",
            Self::Disk => "disk",
        }
    }

    /// What it is called in tables.
    pub const fn title(self) -> &'static str {
        match self {
            Self::Skerry => "Skerry",
            Self::Computed => "Skerry, each computed",
            Self::Twin => "native twin",
            Self::Guarded => "Skerry, three policies",
            Self::Asked => "Skerry, three policies asked each time",
            Self::Nginx => "nginx",
            Self::Registry3 => "registry 3.1",
            Self::Registry2 => "docker-registry 2.8",
            Self::Disk => "the disk alone",
        }
    }

    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|who| who.name() == name)
    }

    /// Whether it is a server.
    pub fn serves(self) -> bool {
        self != Self::Disk
    }

    /// Whether it is a registry.
    pub fn registry(self) -> bool {
        self.serves() && self != Self::Nginx
    }

    /// Its program, and how it comes onto a machine where it is not.
    fn program(self) -> Result<PathBuf, String> {
        let (program, how) = match self {
            Self::Skerry | Self::Computed | Self::Guarded | Self::Asked => return Ok(ours().to_owned()),
            Self::Twin | Self::Disk => return Ok(std::env::current_exe().unwrap()),
            Self::Nginx => ("nginx", "apt-get install nginx"),
            Self::Registry3 => (
                "registry",
                "GOBIN=DIRECTORY go install github.com/distribution/distribution/v3/cmd/registry@v3.1.2 \
                 and SKERRY_TOOLS=DIRECTORY",
            ),
            Self::Registry2 => ("docker-registry", "apt-get install docker-registry"),
        };
        tools::look(program).ok_or_else(|| {
            format!("{program} is not installed: {how}; or go on without it by --without {}", self.name())
        })
    }

    /// What it says of its version.
    ///
    /// # Errors
    /// How to install it.
    pub fn version(self) -> Result<String, String> {
        match self {
            Self::Twin => return Ok("the same host, routing compiled natively".to_owned()),
            Self::Disk => return Ok("the files of a push alone".to_owned()),
            _ => {}
        }
        let flag = if self == Self::Nginx { "-v" } else { "--version" };
        let output =
            Command::new(self.program()?).arg(flag).stdin(Stdio::null()).output().map_err(|e| e.to_string())?;
        let text = [output.stdout, output.stderr].concat();
        let text = String::from_utf8_lossy(&text).lines().next().unwrap_or_default().to_owned();
        // "nginx version: nginx/1.22.1", "registry SOURCE v3.1.2+unknown"
        let version = text.split(' ').next_back().unwrap_or_default().trim_end_matches("+unknown");
        let name = self.title().split(' ').next().unwrap_or_default();
        Ok(format!("{name} {}", version.trim_start_matches("nginx/").trim_start_matches('v')))
    }
}

impl fmt::Display for Who {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// What servers serve, and with what certificate.
pub struct Ground {
    /// A directory that is removed at the end.
    pub directory: PathBuf,
    /// What registries serve.
    pub volume: PathBuf,
    /// The same as static files.
    pub www: PathBuf,
    pub trust: Authority,
}

/// A running server.
pub struct Server {
    pub who: Who,
    pub place: Place,
    pub processes: Processes,
    child: Child,
    client: Client,
    /// From exec to the first answer.
    pub started: Duration,
}

impl Server {
    /// Starts one, and waits until it answers 200 over TLS.
    pub fn start(who: Who, ground: &Ground) -> Self {
        for _ in 0..3 {
            if let Some(server) = Self::try_start(who, ground) {
                return server;
            }
        }
        panic!("{who} does not start")
    }

    fn try_start(who: Who, ground: &Ground) -> Option<Self> {
        // Not all of them can say which port they chose, and for a cold start
        // it must be known before: one that was free a moment ago.
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let directory = tempfile::Builder::new().prefix(who.name()).tempdir_in(&ground.directory).unwrap().keep();
        let client = Client::new(&address.to_string(), &ground.trust);
        let mut command = command(who, address, &directory, ground);
        let log = directory.join("log");
        let out = File::create(&log).unwrap();
        command.stdin(Stdio::null()).stdout(out.try_clone().unwrap()).stderr(out).current_dir(&directory);
        let begun = Instant::now();
        let mut child = children::spawn(command).unwrap_or_else(|error| panic!("{who} does not start: {error}"));
        loop {
            if TcpStream::connect(address).is_ok()
                && client.request("GET", "/v2/").try_send().is_ok_and(|answer| answer.status == 200)
            {
                let (started, processes) = (begun.elapsed(), Processes::of(child.id()));
                return Some(Self {
                    who,
                    place: Place::new(address, &ground.trust),
                    processes,
                    child,
                    client,
                    started,
                });
            }
            if child.try_wait().unwrap().is_some() || begun.elapsed() > START {
                let log = fs::read_to_string(&log).unwrap_or_default();
                eprintln!("{who} does not start; its log:\n{log}");
                let _ = child.kill();
                let _ = child.wait();
                return None;
            }
            thread::sleep(Duration::from_micros(250));
        }
    }

    /// Seconds of processors that it used so far.
    pub fn cpu(&self) -> f64 {
        self.processes.cpu()
    }

    /// A client for what is not measured.
    pub fn client(&self) -> Client {
        self.client.clone().accepting()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // nginx's workers end with their master only if it may tell them.
        children::signal(&self.child, rustix::process::Signal::TERM);
        let begun = Instant::now();
        while begun.elapsed() < Duration::from_secs(3) {
            if self.child.try_wait().is_ok_and(|status| status.is_some()) {
                return;
            }
            thread::sleep(Duration::from_millis(2));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn command(who: Who, address: SocketAddr, directory: &Path, ground: &Ground) -> Command {
    let program = who.program().unwrap_or_else(|sentence| panic!("{sentence}"));
    let mut command = children::command(program);
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("REGISTRY_")) {
        command.env_remove(name);
    }
    let file = directory.join(if who == Who::Nginx { "nginx.conf" } else { "config.yml" });
    let text = if who == Who::Nginx { nginx(address, directory, ground) } else { registry(who, address, ground) };
    fs::write(&file, text).unwrap();
    match who {
        Who::Nginx => command.arg("-c").arg(&file).arg("-p").arg(directory).args(["-e", "error.log"]),
        _ => command.arg("serve").arg(&file).env("OTEL_TRACES_EXPORTER", "none"),
    };
    match who {
        Who::Computed => command.env("REGISTRY_REMEMBER_ENABLED", "false"),
        Who::Twin => command.env(crate::TWIN, "1"),
        _ => &mut command,
    };
    command
}

/// One file for all registries, distribution's with the cache of descriptors
/// that its images and Debian's package configure.
fn registry(who: Who, address: SocketAddr, ground: &Ground) -> String {
    let cache = match who {
        Who::Registry2 | Who::Registry3 => "  cache:\n    blobdescriptor: inmemory\n",
        _ => "",
    };
    // Anonymous clients pull from one directory; nobody else does anything.
    let policy = |name: &str, lifetime: &str| {
        format!(
            "- module: access\n  name: {name}\n{lifetime}  settings: {{ask: false, rules: [{{repositories: ['bench/**'], anonymous: \
             true, actions: [pull]}}]}}\n"
        )
    };
    let chain = |lifetime: &str| ["one", "two", "three"].map(|name| policy(name, lifetime)).concat();
    let policies = match who {
        Who::Guarded => format!("policies:\n{}", chain("")),
        Who::Asked => format!("policies:\n{}", chain("  lifetime: 0s\n")),
        _ => String::new(),
    };
    format!(
        "version: 0.1\n{policies}storage:\n{cache}  filesystem:\n    rootdirectory: {}\nhttp:\n  addr: {address}\n  secret: \
         not-a-secret\n  tls:\n    certificate: {}\n    key: {}\n",
        ground.volume.display(),
        ground.trust.certificate.display(),
        ground.trust.key.display(),
    )
}

fn nginx(address: SocketAddr, directory: &Path, ground: &Ground) -> String {
    // Workers of root's would be somebody else, who cannot read the files.
    let user = if rustix::process::getuid().is_root() { "user root;\n" } else { "" };
    let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .iter()
        .map(|kind| format!("    {kind}_temp_path {}/{kind};\n", directory.display()))
        .collect();
    format!(
        "{user}worker_processes auto;\ndaemon off;\npid {directory}/nginx.pid;\nerror_log {directory}/error.log;\n\
         events {{ worker_connections 4096; }}\nhttp {{\n{temporary}    access_log {directory}/access.log;\n    \
         sendfile on;\n    tcp_nopush on;\n    keepalive_requests 1000000000;\n    types {{}}\n    \
         default_type application/vnd.oci.image.manifest.v1+json;\n    server {{\n        listen {address} ssl http2 \
         backlog=4096;\n        ssl_certificate {};\n        ssl_certificate_key {};\n        ssl_protocols TLSv1.2 \
         TLSv1.3;\n        root {};\n        location = /v2/ {{ default_type application/json; return 200 '{{}}'; \
         }}\n    }}\n}}\n",
        ground.trust.certificate.display(),
        ground.trust.key.display(),
        ground.www.display(),
        directory = directory.display(),
    )
}
