//! `http`, but for its certificates.

use std::time::{Duration, Instant};

use rustix::process::Signal;
use skerry_tests::{Client, push, raw::Raw};

use super::{Row, Table, Told, checked, refuses};

pub const ROWS: &[Row] = &[
    (&["http.addr"], address),
    (&["http.net"], family),
    (&["http.host", "http.relativeurls"], locations),
    (&["http.prefix"], prefix),
    (&["http.secret"], secret),
    (&["http.draintimeout"], drain),
    (&["http.headers"], headers),
    (&["http.debug.addr", "http.debug.prometheus.enabled", "http.debug.prometheus.path"], admin),
    (&["http.h2c.enabled"], cleartext_http2),
];

fn address(table: &Table) {
    let told = Told::start(table, &[]);
    told.client().get("/v2/").expect(200);
    assert!(told.says("listening").contains(&told.address()));
}

fn family(table: &Table) {
    for (net, address) in [("tcp6", "127.0.0.1:0"), ("tcp4", "'[::1]:0'")] {
        let error = refuses(table, &[("http.net", net), ("http.addr", address)]);
        assert!(error.contains("no address of that family"), "{net}: {error}");
    }
    Told::start(table, &[("http.net", "tcp4")]).client().get("/v2/").expect(200);
}

fn locations(table: &Table) {
    assert!(Told::start(table, &[]).location().starts_with("/v2/a/blobs/uploads/"));
    let told = Told::start(table, &[("http.relativeurls", "false")]);
    assert!(told.location().starts_with(&format!("http://{}/v2/a/blobs/uploads/", told.address())));
    let host = ("http.host", "https://registry.example.com");
    let told = Told::start(table, &[host]);
    assert!(told.location().starts_with("https://registry.example.com/v2/a/blobs/uploads/"));
    // As there, a host that is named is named.
    let told = Told::start(table, &[host, ("http.relativeurls", "true")]);
    assert!(told.location().starts_with("https://registry.example.com/v2/a/blobs/uploads/"));
}

fn prefix(table: &Table) {
    let told = Told::start(table, &[("http.prefix", "/edge/")]);
    told.client().get("/edge/v2/").expect(200);
    told.client().get("/v2/").expect(404);
}

fn secret(table: &Table) {
    let told = Told::start(table, &[("http.secret", "HUSH")]);
    push::image(&told.client(), "a", Some("b"), 1);
    push::whole(&told.client(), "a", "b").unwrap();
    assert!(told.service.lines().iter().all(|line| !line.contains("HUSH") && !line.contains("http.secret")));
    let check = checked("version: 0.1\nhttp: {secret: HUSH}\n");
    assert!(check.out.contains("secret: <secret>") && !check.out.contains("HUSH"), "{check:?}");
}

/// A client that never ends is waited for so long, and no longer.
fn drain(table: &Table) {
    let mut told = Told::start(table, &[("http.draintimeout", "2s")]);
    let mut raw = Raw::plain(&told.address());
    let (upload, host) = (told.location(), told.address());
    raw.send(format!("PATCH {upload} HTTP/1.1\r\nHost: {host}\r\nContent-Length: 9\r\nExpect: 100-continue\r\n\r\n"))
        .unwrap();
    assert!(raw.head().starts_with("HTTP/1.1 100 "));
    let start = Instant::now();
    told.service.signal(Signal::TERM);
    told.service.wait();
    // Eight seconds where nothing is said.
    let took = start.elapsed();
    assert!((Duration::from_millis(1500)..Duration::from_secs(6)).contains(&took), "{took:?}");
}

fn headers(table: &Table) {
    let told = Told::start(table, &[("http.headers", "{X-Told: [yes, 'no']}")]);
    let answer = told.client().get("/v2/").expect(200);
    assert_eq!(answer.headers.get_all("x-told").iter().collect::<Vec<_>>(), ["yes", "no"]);
}

fn admin(table: &Table) {
    let on = [("http.debug.addr", "127.0.0.1:0"), ("http.debug.prometheus.enabled", "true")];
    let path = ("http.debug.prometheus.path", "/numbers");
    for (set, metrics, numbers) in [(&on[..1], 404, 404), (&on[..], 200, 404), (&[on[0], on[1], path][..], 404, 200)] {
        let told = Told::start(table, set);
        let line: serde_json::Value = serde_json::from_str(&told.says("debug_address")).unwrap();
        let admin = Client::plain(line["debug_address"].as_str().unwrap());
        admin.get("/debug/health").expect(200);
        assert_eq!((admin.get("/metrics").status, admin.get("/numbers").status), (metrics, numbers), "{set:?}");
    }
}

/// The preface and empty settings, and what a server that speaks HTTP/2 sends
/// first: a frame of settings.
fn cleartext_http2(table: &Table) {
    for (enabled, speaks) in [("true", true), ("false", false)] {
        let told = Told::start(table, &[("http.h2c.enabled", enabled)]);
        let mut raw = Raw::plain(&told.address());
        raw.send(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").unwrap();
        let first = raw.some().unwrap();
        assert_eq!(first.get(3) == Some(&4) && !first.starts_with(b"HTTP/"), speaks, "{first:?}");
    }
}
