//! What unfinished uploads hold, of each client.

use std::thread;

use skerry_tests::{
    client::{Answer, Client, with},
    content::{Noise, sha256},
};

use super::host::{Host, htpasswd};

const SHARE: usize = 1 << 20;
/// More than half of it.
const LARGE: usize = 700 << 10;

struct Target {
    host: Host,
    _directory: tempfile::TempDir,
}

impl Target {
    /// Everybody may do everything, and some have names.
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        htpasswd(&directory.path().join("users"), &[("ann", "correct"), ("bob", "correct")]);
        let host = Host::start(&format!(
            "limits:\n  staged_per_principal: {SHARE}\npolicies:\n- module: htpasswd\n  directory: {}\n  settings: {{realm: Registry, file: users, anonymous: true}}\n- module: access\n  settings:\n    rules:\n    - {{repositories: ['**'], anonymous: true, actions: [pull, push]}}\n",
            directory.path().display()
        ));
        Self { host, _directory: directory }
    }
}

fn begin(client: &Client, repository: &str) -> String {
    client.request("POST", &format!("/v2/{repository}/blobs/uploads/")).send().expect(202).location()
}

fn append(client: &Client, upload: &str, bytes: &[u8]) -> Answer {
    client.request("PATCH", upload).body(bytes.to_vec()).send()
}

/// With no length that is declared.
fn stream(client: &Client, upload: &str, bytes: &[u8]) -> Answer {
    let pieces: Vec<_> = bytes.chunks(64 << 10).map(<[u8]>::to_vec).collect();
    client.request("PATCH", upload).stream(pieces).send()
}

/// Bytes that an upload has, as an answer says it.
fn offset(answer: &Answer) -> usize {
    let (first, last) = answer.header("range").split_once('-').unwrap();
    assert_eq!(first, "0");
    match last.parse().unwrap() {
        0 => 0,
        last => last + 1,
    }
}

/// The refusal; how much of the upload is there.
#[track_caller]
fn refused(answer: Answer, upload: &str) -> usize {
    let answer = answer.expect(429);
    assert_eq!(answer.code(), "TOOMANYREQUESTS");
    let said = answer.json()["errors"][0]["message"].as_str().unwrap().to_owned();
    assert!(said.contains("finish or cancel"), "{said}");
    assert_eq!(answer.location(), upload);
    offset(&answer)
}

fn finish(client: &Client, upload: &str, bytes: &[u8], rest: &[u8]) {
    let target = with(upload, &format!("digest={}", sha256(bytes)));
    client.request("PUT", &target).body(rest.to_vec()).send().expect(201);
}

#[test]
fn who_has_as_much_as_one_may_waits_and_others_go_on() {
    let target = Target::new();
    let clients = [target.host.user("ann"), target.host.user("bob"), target.host.nobody()];
    let staged = || target.host.number("skerry_uploads_staged_bytes");
    let bytes = Noise::new(1).bytes(LARGE);
    let [ann, others @ ..] = &clients;
    let (first, second) = (begin(ann, "one/app"), begin(ann, "another/app"));
    append(ann, &first, &bytes).expect(202);
    assert_eq!(staged(), LARGE as u64);
    // What says how long it is, is not begun.
    assert_eq!(refused(append(ann, &second, &bytes), &second), 0);
    // What does not is taken as far as there is room.
    let taken = refused(stream(ann, &second, &bytes), &second);
    assert!(LARGE + taken <= SHARE && taken > 0, "{taken}");
    assert_eq!(staged(), (LARGE + taken) as u64);
    assert_eq!(offset(&ann.get(&second).expect(204)), taken);
    let whole = with("/v2/one/app/blobs/uploads/", &format!("digest={}", sha256(&bytes)));
    assert_eq!(ann.request("POST", &whole).body(bytes.clone()).send().expect(429).code(), "TOOMANYREQUESTS");
    // Others go on, those without a name too.
    for (other, repository) in others.iter().zip(["bob/app", "nobody/app"]) {
        let upload = begin(other, repository);
        append(other, &upload, &bytes).expect(202);
        assert_eq!(refused(append(other, &upload, &bytes), &upload), LARGE);
        finish(other, &upload, &bytes, b"");
        assert_eq!(other.get(&format!("/v2/{repository}/blobs/{}", sha256(&bytes))).expect(200).body.len(), LARGE);
    }
    // What is cancelled makes room, and what is finished does.
    ann.request("DELETE", &first).send().expect(204);
    append(ann, &second, &bytes[taken..]).expect(202);
    finish(ann, &second, &bytes, b"");
    assert_eq!(staged(), 0);
    ann.request("POST", &whole).body(bytes.clone()).send().expect(201);
    assert_eq!(staged(), 0);
    assert!(target.host.number("skerry_uploads_over_share_total") >= 5);
}

#[test]
fn many_at_once_take_no_more_than_one() {
    let target = Target::new();
    let ann = target.host.user("ann");
    let bytes = Noise::new(2).bytes(SHARE / 4);
    let uploads: Vec<_> = (0..12).map(|n| begin(&ann, &format!("many/{n}"))).collect();
    let taken = thread::scope(|scope| {
        let senders: Vec<_> = uploads
            .iter()
            .map(|upload| {
                let (ann, bytes) = (&ann, &bytes);
                scope.spawn(move || {
                    let answer = stream(ann, upload, bytes);
                    match answer.status {
                        202 => offset(&answer),
                        _ => refused(answer, upload),
                    }
                })
            })
            .collect();
        senders.into_iter().map(|sender| sender.join().unwrap()).sum::<usize>()
    });
    assert!(taken <= SHARE && taken > SHARE / 2, "{taken}");
    assert_eq!(target.host.number("skerry_uploads_staged_bytes"), taken as u64);
    for upload in &uploads {
        ann.request("DELETE", upload).send().expect(204);
    }
    assert_eq!(target.host.number("skerry_uploads_staged_bytes"), 0);
}

#[test]
fn it_counts_after_a_restart_too() {
    let mut target = Target::new();
    let bytes = Noise::new(3).bytes(LARGE);
    let (first, second) = {
        let ann = target.host.user("ann");
        let uploads = (begin(&ann, "again/app"), begin(&ann, "again/app"));
        append(&ann, &uploads.0, &bytes).expect(202);
        uploads
    };
    target.host.registry.stop();
    target.host.registry.restart();
    let (ann, bob) = (target.host.user("ann"), target.host.user("bob"));
    assert_eq!(refused(append(&ann, &second, &bytes), &second), 0);
    let other = begin(&bob, "again/app");
    append(&bob, &other, &bytes).expect(202);
    finish(&ann, &first, &bytes, b"");
    append(&ann, &second, &bytes).expect(202);
    // What a killed process did not write down counts for who goes on with it.
    target.host.registry.kill9();
    target.host.registry.restart();
    let (ann, bob) = (target.host.user("ann"), target.host.user("bob"));
    assert_eq!(offset(&bob.get(&other).expect(204)), LARGE);
    let third = begin(&bob, "again/app");
    assert_eq!(refused(append(&bob, &third, &bytes), &third), 0);
    finish(&ann, &second, &[&bytes[..], b"more"].concat(), b"more");
    finish(&bob, &other, &bytes, b"");
    append(&bob, &third, &bytes).expect(202);
}
