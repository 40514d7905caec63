//! A disk that fills up while it is used.

use std::{
    fs::{self, File},
    io::Write as _,
    path::PathBuf,
    sync::atomic::{AtomicBool, Ordering},
    thread,
};

use skerry_tests::{
    Answer, Client, Options, Registry, binary,
    client::with,
    command::{Ended, ended},
    content::{self, IMAGE, Noise},
    layout,
    mounts::Mounts,
    push, sha256,
};
use tempfile::TempDir;

const PUSHERS: u64 = 8;
/// Bytes of a layer, at the most.
const LAYER: u64 = 700_000;

/// A registry on a filesystem of a few MiB.
struct Small {
    registry: Registry,
    volume: PathBuf,
    mounts: Mounts,
    _directory: TempDir,
}

impl Small {
    /// `$1` is a directory: `volume` in it is where to mount.
    fn new(mount: &str) -> Self {
        let directory = tempfile::Builder::new().prefix("skerry-full-").tempdir().unwrap();
        let volume = directory.path().join("volume");
        fs::create_dir(&volume).unwrap();
        let mounts = Mounts::new(mount, directory.path());
        let registry =
            Registry::start(Options { volume: Some(volume.clone()), through: mounts.through(), ..Options::default() });
        Self { registry, volume: mounts.seen(&volume), mounts, _directory: directory }
    }

    fn collect(&self) -> Ended {
        let mut command = self.mounts.command(binary::skerry());
        command.args(["garbage-collect", "--grace", "0"]).arg(self.registry.directory().join("config.yml"));
        ended(&mut command)
    }

    /// Fills it to the last block, as somebody else would.
    fn fill(&self) -> PathBuf {
        let path = self.volume.join("somebody-else");
        let mut file = File::create(&path).unwrap();
        let mut piece = 1 << 20;
        while piece > 0 {
            if file.write_all(&vec![b'x'; piece]).and_then(|()| file.sync_data()).is_err() {
                piece /= 2;
            }
        }
        path
    }

    /// Nothing is left of what did not come to its end, and what is there is
    /// whole.
    fn check(&self) {
        let root = layout::root(&self.volume);
        for file in layout::files(&root.join("blobs")) {
            let parts: Vec<&str> = file.iter().map(|part| part.to_str().unwrap()).collect();
            let [algorithm, _, hex, "data"] = parts[..] else { panic!("{} among the blobs", file.display()) };
            assert_eq!(sha256(fs::read(root.join("blobs").join(&file)).unwrap()), format!("{algorithm}:{hex}"));
        }
        let uploads = layout::files(&root.join("repositories"));
        let uploads: Vec<_> = uploads.iter().filter(|file| file.iter().any(|part| part == "_uploads")).collect();
        assert!(uploads.is_empty(), "{uploads:?}");
        let own = layout::files(&self.volume.join(".skerry/tmp"));
        // The directories that are kept for the next uploads are few.
        let (kept, rest): (Vec<_>, Vec<_>) = own.iter().partition(|file| file.ends_with("startedat"));
        assert!(kept.len() <= 32 && rest.iter().all(|file| file.ends_with("lock")), "{own:?}");
    }
}

/// An answer that says that there is no room.
#[track_caller]
fn refused(answer: &Answer) {
    assert!([503, 507].contains(&answer.status), "{}: {} {}", answer.what(), answer.status, answer.text());
    assert_eq!(answer.code(), "UNAVAILABLE", "{}: {}", answer.what(), answer.text());
}

