//! A look at a registry's TLS from outside, as SSL checker sites have it: what
//! is served is taken as it is, and each thing that is wrong with it has a
//! sentence that says what to do.
//!
//! The server is a stranger: each step has its time, each size its bound, and
//! no text of its reaches a screen unescaped.

mod answer;
mod authorities;
mod chain;
mod connect;
mod link;
mod report;
mod screen;
mod target;
mod text;

use std::{
    net::SocketAddr,
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use rustls::{
    AlertDescription, ProtocolVersion, SupportedProtocolVersion,
    pki_types::ServerName,
    version::{TLS12, TLS13},
};
use tokio::time::timeout;

use self::{
    answer::Silence,
    authorities::Authorities,
    chain::Judge,
    connect::{Failure, Server},
};
pub use self::{
    report::{Address, Check, Finding, Link, Registry, Report, Role, Severity, Tls},
    screen::screen,
    target::Target,
};
use super::hybrid;

/// Addresses of a name that are checked.
const MOST: usize = 16;
const BOTH: &[&SupportedProtocolVersion] = &[&TLS13, &TLS12];

/// What is to be checked.
#[derive(Debug, Clone)]
pub struct Asked {
    /// Which server.
    pub target: Target,
    /// The name to ask for, if it is another than the target's.
    pub server_name: Option<String>,
    /// PEM of the authorities to trust; without, the system's.
    pub ca: Option<PathBuf>,
    /// How long each step may take.
    pub patience: Duration,
    /// Every address of the name, and not only the first that answers.
    pub all: bool,
}

/// Looks at a server.
///
/// # Errors
/// A sentence: the name or the file of authorities cannot be used.
pub fn check(asked: &Asked, now: SystemTime) -> Result<Report, String> {
    let authorities = match &asked.ca {
        Some(path) => Authorities::of_file(path).map_err(|error| error.to_string())?,
        None => Authorities::of_system(),
    };
    let host = asked.server_name.as_ref().unwrap_or(&asked.target.host);
    let name = target::server_name(host)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| format!("the check cannot begin: {error}"))?;
    let report = runtime.block_on(run(asked, host, &name, &authorities, now));
    // A resolver may still wait for its servers.
    runtime.shutdown_background();
    report
}

async fn run(
    asked: &Asked,
    host: &str,
    name: &ServerName<'static>,
    authorities: &Authorities,
    now: SystemTime,
) -> Result<Report, String> {
    let Target { host: asked_host, port } = &asked.target;
    let mut report = Report {
        host: asked_host.clone(),
        port: *port,
        server_name: host.to_owned(),
        authorities: authorities.describe(),
        addresses: Vec::new(),
        checks: Vec::new(),
        findings: Vec::new(),
        exit_status: 2,
    };
    if authorities.is_empty() {
        report.findings.push(Finding::warning(
            "no-authorities",
            "this machine's store of authorities is empty, so that nothing can be trusted: install ca-certificates, or name a file with --ca",
        ));
    }
    let judge = Judge { name, host, authorities, now };
    for address in resolve(&asked.target, asked.patience).await? {
        let mut tried = Address { address: address.to_string(), connected: None, milliseconds: None, error: None };
        if asked.all || report.checks.is_empty() {
            let server = Server {
                address,
                name: name.clone(),
                provider: Arc::new(hybrid::provider()),
                patience: asked.patience,
            };
            let start = Instant::now();
            let reached = server.reach().await;
            tried.connected = Some(reached.is_ok());
            match reached {
                Ok(tcp) => {
                    tried.milliseconds = u64::try_from(start.elapsed().as_millis()).ok();
                    drop(tcp);
                    report.checks.push(look(&server, &asked.target, &judge).await);
                }
                Err(error) => tried.error = Some(error),
            }
        }
        report.addresses.push(tried);
    }
    unreachable(&mut report);
    report.exit_status = match (report.checks.is_empty(), report.count(Severity::Error)) {
        (true, _) => 2,
        (false, 0) => 0,
        (false, _) => 1,
    };
    Ok(report)
}

async fn resolve(target: &Target, patience: Duration) -> Result<Vec<SocketAddr>, String> {
    let host = text::plain(&target.host);
    let found = match timeout(patience, tokio::net::lookup_host((target.host.as_str(), target.port))).await {
        Ok(found) => {
            found.map_err(|error| format!("{host} has no address ({error}): check how it is written, and the DNS"))?
        }
        Err(_) => return Err(format!("the DNS did not answer for {host} within {} s", patience.as_secs())),
    };
    let mut addresses: Vec<SocketAddr> = Vec::new();
    for address in found {
        if !addresses.contains(&address) && addresses.len() < MOST {
            addresses.push(address);
        }
    }
    if addresses.is_empty() { Err(format!("{host} has no address: check the DNS")) } else { Ok(addresses) }
}

/// Addresses with nobody behind them.
fn unreachable(report: &mut Report) {
    let none = report.checks.is_empty();
    for address in &report.addresses {
        let Some(error) = &address.error else { continue };
        let at = &address.address;
        report.findings.push(match none {
            true => Finding::error(
                "unreachable",
                format!("{at}: {error}: start the server, let it listen on that address, open the firewall"),
            ),
            false => Finding::warning(
                "unreachable-address",
                format!("{at}: {error}, so that clients may lose time there: let the server listen on it, or take it out of the DNS"),
            ),
        });
    }
}

