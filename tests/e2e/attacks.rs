//! What no client sends by mistake.

use std::{fs, os::unix::fs::symlink};

use skerry_tests::{
    Registry,
    frames::{self, DATA, END_HEADERS, END_STREAM, Frames, GOAWAY, HEADERS, frame},
    layout, push, sha256, smuggling,
};

fn raw(registry: &Registry, request: &str) -> String {
    let mut raw = registry.raw();
    raw.send(request.replace("HOST", registry.address())).unwrap();
    raw.rest()
}

fn status(answer: &str) -> &str {
    answer.split(' ').nth(1).unwrap_or_default()
}

#[test]
fn no_path_leads_out() {
    let registry = Registry::new();
    let client = registry.client();
    push::image(&client, "in/side", Some("t"), 1);
    let secret = registry.directory().join("secret");
    fs::write(&secret, "a secret").unwrap();
    let digest = sha256("a secret");
    let before = layout::files(registry.directory());
    for path in [
        "/v2/../secret",
        "/v2/../../../../../../etc/passwd",
        "/v2/in/../../../../secret/manifests/t",
        "/v2/in/side/manifests/..",
        "/v2/in/side/manifests/../../../../../../secret",
        "/v2/in/side/manifests/..%2f..%2f..%2fsecret",
        "/v2/in/side/manifests/%2e%2e",
        "/v2/%2e%2e/manifests/t",
        "/v2/in%2f..%2fside/manifests/t",
        "/v2/in/side/blobs/sha256:..%2f..%2f..%2f..%2f..%2f..%2fsecret",
        "/v2/in/side/blobs/sha256%3a../../secret",
        "/v2/in/side/blobs/uploads/../../../../../../secret",
        "/v2/in/side/blobs/uploads/%2e%2e%2f%2e%2e",
        "/v2/in/side/manifests/t%00",
        "/v2/in/%00/manifests/t",
        "/v2/in\\side/manifests/t",
        "/v2/in/side/tags/list/../../../../secret",
        "/v2//in/side/manifests/t",
        "/v2/in/./side/manifests/t",
        "/v2/in/side/manifests/t/",
        "/v2/_skerry/manifests/t",
        "/v2/.skerry/manifests/t",
        "/v2/in/side/_skerry/referrers",
        "/v2/in/side/manifests/%ff%fe",
        "/v2/in/side/manifests/%",
        "/v2/in/side/manifests/%zz",
        "//v2/",
        "/v2/in/side/manifests/t%0d%0aSet-Cookie:%20a=b",
    ] {
        for method in ["GET", "PUT", "POST", "PATCH", "DELETE"] {
            let answer = raw(
                &registry,
                &format!(
                    "{method} {path} HTTP/1.1\r\nHost: HOST\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{{}}"
                ),
            );
            let status = status(&answer);
            assert!(matches!(status, "400" | "404" | "405"), "{method} {path}: {answer}");
            assert!(
                !answer.contains("a secret") && !answer.contains("root:") && !answer.contains("\nSet-Cookie"),
                "{answer}"
            );
        }
    }
    // By a query, too.
    for query in ["mount=sha256:../../../../secret&from=in/side", "from=../../..&mount=DIGEST", "digest=sha256:../../x"]
    {
        let query = query.replace("DIGEST", &digest);
        let answer = client.request("POST", &format!("/v2/in/side/blobs/uploads/?{query}")).body("abc").send();
        assert!(matches!(answer.status, 202 | 400 | 404), "{query}: {}", answer.status);
    }
    let after = layout::files(registry.directory());
    let strangers: Vec<_> = after
        .iter()
        .filter(|file| !before.contains(file))
        .filter(|file| !file.to_str().unwrap().contains("/_uploads/") && !file.starts_with("volume/.skerry"))
        .collect();
    assert!(strangers.is_empty(), "{strangers:?}");
    push::whole(&client, "in/side", "t").unwrap();
}

#[test]
fn what_is_planted_on_the_volume_is_not_followed() {
    let registry = Registry::new();
    let client = registry.client();
    let secret = registry.directory().join("secret");
    fs::write(&secret, "a secret").unwrap();
    let digest = sha256("a secret");
    push::blob(&client, "plant", b"something");
    // A blob that is a link to a file outside.
    let link = layout::layer_link(registry.volume(), "plant", &digest);
    fs::create_dir_all(link.parent().unwrap()).unwrap();
    fs::write(&link, &digest).unwrap();
    let data = layout::blob(registry.volume(), &digest);
    fs::create_dir_all(data.parent().unwrap()).unwrap();
    symlink(&secret, &data).unwrap();
    let answer = client.get(&format!("/v2/plant/blobs/{digest}"));
    assert!(answer.status >= 400 && !answer.text().contains("a secret"), "{} {}", answer.status, answer.text());
    // A pipe: opening it would wait for ever.
    fs::remove_file(&data).unwrap();
    rustix::fs::mkfifoat(rustix::fs::CWD, &data, rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR).unwrap();
    let answer = client.get(&format!("/v2/plant/blobs/{digest}"));
    assert!(answer.status >= 400, "{}", answer.status);
    // A repository that is a link to a directory outside.
    let outside = registry.directory().join("outside");
    fs::create_dir_all(outside.join("_manifests/tags/t/current")).unwrap();
    symlink(&outside, layout::repository(registry.volume(), "planted")).unwrap();
    let answer = client.request("POST", &format!("/v2/planted/blobs/uploads/?digest={}", sha256("x"))).body("x").send();
    assert!(answer.status >= 400, "{}", answer.status);
    assert_eq!(layout::files(&outside), Vec::<std::path::PathBuf>::new());
    client.get("/v2/").expect(200);
}

