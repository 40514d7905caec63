//! Clients that push, move and delete, and write down what they were promised.

use std::{
    collections::BTreeMap,
    sync::{
        Mutex,
        atomic::{AtomicU64, Ordering},
    },
};

use skerry_tests::{
    Answer, Client,
    client::with,
    content::{self, IMAGE, Noise},
    sha256,
};

use crate::promises::{Histories, Thing, Value};

/// What all clients write down.
#[derive(Default)]
pub struct Book {
    numbers: AtomicU64,
    pages: Mutex<Pages>,
}

/// What was written down.
#[derive(Default)]
pub struct Pages {
    pub histories: Histories,
    /// Blobs and manifests, by digest.
    pub contents: BTreeMap<String, Vec<u8>>,
    /// Uploads that were not finished: repository, place and bytes.
    pub uploads: Vec<(String, String, Vec<u8>)>,
}

impl Book {
    /// After the last request.
    pub fn close(self) -> Pages {
        self.pages.into_inner().unwrap()
    }
}

/// One client's work.
struct Worker<'a> {
    client: &'a Client,
    book: &'a Book,
    noise: Noise,
    own: String,
    /// Images that it pushed to its own repository and did not delete: tag and
    /// manifest.
    images: Vec<(String, Vec<u8>)>,
}

/// Does some steps, as the noise has it.
pub fn work(client: &Client, book: &Book, n: usize, noise: Noise, steps: usize) {
    let mut worker = Worker { client, book, noise, own: format!("own/{n}"), images: Vec::new() };
    // What both push, at once.
    worker.image("both", "t", b"layer of both");
    for step in 0..steps {
        worker.step(step);
    }
}

