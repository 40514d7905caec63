//! The image, run by a real Docker engine in place of `registry:2`.

use std::{
    fs,
    os::unix::fs::{PermissionsExt, symlink},
    path::{Path, PathBuf},
    time::Duration,
};

use skerry_tests::{
    Client, Peer,
    authority::Authority,
    binary::{self, workspace},
    engine::Engine,
    peer::Release,
    ports::Port,
    push, tools,
};

use crate::composed;

/// Of an image whose program has no compiler, in bytes: built as tests are, and
/// not by `--profile dist`, as what is shipped.
const SLIM: u64 = 21_000_000;
/// Of one whose program has.
const WHOLE: u64 = 40_000_000;

/// The binary that the image is made of.
pub fn built() -> PathBuf {
    let named = std::env::var_os("SKERRY_STATIC_BIN");
    named.expect("SKERRY_STATIC_BIN names a static binary: see .ci/run for how it is built").into()
}

/// A binary, less its symbols, as the profile `dist` has it.
fn stripped(built: &Path, directory: &Path) -> PathBuf {
    let file = directory.join("skerry");
    let mut strip = tools::tool("strip");
    strip.arg("-o").arg(&file).arg(built);
    tools::succeed(strip);
    file
}

/// With the compiler it is linked dynamically here; all that a C library and
/// the roots of the web add is 2 MB.
#[test]
#[ignore = "needs strip: run by .ci/run"]
fn fits_with_the_compiler_too() {
    let directory = tempfile::tempdir().unwrap();
    let size = fs::metadata(stripped(binary::skerry(), directory.path())).unwrap().len();
    println!("the program with its compiler has {size} bytes");
    assert!(size + 2_000_000 <= WHOLE, "{size}");
}

