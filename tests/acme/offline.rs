//! What is served while the authority is gone or slow, and what Go's programs
//! leave and find.

use std::{
    fs,
    net::TcpListener,
    path::Path,
    time::{Duration, Instant},
};

use skerry_tests::{authority::Authority, children, service::Service, tools};

use crate::{
    client::{ask, ordering, roots_of, says, served, trusting},
    pebble::{Options, Pebble, Place, free_port},
};

/// A directory as `autocert` has it, with a certificate of a test's own
/// authority for each name.
fn filled(cache: &Path, names: &[&str]) -> Vec<Authority> {
    fs::create_dir_all(cache).unwrap();
    let made = names.iter().map(|name| {
        let directory = cache.with_file_name(format!("made-{name}"));
        fs::create_dir(&directory).unwrap();
        let made = Authority::new(&directory, &[name]);
        let text = [fs::read(&made.key).unwrap(), fs::read(&made.certificate).unwrap()].concat();
        fs::write(cache.join(name), text).unwrap();
        made
    });
    made.collect()
}

#[test]
fn a_slow_authority_delays_nobody() {
    let directory = tempfile::tempdir().unwrap();
    let cache = directory.path().join("cache");
    let made = filled(&cache, &["a.example"]);
    let place = Place::new();
    // It accepts, by the kernel, and says nothing.
    let _silent = TcpListener::bind(("127.0.0.1", place.port())).unwrap();
    let mut registry = ordering(&place, &cache, &["a.example", "b.example"], "");
    says(&mut registry, "a certificate is ordered");
    let start = Instant::now();
    for _ in 0..10 {
        ask(registry.address(), "a.example", trusting(&roots_of(&made[0]), &["http/1.1"])).unwrap();
    }
    assert!(ask(registry.address(), "b.example", trusting(&roots_of(&made[0]), &["http/1.1"])).is_err());
    assert!(start.elapsed() < Duration::from_secs(10), "{:?}", start.elapsed());
    // Nor is the end put off by an order that is under way.
    let start = Instant::now();
    registry.stop();
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
}

#[test]
fn another_process_that_renews_the_same_directory() {
    let directory = tempfile::tempdir().unwrap();
    let cache = directory.path().join("cache");
    let made = filled(&cache, &["a.example"]);
    let place = Place::new();
    let registry = ordering(&place, &cache, &["a.example"], "");
    ask(registry.address(), "a.example", trusting(&roots_of(&made[0]), &["http/1.1"])).unwrap();
    let other = directory.path().join("other");
    let next = filled(&other.join("cache"), &["a.example"]);
    fs::rename(other.join("cache/a.example"), cache.join("a.example")).unwrap();
    served(registry.address(), "a.example", &roots_of(&next[0]), None);
}

#[test]
fn a_directory_that_cannot_be_used_stops_the_start() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("cache"), "x").unwrap();
    let config = directory.path().join("config.yml");
    let text = format!(
        "version: 0.1\nstorage: {{filesystem: {{rootdirectory: {0}/volume}}}}\nhttp:\n  addr: 127.0.0.1:0\n  tls:\n    \
         letsencrypt: {{cachefile: {0}/cache, hosts: [a.example]}}\n",
        directory.path().display()
    );
    fs::write(&config, text).unwrap();
    let ended = skerry_tests::command::called("skerry", &["serve", config.to_str().unwrap()]);
    assert_ne!(ended.code, 0);
    assert!(ended.err.contains("`http.tls.letsencrypt.cachefile`: "), "{}", ended.err);
    assert!(ended.err.contains("cache: a file, not a directory"), "{}", ended.err);
    let ended = skerry_tests::command::called("skerry", &["config", "check", config.to_str().unwrap()]);
    assert_eq!(ended.code, 0, "{}", ended.err);
    assert!(ended.out.contains("letsencrypt:") && ended.out.contains("a.example"), "{}", ended.out);
}

/// distribution, with the same directory and authority.
fn distribution(place: &Place, cache: &Path, directory: &Path, port: u16) -> Service {
    let config = directory.join("distribution.yml");
    let text = format!(
        "version: 0.1\nstorage:\n  filesystem:\n    rootdirectory: {}\nhttp:\n  addr: 127.0.0.1:{port}\n  tls:\n    \
         letsencrypt:\n      cachefile: {}\n      email: me@a.example\n      hosts: [a.example]\n      directoryurl: {}\n",
        directory.join("volume").display(),
        cache.display(),
        place.url()
    );
    fs::write(&config, text).unwrap();
    let mut command = children::command(tools::find("registry"));
    command.arg("serve").arg(&config).env("SSL_CERT_FILE", place.ca()).env("OTEL_TRACES_EXPORTER", "none");
    let service = Service::start("distribution", command);
    service.wait_for("where it listens", |line| line.contains("listening on").then_some(()));
    service
}

#[test]
#[ignore = "needs pebble and distribution"]
fn what_distribution_ordered_and_what_it_goes_on_with() {
    let directory = tempfile::tempdir().unwrap();
    let cache = directory.path().join("cache");
    let place = Place::new();
    let port = free_port();
    let pebble = Pebble::start(&place, Options { ports: (port, 1), ..Options::default() });
    let roots = pebble.roots();
    let mut theirs = distribution(&place, &cache, directory.path(), port);
    let address = format!("127.0.0.1:{port}");
    // It orders in the handshake.
    let ordered = served(&address, "a.example", &roots, None);
    theirs.terminate();
    drop(pebble);

    // There is no authority any more, and we serve what it left.
    let mut registry = ordering(&place, &cache, &["a.example"], "");
    assert_eq!(ask(registry.address(), "a.example", trusting(&roots, &["http/1.1"])).unwrap(), ordered);
    registry.stop();

    // What we order with its account, it serves in turn.
    fs::remove_file(cache.join("a.example")).unwrap();
    let account = fs::read(cache.join("acme_account+key")).unwrap();
    let mut registry = ordering(&place, &cache, &["a.example"], "");
    let ours = registry.address().rsplit_once(':').unwrap().1.parse().unwrap();
    let pebble = Pebble::start(&place, Options { ports: (ours, 1), ..Options::default() });
    let roots = pebble.roots();
    let ordered = served(registry.address(), "a.example", &roots, None);
    assert_eq!(fs::read(cache.join("acme_account+key")).unwrap(), account);
    registry.stop();
    drop(pebble);
    let _theirs = distribution(&place, &cache, directory.path(), port);
    assert_eq!(ask(&address, "a.example", trusting(&roots, &["http/1.1"])).unwrap(), ordered);
}
