//! From arguments and surroundings to a plan: what to serve, where, with which
//! certificate.

use std::{
    fmt,
    path::{Path, PathBuf},
    sync::Arc,
    time::SystemTime,
};

use super::{
    ambient::Ambient,
    args::{File, Serve},
};
use crate::{
    config::{
        self, CONFIGURATION_PATH, Certificates, Config, ConfigError, LetsEncrypt, Listen, Origin, Source, Warning,
    },
    tls::{self, Cached, Loaded, Policy, TlsError, TlsFiles},
};

/// Everything that serving needs to know.
#[derive(Debug)]
pub struct Plan {
    /// The effective configuration.
    pub config: Config,
    /// For the log.
    pub warnings: Vec<Warning>,
    /// To accept connections with; without, plain HTTP.
    pub tls: Option<Tls>,
    /// Where the configuration came from, for the log.
    pub source: String,
    /// Set where nothing was configured.
    pub first_run: Option<FirstRun>,
    /// Reads the configuration again, as it is then.
    pub reread: Reread,
}

/// Reads the configuration of a plan again: the same file, flags and
/// environment.
#[derive(Clone)]
pub struct Reread(Arc<Reader>);

type Reader = dyn Fn() -> Result<(Config, Vec<Warning>), ConfigError> + Send + Sync;

impl Reread {
    /// What it says now.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn read(&self) -> Result<(Config, Vec<Warning>), ConfigError> {
        (self.0)()
    }
}

/// Without arguments and environment: they hold secrets.
impl fmt::Debug for Reread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Reread")
    }
}

/// Certificates, and where they came from: for renewals.
#[derive(Debug)]
pub struct Tls {
    /// As they are now.
    pub loaded: Loaded,
    /// Where newer ones would be.
    pub origin: tls::Origin,
}

/// What a first run made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FirstRun {
    /// What clients must trust; nothing where another certificate is used, or
    /// none.
    pub ca: Option<PathBuf>,
    /// This machine's name.
    pub host_name: String,
}

/// Why there is no plan.
#[derive(Debug)]
pub enum PlanError {
    /// The configuration is wrong.
    Config(ConfigError),
    /// Certificate or key cannot be used.
    Tls(Origin, TlsError),
}

impl std::error::Error for PlanError {}

impl fmt::Display for PlanError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Config(error) => error.fmt(f),
            Self::Tls(Origin::Default, error) => error.fmt(f),
            Self::Tls(at, error) => write!(f, "{at}: {error}"),
        }
    }
}

impl From<ConfigError> for PlanError {
    fn from(error: ConfigError) -> Self {
        Self::Config(error)
    }
}

/// Makes the plan; on a first run also the local authority.
pub fn plan(args: &Serve, ambient: &Ambient, now: SystemTime) -> Result<Plan, PlanError> {
    let Effective { config, mut warnings, name, first } = effective(args, ambient)?;
    let mut first_run = first.then(|| FirstRun { ca: None, host_name: ambient.host_name.clone() });
    let tls = match (configured(&config)?, &mut first_run) {
        (Some(tls), _) => Some(tls),
        (None, Some(first)) if !args.plain_http => {
            let directory = local_directory(&config);
            let (names, http2) = (names(&config, ambient), config.http.http2);
            let local =
                tls::local(&directory, &names, http2, now).map_err(|error| PlanError::Tls(Origin::Default, error))?;
            // Absolute, to be copied from the screen into another directory.
            first.ca = Some(std::path::absolute(&local.ca).unwrap_or(local.ca));
            Some(Tls { loaded: local.loaded, origin: tls::Origin::Local { directory, names, http2 } })
        }
        (None, _) => {
            plain(&config, &mut warnings);
            None
        }
    };
    if let Some(Tls { loaded, .. }) = &tls {
        let at = certificates(&config);
        warnings.extend(loaded.warnings.iter().map(|message| Warning { at: at.clone(), message: message.clone() }));
    }
    let source = name.unwrap_or_else(|| if first { "none: first run".to_owned() } else { "environment".to_owned() });
    let (args, ambient) = (args.clone(), ambient.clone());
    let reread = Reread(Arc::new(move || {
        effective(&args, &ambient).map(|Effective { config, warnings, .. }| (config, warnings))
    }));
    Ok(Plan { config, warnings, tls, source, first_run, reread })
}

