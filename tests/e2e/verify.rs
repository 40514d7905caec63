//! `skerry verify`: what is planted on a volume is found, set aside, and whole
//! again after a push.

use std::{
    fs,
    os::unix::fs::{FileTypeExt, symlink},
    path::{Path, PathBuf},
};

use rustix::fs::{CWD, FileType, mknodat};
use skerry_tests::{
    Options, Registry,
    command::verify,
    content::{INDEX, Noise},
    layout, push, sha256,
};

/// One way to damage an image, and what is said of it.
struct Damage {
    /// The repository whose image is damaged so.
    name: &'static str,
    plant: fn(&Place),
    says: &'static [&'static str],
    /// Whether a repair alone makes it whole.
    mended: bool,
}

/// Where the parts of an image lie.
struct Place {
    layer: PathBuf,
    layer_link: PathBuf,
    manifest: PathBuf,
    revision: PathBuf,
    tag: PathBuf,
}

fn cut(path: &Path, keep: usize) {
    let bytes = fs::read(path).unwrap();
    fs::write(path, &bytes[..keep]).unwrap();
}

const DAMAGES: &[Damage] = &[
    Damage {
        name: "flipped",
        plant: |place| {
            let mut bytes = fs::read(&place.layer).unwrap();
            bytes[1500] ^= 1;
            fs::write(&place.layer, bytes).unwrap();
        },
        says: &["its content is another: it has the digest sha256:", "is damaged; cannot be pulled: flipped:v"],
        mended: false,
    },
    Damage {
        name: "cut",
        plant: |place| cut(&place.layer, 2999),
        says: &["its content is another", "is damaged; cannot be pulled: cut:v; push it again: docker push HOST/cut:v"],
        mended: false,
    },
    Damage {
        name: "emptied",
        plant: |place| cut(&place.layer, 0),
        says: &["it is empty", "is damaged; cannot be pulled: emptied:v"],
        mended: false,
    },
    Damage {
        name: "gone",
        plant: |place| fs::remove_file(&place.layer).unwrap(),
        says: &["is missing; cannot be pulled: gone:v"],
        mended: false,
    },
    Damage {
        name: "half/manifest",
        plant: |place| cut(&place.manifest, 100),
        says: &["the manifest itself is damaged; cannot be pulled: half/manifest:v"],
        mended: false,
    },
    Damage {
        name: "pipe",
        plant: |place| {
            fs::remove_file(&place.layer).unwrap();
            mknodat(CWD, &place.layer, FileType::Fifo, 0o600.into(), 0).unwrap();
        },
        says: &["it is a link, a pipe or a device", "cannot be pulled: pipe:v"],
        mended: false,
    },
    Damage {
        name: "link",
        plant: |place| {
            let directory = place.layer.parent().unwrap();
            fs::rename(directory, directory.with_extension("elsewhere")).unwrap();
            symlink(directory.with_extension("elsewhere"), directory).unwrap();
        },
        says: &["it is a link, a pipe or a device", ".elsewhere: it does not belong here", "cannot be pulled: link:v"],
        mended: false,
    },
    Damage {
        name: "garbage-link",
        plant: |place| fs::write(&place.layer_link, "garbage").unwrap(),
        says: &["it holds no digest", "images of garbage-link"],
        mended: true,
    },
    Damage {
        name: "no-link",
        plant: |place| fs::remove_file(&place.layer_link).unwrap(),
        says: &["is not linked here; cannot be pulled: no-link:v"],
        mended: true,
    },
    Damage {
        name: "no-revision",
        plant: |place| fs::remove_file(&place.revision).unwrap(),
        says: &["no-revision:v: the manifest that it names, sha256:", "is not linked here"],
        mended: true,
    },
    Damage {
        name: "empty-tag",
        plant: |place| fs::write(&place.tag, "").unwrap(),
        says: &["it is empty; cannot be pulled: empty-tag:v; tag it and push it again"],
        mended: true,
    },
];