/// Pushes until it is refused; the tags that were acknowledged.
fn pushes(client: &Client, n: u64) -> Vec<String> {
    let name = format!("pusher/{n}");
    let mut noise = Noise::new(n + 100);
    let mut tags = Vec::new();
    loop {
        let size = 1 + noise.below(LAYER) as usize;
        let layer = noise.bytes(size);
        // The ways of docker and of containerd, in turns.
        let pieces: Vec<&[u8]> = if tags.len() % 2 == 0 { vec![&layer] } else { layer.chunks(100_000).collect() };
        if !blob(client, &name, &pieces) {
            return tags;
        }
        let config = format!(r#"{{"n":{}}}"#, noise.number());
        if !blob(client, &name, &[config.as_bytes()]) {
            return tags;
        }
        let tag = format!("t{}", tags.len());
        let image = content::image(config.as_bytes(), &[&layer]);
        let put = client.request("PUT", &format!("/v2/{name}/manifests/{tag}")).header("content-type", IMAGE);
        let answer = put.body(image).send();
        if answer.status != 201 {
            refused(&answer);
            return tags;
        }
        tags.push(tag);
    }
}

/// Whether there was room for it. Who is refused cancels, as docker does.
fn blob(client: &Client, name: &str, pieces: &[&[u8]]) -> bool {
    let begun = client.request("POST", &format!("/v2/{name}/blobs/uploads/")).send();
    if begun.status != 202 {
        refused(&begun);
        return false;
    }
    let mut target = begun.location();
    let mut offset = 0;
    for piece in pieces {
        let range = format!("{offset}-{}", offset + piece.len() - 1);
        let answer = client.request("PATCH", &target).header("content-range", &range).body(piece.to_vec()).send();
        if answer.status != 202 {
            refused(&answer);
            client.delete(&target).expect(204);
            return false;
        }
        target = answer.location();
        offset += piece.len();
    }
    let digest = sha256(pieces.concat());
    let answer = client.request("PUT", &with(&target, &format!("digest={digest}"))).send();
    if answer.status != 201 {
        refused(&answer);
        client.delete(&target).expect(204);
    }
    answer.status == 201
}

fn fills_up(mount: &str) {
    let mut small = Small::new(mount);
    let client = small.registry.client();
    for seed in 1..4 {
        push::image(&client, "kept", Some(&format!("t{seed}")), seed);
    }
    let large = push::blob(&client, "kept", &Noise::new(7).bytes(1 << 20));

    let done = AtomicBool::new(false);
    let acknowledged: Vec<Vec<String>> = thread::scope(|scope| {
        let pulls: Vec<_> = (0..2)
            .map(|_| {
                scope.spawn(|| {
                    while !done.load(Ordering::SeqCst) {
                        push::whole(&client, "kept", "t1").unwrap();
                        push::whole_blob(&client, "kept", &large).unwrap();
                    }
                })
            })
            .collect();
        let pushers: Vec<_> = (0..PUSHERS)
            .map(|n| {
                scope.spawn({
                    let client = &client;
                    move || pushes(client, n)
                })
            })
            .collect();
        let acknowledged = pushers.into_iter().map(|pusher| pusher.join().unwrap()).collect();
        done.store(true, Ordering::SeqCst);
        pulls.into_iter().for_each(|pull| pull.join().unwrap());
        acknowledged
    });
    assert!(acknowledged.iter().map(Vec::len).sum::<usize>() > 8, "{acknowledged:?}");
    small.check();
    small
        .registry
        .service()
        .wait_for("that the disk is full", |line| line.contains("storage.filesystem.reserve").then_some(()));

    // Full: what was acknowledged is served, what makes room works.
    let whole = |client: &Client, but: &str| {
        for (n, tags) in acknowledged.iter().enumerate() {
            for tag in tags {
                let name = format!("pusher/{n}");
                if name == but {
                    client.get(&format!("/v2/{name}/manifests/{tag}")).expect(404);
                } else {
                    push::whole(client, &name, tag).unwrap();
                }
            }
        }
        for tag in ["t1", "t2", "t3"] {
            push::whole(client, "kept", tag).unwrap();
        }
    };
    whole(&client, "");
    let most = (0..PUSHERS).max_by_key(|n| acknowledged[*n as usize].len()).unwrap();
    for tag in &acknowledged[most as usize] {
        let target = format!("/v2/pusher/{most}/manifests/{tag}");
        let digest = client.head(&target).expect(200).header("docker-content-digest").to_owned();
        client.delete(&format!("/v2/pusher/{most}/manifests/{digest}")).expect(202);
    }
    // Others may take all that was left alone.
    let filler = small.fill();
    client.request("POST", "/v2/new/blobs/uploads/").send().expect(507);
    let last = "/v2/kept/manifests/t3";
    client.delete(last).expect(202);
    client.get(last).expect(404);
    small.registry.stop();
    small.registry.restart();
    let client = small.registry.client();
    push::whole(&client, "kept", "t1").unwrap();
    client.delete("/v2/kept/manifests/t2").expect(202);
    let ended = small.collect();
    assert_eq!(ended.code, 0, "{}{}", ended.out, ended.err);
    assert!(ended.out.contains("blob eligible for deletion"), "{}", ended.out);

    // There is room: all is well.
    fs::remove_file(&filler).unwrap();
    push::image(&client, "kept", Some("t2"), 2);
    push::image(&client, "kept", Some("t3"), 3);
    let name = format!("pusher/{most}");
    push::image(&client, &name, Some("again"), 50);
    push::whole(&client, &name, "again").unwrap();
    whole(&client, &name);
    small.check();
    small.registry.stop();
}

#[test]
#[ignore = "needs root: run by .ci/run"]
fn a_tmpfs_that_fills_up() {
    fills_up("mount -t tmpfs -o size=24m,mode=755 tmpfs $1/volume");
}

#[test]
#[ignore = "needs root: run by .ci/run"]
fn an_ext4_that_fills_up() {
    fills_up("truncate -s 32M $1/image; mkfs.ext4 -q -m 0 -J size=4 $1/image; mount -o loop $1/image $1/volume");
}
