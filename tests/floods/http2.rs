//! What is known to have brought down servers of HTTP/2.

use std::time::{Duration, Instant};

use skerry_tests::frames::{
    CONTINUATION, DATA, END_HEADERS, END_STREAM, ENHANCE_YOUR_CALM, Frames, GOAWAY, HEADERS, PING, RST_STREAM,
    SETTINGS, WINDOW_UPDATE, frame, head, literal, reason, setting,
};

use crate::{started, survives};

/// Frames of one flood, at the most.
const MANY: u32 = 200_000;
/// How long one goes on, at the most: less than a server listens after the end.
const LONG: Duration = Duration::from_secs(3);

/// Sends what `next` makes, some hundred at a time, until the server ends the
/// connection or enough were sent.
fn flood(frames: &mut Frames, mut next: impl FnMut(u32) -> Vec<u8>) {
    let begun = Instant::now();
    let mut sent = 0;
    while sent < MANY && begun.elapsed() < LONG {
        let batch: Vec<u8> = (sent..sent + 100).flat_map(&mut next).collect();
        if frames.send(&batch).is_err() {
            break;
        }
        sent += 100;
    }
}

fn stream(n: u32) -> u32 {
    2 * n + 1
}

/// What came of a flood.
#[derive(Debug)]
struct Outcome {
    /// Answers that began.
    answers: usize,
    /// Why the server ended it.
    reason: Option<u32>,
}

fn outcome(mut frames: Frames, next: impl FnMut(u32) -> Vec<u8>) -> Outcome {
    // A server that has ended it still listens for a while (`limits.linger`):
    // how much it takes says nothing.
    flood(&mut frames, next);
    let frames = frames.rest();
    let answers = frames.iter().filter(|frame| frame.kind == HEADERS).count();
    Outcome { answers, reason: reason(&frames) }
}

/// Requests that are taken back at once (CVE-2023-44487).
#[test]
fn rapid_reset() {
    let mut registry = started();
    let outcome = survives(&mut registry, |registry| {
        let head = head(registry.address(), "GET", "/v2/flood/manifests/t");
        outcome(Frames::open(registry.address(), registry.trust(), &[]), |n| {
            let request = frame(HEADERS, END_HEADERS | END_STREAM, stream(n), &head);
            [request, frame(RST_STREAM, 0, stream(n), &8_u32.to_be_bytes())].concat()
        })
    });
    assert!(outcome.reason == Some(ENHANCE_YOUR_CALM) && outcome.answers < 1000, "{outcome:?}");
}

/// Requests that the server itself resets, for a mistake that comes after each
/// (CVE-2025-8671).
#[test]
fn made_you_reset() {
    let mut registry = started();
    for mistake in [
        // No more room at all, by nothing.
        (|stream| frame(WINDOW_UPDATE, 0, stream, &0_u32.to_be_bytes())) as fn(u32) -> Vec<u8>,
        // More room than there are numbers.
        |stream| frame(WINDOW_UPDATE, 0, stream, &0x7fff_ffff_u32.to_be_bytes()),
        // A body after its end.
        |stream| frame(DATA, 0, stream, b"more"),
    ] {
        let outcome = survives(&mut registry, |registry| {
            let head = head(registry.address(), "GET", "/v2/flood/manifests/t");
            outcome(Frames::open(registry.address(), registry.trust(), &[]), |n| {
                [frame(HEADERS, END_HEADERS | END_STREAM, stream(n), &head), mistake(stream(n))].concat()
            })
        });
        assert!(outcome.reason.is_some_and(|reason| reason != 0) && outcome.answers < 1000, "{outcome:?}");
    }
}

/// A head without end: in large pieces, and in none (CVE-2024-27316).
#[test]
fn continuations() {
    let mut registry = started();
    for piece in [literal("x", &"y".repeat(100)).repeat(100), Vec::new()] {
        let outcome = survives(&mut registry, |registry| {
            let head = head(registry.address(), "GET", "/v2/");
            let mut frames = Frames::open(registry.address(), registry.trust(), &[]);
            frames.send(&frame(HEADERS, END_STREAM, 1, &head)).unwrap();
            outcome(frames, |_| frame(CONTINUATION, 0, 1, &piece))
        });
        assert!(outcome.reason.is_some_and(|reason| reason != 0) && outcome.answers == 0, "{outcome:?}");
    }
}

