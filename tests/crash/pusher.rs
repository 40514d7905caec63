//! A client that pushes, and remembers what it was promised.

use std::{collections::BTreeMap, path::Path};

use skerry_tests::{
    Client,
    client::{Failure, with},
    content::{self, IMAGE, Noise},
    layout,
    push::{self, demand},
    sha256,
};

/// An upload that was begun, and what is known of it.
struct Upload {
    target: String,
    bytes: Vec<u8>,
    /// Bytes that the registry said it has.
    promised: usize,
    /// Whether its end was asked for.
    finishing: bool,
}

/// What a client waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Request {
    /// A POST that begins an upload.
    Begin,
    /// A PATCH.
    Piece,
    /// The PUT that ends an upload.
    Finish,
    /// A POST and PUT of a small blob.
    Blob,
    /// A PUT of a tag.
    Tag,
    /// A DELETE of a tag.
    Delete,
    /// A PUT of a referrer.
    Referrer,
}

impl Request {
    pub fn name(self) -> &'static str {
        match self {
            Self::Begin => "begin",
            Self::Piece => "piece",
            Self::Finish => "finish",
            Self::Blob => "blob",
            Self::Tag => "tag",
            Self::Delete => "delete",
            Self::Referrer => "referrer",
        }
    }
}

/// What was promised of a tag.
#[derive(Default)]
struct Tag {
    /// The digest of the last image that was acknowledged; nothing: deleted.
    promised: Option<String>,
    /// What was asked for after that, with no answer yet; the inner nothing
    /// is a delete.
    asked: Option<Option<String>>,
}

/// One client with a repository of its own.
pub struct Pusher {
    name: String,
    noise: Noise,
    tags: BTreeMap<String, Tag>,
    upload: Option<Upload>,
    subject: Option<String>,
    /// Referrers that were acknowledged.
    referrers: Vec<String>,
    doing: Option<Request>,
    acknowledged: BTreeMap<Request, u64>,
    /// Tags that were touched since the last check.
    fresh: Vec<String>,
}

impl Pusher {
    /// Number `n`.
    pub fn new(n: u64, seed: u64) -> Self {
        Self {
            name: format!("crash/{n}"),
            noise: Noise::new(seed),
            tags: BTreeMap::new(),
            upload: None,
            subject: None,
            referrers: Vec::new(),
            doing: None,
            acknowledged: BTreeMap::new(),
            fresh: Vec::new(),
        }
    }

    /// What was acknowledged, by kind.
    pub fn acknowledged(&self) -> impl Iterator<Item = (Request, u64)> {
        self.acknowledged.iter().map(|(request, count)| (*request, *count))
    }

    /// What it waits for.
    pub fn doing(&self) -> Option<Request> {
        self.doing
    }

    /// Whether it is in the middle of an upload.
    pub fn uploads(&self) -> bool {
        self.upload.is_some()
    }

    fn does(&mut self, request: Request) {
        self.doing = Some(request);
    }

    fn done(&mut self) {
        if let Some(request) = self.doing.take() {
            *self.acknowledged.entry(request).or_default() += 1;
        }
    }