impl Worker<'_> {
    fn step(&mut self, step: usize) {
        let own = self.own.clone();
        let layer = self.noise.bytes(500 + 37 * step);
        match self.noise.below(8) {
            _ if self.images.is_empty() => self.push(&own, "t0", &layer),
            0 => self.image("both", "t", b"layer of both"),
            1 => {
                let (tag, _) = self.images.swap_remove(0);
                self.images.retain(|(other, _)| *other != tag);
                self.ask("DELETE", &format!("/v2/{own}/manifests/{tag}"), None, 202, vec![(tag_of(&own, &tag), None)]);
            }
            2 => {
                let (_, image) = self.images.swap_remove(0);
                let digest = sha256(&image);
                let mut changes = self.tags_of(&own, &digest);
                changes.push((Thing::Manifest(own.clone(), digest.clone()), None));
                self.ask("DELETE", &format!("/v2/{own}/manifests/{digest}"), None, 202, changes);
            }
            3 => {
                self.blob(&own, &layer);
                let digest = sha256(&layer);
                let change = (Thing::Blob(own.clone(), digest.clone()), None);
                self.ask("DELETE", &format!("/v2/{own}/blobs/{digest}"), None, 202, vec![change]);
            }
            4 => {
                let subject = self.images[0].1.clone();
                self.blob(&own, b"{}");
                let note = self.noise.number().to_string();
                let artifact = content::artifact(&subject, "application/vnd.example", &note);
                let digest = sha256(&artifact);
                let referrer = Thing::Referrer(own.clone(), sha256(&subject), digest.clone());
                self.manifest(&own, &digest, &artifact, vec![(referrer, Some(digest.clone()))]);
            }
            5 => {
                let digest = sha256(b"layer of both");
                let target = format!("/v2/{own}/blobs/uploads/?mount={digest}&from=both");
                let change = (Thing::Blob(own.clone(), digest.clone()), Some(digest));
                self.ask("POST", &target, None, 201, vec![change]);
            }
            6 => {
                let begun = self.ask("POST", &format!("/v2/{own}/blobs/uploads/"), None, 202, vec![]).location();
                let place = self.ask("PATCH", &begun, Some(&layer[..200]), 202, vec![]).location();
                self.book.pages.lock().unwrap().uploads.push((own, place, layer));
            }
            // Three tags, so that they move.
            n => self.push(&own, &format!("t{}", n as usize % 2 + step % 2), &layer),
        }
    }

    /// An image under a tag of the client's own repository.
    fn push(&mut self, own: &str, tag: &str, layer: &[u8]) {
        let image = self.image_of(own, tag, layer);
        self.images.retain(|(other, _)| other != tag);
        self.images.push((tag.to_owned(), image));
    }

    fn image(&mut self, repository: &str, tag: &str, layer: &[u8]) {
        self.image_of(repository, tag, layer);
    }

    fn image_of(&mut self, repository: &str, tag: &str, layer: &[u8]) -> Vec<u8> {
        let config = br#"{"architecture":"amd64"}"#;
        self.blob(repository, config);
        self.blob(repository, layer);
        let image = content::image(config, &[layer]);
        self.manifest(repository, tag, &image, vec![(tag_of(repository, tag), Some(sha256(&image)))]);
        image
    }

    /// Tags of the client's own repository that name a manifest.
    fn tags_of(&self, own: &str, digest: &str) -> Vec<(Thing, Value)> {
        let pages = self.book.pages.lock().unwrap();
        let named = |(thing, history): (&Thing, &Vec<(u64, Value)>)| {
            let now = history.last().and_then(|(_, value)| value.as_deref());
            let of_it = matches!(thing, Thing::Tag(name, _) if name == own) && now == Some(digest);
            of_it.then(|| (thing.clone(), None))
        };
        pages.histories.iter().filter_map(named).collect()
    }

    /// A blob, in one of the ways that there are.
    fn blob(&mut self, repository: &str, bytes: &[u8]) {
        let digest = sha256(bytes);
        self.book.pages.lock().unwrap().contents.insert(digest.clone(), bytes.to_vec());
        let change = vec![(Thing::Blob(repository.to_owned(), digest.clone()), Some(digest.clone()))];
        let uploads = format!("/v2/{repository}/blobs/uploads/");
        let finish = |place: &str| with(place, &format!("digest={digest}"));
        let way = self.noise.below(3);
        if way == 0 {
            self.ask("POST", &finish(&uploads), Some(bytes), 201, change);
            return;
        }
        let place = self.ask("POST", &uploads, None, 202, vec![]).location();
        if way == 1 {
            self.ask("PUT", &finish(&place), Some(bytes), 201, change);
            return;
        }
        let (first, rest) = bytes.split_at(bytes.len() / 2);
        let place = self.ask("PATCH", &place, Some(first), 202, vec![]).location();
        let place = self.ask("PATCH", &place, Some(rest), 202, vec![]).location();
        self.ask("PUT", &finish(&place), None, 201, change);
    }

    fn manifest(&mut self, repository: &str, reference: &str, bytes: &[u8], mut changes: Vec<(Thing, Value)>) {
        let digest = sha256(bytes);
        self.book.pages.lock().unwrap().contents.insert(digest.clone(), bytes.to_vec());
        changes.push((Thing::Manifest(repository.to_owned(), digest.clone()), Some(digest)));
        self.ask("PUT", &format!("/v2/{repository}/manifests/{reference}"), Some(bytes), 201, changes);
    }

    /// One request, and what its success promises.
    fn ask(
        &self,
        method: &str,
        target: &str,
        body: Option<&[u8]>,
        status: u16,
        changes: Vec<(Thing, Value)>,
    ) -> Answer {
        let number = self.book.numbers.fetch_add(1, Ordering::Relaxed);
        let mut pages = self.book.pages.lock().unwrap();
        for (thing, value) in changes {
            pages.histories.entry(thing).or_default().push((number, value));
        }
        drop(pages);
        let mut request = self.client.request(method, target).header("x-number", &number.to_string());
        if let Some(body) = body {
            request = request.header("content-type", IMAGE).body(body.to_vec());
        }
        request.send().expect(status)
    }
}

fn tag_of(repository: &str, tag: &str) -> Thing {
    Thing::Tag(repository.to_owned(), tag.to_owned())
}
