//! Uploads: whole, in pieces, in the wrong order, given up, mounted.

use std::{
    thread::sleep,
    time::{Duration, Instant},
};

use skerry_tests::{
    Case, Client, Registry,
    client::Answer,
    content::{NOTHING, Noise},
    push, sha256,
    table::{delete, get, head, patch, post, put, run},
};

use crate::base::NOBODY;

pub fn cases(client: &Client) -> Vec<Case> {
    let bytes = Noise::new(10).bytes(3000);
    let digest = sha256(&bytes);
    let elsewhere = push::blob(client, "up/source", b"to be mounted");
    let wrong = sha256("something else");
    let begin = || {
        post("/v2/up/loads/blobs/uploads/", 202)
            .present("location")
            .present("docker-upload-uuid")
            .is("range", "0-0")
            .empty()
            .keep("upload", "location")
    };
    let finish = || put(format!("{{upload?}}digest={digest}"), 201);
    let there = || get(format!("/v2/up/loads/blobs/{digest}"), 200).gives(&bytes);
    let gone = || delete(format!("/v2/up/loads/blobs/{digest}"), 202);
    let piece = |from: usize, to: usize| {
        patch("{upload}", 202)
            .with("content-range", format!("{from}-{}", to - 1))
            .body(&bytes[from..to])
            .is("range", format!("0-{}", to - 1))
            .present("docker-upload-uuid")
            .keep("upload", "location")
    };
    let mut cases = vec![
        // POST, PUT.
        begin(),
        finish()
            .media("application/octet-stream")
            .body(&bytes)
            .is("docker-content-digest", &digest)
            .has("location", format!("/v2/up/loads/blobs/{digest}"))
            .keep("blob", "location"),
        get("{blob}", 200).gives(&bytes),
        get("{upload}", 404).error("BLOB_UPLOAD_UNKNOWN"),
        there(),
        gone(),
        // POST alone.
        post(format!("/v2/up/loads/blobs/uploads/?digest={digest}"), 201)
            .body(&bytes)
            .is("docker-content-digest", &digest)
            .has("location", &digest)
            .ours(),
        there().ours(),
        gone().ours(),
        post(format!("/v2/up/loads/blobs/uploads/?digest={wrong}"), 400).body(&bytes).error("DIGEST_INVALID").ours(),
        post("/v2/up/loads/blobs/uploads/?digest=sha256:abc", 400).body(&bytes).error("DIGEST_INVALID").ours(),
        // In pieces.
        begin(),
        piece(0, 1000),
        get("{upload}", 204).is("range", "0-999").present("location").present("docker-upload-uuid"),
        piece(1000, 2500),
        piece(2500, 3000),
        finish(),
        there(),
        gone(),
        // The last piece with the PUT.
        begin(),
        piece(0, 1000),
        finish().with("content-range", "1000-2999").body(&bytes[1000..]),
        there(),
        gone(),
        // As one stream.
        begin(),
        patch("{upload}", 202)
            .stream(&[&bytes[..7], &bytes[7..1999], &bytes[1999..]])
            .is("range", "0-2999")
            .keep("upload", "location"),
        finish(),
        there(),
        gone(),
        begin(),
        finish().stream(&[&bytes[..1], &bytes[1..]]),
        there(),
        // Out of order: refused, and the upload is as it was.
        begin(),
        patch("{upload}", 416).with("content-range", "1000-1999").body(&bytes[1000..2000]),
        piece(0, 1000),
        patch("{upload}", 416).with("content-range", "500-1499").body(&bytes[500..1500]),
        patch("{upload}", 416).with("content-range", "1001-1500").body(&bytes[1001..1501]),
        put(format!("{{upload?}}digest={digest}"), 416).with("content-range", "2000-2999").body(&bytes[2000..]).ours(),
        get("{upload}", 204).is("range", "0-999").keep("upload", "location"),
        piece(1000, 3000),
        finish(),
        there(),
        // Ranges that are none, or do not fit the body.
        begin(),
        patch("{upload}", 400).or(416).with("content-range", "what").body("abc").ours(),
        patch("{upload}", 400).or(416).with("content-range", "2-0").body("abc").ours(),
        patch("{upload}", 400).or(416).with("content-range", "0-9").body("abc").ours(),
        get("{upload}", 204).is("range", "0-0").keep("upload", "location"),
        finish().body(&bytes),
        // Wrong digests.
        begin(),
        put(format!("{{upload?}}digest={wrong}"), 400).body(&bytes).error("DIGEST_INVALID"),
        head(format!("/v2/up/loads/blobs/{wrong}"), 404),
        begin(),
        put("{upload}", 400).body(&bytes).error("DIGEST_INVALID"),
        put("{upload?}digest=sha256:abc", 400).body(&bytes).error("DIGEST_INVALID"),
        put("{upload?}digest=md5:d41d8cd98f00b204e9800998ecf8427e", 400).body("").error("DIGEST_INVALID").ours(),
        // Nobody gets a blob by naming its digest.
        begin(),
        put(format!("{{upload?}}digest={elsewhere}"), 400).body("").error("DIGEST_INVALID"),
        head(format!("/v2/up/loads/blobs/{elsewhere}"), 404),
        // The blob of nothing.
        begin(),
        put(format!("{{upload?}}digest={NOTHING}"), 201),
        get(format!("/v2/up/loads/blobs/{NOTHING}"), 200).empty(),
        // Given up.
        begin(),
        piece(0, 1000),
        delete("{upload}", 204),
        get("{upload}", 404).error("BLOB_UPLOAD_UNKNOWN"),
        patch("{upload}", 404).body("abc").error("BLOB_UPLOAD_UNKNOWN"),
        put(format!("{{upload?}}digest={digest}"), 404).body(&bytes).error("BLOB_UPLOAD_UNKNOWN"),
        delete("{upload}", 404).error("BLOB_UPLOAD_UNKNOWN"),
        // No uploads.
        get("/v2/up/loads/blobs/uploads/00000000-0000-4000-8000-000000000000", 404).error("BLOB_UPLOAD_UNKNOWN").ours(),
        patch("/v2/up/loads/blobs/uploads/what", 404).or(400).body("a").error("").ours(),
        get("/v2/up/loads/blobs/uploads/..%2f..", 404).or(400).error("").ours(),
    ];
    cases.extend(mounts(&elsewhere));
    cases
}