    /// Pushes one image, or deletes a tag.
    pub fn step(&mut self, client: &Client) -> Result<(), Failure> {
        let tag = format!("t{}", self.noise.below(40));
        if self.noise.below(8) == 0 && self.tags.get(&tag).is_some_and(|tag| tag.promised.is_some()) {
            return self.delete(client, &tag);
        }
        let size = 1 + self.noise.below(60_000) as usize;
        let layer = self.noise.bytes(size);
        self.push_in_pieces(client, layer.clone())?;
        let config = format!(r#"{{"n":{}}}"#, self.noise.number());
        self.does(Request::Blob);
        push::try_blob(client, &self.name, config.as_bytes())?;
        self.done();
        let image = content::image(config.as_bytes(), &[&layer]);
        self.ask(&tag, Some(sha256(&image)));
        self.does(Request::Tag);
        push::try_manifest(client, &self.name, &tag, IMAGE, &image)?;
        self.done();
        self.kept(&tag);
        if self.noise.below(4) == 0 {
            self.refer(client, &image)?;
        }
        Ok(())
    }

    fn delete(&mut self, client: &Client, tag: &str) -> Result<(), Failure> {
        self.ask(tag, None);
        self.does(Request::Delete);
        demand(client.request("DELETE", &format!("/v2/{}/manifests/{tag}", self.name)).try_send()?, 202)?;
        self.done();
        self.kept(tag);
        Ok(())
    }

    fn ask(&mut self, tag: &str, digest: Option<String>) {
        self.tags.entry(tag.to_owned()).or_default().asked = Some(digest);
        self.fresh.push(tag.to_owned());
    }

    fn kept(&mut self, tag: &str) {
        let tag = self.tags.get_mut(tag).unwrap();
        tag.promised = tag.asked.take().unwrap();
    }

    fn refer(&mut self, client: &Client, image: &[u8]) -> Result<(), Failure> {
        // All to one subject, which need not be there.
        let subject = self.subject.get_or_insert_with(|| String::from_utf8(image.to_vec()).unwrap()).clone();
        push::try_blob(client, &self.name, b"{}")?;
        let artifact =
            content::artifact(subject.as_bytes(), "application/vnd.example", &self.noise.number().to_string());
        let digest = sha256(&artifact);
        self.does(Request::Referrer);
        push::try_manifest(client, &self.name, &digest, IMAGE, &artifact)?;
        self.done();
        self.referrers.push(digest);
        Ok(())
    }

    fn push_in_pieces(&mut self, client: &Client, bytes: Vec<u8>) -> Result<(), Failure> {
        self.does(Request::Begin);
        let begun = demand(client.request("POST", &format!("/v2/{}/blobs/uploads/", self.name)).try_send()?, 202)?;
        self.done();
        self.upload = Some(Upload { target: begun.location(), bytes, promised: 0, finishing: false });
        self.go_on(client)
    }

    /// Sends the rest of the upload that is under way, and ends it.
    fn go_on(&mut self, client: &Client) -> Result<(), Failure> {
        while let Some(upload) = self.upload.as_mut().filter(|upload| upload.promised < upload.bytes.len()) {
            let left = upload.bytes.len() - upload.promised;
            let end = upload.promised + (1 + self.noise.below(30_000) as usize).min(left);
            self.doing = Some(Request::Piece);
            let range = format!("{}-{}", upload.promised, end - 1);
            let patch = client.request("PATCH", &upload.target).header("content-range", &range);
            let answer = demand(patch.body(upload.bytes[upload.promised..end].to_vec()).try_send()?, 202)?;
            upload.promised = end;
            upload.target = answer.location();
            self.done();
        }
        self.does(Request::Finish);
        let Some(upload) = &mut self.upload else { return Ok(()) };
        let digest = sha256(&upload.bytes);
        upload.finishing = true;
        demand(client.request("PUT", &with(&upload.target, &format!("digest={digest}"))).try_send()?, 201)?;
        self.done();
        self.upload = None;
        Ok(())
    }

    /// After a crash: each promise that was touched since the last one holds.
    pub fn check(&mut self, client: &Client, volume: &Path) -> Result<(), Failure> {
        for name in std::mem::take(&mut self.fresh) {
            self.settle(client, &name)?;
            self.check_tag(client, &name)?;
        }
        self.check_referrers(client)?;
        self.check_upload(client, volume)
    }

    /// Every promise ever made holds.
    pub fn check_all(&self, client: &Client) -> Result<(), Failure> {
        for name in self.tags.keys() {
            self.check_tag(client, name)?;
        }
        for referrer in &self.referrers {
            push::whole(client, &self.name, referrer)?;
        }
        self.check_referrers(client)
    }

    /// What was asked for with no answer either happened or did not.
    fn settle(&mut self, client: &Client, name: &str) -> Result<(), Failure> {
        let found = self.digest(client, name)?;
        let tag = self.tags.get_mut(name).ok_or("a tag that was asked for is known")?;
        if tag.asked.take().is_some_and(|asked| asked == found) {
            tag.promised = found;
        }
        Ok(())
    }

    fn digest(&self, client: &Client, tag: &str) -> Result<Option<String>, Failure> {
        let answer = client.request("HEAD", &format!("/v2/{}/manifests/{tag}", self.name)).try_send()?;
        match answer.status {
            200 => Ok(Some(answer.header("docker-content-digest").to_owned())),
            404 => Ok(None),
            status => Err(format!("HEAD of {tag}: {status}").into()),
        }
    }

    fn check_tag(&self, client: &Client, name: &str) -> Result<(), Failure> {
        let promised = &self.tags[name].promised;
        let found = self.digest(client, name)?;
        if found != *promised {
            return Err(format!("{}:{name} is {found:?}, and {promised:?} was acknowledged", self.name).into());
        }
        if promised.is_some() {
            push::whole(client, &self.name, name)?;
        }
        Ok(())
    }

    fn check_referrers(&self, client: &Client) -> Result<(), Failure> {
        let Some(subject) = &self.subject else { return Ok(()) };
        // A page has a thousand of them at the most.
        let mut list = String::new();
        let mut page = Some(format!("/v2/{}/referrers/{}", self.name, sha256(subject)));
        while let Some(target) = page {
            let answer = demand(client.request("GET", &target).try_send()?, 200)?;
            list.push_str(&answer.text());
            page = answer.next();
        }
        match self.referrers.iter().find(|referrer| !list.contains(*referrer)) {
            None => Ok(()),
            Some(lost) => Err(format!("{}'s referrer {lost} is lost", self.name).into()),
        }
    }

    /// The upload that was under way is there from where it was promised, or
    /// it became a blob; and it can be gone on with.
    fn check_upload(&mut self, client: &Client, volume: &Path) -> Result<(), Failure> {
        let Some(upload) = &mut self.upload else { return Ok(()) };
        let digest = sha256(&upload.bytes);
        let answer = client.request("GET", &upload.target).try_send()?;
        if answer.status == 404 && upload.finishing {
            // Its end was under way, and came: then it is a blob of the
            // repository, and nothing less.
            self.upload = None;
            return push::whole_blob(client, &self.name, &digest);
        }
        if answer.status != 204 {
            return Err(format!("GET of an upload: {} {}", answer.status, answer.text()).into());
        }
        let range = answer.header("range");
        let last: usize = range.strip_prefix("0-").ok_or("a range begins at 0")?.parse()?;
        // `0-0` is said of an empty one, and of one of a single byte.
        let size = |id: &str| std::fs::metadata(layout::uploads(volume, &self.name).join(id).join("data"));
        let there = match last {
            0 => size(answer.header("docker-upload-uuid"))?.len() as usize,
            last => last + 1,
        };
        if there < upload.promised || there > upload.bytes.len() {
            return Err(format!("an upload has {there} bytes, and {} were acknowledged", upload.promised).into());
        }
        upload.promised = there;
        upload.finishing = false;
        upload.target = answer.location();
        self.go_on(client)?;
        push::whole_blob(client, &self.name, &digest)
    }
}
