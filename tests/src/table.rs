//! Tables of cases: a request, and what the answer must be.
//!
//! A table runs from top to bottom against any registry, and names all rows
//! that failed. A row can keep a header field of its answer under a name;
//! later targets and header values use it as `{name}`. `{name?}` is the same
//! as the beginning of a target to which a parameter is added: it ends in `?`
//! or `&`.

use std::collections::HashMap;

use bytes::Bytes;
use serde_json::Value;

use crate::client::{Answer, Client, target};

/// One row of a table.
#[derive(Clone)]
pub struct Case {
    method: String,
    target: String,
    headers: Vec<(String, String)>,
    body: Body,
    statuses: Vec<u16>,
    fields: Vec<(String, Field)>,
    content: Content,
    keep: Vec<(String, String)>,
    ours: bool,
}

#[derive(Clone)]
enum Body {
    Absent,
    Whole(Bytes),
    Stream(Vec<Bytes>),
}

#[derive(Clone)]
enum Field {
    Is(String),
    Has(String),
    Present,
    Absent,
}

#[derive(Clone)]
enum Content {
    Any,
    Is(Bytes),
    Json(Value),
    /// The code of the first error; any where it is empty.
    Error(&'static str),
}

/// A row for any method.
pub fn case(method: &str, target: impl Into<String>, status: u16) -> Case {
    Case {
        method: method.to_owned(),
        target: target.into(),
        headers: Vec::new(),
        body: Body::Absent,
        statuses: vec![status],
        fields: Vec::new(),
        content: Content::Any,
        keep: Vec::new(),
        ours: false,
    }
}

/// A GET.
pub fn get(target: impl Into<String>, status: u16) -> Case {
    case("GET", target, status)
}

/// A HEAD, whose answer has no body.
pub fn head(target: impl Into<String>, status: u16) -> Case {
    case("HEAD", target, status).empty()
}

/// A POST.
pub fn post(target: impl Into<String>, status: u16) -> Case {
    case("POST", target, status)
}

/// A PATCH.
pub fn patch(target: impl Into<String>, status: u16) -> Case {
    case("PATCH", target, status)
}

/// A PUT.
pub fn put(target: impl Into<String>, status: u16) -> Case {
    case("PUT", target, status)
}

/// A DELETE.
pub fn delete(target: impl Into<String>, status: u16) -> Case {
    case("DELETE", target, status)
}

impl Case {
    /// A field of the request.
    pub fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.to_owned(), value.into()));
        self
    }

    /// The request's media type.
    pub fn media(self, media_type: &str) -> Self {
        self.with("content-type", media_type)
    }

    /// The request's body.
    pub fn body(mut self, body: impl AsRef<[u8]>) -> Self {
        self.body = Body::Whole(Bytes::copy_from_slice(body.as_ref()));
        self
    }

    /// The request's body, its length not declared.
    pub fn stream(mut self, pieces: &[&[u8]]) -> Self {
        self.body = Body::Stream(pieces.iter().map(|&piece| Bytes::copy_from_slice(piece)).collect());
        self
    }

    /// Another status that is as good.
    pub fn or(mut self, status: u16) -> Self {
        self.statuses.push(status);
        self
    }

    /// The answer has this field with exactly this value.
    pub fn is(mut self, name: &str, value: impl Into<String>) -> Self {
        self.fields.push((name.to_owned(), Field::Is(value.into())));
        self
    }

    /// The answer has this field, and its value contains this.
    pub fn has(mut self, name: &str, part: impl Into<String>) -> Self {
        self.fields.push((name.to_owned(), Field::Has(part.into())));
        self
    }

    /// The answer has this field.
    pub fn present(mut self, name: &str) -> Self {
        self.fields.push((name.to_owned(), Field::Present));
        self
    }

    /// The answer does not have this field.
    pub fn absent(mut self, name: &str) -> Self {
        self.fields.push((name.to_owned(), Field::Absent));
        self
    }

    /// The answer's body is exactly this.
    pub fn gives(mut self, body: impl AsRef<[u8]>) -> Self {
        self.content = Content::Is(Bytes::copy_from_slice(body.as_ref()));
        self
    }

    /// The answer has no body.
    pub fn empty(self) -> Self {
        self.gives("")
    }

    /// The answer's body is this JSON.
    pub fn json(mut self, value: Value) -> Self {
        self.content = Content::Json(value);
        self
    }

    /// The answer's body is an error of the specification with this code (any
    /// where it is empty), and says nothing that clients must not see.
    pub fn error(mut self, code: &'static str) -> Self {
        self.content = Content::Error(code);
        self
    }

    /// Keeps a field of the answer for later rows.
    pub fn keep(mut self, name: &str, field: &str) -> Self {
        self.keep.push((name.to_owned(), field.to_owned()));
        self
    }

    /// Other registries may differ here.
    pub fn ours(mut self) -> Self {
        self.ours = true;
        self
    }
}

