//! The commands that people type in `registry:2`'s image.

use skerry_tests::{
    Registry,
    command::{called, collect},
    content::{INDEX, Noise},
    layout, push, sha256,
};

#[test]
fn by_their_names() {
    let version = called("registry", &["--version"]);
    let words: Vec<&str> = version.out.split_whitespace().collect();
    assert!(words.len() == 3 && words[0].ends_with("/registry") && words[2].starts_with('v'), "{version:?}");
    assert!(called("skerry", &["-v"]).out.starts_with("skerry "));
    let line = called("htpasswd", &["-Bbn", "-C", "4", "ann", "secret"]);
    assert!(line.code == 0 && line.out.starts_with("ann:$2y$04$"), "{line:?}");
    let refused = called("htpasswd", &["-mbn", "ann", "secret"]);
    assert!(refused.code == 1 && refused.err.starts_with("error: registries take bcrypt only"), "{refused:?}");
    // What is served is checked elsewhere: here only that it is tried.
    for words in [&["serve", "/nowhere/config.yml"][..], &["/nowhere/config.yml"]] {
        let ended = called("registry", words);
        assert!(ended.code == 1 && ended.err.contains("/nowhere/config.yml: cannot be read"), "{ended:?}");
    }
    assert!(called("registry", &["nonsense"]).err.contains("Usage: registry"));
}

#[test]
fn garbage_goes_beside_a_live_server() {
    let registry = Registry::new();
    let (client, volume) = (registry.client(), registry.volume());
    let child = push::image(&client, "a/b", None, 10);
    let list = skerry_tests::content::index(&[&child]);
    push::manifest(&client, "a/b", "list", INDEX, &list);
    let signature = push::referrer(&client, "a/b", &list, "application/vnd.example.signature", "signed");
    let untagged = push::image(&client, "a/b", None, 20);
    let gone = push::image(&client, "a/b", Some("gone"), 30);
    client.delete(&format!("/v2/a/b/manifests/{}", sha256(&gone))).expect(202);
    let garbage = sha256(Noise::new(30).bytes(3000));

    let before = layout::files(volume);
    let dry = collect(volume, &["-d", "-m"]);
    assert!(dry.code == 0 && dry.out.contains(&format!("blob eligible for deletion: {garbage}")), "{dry:?}");
    assert_eq!(layout::files(volume), before);
    // Everything is younger than an hour.
    let spared = collect(volume, &["--grace", "1h"]);
    assert!(spared.out.contains("0 blobs and 0 manifests") && spared.out.contains("blobs spared"), "{spared:?}");

    let quiet = collect(volume, &["--quiet"]);
    assert_eq!((quiet.code, quiet.out.as_str(), quiet.err.as_str()), (0, "", ""));
    assert!(!layout::blob(volume, &garbage).exists());
    assert!(!layout::blob(volume, &garbage).parent().unwrap().exists());
    push::whole(&client, "a/b", &sha256(&untagged)).unwrap();

    let said = collect(volume, &["--delete-untagged"]);
    assert!(said.out.contains(&format!("manifest eligible for deletion: {}", sha256(&untagged))), "{said:?}");
    client.get(&format!("/v2/a/b/manifests/{}", sha256(&untagged))).expect(404);
    for reference in ["list", &sha256(&signature)] {
        push::whole(&client, "a/b", reference).unwrap();
    }
    let referrers = client.get(&format!("/v2/a/b/referrers/{}", sha256(&list))).expect(200).json();
    assert_eq!(referrers["manifests"][0]["digest"], sha256(&signature));
    // What went can come back.
    push::image(&client, "a/b", Some("gone"), 30);
    push::whole(&client, "a/b", "gone").unwrap();
}

#[test]
fn nothing_goes_when_something_cannot_be_read() {
    let registry = Registry::new();
    let (client, volume) = (registry.client(), registry.volume());
    let image = push::image(&client, "a", Some("tag"), 10);
    push::blob(&client, "z", b"orphan");
    std::fs::write(layout::blob(volume, &sha256(&image)), "").unwrap();
    let before = layout::files(volume);
    let ended = collect(volume, &[]);
    assert!(
        ended.code == 1 && ended.err.contains("its data is empty") && ended.err.contains("nothing was removed"),
        "{ended:?}"
    );
    assert_eq!(layout::files(volume), before);

    let nowhere = collect(&volume.join("nowhere"), &[]);
    assert!(nowhere.code == 1 && nowhere.err.contains("nothing to collect"), "{nowhere:?}");
    assert!(!volume.join("nowhere").exists());
}

/// A repository that is a link is not seen, and neither is what it needs.
#[test]
fn nothing_goes_where_a_link_hides_a_repository() {
    let registry = Registry::new();
    let (client, volume) = (registry.client(), registry.volume());
    push::image(&client, "moved", Some("kept"), 40);
    let place = layout::repository(volume, "moved");
    let elsewhere = registry.directory().join("elsewhere");
    std::fs::rename(&place, &elsewhere).unwrap();
    std::os::unix::fs::symlink(&elsewhere, &place).unwrap();
    let before = layout::files(volume);
    let stopped = collect(volume, &["--grace", "0s"]);
    assert!(stopped.code == 1 && stopped.err.contains("repositories/moved` is a symbolic link"), "{stopped:?}");
    assert_eq!(layout::files(volume), before);
}
