//! What takes a signature, and which ones count.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod fixture;

use fixture::{Fixture, IMAGE, NOW, SIGNED, digest, told};
use serde_json::json;
use skerry_policy_require_signature::RequireSignature;
use skerry_sdk::{
    Concern, Event, Happening, Manifest, Principal, Ruling, admit, check_storage, concerns, memory::Memory,
};

const SETTINGS: &str = r#"{"keys": ["key"], "exempt": {"subjects": ["ci"], "groups": ["signers"]}}"#;
const BUNDLE: &str = "application/vnd.dev.sigstore.bundle.v0.3+json";
const NOTATION: &str = "application/vnd.cncf.notary.signature";
const SIMPLE: &str = "application/vnd.dev.cosign.simplesigning.v1+json";

fn asked(host: &Memory, who: Option<&Principal>, action: Happening) -> Result<(), String> {
    let event = Event { repository: "team/app".into(), action };
    match admit::<RequireSignature>(host, who, &event).unwrap() {
        Ruling::Allow(warnings) => {
            assert!(warnings.is_empty());
            Ok(())
        }
        Ruling::Deny(denial) => {
            assert_eq!((denial.code.as_str(), denial.status), ("DENIED", None));
            Err(denial.message)
        }
    }
}

fn pull(host: &Memory, manifest: Manifest) -> Result<(), String> {
    asked(host, None, Happening::Pull(manifest))
}

fn push(host: &Memory, manifest: Manifest) -> Result<(), String> {
    asked(host, None, Happening::ManifestPush(manifest))
}

/// Denied, for a reason that says this.
#[track_caller]
fn denied(ruled: Result<(), String>, says: &str) {
    let message = ruled.expect_err("it is to be denied");
    assert!(message.contains(says), "{message}");
}

#[test]
fn what_a_trusted_key_signed_is_served_and_gets_a_tag() {
    for case in SIGNED {
        let fixture = Fixture::read(case);
        let host = fixture.host(SETTINGS);
        let image = fixture.image();
        assert_eq!(pull(&host, told(image, &[])), Ok(()), "{case}: {:?}", host.take_log());
        assert_eq!(pull(&host, told(image, &["v1"])), Ok(()), "{case}");
        assert_eq!(push(&host, told(image, &["v1", "latest"])), Ok(()), "{case}");
        assert!(host.take_log().is_empty(), "{case}");
        // The index over it is something else.
        denied(pull(&host, told(fixture.index(), &[])), "no trusted signature refers to sha256:");
        denied(push(&host, told(fixture.index(), &["v1"])), "push it by its digest, have it signed");
        assert_eq!(push(&host, told(fixture.index(), &[])), Ok(()), "{case}: by its digest alone");
    }
}

#[test]
fn other_keys_do_not_count() {
    let others = [Fixture::read("cosign-tag-rsa").key, Fixture::read("notation-jws-rsa").key];
    for case in SIGNED {
        let mut fixture = Fixture::read(case);
        for other in &others {
            if *other == fixture.key || case.ends_with("rsa") {
                continue;
            }
            fixture.key.clone_from(other);
            let host = fixture.host(SETTINGS);
            let ruled = pull(&host, told(fixture.image(), &[]));
            denied(ruled, if case.starts_with("cosign") { "not made by a trusted key" } else { "is not trusted" });
            denied(push(&host, told(fixture.image(), &["v1"])), "one was refused");
            assert!(host.take_log().iter().all(|line| line.contains("is refused: ")));
        }
    }
    let mut none = Fixture::read("cosign-bundle-p256");
    let image = none.image().clone();
    none.manifests.retain(|text| !text.contains("sigstore"));
    denied(pull(&none.host(SETTINGS), told(&image, &[])), IMAGE);
}

#[test]
fn the_key_of_a_certificate_counts_as_the_certificate_does() {
    // The signer's own, whether in a certificate or alone.
    let cosign = Fixture::read("cosign-tag-rsa");
    let mut notation = Fixture::read("notation-jws-rsa");
    let certificate = std::mem::replace(&mut notation.key, cosign.key.clone());
    assert_eq!(pull(&notation.host(SETTINGS), told(notation.image(), &[])), Ok(()));
    let mut cosign = cosign;
    cosign.key = certificate;
    let host = cosign.host(SETTINGS);
    assert_eq!(pull(&host, told(cosign.image(), &[])), Ok(()));
    // Not once it has ended.
    host.set_now(5_000_000_000);
    denied(pull(&host, told(cosign.image(), &[])), "not made by a trusted key");
    assert_eq!(check_storage::<RequireSignature>(&host).unwrap().len(), 1);
}

