//! `skerry:registry/request`.

use http::HeaderName;
use percent_encoding::percent_decode;

use crate::{
    remember::Question,
    sandbox::{
        bindings::request as wit,
        state::{Request, State},
    },
};

/// At most this many query parameters are looked at.
const PARAMETERS: usize = 256;

impl wit::Host for State {
    fn method(&mut self) -> wasmtime::Result<String> {
        self.enter()?;
        self.asked(Question::Method);
        let method = self.request.as_ref().map(|request| request.head.method.as_str().to_owned());
        self.answered(method.unwrap_or_default())
    }

    fn path(&mut self) -> wasmtime::Result<String> {
        self.enter()?;
        self.asked(Question::Path);
        let path = self.request.as_ref().map(|request| request.head.uri.path().to_owned());
        self.answered(path.unwrap_or_default())
    }

    fn query(&mut self, name: String) -> wasmtime::Result<Vec<String>> {
        self.enter()?;
        self.asked(Question::Query(name.as_str().into()));
        let values = self.request.as_mut().map(|request| request.query(&name).map(str::to_owned).collect());
        self.answered_all(values.unwrap_or_default())
    }

    fn header(&mut self, name: String) -> wasmtime::Result<Vec<String>> {
        self.enter()?;
        // What is no name is in no request.
        let Ok(name) = HeaderName::from_bytes(name.as_bytes()) else { return Ok(Vec::new()) };
        self.asked(Question::Header(name.clone()));
        let values = self.request.as_ref().map(|request| {
            let values = request.header(&name);
            values.map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned()).collect()
        });
        self.answered_all(values.unwrap_or_default())
    }

    fn peer_address(&mut self) -> wasmtime::Result<String> {
        self.enter()?;
        self.asked(Question::Peer);
        let client = self.request.as_ref().map(|request| request.facts.client.to_string());
        self.answered(client.unwrap_or_default())
    }

    fn tls(&mut self) -> wasmtime::Result<Option<wit::TlsFacts>> {
        self.enter()?;
        self.asked(Question::Tls);
        let Some(tls) = self.request.as_ref().and_then(|request| request.facts.tls.clone()) else { return Ok(None) };
        self.hand_over(tls.client.as_ref().map_or(0, |client| client.size()))?;
        let client_certificate = tls.client.as_ref().map(|client| wit::ClientCertificate {
            verified: client.verified,
            subject: client.subject.clone(),
            dns_names: client.dns_names.clone(),
            emails: client.emails.clone(),
            uris: client.uris.clone(),
            addresses: client.addresses.clone(),
            sha256: client.fingerprint.clone(),
        });
        let server_name = tls.server_name.clone();
        Ok(Some(wit::TlsFacts { version: tls.version.to_owned(), server_name, client_certificate }))
    }
}

impl State {
    fn answered(&mut self, text: String) -> wasmtime::Result<String> {
        self.hand_over(text.len())?;
        Ok(text)
    }

    fn answered_all(&mut self, texts: Vec<String>) -> wasmtime::Result<Vec<String>> {
        self.hand_over(texts.iter().map(String::len).sum())?;
        Ok(texts)
    }
}

impl Request {
    /// The values of a query parameter, decoded.
    pub fn query(&mut self, name: &str) -> impl Iterator<Item = &str> {
        let raw = self.head.uri.query();
        let parsed = self.query.get_or_insert_with(|| raw.map(parse_query).unwrap_or_default());
        let wanted = parsed.iter().filter(move |(given, _)| given == name);
        wanted.map(|(_, value)| value.as_str())
    }
}

/// Splits a query as forms are encoded: `&` between, `+` for a space.
fn parse_query(raw: &str) -> Vec<(String, String)> {
    let pairs = raw.split('&').filter(|pair| !pair.is_empty()).take(PARAMETERS);
    pairs
        .map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (decode(name), decode(value))
        })
        .collect()
}

fn decode(text: &str) -> String {
    let spaced = text.replace('+', " ");
    percent_decode(spaced.as_bytes()).decode_utf8_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::parse_query;

    #[test]
    fn a_query_is_split_and_decoded() {
        let cases: [(&str, &[(&str, &str)]); 6] = [
            ("", &[]),
            ("n=5", &[("n", "5")]),
            ("tag=a&tag=b", &[("tag", "a"), ("tag", "b")]),
            ("digest=sha256%3Aabc", &[("digest", "sha256:abc")]),
            ("a+b=c%2Bd&&x", &[("a b", "c+d"), ("x", "")]),
            ("a=%ff%zz", &[("a", "\u{fffd}%zz")]),
        ];
        for (raw, expected) in cases {
            let parsed = parse_query(raw);
            let parsed: Vec<_> = parsed.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
            assert_eq!(parsed, expected, "{raw}");
        }
    }
}