/// One byte for each of thousands of long fields, of which the first alone was
/// sent as it is.
#[test]
fn cookie_crumbs() {
    let mut registry = started();
    let frames = survives(&mut registry, |registry| {
        let mut block = head(registry.address(), "GET", "/v2/");
        // The name by number, to be kept, with a value of 3,000 bytes.
        block.extend([0x60, 0x7f, 0xb9, 0x16]);
        block.extend([b'a'; 3000]);
        // And again: the newest that was kept.
        block.extend([0xbe; 12_000]);
        let mut frames = Frames::open(registry.address(), registry.trust(), &[]);
        for n in 0..50 {
            if frames.send(&frame(HEADERS, END_HEADERS | END_STREAM, stream(n), &block)).is_err() {
                break;
            }
        }
        frames.rest()
    });
    // None of them is a request.
    let answers = frames.iter().filter(|frame| frame.kind == HEADERS);
    // By number: 200 is 8 in the table that both know.
    assert!(answers.into_iter().all(|answer| answer.payload.first() != Some(&0x88)));
}

/// A client that asks for much and gives no room for the answers.
#[test]
fn no_window() {
    let mut registry = started();
    let bytes = skerry_tests::content::Noise::new(3).bytes(8 << 20);
    let digest = skerry_tests::push::blob(&registry.client(), "flood", &bytes);
    for window in [0, 1] {
        let took = survives(&mut registry, |registry| {
            let head = head(registry.address(), "GET", &format!("/v2/flood/blobs/{digest}"));
            let mut frames = Frames::open(registry.address(), registry.trust(), &setting(4, window));
            for n in 0..100 {
                frames.send(&frame(HEADERS, END_HEADERS | END_STREAM, stream(n), &head)).unwrap();
            }
            let begun = Instant::now();
            let frames = frames.rest();
            let data: usize = frames.iter().filter(|frame| frame.kind == DATA).map(|frame| frame.payload.len()).sum();
            assert!(data <= 100, "{data} bytes");
            begun.elapsed()
        });
        // `limits.write_idle`, and some: not until the client goes.
        assert!(took < Duration::from_secs(9), "{took:?}");
    }
}

/// Small talk that wants answers, which nobody reads.
#[test]
fn small_talk() {
    let mut registry = started();
    for talk in [frame(PING, 0, 0, &[0; 8]), frame(SETTINGS, 0, 0, &[]), frame(SETTINGS, 0, 0, &setting(1, 0))] {
        survives(&mut registry, |registry| {
            let mut frames = Frames::open(registry.address(), registry.trust(), &[]);
            flood(&mut frames, |_| talk.clone())
        });
    }
}

/// A body that goes on and never comes to anything.
#[test]
fn empty_data() {
    let mut registry = started();
    let begun = registry.client().request("POST", "/v2/flood/blobs/uploads/").send().expect(202).location();
    let frames = survives(&mut registry, |registry| {
        let mut frames = Frames::open(registry.address(), registry.trust(), &[]);
        frames.send(&frame(HEADERS, END_HEADERS, 1, &head(registry.address(), "PATCH", &begun))).unwrap();
        flood(&mut frames, |_| frame(DATA, 0, 1, &[]));
        // It is a proper body all the same, when it ends.
        let _ = frames.send(&frame(DATA, END_STREAM, 1, b"end"));
        let _ = frames.send(&frame(GOAWAY, 0, 0, &[0; 8]));
        frames.rest()
    });
    let answered = frames.iter().any(|frame| frame.kind == HEADERS);
    let ended = reason(&frames).is_some_and(|reason| reason != 0);
    assert_ne!(answered, ended, "{frames:?}");
    // The upload is nobody's, and where it was or three bytes on.
    let answer = registry.client().get(&begun).expect(204);
    assert_eq!(answer.header("range"), if answered { "0-2" } else { "0-0" });
}

/// A body of one byte in each frame.
#[test]
fn one_byte_of_data() {
    let mut registry = started();
    let begun = registry.client().request("POST", "/v2/flood/blobs/uploads/").send().expect(202).location();
    let (frames, sent) = survives(&mut registry, |registry| {
        let mut frames = Frames::open(registry.address(), registry.trust(), &[]);
        frames.send(&frame(HEADERS, END_HEADERS, 1, &head(registry.address(), "PATCH", &begun))).unwrap();
        let mut sent = 0_usize;
        flood(&mut frames, |_| {
            sent += 1;
            frame(DATA, 0, 1, b"x")
        });
        let _ = frames.send(&frame(DATA, END_STREAM, 1, b"x"));
        let _ = frames.send(&frame(GOAWAY, 0, 0, &[0; 8]));
        (frames.rest(), sent + 1)
    });
    let answered = frames.iter().any(|frame| frame.kind == HEADERS);
    let ended =
        frames.iter().any(|frame| frame.kind == RST_STREAM) || reason(&frames).is_some_and(|reason| reason != 0);
    assert!(answered || ended, "{frames:?}");
    let answer = registry.client().get(&begun).expect(204);
    let last: usize = answer.header("range").strip_prefix("0-").unwrap().parse().unwrap();
    assert!(last < sent, "{last} of {sent}");
}
