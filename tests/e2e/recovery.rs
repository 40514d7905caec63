//! After a crash, of ours or of whoever used the volume before.

use std::fs;

use skerry_tests::{
    Options, Registry,
    client::with,
    content::{IMAGE, NOTHING, Noise},
    layout, push, sha256, sha512,
    table::{get, head, put, run},
};

#[test]
fn an_upload_outlives_a_crash() {
    for long in [false, true] {
        let mut registry = Registry::new();
        let bytes = Noise::new(100).bytes(500_000);
        let digest = if long { sha512(&bytes) } else { sha256(&bytes) };
        let mut target = registry.client().request("POST", "/v2/crash/blobs/uploads/").send().expect(202).location();
        let mut offset = 0;
        for end in [1, 200_000, 499_999] {
            let client = registry.client();
            let patch = client.request("PATCH", &target).header("content-range", &format!("{offset}-{}", end - 1));
            patch.body(bytes[offset..end].to_vec()).send().expect(202);
            registry.kill9();
            registry.restart();
            let status = registry.client().get(&target).expect(204);
            assert_eq!(status.header("range"), format!("0-{}", end - 1));
            target = status.location();
            offset = end;
        }
        let finish = with(&target, &format!("digest={digest}"));
        registry.client().request("PUT", &finish).body(bytes[offset..].to_vec()).send().expect(201);
        registry.kill9();
        registry.restart();
        let answer = registry.client().get(&format!("/v2/crash/blobs/{digest}")).expect(200);
        assert!(answer.body == bytes);
    }
}

#[test]
fn what_was_acknowledged_is_there_after_a_crash() {
    let mut registry = Registry::new();
    let image = push::image(&registry.client(), "ack", Some("t"), 110);
    let referrer = push::referrer(&registry.client(), "ack", &image, "application/vnd.example", "x");
    registry.kill9();
    registry.restart();
    push::whole(&registry.client(), "ack", "t").unwrap();
    push::whole(&registry.client(), "ack", &sha256(&referrer)).unwrap();
    let listed = registry.client().get(&format!("/v2/ack/referrers/{}", sha256(&image))).expect(200).json();
    assert_eq!(listed["manifests"][0]["digest"], sha256(&referrer));
    registry.stop();
}

/// Zero-byte links and blobs: what distribution leaves after a power cut.
#[test]
fn hollow_files_are_unknown_and_a_push_repairs_them() {
    let registry = Registry::new();
    let client = registry.client();
    let name = "hollow";
    let layer = Noise::new(120).bytes(3000);
    let image = push::image(&client, name, Some("t"), 120);
    let (blob, manifest) = (sha256(&layer), sha256(&image));
    let volume = registry.volume();
    push::blob(&client, name, b"");

    let files = [
        layout::blob(volume, &blob),
        layout::layer_link(volume, name, &blob),
        layout::blob(volume, &manifest),
        layout::revision_link(volume, name, &manifest),
        layout::tag_link(volume, name, "t"),
    ];
    for file in files {
        // Asked for before, it might be remembered.
        push::whole(&client, name, "t").unwrap();
        fs::write(&file, "").unwrap();
        // A link that is empty and very young may be one that distribution is
        // just writing.
        let old = std::time::SystemTime::now() - std::time::Duration::from_secs(60);
        fs::File::options().write(true).open(&file).unwrap().set_modified(old).unwrap();
        let lies_below = |part: &str| file.components().any(|component| component.as_os_str() == part);
        let mut cases = Vec::new();
        if file == layout::blob(volume, &blob) || lies_below("_layers") {
            cases.push(head(format!("/v2/{name}/blobs/{blob}"), 404));
            cases.push(get(format!("/v2/{name}/blobs/{blob}"), 404).error("BLOB_UNKNOWN"));
            cases.push(
                put(format!("/v2/{name}/manifests/t"), 400)
                    .or(404)
                    .media(IMAGE)
                    .body(&image)
                    .error("MANIFEST_BLOB_UNKNOWN"),
            );
        } else {
            cases.push(get(format!("/v2/{name}/manifests/t"), 404).error("MANIFEST_UNKNOWN"));
            if !lies_below("tags") {
                cases.push(get(format!("/v2/{name}/manifests/{manifest}"), 404).error("MANIFEST_UNKNOWN"));
            }
        }
        cases.push(get(format!("/v2/{name}/blobs/{NOTHING}"), 200).empty());
        run(&client, &cases);
        push::blob(&client, name, &layer);
        push::manifest(&client, name, "t", IMAGE, &image);
        push::whole(&client, name, "t").unwrap();
    }
}

