//! Random work on a volume, and at each step the same answers from a host that
//! remembers and from one that does not.
//!
//! `SKERRY_PROPERTY_CASES` makes it longer, `SKERRY_PROPERTY_SEED` (64
//! hexadecimal digits, printed by each run) does a run again.

use std::{
    env, fs,
    hash::{BuildHasher, RandomState},
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    sync::atomic::{AtomicUsize, Ordering},
    thread,
    time::Duration,
};

use proptest::{
    collection::vec,
    prelude::*,
    test_runner::{Config, RngAlgorithm, TestRng, TestRunner},
};
use skerry_tests::{
    Answer, Client, Options,
    content::{self, IMAGE},
    push, sha256,
};

use crate::host::Host;

const REPOSITORIES: usize = 2;
const TAGS: usize = 2;
const IMAGES: usize = 3;

/// A clock of a filesystem may tick as slowly as this; the hosts of this test
/// ask for no age.
const TICK: Duration = Duration::from_millis(12);

/// One step. Numbers name repository, tag and image; `by` is the host that
/// does it, where one does.
#[derive(Debug, Clone)]
enum Step {
    Push { by: usize, repository: usize, tag: usize, image: usize },
    PushDigest { by: usize, repository: usize, image: usize },
    Refer { by: usize, repository: usize, image: usize },
    Untag { by: usize, repository: usize, tag: usize },
    DeleteManifest { by: usize, repository: usize, image: usize },
    DeleteBlob { by: usize, repository: usize, image: usize },
    Mount { by: usize, from: usize, image: usize },
    // Behind the hosts' backs.
    Rewrite { repository: usize, tag: usize, image: usize },
    Empty { repository: usize, tag: usize },
    Cut { image: usize },
    RemoveTag { repository: usize, tag: usize },
    RemoveRepository { repository: usize },
    Swap,
    Away { repository: usize },
    Behind { repository: usize },
    Back { repository: usize },
    Forget,
}

fn step() -> impl Strategy<Value = Step> {
    use Step::*;
    let (by, repository, tag, image) = (0..2_usize, 0..REPOSITORIES, 0..TAGS, 0..IMAGES);
    let tagged = (by.clone(), repository.clone(), tag.clone(), image.clone());
    let imaged = (by.clone(), repository.clone(), image.clone());
    let place = (repository.clone(), tag.clone());
    prop_oneof![
        6 => tagged.prop_map(|(by, repository, tag, image)| Push { by, repository, tag, image }),
        2 => imaged.clone().prop_map(|(by, repository, image)| PushDigest { by, repository, image }),
        2 => imaged.clone().prop_map(|(by, repository, image)| Refer { by, repository, image }),
        2 => (by.clone(), repository.clone(), tag.clone()).prop_map(|(by, repository, tag)| Untag { by, repository, tag }),
        2 => imaged.clone().prop_map(|(by, repository, image)| DeleteManifest { by, repository, image }),
        1 => imaged.clone().prop_map(|(by, repository, image)| DeleteBlob { by, repository, image }),
        2 => imaged.prop_map(|(by, from, image)| Mount { by, from, image }),
        4 => (repository.clone(), tag.clone(), image.clone())
            .prop_map(|(repository, tag, image)| Rewrite { repository, tag, image }),
        1 => place.clone().prop_map(|(repository, tag)| Empty { repository, tag }),
        1 => image.prop_map(|image| Cut { image }),
        1 => place.prop_map(|(repository, tag)| RemoveTag { repository, tag }),
        1 => repository.clone().prop_map(|repository| RemoveRepository { repository }),
        1 => Just(Swap),
        1 => repository.clone().prop_map(|repository| Away { repository }),
        1 => repository.clone().prop_map(|repository| Behind { repository }),
        3 => repository.prop_map(|repository| Back { repository }),
        1 => Just(Forget),
    ]
}

/// Method, target, and perhaps a header field.
type Question = (&'static str, String, Option<(&'static str, String)>);