/// For `config check`: as `serve` would see it, and nothing is made.
pub(super) fn checked(file: &File, ambient: &Ambient) -> Result<(Config, Vec<Warning>), PlanError> {
    let args = Serve { file: file.clone(), ..Serve::default() };
    let Effective { config, mut warnings, first, .. } = effective(&args, ambient)?;
    match configured(&config)? {
        Some(Tls { loaded, .. }) => {
            let at = certificates(&config);
            let late = loaded.out_of_time(SystemTime::now());
            let missing = missing(&config, &loaded);
            warnings.extend(
                loaded
                    .warnings
                    .into_iter()
                    .chain(late)
                    .chain(missing)
                    .map(|message| Warning { at: at.clone(), message }),
            );
        }
        None if first => {
            let message = "nothing is configured; `serve` would make a certificate for this machine".to_owned();
            warnings.push(Warning { at: Origin::Flag(FIRST_RUN.into()), message });
        }
        None => plain(&config, &mut warnings),
    }
    Ok((config, warnings))
}

/// For commands on the volume alone: no certificate is looked at.
pub(super) fn storage(file: &File, ambient: &Ambient) -> Result<(Config, Vec<Warning>), PlanError> {
    let args = Serve { file: file.clone(), ..Serve::default() };
    let Effective { config, warnings, .. } = effective(&args, ambient)?;
    Ok((config, warnings))
}

/// For `tls trust`: where the authority of a first run is, and what is
/// listened on. Nothing is made.
pub(super) fn authority(args: &Serve, ambient: &Ambient) -> Result<(PathBuf, Listen), PlanError> {
    let Effective { config, .. } = effective(args, ambient)?;
    Ok((local_directory(&config).join("ca.pem"), config.http.listen))
}

fn local_directory(config: &Config) -> PathBuf {
    config.storage.root.join(".skerry/tls")
}

struct Effective {
    config: Config,
    warnings: Vec<Warning>,
    /// The file, if there is one.
    name: Option<String>,
    /// Whether nothing is configured.
    first: bool,
}

fn effective(args: &Serve, ambient: &Ambient) -> Result<Effective, ConfigError> {
    let (mut source, name) = found(&args.file, ambient)?;
    let first = name.is_none() && is_first(ambient)?;
    if first {
        source = source.set("http.addr", "127.0.0.1:5000", FIRST_RUN).set("storage.delete.enabled", "true", FIRST_RUN);
        source = source.set("storage.filesystem.rootdirectory", path_text(&ambient.data())?, FIRST_RUN);
    }
    let (config, warnings) = config::load(flags(source, args)?, ambient.env.iter().cloned())?;
    Ok(Effective { config, warnings, name, first })
}

const FIRST_RUN: &str = "first run";

/// The file that was named, or that lies where distribution has it.
fn found(file: &File, ambient: &Ambient) -> Result<(Source, Option<String>), ConfigError> {
    if file.no_config {
        return Ok((Source::nothing(), None));
    }
    let named = file.config.clone().or_else(|| ambient.variable(CONFIGURATION_PATH).map(PathBuf::from));
    let path = named.or_else(|| ambient.configs.iter().find(|path| path.exists()).cloned());
    match path {
        Some(path) => Ok((Source::file(&path)?, Some(path.display().to_string()))),
        None => Ok((Source::nothing(), None)),
    }
}

/// Whether the environment configures neither HTTP nor storage.
fn is_first(ambient: &Ambient) -> Result<bool, ConfigError> {
    let (config, _) = config::load(Source::nothing(), ambient.env.iter().cloned())?;
    Ok(!config.was_set("http") && !config.was_set("storage"))
}

fn flags(mut source: Source, args: &Serve) -> Result<Source, ConfigError> {
    if let Some(addr) = &args.addr {
        source = source.set("http.net", "tcp", "--addr").set("http.addr", addr, "--addr");
    }
    if let Some(data) = &args.data {
        source = source.set("storage.filesystem.rootdirectory", path_text(data)?, "--data");
    }
    if let (Some(certificate), Some(key)) = (&args.tls_cert, &args.tls_key) {
        source = source.set("http.tls.certificate", path_text(certificate)?, "--tls-cert");
        source = source.set("http.tls.key", path_text(key)?, "--tls-key");
        source = source.set("http.tls.letsencrypt", "", "--tls-cert");
    }
    if args.plain_http {
        for path in ["http.tls.certificate", "http.tls.key", "http.tls.letsencrypt"] {
            source = source.set(path, "", "--plain-http");
        }
    }
    if let Some(level) = &args.log_level {
        source = source.set("log.level", level, "--log-level");
    }
    Ok(source)
}

