//! `require-signature`: what is not signed is neither served nor tagged, and
//! what is needed to sign it is. The repositories are as cosign left them
//! (`guest/policies/require-signature/tests/fixtures`).

use std::{collections::BTreeMap, fs, path::Path};

use base64::{Engine, prelude::BASE64_STANDARD};
use serde_json::Value;
use skerry_tests::{Client, binary::workspace, content::INDEX, push, sha256, tools};

use super::host::{Host, passwords, rules};

/// A repository as a client that signs left it.
pub struct Fixture {
    pub key: String,
    pub manifests: Vec<String>,
    pub blobs: Vec<String>,
    tags: BTreeMap<String, String>,
}

impl Fixture {
    pub fn read(case: &str) -> Self {
        let path = workspace().join(format!("guest/policies/require-signature/tests/fixtures/{case}.json"));
        let read: Value = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let texts = |name: &str| read[name].as_array().unwrap().iter().map(text).collect();
        let tags = read["tags"].as_object().unwrap().iter().map(|(tag, leads)| (tag.clone(), text(leads)));
        Self { key: text(&read["key"]), manifests: texts("manifests"), blobs: texts("blobs"), tags: tags.collect() }
    }

    /// The image or the index over it, and its digest.
    pub fn find(&self, index: bool) -> (&str, String) {
        let is = |text: &&String| match index {
            true => text.contains("\"platform\""),
            false => text.ends_with("\"layers\":[]}"),
        };
        let text = self.manifests.iter().find(is).unwrap();
        (text, sha256(text))
    }

    /// Pushes everything by its digest, in an order that lacks nothing, but
    /// for signatures.
    fn push_unsigned(&self, client: &Client, name: &str) {
        for blob in &self.blobs {
            push::blob(client, name, &BASE64_STANDARD.decode(blob).unwrap());
        }
        for index in [false, true] {
            let (text, digest) = self.find(index);
            manifest(client, name, &digest, text).expect(201);
        }
    }

    /// Pushes the signatures, by their tags where they have some.
    fn push_signatures(&self, client: &Client, name: &str) {
        let images = [self.find(false).1, self.find(true).1];
        for text in self.manifests.iter().filter(|text| !images.contains(&sha256(text))) {
            let digest = sha256(text);
            let tag = self.tags.iter().find(|(_, leads)| **leads == digest).map(|(tag, _)| tag);
            manifest(client, name, tag.unwrap_or(&digest), text).expect(201);
        }
    }
}

fn manifest(client: &Client, name: &str, reference: &str, text: &str) -> skerry_tests::Answer {
    let parsed: Value = serde_json::from_str(text).unwrap();
    let put = client.request("PUT", &format!("/v2/{name}/manifests/{reference}"));
    put.header("content-type", parsed["mediaType"].as_str().unwrap()).body(text.as_bytes().to_vec()).send()
}

/// A registry in which `bob/…` is served signed only; `admin` signs.
fn start(directory: &Path, key: &str) -> Host {
    let keys = directory.join("keys");
    fs::create_dir_all(&keys).unwrap();
    fs::write(keys.join("key.pem"), key).unwrap();
    Host::start(&format!(
        "policies:\n- name: mine\n  module: {}\n  directory: {}\n- module: require-signature\n  directory: {}\n  settings: {{repositories: ['bob/**'], keys: [key.pem], exempt: {{subjects: [admin]}}}}\n",
        rules().display(),
        passwords(directory).display(),
        keys.display()
    ))
}

#[test]
fn what_is_not_signed_is_neither_served_nor_tagged() {
    for case in ["cosign-bundle-p256", "cosign-tag-rsa", "cosign-referrer"] {
        let fixture = Fixture::read(case);
        let directory = tempfile::tempdir().unwrap();
        let mut host = start(directory.path(), &fixture.key);
        let (bob, admin) = (host.user("bob"), host.user("admin"));
        let (image, digest) = fixture.find(false);
        fixture.push_unsigned(&bob, "bob/app");
        let at = |reference: &str| format!("/v2/bob/app/manifests/{reference}");
        let denied = manifest(&bob, "bob/app", "v1", image).expect(403);
        assert_eq!(denied.code(), "DENIED");
        assert!(denied.text().contains("push it by its digest, have it signed, and tag it then"), "{}", denied.text());
        let denied = bob.get(&at(&digest)).expect(403);
        assert!(denied.text().contains(&format!("no trusted signature refers to {digest}")), "{}", denied.text());
        bob.head(&at(&digest)).expect(403);
        // Who signs reads it, whatever it is; other repositories are free.
        assert_eq!(admin.get(&at(&digest)).expect(200).text(), image);
        fixture.push_unsigned(&admin, "admin/app");
        manifest(&admin, "admin/app", "v1", image).expect(201);
        admin.get("/v2/admin/app/manifests/v1").expect(200);

        fixture.push_signatures(&bob, "bob/app");
        manifest(&bob, "bob/app", "v1", image).expect(201);
        for reference in ["v1", &digest] {
            assert_eq!(bob.get(&at(reference)).expect(200).text(), image, "{case}");
            bob.head(&at(reference)).expect(200);
        }
        for text in &fixture.manifests {
            let known = sha256(text);
            if known != fixture.find(true).1 {
                bob.get(&at(&known)).expect(200);
            }
        }
        for tag in fixture.tags.keys() {
            bob.get(&at(tag)).expect(200);
        }
        bob.get(&at(&fixture.find(true).1)).expect(403);

        // Another key is in force at once, and none lets nothing through.
        let key = directory.path().join("keys/key.pem");
        fs::write(&key, Fixture::read("cosign-tag-p384").key).unwrap();
        assert!(bob.get(&at("v1")).expect(403).text().contains("not made by a trusted key"));
        host.logged(&["is refused: it was not made by a trusted key", "\"policy\":\"require-signature\""]);
        fs::remove_file(&key).unwrap();
        bob.get(&at("v1")).expect(503);
        admin.get(&at("v1")).expect(200);
        fs::write(&key, &fixture.key).unwrap();
        bob.get(&at("v1")).expect(200);
    }
}