/// What all steps of one case work on.
struct World<'a> {
    hosts: [&'a Host; 2],
    volume: &'a Path,
    /// Of this case alone.
    prefix: String,
}

/// The parts of an image.
struct Image {
    config: Vec<u8>,
    layer: Vec<u8>,
    manifest: Vec<u8>,
}

impl World<'_> {
    fn name(&self, repository: usize) -> String {
        format!("{}/r{repository}", self.prefix)
    }

    fn directory(&self, name: &str) -> PathBuf {
        self.volume.join("docker/registry/v2/repositories").join(name)
    }

    fn tag(&self, repository: usize, tag: usize) -> PathBuf {
        self.directory(&self.name(repository)).join(format!("_manifests/tags/t{tag}"))
    }

    fn image(&self, n: usize) -> Image {
        let config = format!(r#"{{"architecture":"amd64","os":"linux","of":"{}/{n}"}}"#, self.prefix).into_bytes();
        let layer = format!("layer {n} of {}", self.prefix).into_bytes();
        let manifest = content::image(&config, &[&layer]);
        Image { config, layer, manifest }
    }

    /// Does a step; one that cannot be done does nothing, or half of it.
    fn take(&self, step: &Step) {
        let client = |by: usize| &self.hosts[by].client;
        let delete = |by: usize, what: String| drop(client(by).delete(&what));
        match *step {
            Step::Push { by, repository, tag, image } => self.push(client(by), repository, &format!("t{tag}"), image),
            Step::PushDigest { by, repository, image } => {
                self.push(client(by), repository, &sha256(self.image(image).manifest), image);
            }
            Step::Refer { by, repository, image } => {
                let (client, name) = (client(by), self.name(repository));
                let artifact = content::artifact(&self.image(image).manifest, "application/x", "note");
                let _ = push::try_blob(client, &name, b"{}");
                let _ = push::try_manifest(client, &name, &sha256(&artifact), IMAGE, &artifact);
            }
            Step::Untag { by, repository, tag } => {
                delete(by, format!("/v2/{}/manifests/t{tag}", self.name(repository)));
            }
            Step::DeleteManifest { by, repository, image } => {
                delete(by, format!("/v2/{}/manifests/{}", self.name(repository), sha256(self.image(image).manifest)));
            }
            Step::DeleteBlob { by, repository, image } => {
                delete(by, format!("/v2/{}/blobs/{}", self.name(repository), sha256(self.image(image).layer)));
            }
            Step::Mount { by, from, image } => {
                let (to, from) = (self.name((from + 1) % REPOSITORIES), self.name(from));
                let digest = sha256(self.image(image).layer);
                let target = format!("/v2/{to}/blobs/uploads/?mount={digest}&from={from}");
                client(by).request("POST", &target).send();
            }
            Step::Forget => {
                self.hosts[0].forget();
            }
            _ => {
                thread::sleep(TICK);
                self.meddle(step);
                thread::sleep(TICK);
            }
        }
    }

    fn push(&self, client: &Client, repository: usize, reference: &str, image: usize) {
        let (name, image) = (self.name(repository), self.image(image));
        let _ = push::try_blob(client, &name, &image.config);
        let _ = push::try_blob(client, &name, &image.layer);
        let _ = push::try_manifest(client, &name, reference, IMAGE, &image.manifest);
    }

    /// What others do on the volume. Whether it can be done depends on what
    /// was done before.
    fn meddle(&self, step: &Step) {
        let away = |repository: usize| self.volume.join(format!("{}-away{repository}", self.prefix));
        let own = |repository: usize| self.directory(&self.name(repository));
        match *step {
            Step::Rewrite { repository, tag, image } => {
                let link = self.tag(repository, tag).join("current/link");
                if link.exists() {
                    fs::write(link, sha256(self.image(image).manifest)).unwrap();
                }
            }
            Step::Empty { repository, tag } => {
                let link = self.tag(repository, tag).join("current/link");
                if link.exists() {
                    fs::write(link, "").unwrap();
                }
            }
            Step::Cut { image } => {
                let digest = sha256(self.image(image).layer);
                let hex = digest.strip_prefix("sha256:").unwrap();
                let data = self.volume.join(format!("docker/registry/v2/blobs/sha256/{}/{hex}/data", &hex[..2]));
                if data.exists() {
                    fs::write(data, "").unwrap();
                }
            }
            Step::RemoveTag { repository, tag } => drop(fs::remove_dir_all(self.tag(repository, tag))),
            Step::RemoveRepository { repository } => drop(fs::remove_dir_all(own(repository))),
            Step::Swap => {
                let aside = self.volume.join(format!("{}-aside", self.prefix));
                let _ = fs::rename(own(0), &aside);
                let _ = fs::rename(own(1), own(0));
                let _ = fs::rename(&aside, own(1));
            }
            Step::Away { repository } => drop(fs::rename(own(repository), away(repository))),
            Step::Behind { repository } => {
                if fs::rename(own(repository), away(repository)).is_ok() {
                    symlink(away(repository), own(repository)).unwrap();
                }
            }
            Step::Back { repository } => {
                if away(repository).exists() && (!own(repository).exists() || own(repository).is_symlink()) {
                    let _ = fs::remove_file(own(repository));
                    let _ = fs::create_dir_all(own(repository).parent().unwrap());
                    let _ = fs::rename(away(repository), own(repository));
                }
            }
            _ => unreachable!("done by a host"),
        }
    }

    /// What is asked after each step.
    fn questions(&self) -> Vec<Question> {
        let mut questions = Vec::new();
        for repository in 0..REPOSITORIES {
            let name = self.name(repository);
            for tag in 0..TAGS {
                questions.push(("GET", format!("/v2/{name}/manifests/t{tag}"), None));
            }
            questions.push(("HEAD", format!("/v2/{name}/manifests/t0"), None));
            for image in 0..IMAGES {
                let image = self.image(image);
                let (manifest, layer) = (sha256(&image.manifest), sha256(&image.layer));
                questions.push(("GET", format!("/v2/{name}/manifests/{manifest}"), None));
                questions.push(("GET", format!("/v2/{name}/blobs/{layer}"), None));
                questions.push(("GET", format!("/v2/{name}/referrers/{manifest}"), None));
            }
            let (manifest, layer) = (sha256(self.image(0).manifest), sha256(self.image(0).layer));
            let given = Some(("if-none-match", format!("\"{manifest}\"")));
            questions.push(("GET", format!("/v2/{name}/manifests/t0"), given));
            questions.push(("GET", format!("/v2/{name}/blobs/{layer}"), Some(("range", "bytes=1-4".into()))));
            questions.push(("GET", format!("/v2/{name}/tags/list"), None));
            questions.push(("GET", format!("/v2/{name}/tags/list?n=1"), None));
        }
        questions.push(("GET", format!("/v2/_catalog?n=2&last={}", self.prefix), None));
        questions
    }

    /// Asks both, and the one that remembers twice.
    fn compare(&self) -> Result<(), TestCaseError> {
        for (method, target, field) in self.questions() {
            let ask = |host: usize| {
                let request = self.hosts[host].client.request(method, &target);
                let field = field.as_ref().map(|(name, value)| (*name, value.as_str()));
                facts(field.into_iter().fold(request, |request, (name, value)| request.header(name, value)).send())
            };
            let wanted = ask(1);
            for time in ["first", "second"] {
                prop_assert_eq!(&ask(0), &wanted, "{} {} {:?}, asked a {} time", method, &target, &field, time);
            }
        }
        Ok(())
    }
}

