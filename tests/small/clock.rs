//! A clock that is set while the registry runs, by years.

use std::{fs, path::Path, thread, time::Duration};

use skerry_tests::{
    Options, Registry, client::with, content::Noise, layout, push, registry::first_run_through, sha256,
};
use tempfile::TempDir;

/// Debian's libfaketime, which reads a file whenever the program asks for the
/// time. What the kernel tells, stamps of files and the clock that is never
/// set, stays as it is.
struct Clock {
    directory: TempDir,
}

impl Clock {
    fn new() -> Self {
        let clock = Self { directory: tempfile::Builder::new().prefix("skerry-clock-").tempdir().unwrap() };
        clock.set("+0");
        clock
    }

    fn environment(&self) -> Vec<String> {
        let libraries =
            ["x86_64-linux-gnu", "aarch64-linux-gnu"].map(|of| format!("/usr/lib/{of}/faketime/libfaketimeMT.so.1"));
        let library = libraries.iter().find(|path| Path::new(path).exists());
        let library = library.expect("Debian's libfaketime is there: see .ci/run");
        let file = self.directory.path().join("offset");
        let words = [
            format!("LD_PRELOAD={library}"),
            format!("FAKETIME_TIMESTAMP_FILE={}", file.display()),
            "FAKETIME_NO_CACHE=1".into(),
            "FAKETIME_DONT_FAKE_MONOTONIC=1".into(),
            "DONT_FAKE_MONOTONIC=1".into(),
            "NO_FAKE_STAT=1".into(),
        ];
        words.into()
    }

    /// Sets it: so far from the right time.
    fn set(&self, offset: &str) {
        let new = self.directory.path().join("new");
        fs::write(&new, format!("{offset}\n")).unwrap();
        fs::rename(new, self.directory.path().join("offset")).unwrap();
    }
}

/// From here, in days: ten years ahead, ten back, ahead of that again, right.
const OFFSETS: [&str; 4] = ["+3652d", "-3652d", "+3652d", "+0"];

fn year(registry: &Registry, http2: bool) -> i32 {
    let client = if http2 { registry.http2() } else { registry.client() };
    let date = client.get("/v2/").expect(200).header("date").to_owned();
    date.split(' ').nth(3).and_then(|year| year.parse().ok()).unwrap_or_else(|| panic!("{date:?}"))
}

/// Seconds of processor time so far.
fn computed(pid: u32) -> f64 {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let fields: Vec<&str> = stat.rsplit_once(") ").unwrap().1.split(' ').collect();
    (fields[11].parse::<f64>().unwrap() + fields[12].parse::<f64>().unwrap()) / 100.0
}

/// Waits for two runs of the purge that begin after this.
fn two_purges(registry: &mut Registry) -> Vec<String> {
    let purges = |lines: &[String]| {
        lines.iter().filter(|line| line.contains("upload purging is done")).cloned().collect::<Vec<_>>()
    };
    let before = purges(&registry.service().lines()).len();
    for _ in 0..6_000 {
        let all = purges(&registry.service().lines());
        // The first may have begun before.
        if all.len() >= before + 3 {
            return all[before..].to_vec();
        }
        thread::sleep(Duration::from_millis(10));
    }
    panic!("the uploads are not purged any more");
}

