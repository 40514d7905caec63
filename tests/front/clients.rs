//! Who the client is taken for, and how it is told where to go on.

use serde_json::Value;
use skerry_tests::{Options, Registry, push, raw::Raw, service::Service, tools};

use crate::nginx::{BOTH, Front, Nginx};

/// An address of this machine that is no proxy's.
const ELSEWHERE: &str = "127.0.0.5";

/// Asks from another address of this machine; returns the answer's status.
fn ask(nginx: &Nginx, target: &str, fields: &[&str]) -> String {
    let mut curl = tools::tool("curl");
    curl.args(["--silent", "--show-error", "--interface", ELSEWHERE, "--cacert"]).arg(&nginx.trust().ca);
    for field in fields {
        curl.args(["--header", field]);
    }
    curl.args(["-o", "/dev/null", "-w", "%{http_code}", &format!("https://{}{target}", nginx.localhost())]);
    tools::succeed(curl)
}

/// The client of the one request for a path, by the access log.
fn logged(service: &Service, path: &str) -> String {
    service.wait_for("the access", |line| {
        let line: Value = serde_json::from_str(line).ok()?;
        (line["path"] == path).then(|| line["client"].as_str().unwrap_or_default().to_owned())
    })
}

#[test]
#[ignore = "needs nginx, its stream module and curl: run by .ci/run"]
fn are_known_by_their_own_address() {
    for front in BOTH {
        let mut registry = Registry::start(front.options());
        let nginx = Nginx::before(front, &[&registry]);
        assert_eq!(ask(&nginx, "/v2/plain/tags/list", &[]), "404");
        assert_eq!(logged(registry.service(), "/v2/plain/tags/list"), ELSEWHERE, "{front:?}");
        // What a client says of itself counts for nothing.
        let lies = ["X-Forwarded-For: 203.0.113.9", "Forwarded: for=203.0.113.9"];
        for (n, lie) in lies.into_iter().enumerate() {
            let path = format!("/v2/lie{n}/tags/list");
            assert_eq!(ask(&nginx, &path, &[lie]), "404");
            assert_eq!(logged(registry.service(), &path), ELSEWHERE, "{front:?} {lie}");
        }
        registry.stop();
    }
}

/// Only the proxies that were named are believed.
#[test]
#[ignore = "needs nginx and its stream module: run by .ci/run"]
fn are_not_named_by_strangers() {
    // The proxy is somewhere else than they were told.
    for front in BOTH {
        let options = front.options();
        let http = options.http.replace("127.0.0.1", "192.0.2.1");
        let mut registry = Registry::start(Options { http, ..options });
        let nginx = Nginx::before(front, &[&registry]);
        match front {
            Front::Proxy => {
                assert_eq!(ask(&nginx, "/v2/plain/tags/list", &[]), "404");
                assert_eq!(logged(registry.service(), "/v2/plain/tags/list"), "127.0.0.1");
            }
            Front::Passthrough => {
                assert!(nginx.client().request("GET", "/v2/").try_send().is_err());
                let line = "PROXY TCP4 203.0.113.9 127.0.0.1 1 443\r\n";
                let mut raw = Raw::plain(registry.address());
                raw.send(line).unwrap();
                assert!(raw.rest().starts_with("HTTP/1.1 400 "));
            }
        }
        registry.stop();
    }
    // And who is to send the header, and does not, gets nothing.
    let registry = Registry::start(Front::Passthrough.options());
    assert!(registry.client().request("GET", "/v2/").try_send().is_err());
}

#[test]
#[ignore = "needs nginx and its stream module: run by .ci/run"]
fn are_sent_to_where_they_came_from() {
    for front in BOTH {
        for told in ["", "relativeurls: false\n"] {
            let options = front.options();
            let http = format!("{}{told}", options.http);
            let registry = Registry::start(Options { http, ..options });
            let nginx = Nginx::before(front, &[&registry]);
            let begun = nginx.client().request("POST", "/v2/a/blobs/uploads/").send().expect(202);
            let origin = if told.is_empty() { String::new() } else { format!("https://{}", nginx.localhost()) };
            let location = begun.header("location");
            assert!(location.starts_with(&format!("{origin}/v2/a/blobs/uploads/")), "{front:?}: {location}");
            push::image(&nginx.client(), "a", Some("b"), 1);
            push::whole(&nginx.client(), "a", "b").unwrap();
        }
    }
}
