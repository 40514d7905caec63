//! What a check found. As JSON it is what `skerry tls check --json` prints.

use serde::Serialize;

/// A check of one name.
#[derive(Debug, Serialize)]
pub struct Report {
    /// As it was asked for: a name or an address.
    pub host: String,
    /// And its port.
    pub port: u16,
    /// The name that the certificate is to have, and that the server was asked
    /// for where it is no address.
    pub server_name: String,
    /// Where the trusted authorities are from.
    pub authorities: String,
    /// What the name stands for, and what came of each that was tried.
    pub addresses: Vec<Address>,
    /// One for each address that was checked.
    pub checks: Vec<Check>,
    /// What concerns the name as a whole.
    pub findings: Vec<Finding>,
    /// 0: clients are served; 1: they fail; 2: nobody could be reached.
    pub exit_status: u8,
}

/// An address of the name.
#[derive(Debug, Serialize)]
pub struct Address {
    /// With its port.
    pub address: String,
    /// Whether there was a TCP connection; nothing where none was tried.
    pub connected: Option<bool>,
    /// How long it took, in milliseconds.
    pub milliseconds: Option<u64>,
    /// Why there was none.
    pub error: Option<String>,
}

/// What the server at one address showed.
#[derive(Debug, Default, Serialize)]
pub struct Check {
    /// With its port.
    pub address: String,
    /// What was agreed on, where a handshake came to its end.
    pub tls: Option<Tls>,
    /// As it was sent.
    pub chain: Vec<Link>,
    /// Whether the leaf is for the name.
    pub name_matches: Option<bool>,
    /// Whether a trusted authority vouches for the leaf; dates and names apart.
    pub trusted: Option<bool>,
    /// What was answered to `GET /v2/`.
    pub registry: Option<Registry>,
    /// What is not as it should be.
    pub findings: Vec<Finding>,
}

/// A connection.
#[derive(Debug, Serialize)]
pub struct Tls {
    /// `1.3` or `1.2`.
    pub version: String,
    /// IANA's name of the cipher suite.
    pub cipher_suite: String,
    /// Group of the key exchange.
    pub key_exchange: Option<String>,
    /// What was chosen of `h2` and `http/1.1`.
    pub alpn: Option<String>,
    /// Whether TLS 1.2 is accepted; nothing where that did not become clear.
    pub accepts_1_2: Option<bool>,
    /// Whether TLS 1.3 is.
    pub accepts_1_3: Option<bool>,
    /// Whether the client was asked for a certificate.
    pub asks_for_client_certificate: bool,
}

/// What a certificate is in the chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// The server's own.
    Leaf,
    /// Between the leaf and an authority that clients have.
    Intermediate,
    /// Signed by itself.
    Root,
    /// Vouches for nothing that was sent.
    Needless,
}

/// One certificate of the chain.
#[derive(Debug, Serialize)]
pub struct Link {
    /// What it is there for.
    pub role: Role,
    /// By RFC 4514.
    pub subject: String,
    /// By RFC 4514.
    pub issuer: String,
    /// Names and addresses that it is for: 256 of them at most.
    pub names: Vec<String>,
    /// By RFC 3339.
    pub not_before: String,
    /// By RFC 3339.
    pub not_after: String,
    /// Whole days until then; less than 0 when it is over.
    pub days_left: i64,
    /// Kind and size: `RSA 2048`, `ECDSA P-256`.
    pub key: String,
    /// How it was signed: `RSA with SHA-256`.
    pub signature: String,
    /// SHA-256 of its DER, in hexadecimal.
    pub sha256: String,
}

/// What answered to `GET /v2/`.
#[derive(Debug, Default, Serialize)]
pub struct Registry {
    /// Of HTTP.
    pub status: u16,
    /// `Docker-Distribution-Api-Version`.
    pub api_version: Option<String>,
    /// `WWW-Authenticate`.
    pub www_authenticate: Option<String>,
    /// `Content-Type`.
    pub content_type: Option<String>,
    /// `Location`.
    pub location: Option<String>,
}

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Clients are served for now, or most of them.
    Warning,
    /// Clients fail.
    Error,
}

/// Something that is not as it should be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// How bad it is.
    pub severity: Severity,
    /// For programs.
    pub code: &'static str,
    /// What is wrong, and what to do.
    pub sentence: String,
}

impl Finding {
    pub(super) fn error(code: &'static str, sentence: impl Into<String>) -> Self {
        Self { severity: Severity::Error, code, sentence: sentence.into() }
    }

    pub(super) fn warning(code: &'static str, sentence: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, code, sentence: sentence.into() }
    }
}

impl Report {
    /// All findings, with the address that each is about.
    pub fn all(&self) -> impl Iterator<Item = (Option<&str>, &Finding)> {
        let own = self.findings.iter().map(|finding| (None, finding));
        let theirs = self
            .checks
            .iter()
            .flat_map(|check| check.findings.iter().map(move |finding| (Some(check.address.as_str()), finding)));
        own.chain(theirs)
    }

    /// How many findings there are of a severity.
    pub fn count(&self, severity: Severity) -> usize {
        self.all().filter(|(_, finding)| finding.severity == severity).count()
    }
}