fn mounts(digest: &str) -> Vec<Case> {
    let mount = |target: &str, query: &str, status: u16| post(format!("/v2/{target}/blobs/uploads/?{query}"), status);
    vec![
        mount("up/mount1", &format!("mount={digest}&from=up/source"), 201)
            .is("docker-content-digest", digest)
            .has("location", format!("/v2/up/mount1/blobs/{digest}")),
        get(format!("/v2/up/mount1/blobs/{digest}"), 200).gives("to be mounted"),
        // From wherever it is.
        mount("up/mount2", &format!("mount={digest}"), 201).has("location", digest).ours(),
        get(format!("/v2/up/mount2/blobs/{digest}"), 200).gives("to be mounted").ours(),
        // Deleted where it came from, it stays where it went.
        mount("up/mount3", &format!("mount={digest}&from=up/mount1"), 201),
        delete(format!("/v2/up/mount1/blobs/{digest}"), 202),
        head(format!("/v2/up/mount1/blobs/{digest}"), 404),
        get(format!("/v2/up/mount3/blobs/{digest}"), 200).gives("to be mounted"),
        // Refused: then it is an upload.
        mount("up/mount4", &format!("mount={digest}&from=up/nobody"), 202)
            .present("location")
            .keep("upload", "location"),
        get("{upload}", 204).is("range", "0-0"),
        head(format!("/v2/up/mount4/blobs/{digest}"), 404),
        put(format!("{{upload?}}digest={digest}"), 201).body("to be mounted"),
        mount("up/mount4", &format!("mount={NOBODY}&from=up/source"), 202).present("location"),
        mount("up/mount4", &format!("mount={NOBODY}"), 202).present("location"),
        mount("up/mount4", "mount=sha256:abc&from=up/source", 202).or(400).ours(),
        mount("up/mount4", &format!("mount={digest}&from=../source"), 202).or(400).ours(),
    ]
}

#[test]
fn uploads() {
    let registry = Registry::new();
    run(&registry.client(), &cases(&registry.client()));
}

#[test]
fn uploads_by_http2() {
    let registry = Registry::new();
    run(&registry.http2(), &cases(&registry.http2()));
}