#[test]
fn damage_is_found_set_aside_and_mended_by_a_push() {
    let mut registry = Registry::new();
    let volume = registry.volume().to_owned();
    let seed = |index: usize| 1_000 + 10 * index as u64;
    let push = |registry: &Registry| {
        for (index, damage) in DAMAGES.iter().enumerate() {
            push::image(&registry.client(), damage.name, Some("v"), seed(index));
        }
    };
    push(&registry);
    let child = push::image(&registry.client(), "whole", None, 5);
    push::manifest(&registry.client(), "whole", "list", INDEX, &skerry_tests::content::index(&[&child]));
    push::referrer(&registry.client(), "whole", &child, "application/vnd.example", "signed");

    let before = layout::files(&volume);
    let clean = verify(&volume, &[]);
    assert!(clean.code == 0 && clean.out.contains("0 damaged"), "{clean:?}");
    assert_eq!(layout::files(&volume), before, "looking changes nothing");

    for (index, damage) in DAMAGES.iter().enumerate() {
        let manifest = registry.client().get(&format!("/v2/{}/manifests/v", damage.name)).expect(200);
        let manifest = sha256(&manifest.body);
        let layer = sha256(Noise::new(seed(index)).bytes(3000));
        (damage.plant)(&Place {
            layer: layout::blob(&volume, &layer),
            layer_link: layout::layer_link(&volume, damage.name, &layer),
            manifest: layout::blob(&volume, &manifest),
            revision: layout::revision_link(&volume, damage.name, &manifest),
            tag: layout::tag_link(&volume, damage.name, "v"),
        });
    }
    // Beside the server.
    let planted = layout::files(&volume);
    let found = verify(&volume, &[]);
    assert_eq!(found.code, 1, "{found:?}");
    for part in DAMAGES.iter().flat_map(|damage| damage.says) {
        assert!(found.out.contains(part), "{part} in {}", found.out);
    }
    assert!(!found.out.contains("whole:") && !found.out.contains("whole@"), "{}", found.out);
    assert_eq!(layout::files(&volume), planted);
    let refused = verify(&volume, &["--repair"]);
    assert!(refused.code == 2 && refused.err.contains("another process of Skerry uses the directory"), "{refused:?}");
    assert_eq!(layout::files(&volume), planted);

    registry.stop();
    let repaired = verify(&volume, &["--repair"]);
    assert!(repaired.code == 1 && repaired.out.contains("[moved to the quarantine]"), "{repaired:?}");
    let left = verify(&volume, &[]);
    registry.restart();
    let client = registry.client();
    for damage in DAMAGES {
        let whole = push::whole(&client, damage.name, "v");
        assert_eq!(whole.is_ok(), damage.mended, "{}: {whole:?}\n{}", damage.name, repaired.out);
        assert_eq!(left.out.contains(&format!("cannot be pulled: {}", damage.name)), !damage.mended, "{}", left.out);
    }
    // What is damaged does not stop the push that replaces it, and can be taken
    // back still.
    push(&registry);
    for damage in DAMAGES {
        push::whole(&client, damage.name, "v").unwrap();
    }
    push::whole(&client, "whole", "list").unwrap();
    let again = verify(&volume, &[]);
    assert!(again.code == 0, "{again:?}");
    let aside = quarantined(&volume);
    let is_aside = |index: usize, test: &dyn Fn(&Path) -> bool| {
        let layer = sha256(Noise::new(seed(index)).bytes(3000));
        aside.iter().any(|path| path.to_string_lossy().contains(&layer["sha256:".len()..]) && test(path))
    };
    assert!(is_aside(0, &|path| fs::read(path).is_ok_and(|bytes| bytes.len() == 3000)), "{aside:?}");
    assert!(is_aside(1, &|path| fs::read(path).is_ok_and(|bytes| bytes.len() == 2999)));
    assert!(is_aside(5, &|path| path.symlink_metadata().unwrap().file_type().is_fifo()));
    assert!(is_aside(6, &|path| path.symlink_metadata().unwrap().is_symlink()));
}

/// Everything in the quarantine that is no directory.
fn quarantined(volume: &Path) -> Vec<PathBuf> {
    let directory = volume.join(".skerry/quarantine");
    layout::files(&directory).into_iter().map(|path| directory.join(path)).collect()
}

#[test]
fn for_programs() {
    let registry = Registry::start(Options { exclusive: true, ..Options::default() });
    let volume = registry.volume();
    let image = push::image(&registry.client(), "a", Some("v"), 7);
    let layer = layout::blob(volume, &sha256(Noise::new(7).bytes(3000)));
    // Even beside a server that has it alone, as nothing is written.
    let clean = verify(volume, &["--json"]);
    assert_eq!((clean.code, clean.out.as_str()), (0, ""), "{clean:?}");
    fs::write(layer, "other").unwrap();
    let found = verify(volume, &["--json", "--quiet"]);
    assert_eq!((found.code, found.err.as_str()), (1, ""), "{found:?}");
    let lines: Vec<serde_json::Value> = found.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 2, "{}", found.out);
    assert!(lines[0]["what"].as_str().unwrap().contains("another") && lines[0]["done"].is_null());
    assert_eq!(lines[1]["place"], format!("a@{}", sha256(&image)));
    assert_eq!(lines[1]["consequence"], "cannot be pulled: a:v");
    assert_eq!(lines[1]["remedy"], "push it again: docker push HOST/a:v");

    let nowhere = verify(&volume.join("nowhere"), &[]);
    assert!(nowhere.code == 2 && nowhere.err.contains("nothing to verify"), "{nowhere:?}");
    assert!(!volume.join("nowhere").exists());
}

/// Nothing is said of what is pushed and deleted meanwhile.
#[test]
fn a_live_server_is_not_damaged() {
    let registry = Registry::new();
    let volume = registry.volume().to_owned();
    push::image(&registry.client(), "still", Some("v"), 1);
    let stop = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        for n in 0..2_u64 {
            let (client, stop) = (registry.client(), &stop);
            scope.spawn(move || {
                for round in 0.. {
                    if stop.load(std::sync::atomic::Ordering::Relaxed) {
                        break;
                    }
                    let image = push::image(&client, &format!("busy{n}"), Some("v"), 100 + 2 * (round % 20));
                    if round % 3 == 0 {
                        client.delete(&format!("/v2/busy{n}/manifests/{}", sha256(&image))).expect(202);
                    }
                }
            });
        }
        for _ in 0..5 {
            let said = verify(&volume, &[]);
            if said.code != 0 {
                stop.store(true, std::sync::atomic::Ordering::Relaxed);
                panic!("{said:?}");
            }
        }
        stop.store(true, std::sync::atomic::Ordering::Relaxed);
    });
}