#[test]
#[ignore = "needs libfaketime: run by .ci/run"]
fn a_clock_that_jumps_by_ten_years() {
    let clock = Clock::new();
    let mut through = vec!["env".to_owned()];
    through.extend(clock.environment());
    let mut registry = Registry::start(Options {
        through,
        storage: "maintenance:\n  uploadpurging:\n    age: 1h\n    interval: 1s".into(),
        ..Options::default()
    });
    let client = registry.client();
    push::image(&client, "kept", Some("t"), 1);
    let now = year(&registry, false);

    // One that is old indeed goes.
    let old = layout::uploads(registry.volume(), "kept").join("7f1e7a3c-1111-4222-8333-123456789abc");
    fs::create_dir_all(&old).unwrap();
    fs::write(old.join("startedat"), "2001-01-01T00:00:00Z").unwrap();
    let purges = two_purges(&mut registry);
    assert!(purges.iter().any(|line| line.contains("\"purged\":1")), "{purges:?}");
    assert!(!old.exists());

    let bytes = Noise::new(4).bytes(400_000);
    let mut target = client.request("POST", "/v2/kept/blobs/uploads/").send().expect(202).location();
    let mut pieces = bytes.chunks(50_000);
    let mut sent = 0;
    let piece = |target: &mut String, sent: &mut usize, piece: &[u8]| {
        let range = format!("{sent}-{}", *sent + piece.len() - 1);
        let patch = client.request("PATCH", target).header("content-range", &range).body(piece.to_vec());
        *target = patch.send().expect(202).location();
        *sent += piece.len();
    };
    piece(&mut target, &mut sent, pieces.next().unwrap());
    for (offset, years) in OFFSETS.into_iter().zip([10, -10, 10, 0]) {
        // A body is under way when the clock is set.
        let mut raw = registry.raw();
        let next = pieces.next().unwrap();
        let (first, rest) = next.split_at(20_000);
        let head = format!(
            "PATCH {target} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {}\r\nContent-Range: {sent}-{}\r\n\
             Connection: close\r\n\r\n",
            next.len(),
            sent + next.len() - 1
        );
        raw.send(head).unwrap();
        raw.send(first).unwrap();
        clock.set(offset);
        for http2 in [false, true] {
            let told = year(&registry, http2);
            assert!((told - now - years).abs() <= 1, "{told} at {offset}");
        }
        raw.send(rest).unwrap();
        let head = raw.rest();
        assert!(head.starts_with("HTTP/1.1 202 "), "at {offset}: {head}");
        sent += next.len();
        target = head.lines().find_map(|line| line.strip_prefix("location: ")).unwrap().to_owned();
        target = skerry_tests::client::target(&target).to_owned();
        // And none is, but the upload is there.
        for purge in two_purges(&mut registry) {
            assert!(purge.contains("\"examined\":1") && purge.contains("\"purged\":0"), "at {offset}: {purge}");
        }
        push::whole(&client, "kept", "t").unwrap();
        push::image(&client, "kept", Some("u"), 2);
        push::whole(&client, "kept", "u").unwrap();
    }
    for rest in pieces {
        piece(&mut target, &mut sent, rest);
    }
    let digest = sha256(&bytes);
    client.request("PUT", &with(&target, &format!("digest={digest}"))).send().expect(201);
    push::whole_blob(&client, "kept", &digest).unwrap();
    // The certificate was not valid yet for a while, which was said.
    let lines = registry.service().lines();
    assert_eq!(lines.iter().filter(|line| line.contains("is the clock right?")).count(), 1, "{}", lines.join("\n"));
    let usual = |line: &str| line.contains("response completed") || line.contains("purging is done");
    let odd: Vec<_> = lines.iter().filter(|line| !usual(line)).collect();
    assert!(odd.len() < 20, "{odd:?}");
    registry.stop();
}

/// The authority of a first run is trusted by people: the clock does not
/// change that, and the leaf is good when the clock is.
#[test]
#[ignore = "needs libfaketime: run by .ci/run"]
fn the_local_authority_outlives_a_wrong_clock() {
    let clock = Clock::new();
    let data = tempfile::tempdir().unwrap();
    let mut through = vec!["env".to_owned()];
    through.extend(clock.environment());
    let service = first_run_through(data.path(), &through);
    service.address();
    let tls = data.path().join(".skerry/tls");
    let read = |name: &str| fs::read(tls.join(name)).unwrap();
    let (authority, first) = (read("ca.pem"), read("leaf.pem"));
    let until = |what: &str, holds: &dyn Fn() -> bool| {
        for _ in 0..6_000 {
            if holds() {
                return;
            }
            thread::sleep(Duration::from_millis(10));
        }
        panic!("{what}: {}", service.lines().join("\n"));
    };

    // Beyond the authority's own end: said once, and nothing is made.
    clock.set("+4000d");
    let said = || service.lines().iter().filter(|line| line.contains("see that the clock is right")).count();
    until("it never said so", &|| said() == 1);
    let before = computed(service.pid());
    thread::sleep(Duration::from_secs(3));
    assert!(computed(service.pid()) - before < 2.0, "it is busy");
    assert_eq!(said(), 1);
    assert_eq!((read("ca.pem"), read("leaf.pem")), (authority.clone(), first.clone()));

    // Beyond the leaf's alone: it is made anew, and again when the clock is
    // set back, as it would be of the future.
    clock.set("+3000d");
    until("there is no new leaf", &|| read("leaf.pem") != first);
    let second = read("leaf.pem");
    clock.set("-300d");
    until("the leaf is of the future", &|| read("leaf.pem") != second);
    assert_eq!(read("ca.pem"), authority);
    clock.set("+0");
    let mut service = service;
    assert!(service.terminate().success());
}
