//! `compose.yaml`, run by Compose.

use std::{
    fs,
    os::unix::fs::symlink,
    path::Path,
    time::{Duration, Instant},
};

use skerry_tests::{Client, authority::Authority, engine::Engine, ports::Port, push, tools};

use crate::{
    image::{letsencrypt, listening},
    package,
};

/// As it is shipped, but for the image, which is there already, and the
/// network, which is the machine's, as the engine of a test has none.
pub fn alone(engine: &Engine, directory: &Path, tag: &str) {
    let directory = directory.join("composed");
    fs::create_dir(&directory).unwrap();
    let (certificates, trust) = letsencrypt(&directory);
    let port = Port::free();
    let mut text = fs::read_to_string(package("compose.yaml")).unwrap();
    let mut replace = |what: &str, with: &str| {
        assert!(text.contains(what), "there is no {what}");
        text = text.replace(what, with);
    };
    replace("image: skerry\n", &format!("image: {tag}\n"));
    replace("    build:\n      context: ../..\n      dockerfile: host/package/Containerfile\n", "");
    replace("    ports:\n      - \"443:5000\"\n", "    network_mode: host\n");
    replace(
        "    environment:\n",
        &format!("    environment:\n      REGISTRY_HTTP_ADDR: 127.0.0.1:{}\n", port.number()),
    );
    replace("- /etc/letsencrypt:", &format!("- {}:", certificates.display()));
    let file = directory.join("compose.yaml");
    fs::write(&file, text).unwrap();
    let compose = |words: &[&str]| {
        let mut command = engine.compose();
        command.args(["--project-name", "test", "--file"]).arg(&file).args(words).env("DOMAIN", "example.org");
        tools::succeed(command)
    };
    compose(&["up", "-d"]);
    listening(engine, "test_registry_1");
    let client = Client::new(&format!("localhost:{}", port.number()), &trust);
    push::image(&client, "composed", Some("tag"), 70);
    push::whole(&client, "composed", "tag").unwrap();

    // What certbot renews is served, with no restart.
    let next = directory.join("next");
    fs::create_dir(&next).unwrap();
    let trust = Authority::new(&next, &["localhost"]);
    for (from, name) in [(&trust.certificate, "fullchain"), (&trust.key, "privkey")] {
        fs::copy(from, certificates.join(format!("archive/example.org/{name}2.pem"))).unwrap();
        symlink(format!("../../archive/example.org/{name}2.pem"), directory.join("link")).unwrap();
        fs::rename(directory.join("link"), certificates.join(format!("live/example.org/{name}.pem"))).unwrap();
    }
    let client = Client::new(client.authority(), &trust);
    let start = Instant::now();
    while client.request("GET", "/v2/").try_send().is_err() {
        assert!(start.elapsed() < Duration::from_secs(10), "not taken: {}", engine.run(&["logs", "test_registry_1"]));
        std::thread::sleep(Duration::from_millis(20));
    }
    push::whole(&client, "composed", "tag").unwrap();
    compose(&["stop"]);
    assert_eq!(engine.run(&["inspect", "--format", "{{.State.ExitCode}}", "test_registry_1"]).trim(), "0");
    compose(&["down", "--volumes"]);
}