#[test]
fn a_signature_is_of_one_digest() {
    let other = r#"{"schemaVersion":2,"config":{"digest":"sha256:0","size":1},"layers":[]}"#;
    let (known, new) = (IMAGE, digest(other.as_bytes()));
    for case in SIGNED.into_iter().chain(["cosign-index"]) {
        let mut fixture = Fixture::read(case);
        // Somebody moves it to something of their own.
        fixture.replace(known, &new);
        fixture.replace(&digest(Fixture::read(case).index().as_bytes()), &new);
        let moved = |tag: &str| tag.replace(&known[7..], &new[7..]);
        let tags = std::mem::take(&mut fixture.tags);
        let at = |old: &String| {
            let index = Fixture::read(case).manifests.iter().position(|text| digest(text.as_bytes()) == *old).unwrap();
            digest(fixture.manifests[index].as_bytes())
        };
        fixture.tags = tags.iter().map(|(tag, old)| (moved(tag), at(old))).collect();
        let host = fixture.host(SETTINGS);
        let ruled = pull(&host, told(other, &[]));
        denied(ruled, if case.starts_with("cosign") { "it is of another digest" } else { "it is of something else" });
    }
}

/// What of an envelope nobody signed: hints, who made it, certificates that may
/// not be needed.
fn unsigned(case: &str, bytes: &[u8]) -> std::ops::Range<usize> {
    let find = |text: &str| bytes.windows(text.len()).position(|window| window == text.as_bytes()).unwrap();
    match case {
        _ if case.starts_with("cosign-bundle") => 0..find("\"dsseEnvelope\""),
        _ if case.starts_with("notation-jws") => find("\"header\"")..find("\"signature\""),
        // Tag, array of four, a text of so many bytes; the payload's length.
        _ if case.starts_with("notation-cose") => {
            assert_eq!(bytes[..3], [0xd2, 0x84, 0x58]);
            4 + usize::from(bytes[3])..find("{\"targetArtifact\"") - 2
        }
        _ => 0..0,
    }
}

#[test]
fn what_was_changed_does_not_count() {
    for case in SIGNED {
        let fixture = Fixture::read(case);
        // The others are not signed.
        let envelope = fixture.blobs().filter(|bytes| bytes.len() > 240).collect::<Vec<_>>();
        let [envelope] = envelope.as_slice() else { panic!("one envelope in {case}") };
        let unsigned = unsigned(case, envelope);
        let (mut refused, mut at) = (0, 0);
        while at < envelope.len() {
            let mut changed = envelope.clone();
            changed[at] ^= 1;
            // As if it had the digest that the manifest says.
            let host = fixture.host(SETTINGS).with_blob(&digest(envelope), changed);
            let ruled = pull(&host, told(fixture.image(), &[]));
            assert!(ruled.is_err() || unsigned.contains(&at), "{case} {at} of {}", envelope.len());
            refused += usize::from(ruled.is_err());
            at += 5;
        }
        assert!(refused > 40, "{case} {refused}");
    }
}

#[test]
fn certificates_and_signatures_end() {
    for case in SIGNED.into_iter().filter(|case| case.starts_with("notation")) {
        let fixture = Fixture::read(case);
        let host = fixture.host(SETTINGS);
        for (now, in_force) in [(NOW - 86_400, false), (NOW + 86_400 * 300, true), (5_000_000_000, false)] {
            host.set_now(now);
            let ruled = pull(&host, told(fixture.image(), &[]));
            match (in_force, case.ends_with("expiring")) {
                (true, false) => assert_eq!(ruled, Ok(()), "{case} {now}"),
                (true, true) => denied(ruled, "it has expired"),
                (false, true) if now > NOW => denied(ruled, "it has expired"),
                (false, _) => denied(ruled, "its certificate is not trusted"),
            }
        }
    }
}

#[test]
fn signatures_themselves_are_free() {
    for case in SIGNED.into_iter().chain(["cosign-attestation", "cosign-bundle-ed25519", "cosign-index"]) {
        let mut fixture = Fixture::read(case);
        // Whoever made them.
        fixture.key = Fixture::read("cosign-tag-p384").key;
        let host = fixture.host(SETTINGS);
        assert!(fixture.signatures().count() > 0, "{case}");
        for text in fixture.signatures() {
            let known = digest(text.as_bytes());
            assert_eq!(pull(&host, told(text, &[])), Ok(()), "{case} {text}");
            assert_eq!(push(&host, told(text, &[])), Ok(()), "{case}");
            for (tag, _) in fixture.tags.iter().filter(|(_, digest)| **digest == known) {
                assert_eq!(pull(&host, told(text, &[tag])), Ok(()), "{case} {tag}");
                assert_eq!(push(&host, told(text, &[tag])), Ok(()), "{case} {tag}");
            }
            // They are no releases.
            denied(push(&host, told(text, &["v1"])), "no trusted signature");
        }
    }
}

