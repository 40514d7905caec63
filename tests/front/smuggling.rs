//! Requests that two readers may read differently, with nginx as the first of
//! them: we see no request but those that it saw, and nobody gets another's
//! answer.

use std::{
    collections::BTreeSet,
    thread,
    time::{Duration, Instant},
};

use serde_json::Value;
use skerry_tests::{
    Registry,
    frames::{DATA, END_HEADERS, END_STREAM, Frames, GOAWAY, HEADERS, RST_STREAM, fields, frame},
    push,
    raw::Raw,
    smuggling,
};

use crate::nginx::{BOTH, Front, Nginx};

/// Targets of requests that a registry has answered.
fn answered(registry: &mut Registry) -> BTreeSet<String> {
    let lines = registry.service().lines();
    let path = |line: &String| serde_json::from_str::<Value>(line).ok()?["path"].as_str().map(str::to_owned);
    lines.iter().filter_map(path).collect()
}

#[test]
#[ignore = "needs nginx and its stream module: run by .ci/run"]
fn nothing_is_smuggled() {
    for front in BOTH {
        let mut registry = Registry::start(front.options());
        let nginx = Nginx::before(front, &[&registry]);
        let client = nginx.client();
        let images = [1, 2].map(|seed| push::image(&client, "inno/cent", Some(&format!("t{seed}")), seed));
        let address = nginx.localhost().replace("localhost", "127.0.0.1");
        // Connections from nginx to us are kept, and used for others.
        let others_are_served = |n: usize| {
            for (tag, image) in ["t1", "t2"].iter().zip(&images) {
                let answer = client.get(&format!("/v2/inno/cent/manifests/{tag}")).expect(200);
                assert_eq!(&answer.body, image, "{front:?}: after {n}");
            }
        };
        for (n, request) in smuggling::http1(&nginx.localhost()) {
            let mut raw = Raw::tls(&address, nginx.trust());
            // It may have been cut off while this side still sends.
            let _ = raw.send(request);
            // Some of them wait for more.
            let answered = raw.some().is_ok_and(|some| !some.is_empty());
            raw.finish();
            if answered {
                raw.rest();
            }
            others_are_served(n);
        }
        for (n, head, body) in smuggling::http2(&nginx.localhost()) {
            let head: Vec<_> = head.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
            let mut frames = Frames::open(&address, nginx.trust(), &[]);
            let _ = frames.send(&frame(HEADERS, END_HEADERS, 1, &fields(&head)));
            let _ = frames.send(&frame(DATA, END_STREAM, 1, body.as_bytes()));
            let ends = [HEADERS, RST_STREAM, GOAWAY];
            while frames.receive().is_some_and(|frame| !ends.contains(&frame.kind)) {}
            others_are_served(n);
        }
        client.get("/v2/last/tags/list").expect(404);
        registry.service().wait_for("the last request", |line| line.contains("/v2/last/").then_some(()));
        let seen = answered(&mut registry);
        assert!(seen.contains("/v2/inno/cent/manifests/t1"), "{seen:?}");
        match front {
            Front::Proxy => {
                let asked = asked(&nginx, "/v2/last/tags/list");
                let more: Vec<_> = seen.difference(&asked).collect();
                assert!(more.is_empty(), "only we saw {more:?}");
            }
            // It reads nothing.
            Front::Passthrough => assert!(!seen.iter().any(|path| path.contains("smuggled")), "{seen:?}"),
        }
        registry.stop();
    }
}

/// Paths that nginx saw, up to the last one.
fn asked(nginx: &Nginx, last: &str) -> BTreeSet<String> {
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        let asked = nginx.asked();
        if asked.iter().any(|target| target == last) {
            return asked.iter().map(|target| target.split('?').next().unwrap_or_default().to_owned()).collect();
        }
        assert!(Instant::now() < deadline, "nginx has not seen {last}: {asked:?}");
        thread::sleep(Duration::from_millis(20));
    }
}
