//! A registry that has nothing yet: it answers `/v2/`, and finds nothing else.

wit_bindgen::generate!({ path: "wit", world: "registry", generate_all });

use exports::skerry::registry::handler::{Content, Guest, HostAnswer, HostFailure, Progress, Response, Task};
use skerry::registry::request;

struct Registry;
export!(Registry);

impl Guest for Registry {
    fn handle() -> Response {
        let (status, body) = match request::path().as_str() {
            "/v2/" => (200, "{}".to_owned()),
            path => (404, error("NAME_UNKNOWN", &format!("there is nothing at {path}"))),
        };
        Response { status, headers: headers(), body: Content::Bytes(body.into()), notes: Vec::new() }
    }

    fn failure_answer(kind: HostFailure) -> HostAnswer {
        HostAnswer { headers: headers(), body: error("UNKNOWN", &format!("{kind:?}")).into() }
    }

    fn tend(_: Task, _: Option<String>, _: u32) -> Result<Progress, String> {
        Err("there is nothing to tend".to_owned())
    }
}

fn headers() -> Vec<(String, String)> {
    [("content-type", "application/json"), ("docker-distribution-api-version", "registry/2.0")]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .to_vec()
}

fn error(code: &str, message: &str) -> String {
    format!(r#"{{"errors":[{{"code":{code:?},"message":{message:?}}}]}}"#)
}
