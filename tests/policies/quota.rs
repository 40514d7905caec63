//! What fits into a tree of repositories, whoever pushes at the same time.

use std::{thread, time::Duration};

use skerry_tests::{
    Options, Registry,
    client::{Answer, Client, with},
    command::collect,
    content::{IMAGE, Noise, sha256},
    push,
};

use super::host::Host;

fn start(rules: &str, options: Options) -> Host {
    Host::start_with(&format!("policies:\n- module: quota\n  settings:\n    rules: [{rules}]\n"), options)
}

/// Pushes a blob in one request.
fn put(client: &Client, repository: &str, bytes: &[u8]) -> Answer {
    let target = with(&format!("/v2/{repository}/blobs/uploads/"), &format!("digest={}", sha256(bytes)));
    client.request("POST", &target).body(bytes.to_vec()).send()
}

#[track_caller]
fn message(answer: &Answer) -> String {
    assert_eq!((answer.status, answer.code().as_str()), (403, "DENIED"), "{}", answer.text());
    answer.json()["errors"][0]["message"].as_str().unwrap().to_owned()
}

#[test]
fn what_does_not_fit_is_denied_with_the_figures() {
    let host = start("{tree: team, bytes: 20000}, {tree: 'team/**', tags: 2}, {repositories: 3}", Options::default());
    let client = host.nobody();
    let image = push::image(&client, "team/app", Some("v1"), 1);
    let held = client.head("/v2/team/app/manifests/v1").expect(200);
    assert_eq!(held.header("content-length"), image.len().to_string());
    // 8,000 bytes of layers, and some of JSON: as much fits once more.
    let denied = put(&client, "team/other", &Noise::new(9).bytes(12_000));
    let says = message(&denied);
    assert!(says.starts_with("team has a quota of 19.5 KiB and holds 8."), "{says}");
    assert!(says.ends_with(" KiB: there is no room for 11.7 KiB more"), "{says}");
    client.head(&format!("/v2/team/other/blobs/{}", sha256(Noise::new(9).bytes(12_000)))).expect(404);
    // In pieces, the end of the upload is denied, and the upload is gone.
    let begun = client.request("POST", "/v2/team/other/blobs/uploads/").send().expect(202).location();
    let bytes = Noise::new(9).bytes(12_000);
    let last = client.request("PUT", &with(&begun, &format!("digest={}", sha256(&bytes)))).body(bytes).send();
    assert_eq!(message(&last), says);
    client.get(&begun).expect(404);
    // What is there already takes no room, by push or by mount of itself.
    push::manifest(&client, "team/app", "v1", IMAGE, &image);
    put(&client, "team/app", &Noise::new(1).bytes(3000)).expect(201);
    // Nearly full is allowed, and told.
    let nearly = put(&client, "team/other", &Noise::new(5).bytes(10_500)).expect(201);
    assert!(nearly.header("warning").contains("team holds 18."), "{}", nearly.header("warning"));
    // Elsewhere there is room, and mounting takes as much as pushing.
    put(&client, "else", &Noise::new(5).bytes(10_500)).expect(201);
    put(&client, "else", &Noise::new(6).bytes(3_000)).expect(201);
    let blob = sha256(Noise::new(6).bytes(3_000));
    let mount = with(&with("/v2/team/app/blobs/uploads/", &format!("mount={blob}")), "from=else");
    let says = message(&client.request("POST", &mount).send());
    assert!(says.starts_with("team has a quota") && says.ends_with("no room for 2.9 KiB more"), "{says}");
    // Tags and repositories.
    push::manifest(&client, "team/app", "v2", IMAGE, &image);
    let tags = client.request("PUT", "/v2/team/app/manifests/v3").header("content-type", IMAGE).body(image.clone());
    let says = message(&tags.send());
    assert_eq!(says, "team/app has a quota of 2 tags and holds 2: there is no room for 1 more");
    push::manifest(&client, "team/app", "v2", IMAGE, &image);
    let says = message(&put(&client, "fourth", b"x"));
    assert_eq!(says, "the registry has a quota of 3 repositories and holds 3: there is no room for 1 more");
    let full = with("/v2/fourth/blobs/uploads/", "");
    client.request("POST", &full).send().expect(202);
}