/// Makes the image by the last stages of the Containerfile, which need no
/// network; an archive that engines load, and its tag.
fn image(directory: &Path) -> (String, &'static str) {
    const TAG: &str = "skerry.test/skerry:slim";
    let context = directory.join("context");
    let (programs, certificates) = (context.join("prebuilt/bin"), context.join("prebuilt/etc/ssl/certs"));
    for directory in [&context.join("host"), &programs, &certificates] {
        fs::create_dir_all(directory).unwrap();
    }
    let mut copy = tools::tool("cp");
    copy.arg("-a").arg(workspace().join("host/package")).arg(context.join("host"));
    tools::succeed(copy);
    stripped(&built(), &programs);
    for name in ["registry", "htpasswd"] {
        symlink("skerry", programs.join(name)).unwrap();
    }
    fs::copy("/etc/ssl/certs/ca-certificates.crt", certificates.join("ca-certificates.crt")).unwrap();
    let buildah = || {
        let mut command = tools::tool("buildah");
        command.arg("--root").arg(directory.join("root")).arg("--runroot").arg(directory.join("run"));
        command.args(["--storage-driver", "vfs"]).env("HOME", directory);
        command
    };
    let mut build = buildah();
    build.args(["bud", "--isolation", "chroot", "--build-arg", "BINARY=prebuilt", "--tag", TAG, "--file"]);
    build.arg(context.join("host/package/Containerfile")).arg(&context);
    tools::succeed(build);
    let archive = directory.join("image.tar").display().to_string();
    let mut push = buildah();
    fs::write(directory.join("policy.json"), r#"{"default":[{"type":"insecureAcceptAnything"}]}"#).unwrap();
    push.arg("push").arg("--signature-policy").arg(directory.join("policy.json"));
    push.args([TAG, &format!("docker-archive:{archive}:{TAG}")]);
    tools::succeed(push);
    (archive, TAG)
}

/// `/etc/letsencrypt`, as certbot keeps it: keys of root, links from `live`
/// into `archive`.
pub fn letsencrypt(directory: &Path) -> (PathBuf, Authority) {
    let root = directory.join("letsencrypt");
    let (live, archive) = (root.join("live/example.org"), root.join("archive/example.org"));
    fs::create_dir_all(&live).unwrap();
    fs::create_dir_all(&archive).unwrap();
    let trust = Authority::new(directory, &["localhost"]);
    for (from, name) in [(&trust.certificate, "fullchain"), (&trust.key, "privkey")] {
        fs::copy(from, archive.join(format!("{name}1.pem"))).unwrap();
        symlink(format!("../../archive/example.org/{name}1.pem"), live.join(format!("{name}.pem"))).unwrap();
    }
    fs::set_permissions(archive.join("privkey1.pem"), fs::Permissions::from_mode(0o600)).unwrap();
    fs::set_permissions(root.join("archive"), fs::Permissions::from_mode(0o700)).unwrap();
    fs::set_permissions(root.join("live"), fs::Permissions::from_mode(0o700)).unwrap();
    (root, trust)
}

/// Waits until a container listens.
pub fn listening(engine: &Engine, name: &str) {
    let deadline = std::time::Instant::now() + Duration::from_secs(60);
    loop {
        let said = engine.run(&["logs", name]);
        if said.contains("listening") {
            return;
        }
        let state = engine.run(&["inspect", "--format", "{{.State.Running}}", name]);
        assert!(state.trim() == "true" && std::time::Instant::now() < deadline, "{said}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
#[ignore = "needs dockerd, docker, docker-compose, buildah, docker-registry 2.8, a static binary and root: run by .ci/run"]
fn takes_the_place_of_registry_2() {
    assert!(rustix::process::geteuid().is_root(), "an engine needs root");
    let directory = tempfile::Builder::new().prefix("skerry-image-").tempdir().unwrap();
    let (archive, tag) = image(directory.path());
    let mut engine = Engine::start(directory.path(), None);
    engine.run(&["load", "--input", &archive]);
    let size: u64 = engine.run(&["inspect", "--format", "{{.Size}}", tag]).trim().parse().unwrap();
    println!("the image has {size} bytes");
    assert!(size <= SLIM, "{size}");
    in_the_tutorial(&engine, directory.path(), tag);
    by_words(&engine, directory.path(), tag);
    by_other_users(&engine, tag);
    composed::alone(&engine, directory.path(), tag);
    engine.service.terminate();
}

/// The tutorial's line, on the volume that it left. Only the network is the
/// machine's, as the engine of a test has none.
fn in_the_tutorial(engine: &Engine, directory: &Path, tag: &str) {
    let volume = directory.join("registry");
    fs::create_dir(&volume).unwrap();
    let before = Peer::start(Release::Two, &volume);
    let old = push::image(&before.client(), "left/behind", Some("old"), 40);
    before.stop();
    let (letsencrypt, trust) = letsencrypt(directory);
    let port = Port::free();
    let address = format!("localhost:{}", port.number());
    let mounts = [format!("{}:/certs", letsencrypt.display()), format!("{}:/var/lib/registry", volume.display())];
    let listen = format!("REGISTRY_HTTP_ADDR=127.0.0.1:{}", port.number());
    let line = [
        &["run", "-d", "--name", "registry", "--network", "host"][..],
        &["-v", &mounts[0], "-v", &mounts[1], "-e", &listen],
        &["-e", "REGISTRY_HTTP_TLS_CERTIFICATE=/certs/live/example.org/fullchain.pem"],
        &["-e", "REGISTRY_HTTP_TLS_KEY=/certs/live/example.org/privkey.pem"],
        &[tag],
    ];
    engine.run(&line.concat());
    listening(engine, "registry");
    let client = Client::new(&address, &trust);
    push::whole(&client, "left/behind", "old").unwrap();
    let answer = client.get("/v2/left/behind/manifests/old").expect(200);
    assert_eq!(answer.body, old);
    push::image(&client, "brought", Some("new"), 50);
    push::whole(&client, "brought", "new").unwrap();
    // As people collect garbage: in the running container.
    let said =
        engine.run(&["exec", "registry", "registry", "garbage-collect", "-d", "/etc/docker/registry/config.yml"]);
    assert!(said.contains("blobs marked"), "{said}");
    engine.run(&["stop", "registry"]);
    assert_eq!(engine.run(&["inspect", "--format", "{{.State.ExitCode}}", "registry"]).trim(), "0");
    // And back: theirs serves what was pushed.
    let after = Peer::start(Release::Two, &volume);
    push::whole(&after.client(), "brought", "new").unwrap();
    after.stop();
    engine.run(&["rm", "registry"]);
}

/// Everything that people type behind the image's name.
fn by_words(engine: &Engine, directory: &Path, tag: &str) {
    let volume = format!("{}:/var/lib/registry", directory.join("registry").display());
    let run = |words: &[&str]| {
        let line = [&["run", "--rm", "--network", "host", "-v", &volume][..], words].concat();
        engine.run(&line)
    };
    for (words, said) in [
        (&[tag, "--version"][..], " skerry v"),
        (&[tag, "registry", "--version"], " skerry v"),
        (&[tag, "help"], "Usage: registry"),
        (&[tag, "serve", "--help"], "Usage: registry serve"),
        (&[tag, "garbage-collect", "-d", "-m", "/etc/docker/registry/config.yml"], "blobs marked"),
        (&[tag, "registry", "garbage-collect", "-d", "/etc/distribution/config.yml"], "blobs marked"),
        (&["--entrypoint", "htpasswd", tag, "-Bbn", "somebody", "secret"], "somebody:$2y$"),
        (&["--entrypoint", "/bin/skerry", tag, "config", "check"], "rootdirectory: /var/lib/registry"),
    ] {
        let output = run(words);
        assert!(output.contains(said), "{words:?}: {output}");
    }
    for words in [&["/etc/docker/registry/config.yml"][..], &["serve", "/etc/distribution/config.yml"], &[]] {
        let line = ["run", "-d", "--name", "words", "--network", "host", "-e", "REGISTRY_HTTP_ADDR=127.0.0.1:0", tag];
        engine.run(&[&line[..], words].concat());
        listening(engine, "words");
        engine.run(&["rm", "-f", "-v", "words"]);
    }
}

/// With no capability at all, on a volume of its own, and with nothing else to
/// write to: as root and as somebody else.
fn by_other_users(engine: &Engine, tag: &str) {
    for user in ["0", "65532", "65532:65532", "1234:0"] {
        let port = Port::free();
        let listen = format!("REGISTRY_HTTP_ADDR=127.0.0.1:{}", port.number());
        let line = ["run", "-d", "--name", "user", "--network", "host", "--cap-drop", "ALL", "--read-only"];
        engine.run(&[&line[..], &["--user", user, "-e", &listen, "-v", "own:/var/lib/registry", tag]].concat());
        listening(engine, "user");
        let client = Client::plain(&format!("127.0.0.1:{}", port.number()));
        push::image(&client, "own", Some("tag"), 60);
        push::whole(&client, "own", "tag").unwrap();
        engine.run(&["rm", "-f", "user"]);
        engine.run(&["volume", "rm", "own"]);
    }
}