/// One address: a handshake that shows all, one in the other version, and a
/// request.
async fn look(server: &Server, target: &Target, judge: &Judge<'_>) -> Check {
    let mut check = Check { address: server.address.to_string(), ..Check::default() };
    let (greeted, witness) = server.greet(BOTH, &["h2", "http/1.1"]).await;
    let chain = witness.chain();
    match greeted {
        Ok(stream) => {
            let (_, session) = stream.get_ref();
            let newest = session.protocol_version() == Some(ProtocolVersion::TLSv1_3);
            let suite = session.negotiated_cipher_suite().and_then(|suite| suite.suite().as_str());
            check.tls = Some(Tls {
                version: if newest { "1.3" } else { "1.2" }.to_owned(),
                cipher_suite: suite.unwrap_or_default().replace("TLS13_", "TLS_"),
                key_exchange: session.negotiated_key_exchange_group().map(|group| format!("{:?}", group.name())),
                alpn: session.alpn_protocol().map(|protocol| text::plain(&String::from_utf8_lossy(protocol))),
                accepts_1_2: Some(true),
                accepts_1_3: Some(newest),
                asks_for_client_certificate: witness.asked(),
            });
        }
        Err(failure) if chain.is_empty() => {
            check.findings.push(no_tls(server, target, &failure).await);
            return check;
        }
        Err(_) if witness.asked() => check.findings.push(answer::client_certificate()),
        Err(failure) => {
            let what = text::plain(&failure.to_string());
            let sentence = format!("the handshake breaks off after the certificate ({what}): look at the server's log");
            check.findings.push(Finding::error("handshake-fails", sentence));
        }
    }
    judge.judge(&chain, &mut check);
    if witness.bad_signature() {
        check.findings.push(Finding::error(
            "wrong-key",
            "the server does not have the certificate's key: give it certificate and key of one pair",
        ));
    }
    if let Some(tls) = &mut check.tls {
        if tls.accepts_1_3 == Some(true) {
            tls.accepts_1_2 = match server.greet(&[&TLS12], &["http/1.1"]).await.0 {
                Ok(_) => Some(true),
                Err(Failure::Alert(_) | Failure::Closed) => Some(false),
                Err(_) => None,
            };
        }
        request(server, target, &mut check).await;
    }
    check.findings.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
    check
}

async fn request(server: &Server, target: &Target, check: &mut Check) {
    let (greeted, witness) = server.greet(BOTH, &["http/1.1"]).await;
    let answered = match greeted {
        Ok(mut stream) => answer::ask(&mut stream, &target.authority(), server.patience).await,
        Err(failure) => Err(Silence::Failed(failure)),
    };
    match answered {
        Ok(registry) => {
            check.findings.extend(answer::findings(&registry));
            check.registry = Some(registry);
        }
        Err(silence) => check.findings.push(answer::silence(&silence, witness.asked())),
    }
}

/// Why there is no handshake: perhaps no TLS is spoken at all.
async fn no_tls(server: &Server, target: &Target, failure: &Failure) -> Finding {
    match failure {
        Failure::Alert(AlertDescription::ProtocolVersion) => {
            return Finding::error(
                "old-tls",
                "the server speaks neither TLS 1.2 nor 1.3, and clients nothing older: allow them in its configuration, or renew it",
            );
        }
        Failure::Alert(AlertDescription::UnrecognisedName | AlertDescription::AccessDenied) => {
            return Finding::error(
                "unknown-name",
                "the server has no certificate for this name, or refuses this client: use one of its names, or give it a certificate for this one",
            );
        }
        Failure::Alert(alert) => {
            return Finding::error(
                "handshake-refused",
                format!(
                    "the server refuses the handshake ({alert:?}): look at its versions, cipher suites and certificates, and at its log"
                ),
            );
        }
        _ => {}
    }
    if let Ok(mut tcp) = server.reach().await {
        match answer::ask(&mut tcp, &target.authority(), server.patience).await {
            // Servers of TLS may say 400 to who speaks plain HTTP.
            Ok(answer) if answer.status != 400 => {
                return Finding::error(
                    "plain-http",
                    format!(
                        "plain HTTP is spoken there (status {} to GET /v2/), and no TLS: give the server certificate and key, or name the port of its TLS",
                        answer.status
                    ),
                );
            }
            _ => {}
        }
    }
    match failure {
        Failure::NotTls => Finding::error(
            "not-tls",
            "what is answered is neither TLS nor HTTP: something else listens there, look at the port",
        ),
        Failure::TimedOut => Finding::error(
            "silent",
            format!(
                "the connection is accepted, and then nothing is said for {} s: look whether the server hangs, and whether it expects TLS there",
                server.patience.as_secs()
            ),
        ),
        other => Finding::error(
            "no-handshake",
            format!(
                "there is no TLS handshake ({}): look at the server's log, and whether it expects TLS there",
                text::plain(&other.to_string())
            ),
        ),
    }
}