fn path_text(path: &Path) -> Result<String, ConfigError> {
    path.to_str().map(str::to_owned).ok_or_else(|| {
        let message = format!("{}: a path is to be UTF-8 text", path.display());
        ConfigError::from(config::Problem { at: Origin::Default, message })
    })
}

/// The certificates that the configuration names, if it names any.
fn configured(config: &Config) -> Result<Option<Tls>, PlanError> {
    let Some(tls) = &config.http.tls else { return Ok(None) };
    let policy = Policy {
        strict: tls.strict,
        client_auth: tls.client_auth,
        client_cas: tls.client_cas.clone(),
        minimum: tls.minimum,
        suites: tls.suites.clone(),
        http2: config.http.http2,
    };
    let origin = match &tls.certificates {
        Certificates::Files { certificate, key, others } => tls::Origin::Files(TlsFiles {
            certificate: certificate.clone(),
            key: key.clone(),
            others: others.clone(),
            policy,
        }),
        Certificates::Ordered(LetsEncrypt { cache, hosts, .. }) => {
            tls::Origin::Cached(Cached { directory: cache.clone(), hosts: hosts.clone(), policy })
        }
    };
    match origin.load(SystemTime::now()) {
        Ok(loaded) => Ok(Some(Tls { loaded, origin })),
        Err(error) => Err(PlanError::Tls(config.origin(blamed(&origin, &error)), error)),
    }
}

/// The key of the configuration that an error is about.
fn blamed(origin: &tls::Origin, error: &TlsError) -> &'static str {
    let files = match origin {
        tls::Origin::Files(files) => Some(files),
        _ => None,
    };
    match (error, error.file(), files) {
        (TlsError::NoSuite, ..) => "http.tls.ciphersuites",
        (TlsError::ClientAuth(_), ..) => "http.tls.clientcas",
        (_, Some(file), Some(files)) if file == files.certificate => "http.tls.certificate",
        (_, Some(file), Some(files)) if file == files.key => "http.tls.key",
        (_, Some(file), Some(files)) if !files.policy.client_cas.iter().any(|path| path == file) => {
            "http.tls.certificates"
        }
        (_, Some(_), _) => "http.tls.clientcas",
        (_, None, Some(_)) => "http.tls.certificate",
        (_, None, None) => "http.tls.letsencrypt",
    }
}

/// Where it is said which certificates are served.
fn certificates(config: &Config) -> Origin {
    let ordered = matches!(&config.http.tls, Some(tls) if matches!(tls.certificates, Certificates::Ordered(_)));
    config.origin(if ordered { "http.tls.letsencrypt" } else { "http.tls.certificate" })
}

/// What is not there yet, of what is ordered.
fn missing(config: &Config, loaded: &Loaded) -> Vec<String> {
    let Some(Certificates::Ordered(section)) = config.http.tls.as_ref().map(|tls| &tls.certificates) else {
        return Vec::new();
    };
    let there = |host: &String| loaded.leaves.iter().any(|leaf| leaf.file == section.cache.join(host));
    let missing = section.hosts.iter().filter(|host| !there(host));
    missing.map(|host| format!("{host} has no certificate yet; `serve` would order one")).collect()
}

fn plain(config: &Config, warnings: &mut Vec<Warning>) {
    if !config.http.listen.is_local() {
        let message = format!(
            "{} is plain HTTP: whoever is on the way can read and change what passes; set `http.tls.certificate` and `http.tls.key`, or let a proxy in front do TLS",
            config.http.listen
        );
        warnings.push(Warning { at: config.origin("http.addr"), message });
    }
}

/// What a local leaf is for.
fn names(config: &Config, ambient: &Ambient) -> Vec<String> {
    let mut names: Vec<String> = ["localhost", "127.0.0.1", "::1"].map(str::to_owned).to_vec();
    names.push(ambient.host_name.clone());
    let host = &config.http.listen.host;
    if !host.is_empty() && !matches!(host.as_str(), "0.0.0.0" | "::") {
        names.push(host.split('%').next().unwrap_or(host).to_owned());
    }
    names.retain(|name| !name.is_empty());
    let mut seen = Vec::new();
    names.retain(|name| {
        !seen.contains(name) && {
            seen.push(name.clone());
            true
        }
    });
    names
}