/// People use `rm`, and other registries write beside us.
#[test]
fn what_is_gone_from_the_volume_is_gone() {
    let registry = Registry::new();
    let client = registry.client();
    let image = push::image(&client, "gone", Some("t"), 130);
    for _ in 0..3 {
        push::whole(&client, "gone", "t").unwrap();
    }
    let tag = layout::tag_link(registry.volume(), "gone", "t");
    fs::remove_dir_all(tag.parent().unwrap().parent().unwrap()).unwrap();
    client.get("/v2/gone/manifests/t").expect(404);
    client.get(&format!("/v2/gone/manifests/{}", sha256(&image))).expect(200);
    fs::remove_dir_all(layout::repository(registry.volume(), "gone")).unwrap();
    client.get(&format!("/v2/gone/manifests/{}", sha256(&image))).expect(404);
    assert_eq!(client.get("/v2/gone/tags/list").expect(404).code(), "NAME_UNKNOWN");
    push::image(&client, "gone", Some("t"), 130);
    push::whole(&client, "gone", "t").unwrap();
}

/// The layout is distribution's, and what is ours lies where it never looks.
#[test]
fn the_volume_is_laid_out_as_distribution_lays_it_out() {
    let mut registry = Registry::new();
    let client = registry.client();
    let image = push::image(&client, "deep/name", Some("t"), 140);
    push::referrer(&client, "deep/name", &image, "application/vnd.example", "x");
    let upload = client.request("POST", "/v2/deep/name/blobs/uploads/").send().expect(202);
    let id = upload.header("docker-upload-uuid").to_owned();
    client.request("PATCH", &upload.location()).body("abc").send().expect(202);
    registry.stop();
    let volume = registry.volume();
    let digest = sha256(&image);
    assert!(fs::read(layout::blob(volume, &digest)).unwrap() == image);
    for link in [layout::revision_link(volume, "deep/name", &digest), layout::tag_link(volume, "deep/name", "t")] {
        assert_eq!(fs::read_to_string(link).unwrap(), digest);
    }
    let layer = sha256(Noise::new(140).bytes(3000));
    assert_eq!(fs::read_to_string(layout::layer_link(volume, "deep/name", &layer)).unwrap(), layer);
    let uploads = layout::uploads(volume, "deep/name").join(id);
    assert_eq!(fs::read(uploads.join("data")).unwrap(), b"abc");
    assert!(fs::read_to_string(uploads.join("startedat")).unwrap().contains('T'));
    for file in layout::files(volume) {
        let path = file.to_str().unwrap();
        if path.starts_with(".skerry/") {
            continue;
        }
        assert!(path.starts_with("docker/registry/v2/"), "{path}");
        let own = path.contains("/_skerry/");
        let known = path.ends_with("/link") || path.ends_with("/data") || path.ends_with("/startedat");
        assert!(known != own, "{path}");
        let segments = path
            .split('/')
            .all(|segment| segment.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-')));
        assert!(segments, "{path}");
    }
}

/// `uploadpurging` removes what nobody goes on with, and nothing else.
#[test]
fn abandoned_uploads_are_purged() {
    for dry_run in [true, false] {
        let storage = format!(
            "maintenance:\n  uploadpurging:\n    enabled: true\n    age: 1s\n    interval: 1s\n    dryrun: {dry_run}"
        );
        let mut registry = Registry::start(Options { storage, ..Options::default() });
        let client = registry.client();
        let begun = client.request("POST", "/v2/purge/blobs/uploads/").send().expect(202).location();
        client.request("PATCH", &begun).body("some bytes").send().expect(202);
        push::image(&client, "purge", Some("kept"), 120);
        registry.service().wait_for("a purge that found it", |line| {
            (line.contains("upload purging is done") && line.contains("\"purged\":1")).then_some(())
        });
        assert_eq!(registry.client().get(&begun).status, if dry_run { 204 } else { 404 });
        push::whole(&registry.client(), "purge", "kept").unwrap();
        registry.stop();
    }
}