/// Whose answers a table is compared with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Whose {
    /// Our own: every row must hold.
    Ours,
    /// Another's: rows marked `ours` are sent, but may fail.
    Peers,
}

/// Runs a table against our own registry.
#[track_caller]
pub fn run(client: &Client, cases: &[Case]) {
    compare(client, cases, Whose::Ours);
}

/// Runs a table, and fails if a row does.
#[track_caller]
pub fn compare(client: &Client, cases: &[Case], whose: Whose) {
    let mut kept = HashMap::new();
    let mut failures = Vec::new();
    for (row, case) in cases.iter().enumerate() {
        let wrong = case.check(client, &mut kept);
        if wrong.is_empty() || (case.ours && whose == Whose::Peers) {
            continue;
        }
        failures.push(format!("row {}: {} {}\n    {}", row + 1, case.method, case.target, wrong.join("\n    ")));
    }
    let count = failures.len();
    assert!(failures.is_empty(), "{count} of {} rows:\n{}", cases.len(), failures.join("\n"));
}

impl Case {
    fn check(&self, client: &Client, kept: &mut HashMap<String, String>) -> Vec<String> {
        let mut request = client.request(&self.method, &fill(&self.target, kept));
        for (name, value) in &self.headers {
            request = request.header(name, &fill(value, kept));
        }
        request = match &self.body {
            Body::Absent => request,
            Body::Whole(bytes) => request.body(bytes.clone()),
            Body::Stream(pieces) => request.stream(pieces.clone()),
        };
        let answer = match request.try_send() {
            Ok(answer) => answer,
            Err(error) => return vec![format!("no answer: {error}")],
        };
        for (name, field) in &self.keep {
            kept.insert(name.clone(), target(answer.header(field)).to_owned());
        }
        self.judge(&answer)
    }

    fn judge(&self, answer: &Answer) -> Vec<String> {
        let mut wrong = Vec::new();
        if !self.statuses.contains(&answer.status) {
            wrong.push(format!("status {}, not {:?}: {}", answer.status, self.statuses, answer.text()));
        }
        for (name, field) in &self.fields {
            let values: Vec<_> = answer.headers.get_all(name).iter().map(|v| v.to_str().unwrap_or("?")).collect();
            let good = match field {
                Field::Is(value) => values == [value],
                Field::Has(part) => values.iter().any(|value| value.contains(part)),
                Field::Present => !values.is_empty(),
                Field::Absent => values.is_empty(),
            };
            if !good {
                let wanted = match field {
                    Field::Is(value) => format!("be {value:?}"),
                    Field::Has(part) => format!("contain {part:?}"),
                    Field::Present => "be there".to_owned(),
                    Field::Absent => "not be there".to_owned(),
                };
                wrong.push(format!("{name} should {wanted}, and is {values:?}"));
            }
        }
        match &self.content {
            Content::Any => {}
            Content::Is(bytes) if *bytes == answer.body => {}
            Content::Is(bytes) => wrong.push(format!(
                "body of {} bytes, not {}: {:?}",
                answer.body.len(),
                bytes.len(),
                answer.text().chars().take(200).collect::<String>()
            )),
            Content::Json(value) => match serde_json::from_slice::<Value>(&answer.body) {
                Ok(json) if json == *value => {}
                _ => wrong.push(format!("body {}, not {value}", answer.text())),
            },
            Content::Error(code) => wrong.extend(error_body(answer, code)),
        }
        wrong
    }
}

/// What is wrong with an error's body, if anything is.
pub fn error_body(answer: &Answer, code: &str) -> Option<String> {
    if !answer.header("content-type").starts_with("application/json") {
        return Some(format!("an error of type {:?}: {}", answer.header("content-type"), answer.text()));
    }
    let json: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    let Some(first) = json["errors"].get(0) else { return Some(format!("no error's body: {}", answer.text())) };
    if !code.is_empty() && first["code"] != code {
        return Some(format!("error {}, not {code}: {}", first["code"], answer.text()));
    }
    if first["message"].as_str().is_none_or(str::is_empty) {
        return Some(format!("an error with no message: {}", answer.text()));
    }
    ["panicked", ".rs:", "/tmp/", "wasm trap", "os error"]
        .iter()
        .find(|leak| answer.text().contains(*leak))
        .map(|leak| format!("an error that shows {leak:?}: {}", answer.text()))
}

fn fill(text: &str, kept: &HashMap<String, String>) -> String {
    let mut text = text.to_owned();
    for (name, value) in kept {
        let joint = if value.contains('?') { '&' } else { '?' };
        text = text.replace(&format!("{{{name}?}}"), &format!("{value}{joint}"));
        text = text.replace(&format!("{{{name}}}"), value);
    }
    text
}
