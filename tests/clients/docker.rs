//! A real Docker engine, on a network where it verifies certificates: it does
//! not on loopback.

use std::{
    fs,
    path::{Path, PathBuf},
};

use skerry_tests::{
    Options, Peer, Registry,
    engine::Engine,
    image::file_digest,
    layout,
    namespaces::{self, Namespace},
    peer::Release,
    tools,
};

use crate::target::{against_a_peer, many};

/// A registry on a network of its own.
struct Remote {
    // Either is kept for its end.
    _ours: Option<Registry>,
    _peer: Option<Peer>,
    address: String,
    ca: PathBuf,
    volume: PathBuf,
}

impl Remote {
    fn start(directory: &Path, network: Namespace, address: String) -> Self {
        let volume = directory.join("volume");
        fs::create_dir(&volume).unwrap();
        if against_a_peer() {
            let peer = Peer::start_in(Release::Three, &volume, &network, &address);
            let (address, ca) = (peer.address().to_owned(), peer.trust().ca.clone());
            return Self { _ours: None, _peer: Some(peer), address, ca, volume };
        }
        let ours = Registry::start(Options {
            names: vec![address.clone()],
            network: Some((network, address)),
            volume: Some(volume.clone()),
            ..Options::default()
        });
        let (address, ca) = (ours.address().to_owned(), ours.trust().ca.clone());
        Self { _ours: Some(ours), _peer: None, address, ca, volume }
    }
}

#[test]
#[ignore = "needs dockerd, docker, skopeo and root: run by .ci/run"]
fn docker() {
    assert!(rustix::process::geteuid().is_root(), "networks of their own need root");
    let directory = tempfile::Builder::new().prefix("skerry-docker-").tempdir().unwrap();
    let [(left, address), (right, _)] = namespaces::pair();
    let registry = Remote::start(directory.path(), left, address);
    let authority = registry.address.clone();
    let mut engine = Engine::start(directory.path(), Some(&right));

    let (layout, _) = many(&directory.path().join("many"), 20, 5000);
    let archive = directory.path().join("many.tar").display().to_string();
    let mut convert = tools::tool("skopeo");
    convert.args(["--insecure-policy", "copy", &format!("oci:{}:many", layout.path().display())]);
    convert.arg(format!("docker-archive:{archive}:made/here:many"));
    tools::succeed(convert);
    engine.run(&["load", "--input", &archive]);
    let id = engine.run(&["image", "inspect", "--format", "{{.Id}}", "made/here:many"]).trim().to_owned();
    let remote = format!("{authority}/docker/image:many");
    engine.run(&["tag", "made/here:many", &remote]);

    // It does not know who signed the certificate.
    let said = tools::fail(engine.docker(&["push", &remote]));
    assert!(said.contains("x509"), "{said}");
    let trusted = engine.etc.join("certs.d").join(&authority);
    fs::create_dir(&trusted).unwrap();
    fs::copy(&registry.ca, trusted.join("ca.crt")).unwrap();

    engine.run(&["push", &remote]);
    let pushed = engine.run(&["image", "inspect", "--format", "{{index .RepoDigests 0}}", &remote]);
    let pushed = pushed.trim().rsplit_once('@').unwrap().1.to_owned();
    assert_eq!(file_digest(&layout::blob(&registry.volume, &pushed)), pushed);
    assert_eq!(fs::read_to_string(layout::tag_link(&registry.volume, "docker/image", "many")).unwrap(), pushed);

    // Again, to another name: every layer is mounted.
    let other = format!("{authority}/docker/other:many");
    engine.run(&["tag", &remote, &other]);
    let said = engine.run(&["push", &other]);
    assert!(said.matches("Mounted from docker/image").count() >= 20, "{said}");
    let said = engine.run(&["push", &other]);
    assert!(said.matches("Layer already exists").count() >= 20, "{said}");

    engine.run(&["rmi", "--force", &id]);
    tools::fail(engine.docker(&["image", "inspect", &remote]));
    engine.run(&["pull", &remote]);
    assert_eq!(engine.run(&["image", "inspect", "--format", "{{.Id}}", &remote]).trim(), id);
    engine.run(&["rmi", "--force", &id]);
    engine.run(&["pull", &format!("{authority}/docker/other@{pushed}")]);
    assert_eq!(engine.run(&["images", "--no-trunc", "--quiet"]).trim(), id);

    // Without the authority, it pulls nothing either.
    engine.run(&["rmi", "--force", &id]);
    fs::remove_dir_all(&trusted).unwrap();
    let said = tools::fail(engine.docker(&["pull", &remote]));
    assert!(said.contains("x509"), "{said}");

    engine.service.terminate();
}
