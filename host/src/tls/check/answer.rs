//! What a server says to `GET /v2/`.

use std::time::Duration;

use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    time::timeout,
};

use super::{
    connect::Failure,
    report::{Finding, Registry},
    text::plain,
};

/// Bytes of an answer's head.
const HEAD: usize = 64 << 10;

/// Why there is no answer.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Silence {
    /// The connection failed.
    Failed(Failure),
    /// There are bytes, and they are not HTTP.
    NotHttp,
}

/// Asks for `/v2/`.
pub(super) async fn ask<S>(stream: &mut S, authority: &str, patience: Duration) -> Result<Registry, Silence>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let attempt = async {
        let request = format!(
            "GET /v2/ HTTP/1.1\r\nHost: {authority}\r\nUser-Agent: skerry/{} (tls check)\r\nAccept: */*\r\nConnection: close\r\n\r\n",
            env!("CARGO_PKG_VERSION")
        );
        let failed = |error: std::io::Error| Silence::Failed(Failure::of(&error));
        stream.write_all(request.as_bytes()).await.map_err(failed)?;
        stream.flush().await.map_err(failed)?;
        let mut head = Vec::new();
        let mut space = [0; 4096];
        while head.len() < HEAD && !head.windows(4).any(|four| four == b"\r\n\r\n") {
            match stream.read(&mut space).await {
                Ok(0) => break,
                Ok(count) => head.extend_from_slice(space.get(..count).unwrap_or_default()),
                // Some close with no goodbye.
                Err(_) if !head.is_empty() => break,
                Err(error) => return Err(failed(error)),
            }
        }
        if head.is_empty() {
            return Err(Silence::Failed(Failure::Closed));
        }
        parse(&String::from_utf8_lossy(&head)).ok_or(Silence::NotHttp)
    };
    timeout(patience, attempt).await.unwrap_or(Err(Silence::Failed(Failure::TimedOut)))
}

fn parse(head: &str) -> Option<Registry> {
    let mut lines = head.split("\r\n");
    let status = lines.next()?.strip_prefix("HTTP/1.")?;
    let status = status.split(' ').nth(1).filter(|code| code.len() == 3)?.parse().ok()?;
    let mut registry = Registry { status, ..Registry::default() };
    for line in lines.take_while(|line| !line.is_empty()) {
        let Some((name, value)) = line.split_once(':') else { continue };
        let field = match name.to_ascii_lowercase().as_str() {
            "docker-distribution-api-version" => &mut registry.api_version,
            "www-authenticate" => &mut registry.www_authenticate,
            "content-type" => &mut registry.content_type,
            "location" => &mut registry.location,
            _ => continue,
        };
        *field = Some(plain(value.trim()));
    }
    Some(registry)
}

/// What is to say of an answer.
pub(super) fn findings(answer: &Registry) -> Vec<Finding> {
    let status = answer.status;
    let speaks = answer.api_version.is_some();
    let html = answer.content_type.as_ref().is_some_and(|kind| kind.to_ascii_lowercase().starts_with("text/html"));
    let finding = match status {
        200 if html && !speaks => Finding::error(
            "not-a-registry",
            "a web page is answered to GET /v2/: this is no registry, or the proxy before it does not pass /v2/ on to it",
        ),
        200 | 401 if !speaks => Finding::warning(
            "no-api-version",
            format!(
                "the answer {status} to GET /v2/ lacks Docker-Distribution-Api-Version, for which old clients look: let the proxy pass it on, or add it there"
            ),
        ),
        200 => return Vec::new(),
        401 if answer.www_authenticate.is_none() => Finding::error(
            "no-challenge",
            "the answer 401 to GET /v2/ has no WWW-Authenticate, so that clients do not know how to log in: let the registry, or the proxy that asks, send it",
        ),
        401 => return Vec::new(),
        300..=399 => Finding::error(
            "redirected",
            format!(
                "GET /v2/ is answered with {status} to {}: name the registry itself, or let the proxy pass /v2/ on",
                answer.location.as_deref().unwrap_or("nowhere")
            ),
        ),
        500..=599 => Finding::error(
            "registry-fails",
            format!("GET /v2/ is answered with {status}: look at the log of the registry, and of the proxy before it"),
        ),
        _ => Finding::error(
            "not-a-registry",
            format!(
                "GET /v2/ is answered with {status}: this is no registry, or the proxy before it does not pass /v2/ on to it"
            ),
        ),
    };
    vec![finding]
}

/// What is to say where there is no answer.
pub(super) fn silence(silence: &Silence, asked: bool) -> Finding {
    match silence {
        Silence::NotHttp => Finding::error(
            "not-http",
            "what is answered to GET /v2/ is not HTTP: something else listens there, look at the port",
        ),
        // TLS 1.3 has no other place to refuse a client.
        Silence::Failed(Failure::Alert(_) | Failure::Closed) if asked => client_certificate(),
        Silence::Failed(failure) => Finding::error(
            "no-answer",
            format!("there is no answer to GET /v2/ ({}): look at the log of the server", plain(&failure.to_string())),
        ),
    }
}

/// Without one, nobody gets in.
pub(super) fn client_certificate() -> Finding {
    Finding::warning(
        "client-certificate",
        "the server lets in only who shows a certificate: give clients theirs (docker: client.cert and client.key beside ca.crt); what it answers was not checked",
    )
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn heads() {
        let parsed = parse("HTTP/1.1 401 No\r\nWWW-authenticate:  Basic \x1b[1m\r\nX\r\n\r\nLocation: body").unwrap();
        assert_eq!(parsed.status, 401);
        assert_eq!(parsed.www_authenticate.as_deref(), Some(r"Basic \u{1b}[1m"));
        assert_eq!(parsed.location, None);
        for junk in ["", "HTTP/1.1", "HTTP/1.1 2000 OK", "HTTP/2 200", "SSH-2.0-x\r\n", "HTTP/1.1 abc\r\n\r\n"] {
            assert!(parse(junk).is_none(), "{junk}");
        }
    }

    #[test]
    fn statuses() {
        let found = |status, api: Option<&str>, kind: Option<&str>| {
            let registry = Registry {
                status,
                api_version: api.map(str::to_owned),
                content_type: kind.map(str::to_owned),
                ..Registry::default()
            };
            findings(&registry).first().map_or("", |finding| finding.code)
        };
        let api = Some("registry/2.0");
        for (status, api, kind, code) in [
            (200, api, None, ""),
            (200, None, Some("application/json"), "no-api-version"),
            (200, None, Some("text/html; charset=utf-8"), "not-a-registry"),
            (401, api, None, "no-challenge"),
            (301, api, None, "redirected"),
            (404, None, None, "not-a-registry"),
            (503, api, None, "registry-fails"),
        ] {
            assert_eq!(found(status, api, kind), code, "{status}");
        }
    }
}