#[test]
fn pushes_at_the_same_time_do_not_exceed_it_together() {
    for round in 0..4_u64 {
        let host = start("{tree: team, bytes: 50000}", Options::default());
        let pushers: Vec<_> = (0..16_u64)
            .map(|number| {
                let client = host.nobody();
                thread::spawn(move || {
                    let bytes = Noise::new(100 * round + number).bytes(10_000);
                    // Both ways, in repositories of the same tree.
                    let repository = format!("team/app{}", number % 3);
                    match number % 2 {
                        0 => put(&client, &repository, &bytes).status,
                        _ => push::try_blob(&client, &repository, &bytes).map_or(403, |_| 201),
                    }
                })
            })
            .collect();
        let statuses: Vec<_> = pushers.into_iter().map(|pusher| pusher.join().unwrap()).collect();
        assert!(statuses.iter().all(|status| [201, 403].contains(status)), "{statuses:?}");
        assert_eq!(statuses.iter().filter(|status| **status == 201).count(), 5, "{statuses:?}");
        assert!(message(&put(&host.nobody(), "team/app", b"x")).contains("holds 48.8 KiB"));
    }
}

/// The same blob by many takes its room once.
#[test]
fn one_blob_by_many_is_one() {
    let host = start("{tree: team, bytes: 15000}", Options::default());
    let bytes = Noise::new(1).bytes(10_000);
    let pushers: Vec<_> = (0..8)
        .map(|_| {
            let (client, bytes) = (host.nobody(), bytes.clone());
            // Not in one request: when that begins, nobody knows what it brings.
            thread::spawn(move || push::try_blob(&client, "team/app", &bytes))
        })
        .collect();
    for pusher in pushers {
        pusher.join().unwrap().unwrap();
    }
    put(&host.nobody(), "team/app", &Noise::new(2).bytes(4_000)).expect(201);
}

#[test]
fn what_goes_makes_room_at_once() {
    let host = start("{bytes: 20000}", Options::default());
    let client = host.nobody();
    let image = push::image(&client, "app", Some("v1"), 1);
    push::blob(&client, "app", &Noise::new(7).bytes(9_000));
    let more = Noise::new(8).bytes(9_500);
    message(&put(&client, "app", &more));
    client.delete(&format!("/v2/app/blobs/{}", sha256(Noise::new(7).bytes(9_000)))).expect(202);
    put(&client, "app", &more).expect(201);
    // A manifest leaves its layers, until they are collected.
    let large = Noise::new(9).bytes(9_000);
    message(&put(&client, "app", &large));
    client.delete(&format!("/v2/app/manifests/{}", sha256(&image))).expect(202);
    message(&put(&client, "app", &large));
    let ended = collect(host.registry.volume(), &["--grace", "0s"]);
    assert_eq!(ended.code, 0, "{ended:?}");
    put(&client, "app", &large).expect(201);
}

/// What fails on its way takes no room.
#[test]
fn what_was_let_in_and_did_not_come_goes_out_again() {
    let host = start("{bytes: 20000}", Options::default());
    let client = host.nobody();
    let bytes = Noise::new(1).bytes(15_000);
    for _ in 0..3 {
        let target = with("/v2/app/blobs/uploads/", &format!("digest={}", sha256("other")));
        client.request("POST", &target).body(bytes.clone()).send().expect(400);
    }
    put(&client, "app", &bytes).expect(201);
    message(&put(&client, "app", &Noise::new(2).bytes(15_000)));
}

#[test]
fn what_another_process_pushed_is_found() {
    let volume = tempfile::tempdir().unwrap();
    let host = start(
        "{bytes: 20000}",
        Options {
            volume: Some(volume.path().to_owned()),
            more: "sandbox:\n  recount: 50ms\n".to_owned(),
            ..Options::default()
        },
    );
    let client = host.nobody();
    put(&client, "app", b"a first one").expect(201);
    let other = Registry::start(Options { volume: Some(volume.path().to_owned()), ..Options::default() });
    push::blob(&other.client(), "app", &Noise::new(1).bytes(15_000));
    // The first to ask is told of the count before, and begins another.
    for number in 0..2_000_u64 {
        let answer = put(&client, "app", &Noise::new(100 + number).bytes(10));
        if answer.status == 201 && answer.header("warning").is_empty() {
            let large = put(&client, "app", &Noise::new(5_000 + number).bytes(6_000));
            if large.status == 403 {
                assert!(
                    message(&large).contains("holds 14.") || message(&large).contains("holds 15."),
                    "{}",
                    message(&large)
                );
                return;
            }
            client.delete(&format!("/v2/app/blobs/{}", sha256(Noise::new(5_000 + number).bytes(6_000)))).expect(202);
        }
        thread::sleep(Duration::from_millis(20));
    }
    panic!("what another process pushed is never found");
}
