//! A registry's client, as far as modules need one (OCI distribution-spec
//! 1.1, and the token authentication of docker).

use std::path::Path;

use bytes::Bytes;
use http::{HeaderValue, Method, Request, StatusCode, Uri, header, request::Builder};
use http_body_util::Full;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;

use super::{
    artifact::{Artifact, LARGEST_MANIFEST, Layer, MANIFEST},
    credentials::{Basic, Credentials},
    reference::Reference,
    wire::{Answer, Wire, shown},
};
use crate::storage::Digest;

/// Answers that are followed to where they lead.
const REDIRECTS: usize = 5;
/// Bytes of an answer that is no content.
const SMALL: u64 = 256 << 10;
/// Bytes of a token.
const TOKEN: usize = 64 << 10;

/// Whom to trust on the way.
#[derive(Debug, Clone, Copy)]
pub enum Trust<'a> {
    /// The authorities of a PEM file or, without, of the system.
    Authorities(Option<&'a Path>),
    /// Anybody: plain HTTP.
    Anybody,
}

/// A client of one repository.
pub struct Client {
    wire: Wire,
    registry: String,
    repository: String,
    basic: Option<Basic>,
    /// What the registry wants to see, as far as that is known.
    authorization: Option<HeaderValue>,
}

impl Client {
    /// Of the repository that a reference names.
    ///
    /// # Errors
    /// That there is nobody to trust, or no way to get at a password.
    pub fn new(reference: &Reference, trust: Trust<'_>, credentials: &Credentials) -> Result<Self, String> {
        let wire = match trust {
            Trust::Authorities(trusted) => Wire::secure(trusted)?,
            Trust::Anybody => Wire::plain(),
        };
        let registry = match reference.registry.as_str() {
            // As docker has it.
            "docker.io" | "index.docker.io" => "registry-1.docker.io".to_owned(),
            other => other.to_owned(),
        };
        let basic = credentials.of(&reference.registry)?;
        Ok(Self { wire, registry, repository: reference.repository.clone(), basic, authorization: None })
    }

    /// The module that a reference names, and the manifest that it lies under,
    /// both verified where the reference has a digest.
    ///
    /// # Errors
    /// A sentence on what is not as it is to be.
    pub async fn pull(&mut self, reference: &Reference) -> Result<(Bytes, Bytes), String> {
        let manifest = self.manifest(&reference.name()).await?;
        if let Some(digest) = &reference.digest
            && Digest::of(digest.algorithm(), &manifest) != *digest
        {
            return Err(format!("{} gave another manifest than that of {digest}", self.registry));
        }
        let layer = Layer::of(&manifest)?;
        let module = self.blob(&layer).await?;
        Ok((manifest, module))
    }

    /// Stores a module, and lets a tag lead to it where the reference has one
    /// (`latest` where it has nothing).
    ///
    /// # Errors
    /// A sentence on what went wrong.
    pub async fn push(&mut self, reference: &Reference, artifact: &Artifact, module: Bytes) -> Result<(), String> {
        if reference.digest.as_ref().is_some_and(|digest| *digest != artifact.digest) {
            return Err(format!("the digest of this module's artifact is {}", artifact.digest));
        }
        self.upload(&artifact.config_digest, Bytes::from(artifact.config.clone())).await?;
        self.upload(&artifact.layer, module).await?;
        let url = self.url(&format!("manifests/{}", reference.name()))?;
        let body = Bytes::from(artifact.manifest.clone());
        let content = HeaderValue::from_static(MANIFEST);
        let answer = self.ask(&Method::PUT, &url, &[(header::CONTENT_TYPE, content)], body, SMALL).await?;
        expect(&answer, &[StatusCode::CREATED], "the manifest")
    }

    async fn manifest(&mut self, name: &str) -> Result<Bytes, String> {
        let url = self.url(&format!("manifests/{name}"))?;
        let accept = [(header::ACCEPT, HeaderValue::from_static(MANIFEST))];
        let answer = self.ask(&Method::GET, &url, &accept, Bytes::new(), LARGEST_MANIFEST).await?;
        expect(&answer, &[StatusCode::OK], "the manifest")?;
        Ok(answer.body)
    }

    async fn blob(&mut self, layer: &Layer) -> Result<Bytes, String> {
        let url = self.url(&format!("blobs/{}", layer.digest))?;
        let answer = self.ask(&Method::GET, &url, &[], Bytes::new(), layer.size.max(SMALL)).await?;
        expect(&answer, &[StatusCode::OK], "the module")?;
        layer.verify(&answer.body)?;
        Ok(answer.body)
    }