/// All of an answer but what is of the one moment.
fn facts(answer: Answer) -> (u16, Vec<(String, String)>, bytes::Bytes) {
    let text = |value: &http::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    let fields = answer.headers.iter().filter(|(name, _)| !["date", "x-request-id"].contains(&name.as_str()));
    let mut fields: Vec<_> = fields.map(|(name, value)| (name.to_string(), text(value))).collect();
    fields.sort();
    (answer.status, fields, answer.body)
}

fn runner() -> TestRunner {
    let cases = env::var("SKERRY_PROPERTY_CASES").ok().and_then(|text| text.parse().ok()).unwrap_or(8);
    let mut seed = [0; 32];
    match env::var("SKERRY_PROPERTY_SEED") {
        Ok(text) => {
            for (at, byte) in seed.iter_mut().enumerate() {
                *byte = u8::from_str_radix(&text[2 * at..2 * at + 2], 16).unwrap();
            }
        }
        Err(_) => {
            for part in seed.chunks_exact_mut(8) {
                part.copy_from_slice(&RandomState::new().hash_one(0).to_le_bytes());
            }
        }
    }
    println!("SKERRY_PROPERTY_SEED={}", seed.iter().map(|byte| format!("{byte:02x}")).collect::<String>());
    let config = Config { cases, failure_persistence: None, max_shrink_iters: 200, ..Config::default() };
    TestRunner::new_with_rng(config, TestRng::from_seed(RngAlgorithm::ChaCha, &seed))
}

