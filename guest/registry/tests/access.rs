//! Who may do what: every route asks, and tells nothing before.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

mod client;
use client::{
    OCI_MANIFEST, ROOT, assert_error, image, json, layer_key, push_blob, push_manifest, registry, sha256, sha512,
};
use skerry_registry::{
    host::{Action, Intent, Verdict},
    memory::Memory,
};

/// An import by which something could be learned of what is stored.
fn looks(call: &str) -> bool {
    ["authorize ", "may-pull ", "query ", "header ", "principal "].iter().all(|other| !call.starts_with(other))
}

/// Refuses everything that is about one repository.
fn refuse(memory: &Memory, name: &'static str, verdict: Verdict) {
    memory.judge(move |intents: &[Intent<'_>]| {
        let about = |intent: &Intent<'_>| intent.repository == Some(name);
        if intents.iter().any(about) { verdict.clone() } else { Verdict::Allow }
    });
}

/// A registry with an image, a referrer of it and an upload in `secret/a`.
fn filled() -> (Memory, String) {
    let memory = registry();
    let bytes = image(&memory, "secret/a", &[b"layer"]);
    push_manifest(&memory, "secret/a", "v1", OCI_MANIFEST, &bytes);
    let subject = sha256(&bytes);
    let referrer =
        format!(r#"{{"mediaType":"a/b","artifactType":"c/d","subject":{{"digest":"{subject}"}}}}"#).into_bytes();
    push_manifest(&memory, "secret/a", sha256(&referrer).as_str(), "a/b", &referrer);
    let upload = memory.send("POST", "/v2/secret/a/blobs/uploads/", &[], b"");
    let location = upload.header("location").unwrap().to_owned();
    (memory, location)
}

/// Method, path, and what is asked, for each thing that can be done.
fn everything(upload: &str) -> Vec<(&'static str, String, String)> {
    let (x, y) = (sha256(b"layer"), sha512(b"y"));
    let both = "Pull secret/a -, Push secret/a -".to_owned();
    let tags: Vec<_> = (0..16).map(|number| format!("t{number}")).collect();
    let pushes: Vec<_> = tags.iter().map(|tag| format!("Push secret/a {tag}")).collect();
    let mut table = vec![
        ("POST", "/v2/secret/a/blobs/uploads/".to_owned(), both.clone()),
        ("POST", format!("/v2/secret/a/blobs/uploads/?digest={x}"), both.clone()),
        ("POST", format!("/v2/secret/a/blobs/uploads/?mount={x}&from=b"), both.clone()),
        ("POST", format!("/v2/secret/a/blobs/uploads/?mount={x}"), both.clone()),
        ("PATCH", upload.to_owned(), both.clone()),
        ("PUT", format!("{upload}?digest={x}"), both.clone()),
        ("DELETE", upload.to_owned(), "Push secret/a -".to_owned()),
        ("PUT", "/v2/secret/a/manifests/v1".to_owned(), "Pull secret/a v1, Push secret/a v1".to_owned()),
        ("PUT", format!("/v2/secret/a/manifests/{x}"), format!("Pull secret/a {x}, Push secret/a {x}")),
        (
            "PUT",
            format!("/v2/secret/a/manifests/{x}?tag={}", tags.join("&tag=")),
            // No more than the host takes at a time.
            format!("Pull secret/a {x}, Push secret/a {x}, {}", pushes[..14].join(", ")),
        ),
        ("DELETE", "/v2/secret/a/manifests/v1".to_owned(), "Delete secret/a v1".to_owned()),
        ("DELETE", format!("/v2/secret/a/manifests/{x}"), format!("Delete secret/a {x}")),
        ("DELETE", format!("/v2/secret/a/blobs/{x}"), format!("Delete secret/a {x}")),
    ];
    for method in ["GET", "HEAD"] {
        table.extend([
            (method, "/v2/".to_owned(), String::new()),
            (method, "/v2/_catalog".to_owned(), "Catalog - -".to_owned()),
            (method, "/v2/secret/a/tags/list".to_owned(), "Pull secret/a -".to_owned()),
            (method, "/v2/secret/a/manifests/v1".to_owned(), "Pull secret/a v1".to_owned()),
            (method, format!("/v2/secret/a/manifests/{y}"), format!("Pull secret/a {y}")),
            (method, format!("/v2/secret/a/blobs/{x}"), format!("Pull secret/a {x}")),
            (method, format!("/v2/secret/a/referrers/{x}"), format!("Pull secret/a {x}")),
            (method, upload.to_owned(), both.clone()),
        ]);
    }
    table
}

#[test]
fn every_route_asks_before_it_looks() {
    let challenges = ["Basic realm=\"one\"", "Bearer realm=\"two\",scope=\"x\""];
    let fields = challenges.map(str::to_owned).to_vec();
    let verdicts = [
        (Verdict::Challenge(fields), 401, "UNAUTHORIZED", "authentication required"),
        (Verdict::Deny("not \"yours\"\r\n".to_owned()), 403, "DENIED", "not \"yours\"\r\n"),
        (Verdict::Deny(String::new()), 403, "DENIED", "requested access to the resource is denied"),
        (Verdict::Unavailable, 503, "UNAVAILABLE", "service unavailable"),
    ];
    let (_, upload) = filled();
    for (method, path, asked) in everything(&upload) {
        let (memory, _) = filled();
        memory.send(method, &path, &[], b"layer");
        let calls = memory.calls();
        let question = calls.iter().position(|call| *call == format!("authorize {asked}"));
        let question = question.unwrap_or_else(|| panic!("{method} {path}: {calls:?}"));
        let look = calls.iter().position(|call| looks(call));
        assert!(look.is_none_or(|look| look > question), "{method} {path}: {calls:?}");

        for (verdict, status, code, message) in &verdicts {
            let (memory, _) = filled();
            let before = memory.keys();
            let verdict = verdict.clone();
            memory.judge(move |_| verdict.clone());
            let answer = memory.send(method, &path, &[], b"layer");
            assert_error(&answer, *status, &[code]);
            assert_eq!(json(&answer)["errors"][0]["message"], *message);
            assert_eq!(answer.header("docker-distribution-api-version"), Some("registry/2.0"), "{method} {path}");
            let shown = answer.headers.iter().filter(|(name, _)| name == "WWW-Authenticate");
            let shown: Vec<_> = shown.map(|(_, value)| value.as_str()).collect();
            assert_eq!(shown, if *status == 401 { &challenges[..] } else { &[] }, "{method} {path}");
            assert!(!memory.calls().iter().any(|call| looks(call)), "{method} {path}: {:?}", memory.calls());
            assert_eq!(memory.keys(), before);
        }
    }
}

#[test]
fn a_tag_beyond_the_first_question_is_asked_about() {
    let (memory, _) = filled();
    let bytes = br#"{"mediaType":"a/b"}"#;
    let tags: Vec<_> = (0..16).map(|number| format!("tag=t{number}")).collect();
    memory.judge(|intents| {
        let last = |intent: &Intent<'_>| intent.action == Action::Push && intent.reference == Some("t15");
        if intents.iter().any(last) { Verdict::Deny("no".to_owned()) } else { Verdict::Allow }
    });
    let target = |tags: &[String]| format!("{}?{}", sha256(bytes), tags.join("&"));
    assert_error(&push_manifest(&memory, "secret/a", &target(&tags), "a/b", bytes), 403, &["DENIED"]);
    assert_eq!(push_manifest(&memory, "secret/a", &target(&tags[..15]), "a/b", bytes).status, 201);
}

#[test]
fn what_is_open_asks_nobody() {
    let digest = sha256(b"x");
    for (method, path, status) in [
        ("GET", "/".to_owned(), 200),
        ("GET", "/v2".to_owned(), 301),
        ("OPTIONS", "/v2/".to_owned(), 200),
        ("OPTIONS", format!("/v2/a/blobs/{digest}"), 200),
        ("GET", "/v2/nowhere".to_owned(), 404),
        ("GET", "/v2/A/tags/list".to_owned(), 400),
        ("GET", "/v2/a/manifests/-bad".to_owned(), 400),
        ("GET", "/v2/a/blobs/sha256:00".to_owned(), 400),
        ("PUT", format!("/v2/a/manifests/{digest}?tag=-bad"), 400),
        ("POST", "/v2/a/tags/list".to_owned(), 405),
    ] {
        let memory = registry();
        memory.judge(|_| Verdict::Unavailable);
        assert_eq!(memory.send(method, &path, &[], b"").status, status, "{method} {path}");
        assert!(!memory.calls().iter().any(|call| looks(call) || call.starts_with("authorize")), "{method} {path}");
    }
}

#[test]
fn what_is_hidden_is_as_if_it_were_not_there() {
    let (hidden, upload) = filled();
    refuse(&hidden, "secret/a", Verdict::Hide);
    // What is there is hidden in the one, and not there in the other.
    let unknown = registry();
    push_blob(&unknown, "b", b"layer");
    let (x, manifest) = (sha256(b"layer"), sha256(&image(&registry(), "a", &[b"layer"])));
    let mut table = vec![
        ("PATCH", upload.clone(), 404),
        ("PATCH", upload.replace("uploads/", "uploads/x"), 404),
        ("PUT", upload.clone(), 400),
        ("PUT", format!("{upload}?digest={x}"), 404),
        ("DELETE", upload.clone(), 404),
        ("DELETE", "/v2/secret/a/manifests/v1".to_owned(), 404),
        ("DELETE", format!("/v2/secret/a/manifests/{manifest}"), 404),
        ("DELETE", format!("/v2/secret/a/blobs/{x}"), 404),
    ];
    for method in ["GET", "HEAD"] {
        table.extend([
            (method, "/v2/secret/a/tags/list".to_owned(), 404),
            (method, "/v2/secret/a/tags/list?n=1&last=a".to_owned(), 404),
            (method, "/v2/secret/a/tags/list?n=x".to_owned(), 400),
            (method, "/v2/secret/a/manifests/v1".to_owned(), 404),
            (method, format!("/v2/secret/a/manifests/{manifest}"), 404),
            (method, format!("/v2/secret/a/blobs/{x}"), 404),
            (method, format!("/v2/secret/a/referrers/{manifest}"), 200),
            (method, format!("/v2/secret/a/referrers/{manifest}?artifactType=c/d"), 200),
            (method, upload.clone(), 404),
        ]);
    }
    let fields = [("If-None-Match", "*"), ("Range", "bytes=0-1")];
    for deleting in ["true", "false"] {
        for memory in [&hidden, &unknown] {
            memory.set("storage.delete.enabled", deleting);
        }
        for (method, path, status) in &table {
            let (one, other) =
                (hidden.send(method, path, &fields, b"layer"), unknown.send(method, path, &fields, b"layer"));
            assert_eq!(one, other, "{method} {path}");
            if deleting == "true" {
                assert_eq!(one.status, *status, "{method} {path}");
            }
            assert!(!hidden.calls().iter().any(|call| looks(call)), "{method} {path}: {:?}", hidden.calls());
        }
    }
    // Nothing can be written to what is not there; whether it is, nobody sees.
    refuse(&unknown, "secret/a", Verdict::Hide);
    let before = hidden.keys();
    for (method, path) in [
        ("POST", "/v2/secret/a/blobs/uploads/".to_owned()),
        ("POST", format!("/v2/secret/a/blobs/uploads/?digest={x}")),
        ("POST", format!("/v2/secret/a/blobs/uploads/?mount={x}&from=b")),
        ("PUT", "/v2/secret/a/manifests/v1".to_owned()),
    ] {
        let answer = hidden.send(method, &path, &[], b"layer");
        assert_error(&answer, 404, &["NAME_UNKNOWN"]);
        assert_eq!(answer, unknown.send(method, &path, &[], b"layer"));
        assert!(!hidden.calls().iter().any(|call| looks(call)), "{method} {path}");
    }
    assert_eq!(hidden.keys(), before);
    // As a whole, too.
    hidden.judge(|_| Verdict::Hide);
    assert_eq!(hidden.send("GET", "/v2/_catalog", &[], b""), registry().send("GET", "/v2/_catalog", &[], b""));
    assert_eq!(hidden.send("GET", "/v2/", &[], b"").body, hidden.send("GET", "/v1/", &[], b"").body);
}

#[test]
fn the_catalog_shows_what_may_be_pulled() {
    let memory = registry();
    let open = |number: usize| number.is_multiple_of(7);
    for number in 0..200 {
        let name = if open(number) { "open" } else { "secret" };
        push_blob(&memory, &format!("r{number:03}/{name}"), b"x");
    }
    memory.judge(|intents| {
        let secret = intents.iter().any(|intent| intent.repository.is_some_and(|name| name.ends_with("/secret")));
        if secret { Verdict::Hide } else { Verdict::Allow }
    });
    let expected: Vec<_> = (0..200).filter(|number| open(*number)).map(|number| format!("r{number:03}/open")).collect();
    for n in [1, 5, 29, 100] {
        let (mut found, mut target) = (Vec::new(), format!("/v2/_catalog?n={n}"));
        loop {
            let answer = memory.send("GET", &target, &[], b"");
            let page = json(&answer)["repositories"].as_array().unwrap().clone();
            found.extend(page.iter().map(|name| name.as_str().unwrap().to_owned()));
            // Of the others nothing was looked at but their names.
            assert!(!memory.calls().iter().any(|call| call.starts_with("stat") && call.contains("secret")));
            assert!(!answer.text().contains("secret"));
            let Some(link) = answer.header("link") else { break };
            assert_eq!(page.len(), n, "a page is full where there is enough");
            assert!(!link.contains("secret"), "{link}");
            target = link[1..].split('>').next().unwrap().to_owned();
        }
        assert_eq!(found, expected, "n={n}");
    }
}

#[test]
fn what_the_catalog_passes_over_is_bounded() {
    let memory = registry();
    push_blob(&memory, "a", b"x");
    for number in 0..10_500 {
        memory.plant(&format!("{ROOT}/repositories/secret{number:05}/_layers/x"), b"");
    }
    push_blob(&memory, "z", b"x");
    memory.judge(|intents| {
        let secret = intents.iter().any(|intent| intent.repository.is_some_and(|name| name.starts_with("secret")));
        if secret { Verdict::Hide } else { Verdict::Allow }
    });
    let first = memory.send("GET", "/v2/_catalog", &[], b"");
    assert_eq!(json(&first), serde_json::json!({"repositories": ["a"]}));
    assert!(memory.calls().len() < 21_000);
    // The names between are many, and none of them may be told.
    assert_eq!(first.header("link"), Some(r#"</v2/_catalog?last=a&n=100>; rel="next""#));
    let second = memory.send("GET", "/v2/_catalog?last=a&n=100", &[], b"");
    assert_error(&second, 503, &["UNAVAILABLE"]);
    assert!(!second.text().contains("secret"));
}

#[test]
fn mounts_take_only_what_may_be_pulled() {
    let digest = sha256(b"bytes");
    let hiding = |secret: bool| {
        let memory = registry();
        if secret {
            push_blob(&memory, "secret/a", b"bytes");
        }
        memory
    };
    for verdict in [Verdict::Hide, Verdict::Deny("no".to_owned()), Verdict::Challenge(Vec::new()), Verdict::Unavailable]
    {
        for from in ["&from=secret/a", ""] {
            let path = format!("/v2/b/blobs/uploads/?mount={digest}{from}");
            let mut answers = Vec::new();
            for secret in [true, false] {
                let memory = hiding(secret);
                refuse(&memory, "secret/a", verdict.clone());
                // So that the uploads are of the same name.
                let fresh = Memory::new(client::NOW);
                let name = fresh.send("POST", "/v2/b/blobs/uploads/", &[], b"").header("location").unwrap().to_owned();
                let answer = memory.send("POST", &path, &[], b"");
                assert!(!memory.calls().iter().any(|call| call.contains("secret/a/_layers")), "{:?}", memory.calls());
                assert!(memory.object(&layer_key("b", &digest)).is_none());
                assert_eq!((answer.status, answer.header("location")), (202, Some(name.as_str())));
                answers.push(answer);
            }
            assert_eq!(answers[0], answers[1], "{from} {verdict:?}");
        }
    }
    // What another holds that may be pulled from is found beside it.
    let memory = hiding(true);
    refuse(&memory, "secret/a", Verdict::Hide);
    push_blob(&memory, "z", b"bytes");
    let answer = memory.send("POST", &format!("/v2/b/blobs/uploads/?mount={digest}"), &[], b"");
    assert_eq!(answer.status, 201);
    assert!(answer.notes.contains(&("from".to_owned(), "z".to_owned())));
    let answer = memory.send("POST", &format!("/v2/c/blobs/uploads/?mount={digest}&from=z"), &[], b"");
    assert_eq!(answer.status, 201);
    assert!(memory.calls().contains(&format!("authorize Pull z {digest}")));
}

#[test]
fn an_upload_is_its_owners() {
    let memory = registry();
    memory.login(Some("alice"));
    let start = || memory.send("POST", "/v2/a/blobs/uploads/", &[], b"").header("location").unwrap().to_owned();
    let location = start();
    let digest = sha256(b"x");
    let requests = [
        ("GET", location.clone()),
        ("HEAD", location.clone()),
        ("PATCH", location.clone()),
        ("PUT", format!("{location}?digest={digest}")),
        ("DELETE", location.clone()),
    ];
    for other in [None, Some("bob"), Some("")] {
        memory.login(other);
        for (method, path) in &requests {
            let answer = memory.send(method, path, &[], b"x");
            assert_error(&answer, 404, &["BLOB_UPLOAD_UNKNOWN"]);
            let nowhere = registry().send(method, path, &[], b"x");
            assert_eq!(answer, nowhere, "{method} {other:?}");
        }
    }
    memory.login(Some("alice"));
    assert_eq!(memory.send("PATCH", &location, &[], b"x").status, 202);
    assert_eq!(memory.send("PUT", &format!("{location}?digest={digest}"), &[], b"").status, 201);
    assert!(!memory.keys().iter().any(|key| key.contains("_uploads")), "{:?}", memory.keys());
    // Of nobody in particular, it is anybody's who may push there.
    memory.login(None);
    let location = start();
    memory.login(Some("bob"));
    assert_eq!(memory.send("PATCH", &location, &[], b"x").status, 202);
}