#[test]
fn what_says_that_it_is_a_signature_is_not_believed() {
    let mut fixture = Fixture::read("cosign-bundle-p256");
    let layer = fixture.add_blob(b"\x1f\x8b\x08\x00 a layer");
    let empty = fixture.add_blob(b"{}");
    let cose = fixture.add_blob(&[0xd2, 0x84, 0x40]);
    let subject = json!({"digest": IMAGE, "size": 1, "mediaType": "x/y"});
    let mut fakes = Vec::new();
    for (kind, layers) in [
        (NOTATION, json!([{"mediaType": "application/vnd.oci.image.layer.v1.tar+gzip", "digest": layer, "size": 9}])),
        (NOTATION, json!([{"mediaType": "application/cose", "digest": cose, "size": 9}])),
        (NOTATION, json!([{"mediaType": "application/jose+json", "digest": layer, "size": 9}])),
        (BUNDLE, json!([{"mediaType": BUNDLE, "digest": layer, "size": 9}])),
        (BUNDLE, json!([{"mediaType": SIMPLE, "digest": layer, "size": 9}])),
        (BUNDLE, json!([{"mediaType": SIMPLE, "digest": "sha256:absent", "size": 9}])),
        (BUNDLE, json!([])),
        (BUNDLE, json!(null)),
        (BUNDLE, json!("layers")),
    ] {
        fakes.push(json!({"schemaVersion": 2, "artifactType": kind, "subject": subject, "layers": layers,
            "config": {"mediaType": kind, "digest": layer, "size": 9}}));
    }
    fakes.push(json!({"manifests": [{"digest": IMAGE, "artifactType": NOTATION}, {"digest": IMAGE}]}));
    fakes.push(json!({"manifests": [{"digest": IMAGE, "artifactType": NOTATION, "data": "e30="}]}));
    fakes.push(json!({"manifests": []}));
    // As Go reads it, something else comes after what is one.
    let (one, other) = (json!({"mediaType": SIMPLE, "digest": empty, "size": 2}), json!([{"digest": layer}]));
    assert_eq!(pull(&fixture.host(SETTINGS), told(&json!({"layers": [one]}).to_string(), &[])), Ok(()));
    for name in ["Layers", "layer\u{17f}", "LAYERS", "fsLayers", "urls"] {
        fakes.push(json!({"layers": [one], name: other}));
    }
    for (name, value) in [("Digest", layer.as_str()), ("MediaType", "x/y"), ("\u{17f}ize", "1"), ("urls", "x")] {
        let mut descriptor = one.clone();
        descriptor[name] = value.into();
        fakes.push(json!({"layers": [descriptor]}));
    }
    let tag = format!("sha256-{}", &IMAGE[7..]);
    for fake in &fakes {
        let known = fixture.add(None, fake);
        let host = fixture.host(SETTINGS);
        for tags in [vec![], vec![tag.as_str()]] {
            denied(pull(&host, told(&fake.to_string(), &tags)), &known);
        }
        denied(push(&host, told(&fake.to_string(), &[&tag])), &known);
        denied(push(&host, told(&fake.to_string(), &[&format!("{tag}.sig")])), &known);
        // It does not hide what is a signature.
        assert_eq!(pull(&host, told(fixture.image(), &[])), Ok(()), "{fake}");
    }
}