#[test]
fn an_upload_belongs_to_its_repository() {
    let registry = Registry::new();
    let client = registry.client();
    let begun = client.request("POST", "/v2/mine/blobs/uploads/").send().expect(202).location();
    let elsewhere = begun.replacen("/v2/mine/", "/v2/yours/", 1);
    for method in ["GET", "PATCH", "DELETE"] {
        let answer = client.request(method, &elsewhere).body("abc").send().expect(404);
        assert_eq!(answer.code(), "BLOB_UPLOAD_UNKNOWN");
    }
    client.get(&begun).expect(204);
}

/// An encoded body is not the blob that it decodes to.
#[test]
fn an_encoded_push_is_refused() {
    let registry = Registry::new();
    let client = registry.client();
    let begun = client.request("POST", "/v2/coded/blobs/uploads/").send().expect(202).location();
    client.request("PATCH", &begun).header("content-encoding", "gzip").body("abc").send().expect(415);
    client.request("PATCH", &begun).body("abc").send().expect(202);
}

#[test]
fn the_second_writer_of_an_upload_is_told_so() {
    let registry = Registry::new();
    let client = registry.client();
    let begun = client.request("POST", "/v2/two/blobs/uploads/").send().expect(202).location();

    let mut first = registry.raw();
    let head = format!(
        "PATCH {begun} HTTP/1.1\r\nHost: {}\r\nContent-Length: 6\r\nExpect: 100-continue\r\n\r\n",
        registry.address()
    );
    first.send(head).unwrap();
    // It is asked for its body: from now on the upload is its own.
    assert!(first.head().starts_with("HTTP/1.1 100 "));
    first.send("abc").unwrap();

    client.request("PATCH", &begun).body("xyz").send().expect(409);
    let finish = format!("{begun}{}digest={}", if begun.contains('?') { '&' } else { '?' }, sha256("xyz"));
    client.request("PUT", &finish).body("xyz").send().expect(409);

    first.send("def").unwrap();
    assert!(first.head().starts_with("HTTP/1.1 202 "));
    let status = client.get(&begun).expect(204);
    assert_eq!(status.header("range"), "0-5");
    let finish = skerry_tests::client::with(&status.location(), &format!("digest={}", sha256("abcdef")));
    client.request("PUT", &finish).send().expect(201);
}

/// What arrived before a connection broke is still there.
#[test]
fn a_broken_patch_can_be_gone_on_from() {
    let registry = Registry::new();
    let client = registry.client();
    let bytes = Noise::new(11).bytes(200_000);
    let begun = client.request("POST", "/v2/broken/blobs/uploads/").send().expect(202).location();
    let mut raw = registry.raw();
    raw.send(format!("PATCH {begun} HTTP/1.1\r\nHost: {}\r\nContent-Length: 200000\r\n\r\n", registry.address()))
        .unwrap();
    raw.send(&bytes[..120_000]).unwrap();
    let deadline = Instant::now() + Duration::from_secs(20);
    let again = |why: &Answer| {
        assert!(Instant::now() < deadline, "{} {} {}", why.status, why.header("range"), why.text());
        sleep(Duration::from_millis(10));
    };
    // A connection that is reset takes with it what has not arrived, which may
    // be all of it.
    let mut target = loop {
        let status = client.get(&begun).expect(204);
        if status.header("range") == "0-119999" {
            break status.location();
        }
        again(&status);
    };
    drop(raw);
    // The server sees the end when it sees it: until then the upload is busy.
    target = loop {
        let patch = client.request("PATCH", &target).header("content-range", "120000-199999");
        let answer = patch.body(bytes[120_000..].to_vec()).send();
        if answer.status != 409 {
            break answer.expect(202).location();
        }
        again(&answer);
    };
    let finish = skerry_tests::client::with(&target, &format!("digest={}", sha256(&bytes)));
    client.request("PUT", &finish).send().expect(201);
    push::whole_blob(&client, "broken", &sha256(&bytes)).unwrap();
}

/// Many clients push one blob at once, as builders in a fleet do.
#[test]
fn one_blob_from_many() {
    let registry = Registry::new();
    let bytes = Noise::new(12).bytes(300_000);
    std::thread::scope(|scope| {
        for writer in 0..8 {
            let (client, bytes) = (registry.client(), &bytes);
            scope.spawn(move || push::blob(&client, if writer % 2 == 0 { "many/a" } else { "many/b" }, bytes));
        }
    });
    for name in ["many/a", "many/b"] {
        push::whole_blob(&registry.client(), name, &sha256(&bytes)).unwrap();
    }
}
