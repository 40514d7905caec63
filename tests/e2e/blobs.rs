//! Blobs: whole, in part, on condition.

use skerry_tests::{
    Case, Client, Registry,
    content::{NOTHING, Noise},
    push, sha256, sha512,
    table::{get, head, post, put, run},
};

use crate::base::NOBODY;

pub fn cases(client: &Client) -> Vec<Case> {
    let bytes = Noise::new(1).bytes(100_000);
    let digest = push::blob(client, "blobs/one", &bytes);
    let other = push::blob(client, "blobs/two", b"elsewhere");
    push::blob(client, "blobs/one", b"");
    let at = format!("/v2/blobs/one/blobs/{digest}");
    let tag = format!("\"{digest}\"");
    let range = |range: &str, status: u16| get(&at, status).with("range", range);
    vec![
        get(&at, 200)
            .is("content-length", "100000")
            .is("content-type", "application/octet-stream")
            .is("docker-content-digest", &digest)
            .is("etag", &tag)
            .present("cache-control")
            .gives(&bytes),
        head(&at, 200)
            .is("content-length", "100000")
            .is("content-type", "application/octet-stream")
            .is("docker-content-digest", &digest)
            .is("etag", &tag),
        // Parts.
        range("bytes=0-0", 206).is("content-range", "bytes 0-0/100000").gives(&bytes[..1]),
        range("bytes=500-1499", 206).is("content-range", "bytes 500-1499/100000").gives(&bytes[500..1500]),
        range("bytes=99000-", 206).is("content-range", "bytes 99000-99999/100000").gives(&bytes[99_000..]),
        range("bytes=-500", 206).is("content-range", "bytes 99500-99999/100000").gives(&bytes[99_500..]),
        range("bytes=-200000", 206).is("content-range", "bytes 0-99999/100000").gives(&bytes),
        range("bytes=0-", 206).is("content-length", "100000").gives(&bytes),
        range("bytes=99999-4000000", 206).is("content-range", "bytes 99999-99999/100000").gives(&bytes[99_999..]),
        range("bytes=100000-", 416).is("content-range", "bytes */100000"),
        range("bytes=100000-100001", 416).is("content-range", "bytes */100000"),
        range("bytes=-0", 416).ours(),
        range("bytes=18446744073709551616-", 416).or(200),
        range("bytes=5-2", 200).or(416),
        range("bytes=what", 200).or(416),
        range("lines=1-2", 200).or(416),
        range("bytes=0-1,4-5", 200).or(206).or(416),
        range("bytes=0-9", 206).with("if-range", &tag).gives(&bytes[..10]),
        range("bytes=0-9", 200).with("if-range", "\"another\"").gives(&bytes).ours(),
        // Conditions.
        get(&at, 304).with("if-none-match", &tag).is("etag", &tag).empty(),
        get(&at, 304).with("if-none-match", format!("\"a\", W/{tag}")).empty(),
        get(&at, 304).with("if-none-match", "*").empty(),
        head(&at, 304).with("if-none-match", &tag),
        get(&at, 200).with("if-none-match", "\"another\"").gives(&bytes),
        get(&at, 304).with("if-none-match", &tag).with("range", "bytes=0-9").empty(),
        // The blob of nothing is one.
        get(format!("/v2/blobs/one/blobs/{NOTHING}"), 200).is("content-length", "0").empty(),
        head(format!("/v2/blobs/one/blobs/{NOTHING}"), 200).is("content-length", "0"),
        get(format!("/v2/blobs/two/blobs/{NOTHING}"), 404).error("BLOB_UNKNOWN"),
        // Not here.
        get(format!("/v2/blobs/one/blobs/{NOBODY}"), 404).error("BLOB_UNKNOWN"),
        head(format!("/v2/blobs/one/blobs/{NOBODY}"), 404),
        get(format!("/v2/blobs/one/blobs/{other}"), 404).error("BLOB_UNKNOWN"),
        head(format!("/v2/blobs/one/blobs/{other}"), 404),
        get("/v2/blobs/one/blobs/sha256:abc", 400).or(404).error("").ours(),
        get("/v2/blobs/one/blobs/md5:d41d8cd98f00b204e9800998ecf8427e", 400).or(404).error("").ours(),
        get(format!("/v2/blobs/one/blobs/{}", digest.to_uppercase()), 400).or(404).error("").ours(),
        get("/v2/blobs/one/blobs/latest", 400).or(404).error("").ours(),
    ]
}

#[test]
fn blobs() {
    let registry = Registry::new();
    run(&registry.client(), &cases(&registry.client()));
}

#[test]
fn blobs_by_http2() {
    let registry = Registry::new();
    run(&registry.http2(), &cases(&registry.http2()));
}

#[test]
fn by_sha512() {
    let registry = Registry::new();
    let client = registry.client();
    let bytes = Noise::new(2).bytes(70_000);
    let (short, long) = (sha256(&bytes), sha512(&bytes));
    let wrong = sha512("something else");
    run(
        &client,
        &[
            post("/v2/long/blobs/uploads/", 202).keep("upload", "location"),
            put(format!("{{upload?}}digest={wrong}"), 400).body(&bytes).error("DIGEST_INVALID"),
            post(format!("/v2/long/blobs/uploads/?digest={long}"), 201).body(&bytes).is("docker-content-digest", &long),
            get(format!("/v2/long/blobs/{long}"), 200).is("docker-content-digest", &long).gives(&bytes),
            head(format!("/v2/long/blobs/{long}"), 200).is("content-length", "70000"),
            // It was pushed under the one name only.
            head(format!("/v2/long/blobs/{short}"), 404),
            post("/v2/long/blobs/uploads/?digest-algorithm=sha512", 202).keep("upload", "location"),
            put(format!("{{upload?}}digest={long}"), 201).body(&bytes),
            // In pieces, and announced by nobody.
            post("/v2/long/blobs/uploads/", 202).keep("upload", "location"),
            skerry_tests::table::patch("{upload}", 202).body(&bytes[..30_000]).keep("upload", "location"),
            skerry_tests::table::patch("{upload}", 202).body(&bytes[30_000..]).keep("upload", "location"),
            put(format!("{{upload?}}digest={long}"), 201),
            get(format!("/v2/long/blobs/{long}"), 200).gives(&bytes),
        ],
    );
}

#[test]
fn eight_megabytes_arrive_as_they_are() {
    let registry = Registry::new();
    let bytes = Noise::new(3).bytes(8 * 1024 * 1024 + 13);
    for client in [registry.client(), registry.http2()] {
        let digest = push::blob(&client, "big", &bytes);
        let answer = client.get(&format!("/v2/big/blobs/{digest}")).expect(200);
        assert!(answer.body == bytes);
        let part = client.request("GET", &format!("/v2/big/blobs/{digest}")).header("range", "bytes=65535-4194305");
        assert!(part.send().expect(206).body == bytes[65_535..=4_194_305]);
    }
}
