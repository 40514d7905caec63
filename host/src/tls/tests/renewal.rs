//! Changed files, by every way of changing them.

use rustls::HandshakeKind;

use super::{
    clients::{Authority, with},
    *,
};
use crate::config::ClientAuth;

struct Served {
    directory: tempfile::TempDir,
    files: TlsFiles,
    store: Arc<Store>,
    watch: Watch,
    now: SystemTime,
}

impl Served {
    fn at(&self, name: &str) -> std::path::PathBuf {
        self.directory.path().join(name)
    }

    fn look(&mut self) -> Look {
        self.now += Duration::from_secs(1);
        self.watch.look(self.now, false)
    }

    fn taken(&mut self) {
        let look = self.look();
        assert!(matches!(look, Look::Taken(_)), "{look:?}");
        assert!(matches!(self.look(), Look::Same));
    }

    /// Nothing is taken; it is said at the second look, and not again.
    fn refused(&mut self, sentence: &str) {
        let before = self.store.current();
        assert!(matches!(self.look(), Look::Same));
        match self.look() {
            Look::Refused(error) => assert!(error.to_string().contains(sentence), "{sentence}: {error}"),
            other => panic!("{sentence}: {other:?}"),
        }
        for _ in 0..3 {
            assert!(matches!(self.look(), Look::Same));
        }
        assert!(Arc::ptr_eq(&before, &self.store.current()));
    }

    fn serves(&self, pair: &Pair) {
        let file = self.at("expected.pem");
        fs::write(&file, &pair.certificate).unwrap();
        handshake(&self.store.current().config, client(&file, BOTH), "localhost").unwrap();
    }
}

fn put(directory: &Path, pair: &Pair) {
    fs::create_dir_all(directory).unwrap();
    fs::write(directory.join("tls.crt"), &pair.certificate).unwrap();
    fs::write(directory.join("tls.key"), &pair.key).unwrap();
}

fn serve(directory: tempfile::TempDir, files: TlsFiles) -> Served {
    let store = Arc::new(Store::new(load(&files).unwrap()));
    let watch = Watch::new(Origin::Files(files.clone()), Arc::clone(&store));
    Served { directory, files, store, watch, now: SystemTime::now() }
}

#[test]
fn each_way_of_changing_a_file() {
    let directory = tempfile::tempdir().unwrap();
    let files = files(directory.path());
    let first = pair();
    put(directory.path(), &first);
    let mut served = serve(directory, files);
    assert!(matches!(served.look(), Look::Same));
    served.serves(&first);

    // In place, and nothing but the content tells: size and time are as before.
    let second = pair();
    let time = fs::metadata(&served.files.key).unwrap().modified().unwrap();
    put(served.directory.path(), &second);
    fs::File::options().write(true).open(&served.files.key).unwrap().set_modified(time).unwrap();
    served.taken();
    served.serves(&second);

    // By renames, one after the other: the look between them takes nothing,
    // and says nothing.
    let third = pair();
    put(&served.at("new"), &third);
    fs::rename(served.at("new/tls.crt"), &served.files.certificate).unwrap();
    assert!(matches!(served.look(), Look::Same));
    served.serves(&second);
    fs::rename(served.at("new/tls.key"), &served.files.key).unwrap();
    served.taken();
    served.serves(&third);

    // As certbot does: links to files, which are swapped.
    let fourth = pair();
    put(&served.at("archive"), &fourth);
    for name in ["tls.crt", "tls.key"] {
        symlink(format!("archive/{name}"), served.at("link")).unwrap();
        fs::rename(served.at("link"), served.at(name)).unwrap();
    }
    served.taken();
    served.serves(&fourth);

    // As Kubernetes does: links through a link to a directory, which is swapped.
    let fifth = pair();
    put(&served.at("..1"), &fourth);
    put(&served.at("..2"), &fifth);
    symlink("..1", served.at("..data")).unwrap();
    for name in ["tls.crt", "tls.key"] {
        fs::remove_file(served.at(name)).unwrap();
        symlink(format!("..data/{name}"), served.at(name)).unwrap();
    }
    // The same content by another way: nothing to take.
    assert!(matches!(served.look(), Look::Same));
    symlink("..2", served.at("..data_tmp")).unwrap();
    fs::rename(served.at("..data_tmp"), served.at("..data")).unwrap();
    served.taken();
    served.serves(&fifth);
}

#[test]
fn a_bad_pair_keeps_the_old_one() {
    let directory = tempfile::tempdir().unwrap();
    let files = files(directory.path());
    let (first, second) = (pair(), pair());
    put(directory.path(), &first);
    let mut served = serve(directory, files);
    fs::write(&served.files.certificate, &second.certificate).unwrap();
    served.refused("the private key does not belong to the certificate");
    let half = &second.certificate[..second.certificate.len() / 2];
    fs::write(&served.files.certificate, half).unwrap();
    served.refused("tls.crt: not PEM: an -----END----- line is missing");
    fs::write(&served.files.certificate, "").unwrap();
    served.refused("tls.crt: the file is empty");
    fs::remove_file(&served.files.certificate).unwrap();
    served.refused("tls.crt: there is no such file");
    served.serves(&first);
    // Who asks is told again.
    assert!(matches!(served.watch.look(served.now, true), Look::Refused(_)));
    // As it was: nothing to take, and the next bad one is said.
    put(served.directory.path(), &first);
    assert!(matches!(served.look(), Look::Same));
    fs::write(&served.files.certificate, "").unwrap();
    served.refused("tls.crt: the file is empty");
    put(served.directory.path(), &second);
    served.taken();
    served.serves(&second);
}

