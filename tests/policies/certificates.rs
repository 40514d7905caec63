//! Clients that are known by their certificates.

use skerry_tests::{Client, Options, authority::Vouching, push};

use super::host::Host;

/// The policy, by a name of the certificate, and what two clients may do.
fn section(source: &str, names: [&str; 2]) -> String {
    format!(
        "policies:\n- module: access\n  settings:\n    certificates: {{subject: {source}}}\n    rules:
    - {{repositories: ['**'], subjects: ['{}'], actions: [pull, push]}}
    - {{repositories: ['**'], subjects: ['{}'], actions: [pull]}}\n",
        names[0], names[1]
    )
}

#[test]
fn a_certificate_says_who_a_client_is() {
    let directory = tempfile::tempdir().unwrap();
    let ca = directory.path().join("clients.pem");
    let vouching = Vouching::new(&ca);
    let other = Vouching::new(&directory.path().join("other.pem"));
    let [builder, edge, stranger] =
        ["Builder.example", "edge.example", "x.example"].map(|name| vouching.identity(name));
    let forged = other.identity("Builder.example");
    for (source, names) in
        [("common-name", ["Builder.example", "edge.example"]), ("dns", ["builder.example", "edge.example"])]
    {
        for (mode, verifies) in [
            (format!("clientcas: [{}]\nclientauth: verify-client-cert-if-given\n", ca.display()), true),
            // Nobody vouched for it, so it names nobody.
            ("clientauth: request-client-cert\n".to_owned(), false),
        ] {
            let options = Options { tls_keys: mode.clone(), ..Options::default() };
            let mut host = Host::start_with(&section(source, names), options);
            let as_client = |identity| {
                let tls = host.registry.trust().client_as(&["http/1.1"], rustls::DEFAULT_VERSIONS, Some(identity));
                Client::with(host.registry.address(), tls).accepting()
            };
            let clients = [as_client(&builder), as_client(&edge), as_client(&stranger)];
            let forger = as_client(&forged);
            // There is nothing to ask for: no policy takes a password.
            host.nobody().get("/v2/").expect(403);
            if !verifies {
                for client in clients.iter().chain([&forger]) {
                    client.get("/v2/").expect(403);
                    client.request("POST", "/v2/app/blobs/uploads/").send().expect(403);
                }
                continue;
            }
            let [builder, edge, stranger] = &clients;
            let image = push::image(builder, "app", Some("v1"), 1);
            assert_eq!(edge.get("/v2/app/manifests/v1").expect(200).body, image);
            let denied = edge.request("POST", "/v2/app/blobs/uploads/").send().expect(403);
            assert!(denied.text().contains("edge.example may not push to app"), "{}", denied.text());
            stranger.get("/v2/").expect(200);
            stranger.get("/v2/app/manifests/v1").expect(403);
            assert!(forger.request("GET", "/v2/").try_send().is_err(), "TLS lets a stranger in");
            host.logged(&["/v2/app/manifests/v1", "\"user\":\"edge.example\""]);
        }
    }
}