#[test]
fn what_a_signed_index_lists_is_served_once_it_has_a_tag() {
    let fixture = Fixture::read("cosign-index");
    let directory = tempfile::tempdir().unwrap();
    let host = start(directory.path(), &fixture.key);
    let bob = host.user("bob");
    let ((image, digest), (index, of_index)) = (fixture.find(false), fixture.find(true));
    fixture.push_unsigned(&bob, "bob/app");
    manifest(&bob, "bob/app", "v1", index).expect(403);
    fixture.push_signatures(&bob, "bob/app");
    bob.get(&format!("/v2/bob/app/manifests/{of_index}")).expect(200);
    bob.get(&format!("/v2/bob/app/manifests/{digest}")).expect(403);
    manifest(&bob, "bob/app", "v1", index).expect(201);
    assert_eq!(bob.get("/v2/bob/app/manifests/v1").expect(200).header("content-type"), INDEX);
    assert_eq!(bob.get(&format!("/v2/bob/app/manifests/{digest}")).expect(200).text(), image);
    manifest(&bob, "bob/app", "amd64", image).expect(403);
    // It is another's elsewhere.
    manifest(&bob, "bob/app", &format!("sha256-{}", &digest[7..]), image).expect(403);
}

#[test]
fn keys_that_cannot_be_used_stop_the_start() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("key.pem"), "-----BEGIN PRIVATE KEY-----\nMAAA\n-----END PRIVATE KEY-----\n")
        .unwrap();
    let more = format!(
        "policies:\n- {{module: require-signature, directory: {}, settings: {{keys: [key.pem]}}}}\n",
        directory.path().display()
    );
    let said = skerry_tests::Registry::refused(skerry_tests::Options { more, ..Default::default() });
    assert!(said.contains("key.pem: part 1: it is a private key"), "{said}");
}

#[test]
#[ignore = "needs notation: run by .ci/run"]
fn notation() {
    let directory = tempfile::tempdir().unwrap();
    let home = directory.path().join("home/notation");
    fs::create_dir_all(home.join("truststore/x509/ca/test")).unwrap();
    let key = rcgen::KeyPair::generate().unwrap();
    let mut params = rcgen::CertificateParams::default();
    params.distinguished_name.push(rcgen::DnType::CommonName, "signer");
    params.distinguished_name.push(rcgen::DnType::OrganizationName, "Example");
    params.distinguished_name.push(rcgen::DnType::CountryName, "XX");
    params.key_usages = vec![rcgen::KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![rcgen::ExtendedKeyUsagePurpose::CodeSigning];
    let certificate = params.self_signed(&key).unwrap().pem();
    fs::write(home.join("key.pem"), key.serialize_pem()).unwrap();
    fs::write(home.join("certificate.pem"), &certificate).unwrap();
    fs::write(home.join("truststore/x509/ca/test/certificate.pem"), &certificate).unwrap();
    let keys = serde_json::json!({"default": "test", "keys": [
        {"name": "test", "keyPath": home.join("key.pem"), "certPath": home.join("certificate.pem")}]});
    fs::write(home.join("signingkeys.json"), keys.to_string()).unwrap();
    let trust = serde_json::json!({"version": "1.0", "trustPolicies": [{"name": "all", "registryScopes": ["*"],
        "signatureVerification": {"level": "strict"}, "trustStores": ["ca:test"], "trustedIdentities": ["*"]}]});
    fs::write(home.join("trustpolicy.json"), trust.to_string()).unwrap();

    let host = start(directory.path(), &certificate);
    let (bob, admin) = (host.user("bob"), host.user("admin"));
    let run = |user: &str, arguments: &[&str]| {
        let mut command = tools::tool("notation");
        command
            .env("HOME", directory.path().join("home"))
            .env("XDG_CONFIG_HOME", directory.path().join("home"))
            .env("SSL_CERT_FILE", &host.registry.trust().ca)
            .env("NOTATION_USERNAME", user)
            .env("NOTATION_PASSWORD", "correct")
            .args(arguments);
        command
    };
    for (seed, format) in ["jws", "cose"].into_iter().enumerate() {
        let name = format!("bob/{format}");
        let image = push::image(&bob, &name, None, seed as u64);
        let text = String::from_utf8(image).unwrap();
        let digest = sha256(&text);
        // It takes `localhost` for one without TLS.
        let remote = format!("{}/{name}@{digest}", host.registry.address());
        bob.get(&format!("/v2/{name}/manifests/{digest}")).expect(403);
        manifest(&bob, &name, "v1", &text).expect(403);
        let said = tools::fail(run("bob", &["sign", "--signature-format", format, &remote]));
        assert!(said.contains("403"), "{said}");
        tools::succeed(run("admin", &["sign", "--signature-format", format, &remote]));
        assert_eq!(bob.get(&format!("/v2/{name}/manifests/{digest}")).expect(200).text(), text);
        manifest(&bob, &name, "v1", &text).expect(201);
        admin.get(&format!("/v2/{name}/manifests/v1")).expect(200);
        let said = tools::succeed(run("bob", &["verify", &remote]));
        assert!(said.contains("Successfully verified"), "{said}");
    }
}