#[test]
fn sessions_end_with_what_they_were_made_under() {
    let directory = tempfile::tempdir().unwrap();
    let mut files = files(directory.path());
    put(directory.path(), &pair());
    let ca = directory.path().join("clients.pem");
    let authority = Authority::new(&ca);
    let shown = authority.sign(|_| {});
    files.policy.client_auth = ClientAuth::RequireAndVerify;
    files.policy.client_cas = vec![ca.clone()];
    let mut served = serve(directory, files);
    for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
        let client = with(&served.files.certificate, &[version], Some(&shown));
        let kind = |served: &Served| {
            let done = handshake(&served.store.current().config, client.clone(), "localhost");
            done.map(|client| client.handshake_kind().unwrap())
        };
        assert_eq!(kind(&served), Ok(HandshakeKind::Full));
        assert_eq!(kind(&served), Ok(HandshakeKind::Resumed), "{version:?}");
        // Another authority: the session of before does not get in.
        let known = fs::read(&ca).unwrap();
        Authority::new(&ca);
        served.taken();
        assert!(kind(&served).is_err(), "{version:?}");
        fs::write(&ca, &known).unwrap();
        served.taken();
        assert_eq!(kind(&served), Ok(HandshakeKind::Full), "{version:?}");
        // Half a list of authorities is none.
        fs::write(&ca, "-----BEGIN CERTIFICATE-----\n").unwrap();
        served.refused("clients.pem: not PEM");
        assert_eq!(kind(&served), Ok(HandshakeKind::Resumed), "{version:?}");
        fs::write(&ca, known).unwrap();
        assert!(matches!(served.look(), Look::Same));
    }
}

#[test]
fn the_local_leaf_is_made_anew_ahead_of_its_end() {
    let root = tempfile::tempdir().unwrap();
    let directory = root.path().join("tls");
    let start = SystemTime::now();
    let day = Duration::from_secs(24 * 3600);
    let made = local(&directory, &wanted(), true, start).unwrap();
    let ca = fs::read(&made.ca).unwrap();
    let store = Arc::new(Store::new(made.loaded));
    let origin = Origin::Local { directory: directory.clone(), names: wanted(), http2: true };
    let mut watch = Watch::new(origin, Arc::clone(&store));
    assert!(matches!(watch.look(start + day, false), Look::Same));
    assert!(matches!(watch.look(start + 700 * day, false), Look::Same));
    let before = store.current().leaves[0].not_after;
    // It cannot be written: said once an hour.
    let now = start + 740 * day;
    fs::rename(&directory, root.path().join("away")).unwrap();
    fs::write(&directory, "").unwrap();
    assert!(matches!(watch.look(now, false), Look::Refused(_)));
    assert!(matches!(watch.look(now + Duration::from_secs(1), false), Look::Same));
    assert!(matches!(watch.look(now + Duration::from_secs(3601), false), Look::Refused(_)));
    fs::remove_file(&directory).unwrap();
    fs::rename(root.path().join("away"), &directory).unwrap();
    let now = now + Duration::from_secs(2 * 3601);
    assert!(matches!(watch.look(now, false), Look::Taken(_)));
    assert!(matches!(watch.look(now + Duration::from_secs(1), false), Look::Same));
    assert!(store.current().leaves[0].not_after > before + 700 * day);
    // Of the same authority, which is trusted already.
    assert!(!local(&directory, &wanted(), true, now).unwrap().new);
    assert_eq!(fs::read(&made.ca).unwrap(), ca);
    // A clock that is ahead by more than the authority lives does not cost
    // people's trust; when it is set back, all is as it was.
    let leaf = store.current().leaves[0].not_after;
    let ahead = start + 4_000 * day;
    assert!(matches!(watch.look(ahead, false), Look::Refused(TlsError::NoAuthority(_))));
    assert!(matches!(watch.look(ahead + Duration::from_secs(1), false), Look::Same));
    assert_eq!(store.current().leaves[0].not_after, leaf);
    assert!(matches!(watch.look(now, false), Look::Same));
    // By less: the leaf is of the future then, and made again.
    assert!(matches!(watch.look(start + 3_000 * day, false), Look::Taken(_)));
    assert!(matches!(watch.look(now, false), Look::Taken(_)));
    assert_eq!(store.current().leaves[0].not_after, leaf);
    assert_eq!(fs::read(&made.ca).unwrap(), ca);
}