/// Whoever sits before us must not see other requests than we do.
#[test]
fn ambiguous_framing_is_refused() {
    let mut registry = Registry::new();
    for (n, request) in smuggling::http1(registry.address()) {
        let answer = raw(&registry, &request);
        assert!(matches!(status(&answer), "" | "400" | "501" | "505"), "{n}: {request:?}: {answer}");
        assert!(!answer.contains("NAME_UNKNOWN"), "{n}: {request:?}: {answer}");
    }
    for (n, fields, body) in smuggling::http2(registry.address()) {
        let mut frames = Frames::open(registry.address(), registry.trust(), &[]);
        let fields: Vec<_> = fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        frames.send(&frame(HEADERS, END_HEADERS, 1, &frames::fields(&fields))).unwrap();
        // It may be over already.
        let _ = frames.send(&frame(DATA, END_STREAM, 1, body.as_bytes()));
        let _ = frames.send(&frame(GOAWAY, 0, 0, &[0; 8]));
        let answers: Vec<_> = frames.rest().into_iter().filter(|frame| frame.kind == HEADERS).collect();
        // What does not fit its own length is no request of its own: that it is
        // cut off may come after the answer.
        let short = fields.iter().filter(|(name, _)| *name == "content-length").count() == 1;
        // 400 is number 12 of the table that both know, if there is an answer.
        assert!(
            short || answers.iter().all(|answer| answer.payload.first() == Some(&0x8c)),
            "{n}: {fields:?}: {answers:?}"
        );
        assert!(answers.len() <= 1, "{n}: {fields:?}");
    }
    registry.client().get("/v2/last").expect(404);
    registry.service().wait_for("the last request", |line| line.contains("/v2/last").then_some(()));
    let smuggled = registry.service().lines();
    assert!(smuggled.iter().all(|line| !line.contains("/v2/smuggled")), "{smuggled:#?}");
}

#[test]
fn no_upgrade_to_http2_from_within() {
    let registry = Registry::new();
    let answer = raw(
        &registry,
        "GET /v2/ HTTP/1.1\r\nHost: HOST\r\nConnection: Upgrade, HTTP2-Settings, close\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n",
    );
    assert!(!answer.starts_with("HTTP/1.1 101"), "{answer}");
}

#[test]
fn a_head_too_large_is_refused() {
    let registry = Registry::new();
    let long = "a".repeat(2 * 1024 * 1024);
    for request in [
        format!("GET /v2/ HTTP/1.1\r\nHost: HOST\r\nX: {long}\r\n\r\n"),
        format!("GET /v2/{long}/tags/list HTTP/1.1\r\nHost: HOST\r\n\r\n"),
        format!("GET /v2/ HTTP/1.1\r\nHost: HOST\r\n{}\r\n", "X: y\r\n".repeat(20_000)),
    ] {
        let mut raw = registry.raw();
        // It may be cut off while it still sends.
        let _ = raw.send(request.replace("HOST", registry.address()));
        let answer = raw.rest();
        assert!(matches!(status(&answer), "" | "400" | "413" | "414" | "431"), "{}", status(&answer));
    }
    registry.client().get("/v2/").expect(200);
}

/// Names that a client chose do not write lines of the log.
#[test]
fn the_log_is_not_the_clients_to_write() {
    let mut registry = Registry::new();
    for line in ["User-Agent: \u{9b}31m red", "User-Agent: tab\tx", "Referer: https://a/\u{202e}gnp.exe"] {
        let path = "/v2/log%0aforged%1b%5b31m/tags/list";
        raw(&registry, &format!("GET {path} HTTP/1.1\r\nHost: HOST\r\n{line}\r\nConnection: close\r\n\r\n"));
    }
    registry.client().request("GET", "/v2/").header("user-agent", "the last one").send().expect(200);
    registry.service().wait_for("the last request", |line| line.contains("the last one").then_some(()));
    for line in registry.service().lines() {
        assert!(!line.starts_with("forged") && !line.contains('\u{1b}'), "{line:?}");
        serde_json::from_str::<serde_json::Value>(&line).unwrap_or_else(|error| panic!("{error}: {line:?}"));
    }
}