#[test]
fn the_same_answers_with_and_without_memory() {
    let volume = tempfile::tempdir().unwrap();
    let start =
        |remember: &str| Host::start(Options { volume: Some(volume.path().into()), ..Options::default() }, remember);
    let hosts = [start("age: 0s"), start("enabled: false")];
    let next = AtomicUsize::new(0);
    let outcome = runner().run(&vec(step(), 1..24), |steps| {
        let prefix = format!("case{}", next.fetch_add(1, Ordering::Relaxed));
        let world = World { hosts: [&hosts[0], &hosts[1]], volume: volume.path(), prefix };
        world.compare()?;
        for step in &steps {
            world.take(step);
            world.compare()?;
        }
        Ok(())
    });
    let counts = hosts[0].counts();
    println!("{counts:?} after {} cases", next.load(Ordering::Relaxed));
    if let Err(error) = outcome {
        panic!("{error}");
    }
    // It was memory that was compared, and it was wrong to keep some of it.
    assert!(counts.hits > 500 && counts.stale > 20, "{counts:?}");
}

/// The same without others on the volume: two volumes, and the same work on
/// both.
#[test]
fn the_same_answers_with_and_without_memory_alone() {
    let start = |exclusive, remember: &str| Host::start(Options { exclusive, ..Options::default() }, remember);
    let hosts = [start(true, ""), start(false, "enabled: false")];
    let next = AtomicUsize::new(0);
    let of_a_host = step().prop_filter("done by a host", |step| {
        use Step::{DeleteBlob, DeleteManifest, Forget, Mount, Push, PushDigest, Refer, Untag};
        let (Push { .. } | PushDigest { .. } | Refer { .. } | Untag { .. }) = step else {
            return matches!(step, DeleteManifest { .. } | DeleteBlob { .. } | Mount { .. } | Forget);
        };
        true
    });
    let outcome = runner().run(&vec(of_a_host, 1..24), |steps| {
        let prefix = format!("case{}", next.fetch_add(1, Ordering::Relaxed));
        let world =
            |one, other| World { hosts: [one, other], volume: hosts[0].registry.volume(), prefix: prefix.clone() };
        for step in &steps {
            // Whichever host the step names, it is each in turn.
            if let Step::Forget = step {
                hosts[0].forget();
            } else {
                world(&hosts[0], &hosts[0]).take(step);
                world(&hosts[1], &hosts[1]).take(step);
            }
            world(&hosts[0], &hosts[1]).compare()?;
        }
        Ok(())
    });
    let counts = hosts[0].counts();
    println!("{counts:?} after {} cases", next.load(Ordering::Relaxed));
    if let Err(error) = outcome {
        panic!("{error}");
    }
    assert!(counts.hits > 500 && counts.stale > 20, "{counts:?}");
}