/// With the claims in an envelope of notation's changed: nobody looks at the
/// signature then.
#[test]
fn claims_that_are_not_known_are_refused() {
    use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD as BASE64};
    for (from, to, says) in [
        (r#""notary.x509""#, r#""notary.x509.signingAuthority""#, "its scheme is \"notary.x509.signingAuthority\""),
        (
            r#"["io.cncf.notary.signingScheme"]"#,
            r#"["io.cncf.notary.verificationPlugin"]"#,
            "it demands what is not known",
        ),
        (r#""PS256""#, r#""none""#, "it is signed by \"none\""),
        (r#""PS256""#, r#""HS256""#, "it is signed by \"HS256\""),
        (r#""PS256""#, r#""ES256""#, "it is not what its certificate's key signed"),
        (r#""PS256""#, r#""PS384""#, "it is not what its certificate's key signed"),
        ("payload.v1", "payload.v2", "it is of something else"),
        (r#""cty""#, r#""io.cncf.notary.expiry":"tomorrow","cty""#, "its time of expiry is none"),
        (r#""cty""#, r#""alg":"PS256","cty""#, "its header cannot be read: duplicate field `alg`"),
        (r#""cty""#, r#""ctx""#, "its header cannot be read: missing field `cty`"),
    ] {
        let mut fixture = Fixture::read("notation-jws-rsa");
        let (image, old) =
            (fixture.image().clone(), fixture.signatures().find(|text| text.contains("jose")).unwrap().clone());
        let envelope = fixture.blobs().find(|blob| blob.starts_with(b"{\"payload\"")).unwrap();
        let mut envelope: serde_json::Value = serde_json::from_slice(&envelope).unwrap();
        let header = String::from_utf8(BASE64.decode(envelope["protected"].as_str().unwrap()).unwrap()).unwrap();
        assert!(header.contains(from), "{header}");
        envelope["protected"] = BASE64.encode(header.replace(from, to)).into();
        let blob = fixture.add_blob(envelope.to_string().as_bytes());
        let mut manifest: serde_json::Value = serde_json::from_str(&old).unwrap();
        manifest["layers"][0]["digest"] = blob.into();
        fixture.manifests.retain(|text| *text != old);
        fixture.add(None, &manifest);
        denied(pull(&fixture.host(SETTINGS), told(&image, &[])), says);
    }
}

#[test]
fn ed25519ph_is_refused_and_it_is_said_why() {
    for case in ["cosign-bundle-ed25519", "cosign-tag-ed25519"] {
        let fixture = Fixture::read(case);
        denied(
            pull(&fixture.host(SETTINGS), told(fixture.image(), &[])),
            "cosign 3 makes Ed25519ph, which is not taken",
        );
    }
}

#[test]
fn an_attestation_is_no_signature() {
    let fixture = Fixture::read("cosign-attestation");
    let host = fixture.host(SETTINGS);
    denied(pull(&host, told(fixture.image(), &[])), "it is an attestation and no signature");
}

#[test]
fn parts_of_a_signed_index_are_served() {
    let mut fixture = Fixture::read("cosign-index");
    let (image, index) = (fixture.image().clone(), fixture.index().clone());
    let host = fixture.host(SETTINGS);
    assert_eq!(pull(&host, told(&index, &["v1"])), Ok(()));
    // With no tag nobody finds it.
    denied(pull(&host, told(&image, &[])), IMAGE);
    fixture.tags.insert("v1".into(), digest(index.as_bytes()));
    let host = fixture.host(SETTINGS);
    assert_eq!(pull(&host, told(&image, &[])), Ok(()));
    // To have a tag, it takes a signature of its own.
    denied(push(&host, told(&image, &["amd64"])), IMAGE);
    // One that nobody signed does not help.
    let other = fixture.add(None, &json!({"manifests": [{"digest": IMAGE}], "annotations": {"a": "b"}}));
    fixture.tags.insert("v1".into(), other);
    denied(pull(&fixture.host(SETTINGS), told(&image, &[])), IMAGE);
    // A tag of its signatures leads to it as well.
    let signature = format!("sha256-{}.sig", &digest(index.as_bytes())[7..]);
    fixture.tags.insert(signature, "sha256:absent".into());
    assert_eq!(pull(&fixture.host(SETTINGS), told(&image, &[])), Ok(()));
    // There is an end to the search.
    for number in 0..256 {
        fixture.tags.insert(format!("a{number}"), format!("sha256:{number}"));
    }
    fixture.tags.retain(|tag, _| !tag.starts_with("sha256-"));
    fixture.tags.insert("v1".into(), digest(index.as_bytes()));
    denied(pull(&fixture.host(SETTINGS), told(&image, &[])), IMAGE);
}

#[test]
fn so_many_signatures_are_looked_at() {
    for (junk, found) in [(31, true), (32, false)] {
        let mut fixture = Fixture::read("cosign-bundle-p256");
        let blob = fixture.add_blob(b"{}");
        let signature = fixture.signatures().next().unwrap().clone();
        fixture.manifests.retain(|text| *text != signature);
        for number in 0..junk {
            fixture.add(
                None,
                &json!({"artifactType": BUNDLE, "subject": {"digest": IMAGE}, "annotations": {"n": number.to_string()},
                "layers": [{"mediaType": BUNDLE, "digest": blob, "size": 2}]}),
            );
        }
        fixture.manifests.push(signature);
        let ruled = pull(&fixture.host(SETTINGS), told(fixture.image(), &[]));
        assert_eq!(ruled.is_ok(), found, "{junk}: {ruled:?}");
    }
}

#[test]
fn who_signs_is_exempt() {
    let fixture = Fixture::read("cosign-attestation");
    let host = fixture.host(SETTINGS);
    let somebody =
        |subject: &str, group: &str| Principal { groups: vec![group.to_owned()], ..Principal::named(subject) };
    for (who, exempt) in [
        (Some(somebody("ci", "")), true),
        (Some(somebody("ann", "signers")), true),
        (Some(somebody("signers", "ci")), false),
        (Some(somebody("ann", "developers")), false),
        (None, false),
    ] {
        for action in
            [Happening::Pull(told(fixture.image(), &[])), Happening::ManifestPush(told(fixture.image(), &["v1"]))]
        {
            assert_eq!(asked(&host, who.as_ref(), action).is_ok(), exempt, "{who:?}");
        }
    }
}

#[test]
fn repositories_and_moments() {
    let fixture = Fixture::read("cosign-attestation");
    let image = fixture.image();
    for (settings, pulls, tags) in [
        (r#"{"keys": ["key"], "repositories": ["team/*"]}"#, true, true),
        (r#"{"keys": ["key"], "repositories": ["other/**", "team"]}"#, false, false),
        (r#"{"keys": ["key"], "on": ["pull"]}"#, true, false),
        (r#"{"keys": ["key"], "on": ["tag"]}"#, false, true),
    ] {
        let host = fixture.host(settings);
        assert_eq!(pull(&host, told(image, &[])).is_err(), pulls, "{settings}");
        assert_eq!(push(&host, told(image, &["v1"])).is_err(), tags, "{settings}");
        assert_eq!(push(&host, told(image, &[])), Ok(()));
    }
    let about = |settings: &str| concerns::<RequireSignature>(&Memory::new(settings)).unwrap();
    assert_eq!(about(r#"{"keys": ["key"]}"#), [Concern::Pull, Concern::ManifestPush]);
    assert_eq!(about(r#"{"keys": ["key"], "on": ["tag"]}"#), [Concern::ManifestPush]);
}

#[test]
fn settings_and_keys_that_cannot_be_meant() {
    let key = Fixture::read("cosign-tag-p256").key;
    let private = "-----BEGIN PRIVATE KEY-----\nMAAA\n-----END PRIVATE KEY-----\n";
    let other = "-----BEGIN PUBLIC KEY-----\nMAAA\n-----END PUBLIC KEY-----\n";
    let many = key.repeat(33);
    for (settings, file, says) in [
        ("{}", key.as_str(), "missing field `keys`"),
        (r#"{"keys": []}"#, &key, "`keys` is an empty list"),
        (r#"{"keys": ["key"], "repositories": []}"#, &key, "`repositories` is an empty list"),
        (r#"{"keys": ["key"], "on": []}"#, &key, "`on` is an empty list"),
        (r#"{"keys": ["key"], "on": ["push"]}"#, &key, "unknown variant `push`"),
        (r#"{"keys": ["key"], "exempt": {"users": []}}"#, &key, "unknown field `users`"),
        (r#"{"keys": ["kye"]}"#, &key, "the file \"kye\" is not there"),
        (r#"{"keys": ["key"]}"#, "", "no public key and no certificate"),
        (r#"{"keys": ["key"]}"#, "nothing", "no public key and no certificate"),
        (r#"{"keys": ["key"]}"#, private, "key: part 1: it is a private key"),
        (r#"{"keys": ["key"]}"#, other, "no public key of a kind that is taken"),
        (r#"{"keys": ["key"]}"#, &many, "more than 32"),
    ] {
        let host = Memory::new(settings).with_file("key", file);
        let said = check_storage::<RequireSignature>(&host).unwrap_err().to_string();
        assert!(said.contains(says), "{settings}: {said}");
    }
    let host = Memory::new(SETTINGS).with_file("key", key.as_str());
    assert_eq!(check_storage::<RequireSignature>(&host), Ok(vec![]));
    let host = Memory::new(r#"{"keys": ["key", "key"]}"#).with_file("key", key.as_str());
    assert!(check_storage::<RequireSignature>(&host).unwrap()[0].contains("nobody is exempt"));
    // A key that is gone lets nothing through.
    let fixture = Fixture::read("cosign-tag-p256");
    let event = Event { repository: "a".into(), action: Happening::Pull(told(fixture.image(), &[])) };
    assert!(admit::<RequireSignature>(&Memory::new(SETTINGS), None, &event).is_err());
}
