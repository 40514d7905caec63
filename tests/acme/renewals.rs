//! Renewals: before the end, and when the authority suggests it.

use rustls::pki_types::{CertificateDer, pem::PemObject};

use crate::{
    client::{ask, ordering, says, served, trusting},
    pebble::{Options, Pebble, Place, newer},
};

fn port(address: &str) -> u16 {
    address.rsplit_once(':').unwrap().1.parse().unwrap()
}

#[test]
#[ignore = "needs pebble"]
fn before_the_end() {
    let directory = tempfile::tempdir().unwrap();
    let place = Place::new();
    let mut registry = ordering(&place, directory.path(), &["a.example"], "");
    let address = registry.address().to_owned();
    let options = Options { ports: (port(&address), 1), validity: Some(9), ..Options::default() };
    let pebble = Pebble::start(&place, options);
    let roots = pebble.roots();
    let mut shown = served(&address, "a.example", &roots, None);
    // Each handshake is verified: what expired would not be taken.
    for _ in 0..2 {
        loop {
            let now = ask(&address, "a.example", trusting(&roots, &["http/1.1"])).expect("a gap between certificates");
            if now != shown {
                shown = now;
                break;
            }
            std::thread::sleep(std::time::Duration::from_millis(100));
        }
    }
    registry.stop();
}

#[test]
#[ignore = "needs a newer pebble"]
fn when_the_authority_suggests_it() {
    let directory = tempfile::tempdir().unwrap();
    let place = Place::new();
    let mut registry = ordering(&place, directory.path(), &["a.example"], "");
    let ports = (port(registry.address()), 1);
    // The proof holds for the second order too: the registry has another port
    // by then.
    let environment = vec![("PEBBLE_AUTHZREUSE", "100")];
    let pebble = Pebble::start(&place, Options { program: newer(), ports, validity: None, environment });
    let roots = pebble.roots();
    let first = served(registry.address(), "a.example", &roots, None);
    registry.stop();
    let text = std::fs::read_to_string(directory.path().join("a.example")).unwrap();
    let leaf = &text[text.find("-----BEGIN CERTIFICATE").unwrap()..];
    let leaf = &leaf[..leaf.find("-----END CERTIFICATE-----\n").unwrap() + "-----END CERTIFICATE-----\n".len()];
    assert_eq!(CertificateDer::from_pem_slice(leaf.as_bytes()).unwrap(), first);
    let suggestion = serde_json::json!({
        "suggestedWindow": {"start": "2020-01-01T00:00:00Z", "end": "2020-01-02T00:00:00Z"},
    });
    let body = serde_json::json!({ "certificate": leaf, "ariResponse": suggestion.to_string() }).to_string();
    pebble
        .management()
        .request("POST", "/set-renewal-info/")
        .header("User-Agent", "test")
        .body(body)
        .send()
        .expect(200);
    registry.restart();
    served(registry.address(), "a.example", &roots, Some(&first));
    assert!(!says(&mut registry, "a new certificate").is_empty());
    // The authority was told which certificate that replaces.
    pebble
        .service
        .wait_for("which certificate is replaced", |line| line.to_lowercase().contains("replace").then_some(()));
    registry.stop();
}