    async fn upload(&mut self, digest: &Digest, bytes: Bytes) -> Result<(), String> {
        let there = self.url(&format!("blobs/{digest}"))?;
        if self.ask(&Method::HEAD, &there, &[], Bytes::new(), SMALL).await?.status == StatusCode::OK {
            return Ok(());
        }
        let begin = self.url("blobs/uploads/")?;
        let answer = self.ask(&Method::POST, &begin, &[], Bytes::new(), SMALL).await?;
        expect(&answer, &[StatusCode::ACCEPTED], "an upload")?;
        let location = location(&begin, &answer)?;
        let separator = if location.query().is_some() { '&' } else { '?' };
        let escaped = utf8_percent_encode(&digest.to_string(), NON_ALPHANUMERIC).to_string();
        let url: Uri = format!("{location}{separator}digest={escaped}")
            .parse()
            .map_err(|_| format!("{} names no URL for an upload", self.registry))?;
        let content = [(header::CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"))];
        let answer = self.ask(&Method::PUT, &url, &content, bytes, SMALL).await?;
        expect(&answer, &[StatusCode::CREATED], "the upload")
    }

    fn url(&self, path: &str) -> Result<Uri, String> {
        let url = format!("{}://{}/v2/{}/{path}", self.wire.scheme(), self.registry, self.repository);
        url.parse().map_err(|_| format!("{} makes no URL", self.registry))
    }

    /// Asks, and shows who asks where that is wanted.
    async fn ask(
        &mut self,
        method: &Method,
        url: &Uri,
        fields: &[(header::HeaderName, HeaderValue)],
        body: Bytes,
        most: u64,
    ) -> Result<Answer, String> {
        let answer = self.follow(method, url, fields, body.clone(), most).await?;
        if answer.status != StatusCode::UNAUTHORIZED {
            return Ok(answer);
        }
        self.authorize(&answer, method).await?;
        self.follow(method, url, fields, body, most).await
    }

    async fn follow(
        &self,
        method: &Method,
        url: &Uri,
        fields: &[(header::HeaderName, HeaderValue)],
        body: Bytes,
        most: u64,
    ) -> Result<Answer, String> {
        let mut url = url.clone();
        for _ in 0..=REDIRECTS {
            let mut request = Request::builder().method(method).uri(url.clone());
            for (name, value) in fields {
                request = request.header(name, value);
            }
            // What is shown to the registry is not for anybody else.
            let ours = url.authority().is_some_and(|authority| authority.as_str() == self.registry);
            if let Some(authorization) = self.authorization.as_ref().filter(|_| ours) {
                request = request.header(header::AUTHORIZATION, authorization);
            }
            let answer = self.send(request, body.clone(), most).await?;
            let elsewhere = matches!(answer.status.as_u16(), 301 | 302 | 303 | 307 | 308);
            if !elsewhere || !matches!(*method, Method::GET | Method::HEAD) {
                return Ok(answer);
            }
            url = location(&url, &answer)?;
        }
        Err(format!("{} leads from one place to the next, without end", self.registry))
    }

    async fn send(&self, request: Builder, body: Bytes, most: u64) -> Result<Answer, String> {
        let agent = concat!("skerry/", env!("CARGO_PKG_VERSION"));
        let request = request.header(header::USER_AGENT, agent).body(Full::new(body));
        self.wire.exchange(request.map_err(|cause| cause.to_string())?, most).await
    }

    /// Finds out what to show.
    async fn authorize(&mut self, answer: &Answer, method: &Method) -> Result<(), String> {
        let challenges: Vec<_> = answer
            .headers
            .get_all(header::WWW_AUTHENTICATE)
            .iter()
            .filter_map(|value| Challenge::parse(value.to_str().ok()?))
            .collect();
        let of = |scheme: &str| challenges.iter().find(|challenge| challenge.scheme.eq_ignore_ascii_case(scheme));
        let field = match (of("bearer"), of("basic"), &self.basic) {
            (Some(bearer), ..) => format!("Bearer {}", self.token(bearer, method).await?),
            (None, Some(_), Some(basic)) => basic.field(),
            (None, Some(_), None) => {
                return Err(format!("{} wants a user and a password; `docker login {0}` keeps them", self.registry));
            }
            (None, None, _) => return Err(format!("{} wants to know who asks, and not how", self.registry)),
        };
        let mut field = HeaderValue::from_str(&field).map_err(|_| "a token is no field of a request".to_owned())?;
        field.set_sensitive(true);
        self.authorization = Some(field);
        Ok(())
    }

    async fn token(&self, challenge: &Challenge, method: &Method) -> Result<String, String> {
        let value = |name: &str| challenge.value(name).unwrap_or_default();
        let wanted = match method.is_safe() {
            true => format!("repository:{}:pull", self.repository),
            false => format!("repository:{}:pull,push", self.repository),
        };
        let scope = Some(value("scope")).filter(|scope| !scope.is_empty()).unwrap_or(&wanted);
        let mut url = value("realm").to_owned();
        for (name, value) in [("service", value("service")), ("scope", scope)] {
            if !value.is_empty() {
                let separator = if url.contains('?') { '&' } else { '?' };
                url = format!("{url}{separator}{name}={}", utf8_percent_encode(value, NON_ALPHANUMERIC));
            }
        }
        let url: Uri = url.parse().map_err(|_| format!("{} names no server for tokens", self.registry))?;
        let mut request = Request::builder().uri(url.clone());
        if let Some(basic) = &self.basic {
            request = request.header(header::AUTHORIZATION, basic.field());
        }
        let answer = self.send(request, Bytes::new(), SMALL).await?;
        expect(&answer, &[StatusCode::OK], &format!("a token of {}", shown(&url)))?;
        let told: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
        let token = ["token", "access_token"].iter().find_map(|name| told.get(name)?.as_str());
        match token {
            Some(token) if (1..=TOKEN).contains(&token.len()) => Ok(token.to_owned()),
            _ => Err(format!("{} gave no token", shown(&url))),
        }
    }
}

/// Where an answer leads.
fn location(from: &Uri, answer: &Answer) -> Result<Uri, String> {
    let text = answer.headers.get(header::LOCATION).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let url = match text.starts_with('/') && !text.starts_with("//") {
        true => {
            let authority = from.authority().map(|authority| authority.as_str()).unwrap_or_default();
            format!("{}://{authority}{text}", from.scheme_str().unwrap_or_default())
        }
        false => text.to_owned(),
    };
    let url: Option<Uri> = url.parse().ok();
    url.filter(|url| url.scheme().is_some() && url.authority().is_some())
        .ok_or_else(|| format!("{} leads nowhere", shown(from)))
}

fn expect(answer: &Answer, wanted: &[StatusCode], what: &str) -> Result<(), String> {
    if wanted.contains(&answer.status) {
        return Ok(());
    }
    let told: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    let first = told.get("errors").and_then(|errors| errors.get(0));
    let text = |name: &str| first.and_then(|error| error.get(name)?.as_str()).unwrap_or_default();
    let reason: String = format!("{} {}", text("code"), text("message")).chars().take(300).collect();
    let reason = reason.trim().escape_debug().to_string();
    let reason = if reason.is_empty() { reason } else { format!(": {reason}") };
    Err(format!("{what} was answered with {}{reason}", answer.status))
}

/// The value of `WWW-Authenticate`: one scheme with its parameters.
pub(super) struct Challenge {
    pub(super) scheme: String,
    parameters: Vec<(String, String)>,
}

impl Challenge {
    /// Reads the first of a field.
    pub(super) fn parse(field: &str) -> Option<Self> {
        let field = field.trim();
        let (scheme, mut rest) = field.split_once(' ').unwrap_or((field, ""));
        let mut parameters = Vec::new();
        while let Some((name, after)) = rest.trim_start_matches([' ', ',', '\t']).split_once('=') {
            let name = name.trim();
            // The next scheme begins.
            if name.contains([' ', ',']) || parameters.len() == 16 {
                break;
            }
            let (value, after) = match after.strip_prefix('"') {
                Some(quoted) => unquoted(quoted)?,
                None => {
                    let end = after.find(',').unwrap_or(after.len());
                    let (value, after) = after.split_at(end);
                    (value.trim().to_owned(), after)
                }
            };
            parameters.push((name.to_ascii_lowercase(), value));
            rest = after;
        }
        (!scheme.is_empty()).then(|| Self { scheme: scheme.to_owned(), parameters })
    }

    /// The value of a parameter.
    pub(super) fn value(&self, name: &str) -> Option<&str> {
        self.parameters.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

/// Up to the closing quote, and what follows it.
fn unquoted(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut characters = text.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => return Some((value, text.get(at + 1..).unwrap_or_default())),
            '\\' => value.push(characters.next()?.1),
            other => value.push(other),
        }
    }
    None
}
