//! An operation, and what it is done to.

use skerry_tests::{
    Answer, Client,
    client::Failure,
    content::{self, IMAGE, Noise},
    push, sha256,
};

/// What a client does, and what must be true before and after.
#[derive(Clone, Copy)]
pub struct Operation {
    pub name: &'static str,
    /// Bytes of the blob.
    pub size: usize,
    /// Whether each time a new repository is used.
    pub fresh: bool,
    /// What has to be there before.
    pub prepare: fn(&Client, &mut Scene),
    /// One request.
    pub act: fn(&Client, &Scene) -> Result<Answer, Failure>,
    /// The status of success.
    pub success: u16,
    /// What must be true afterwards, whether it succeeded or not.
    pub check: fn(&Client, &Scene, bool) -> Result<(), Failure>,
    /// Doing it again, when it did not succeed.
    pub again: fn(&Client, &Scene) -> Result<(), Failure>,
}

/// What one operation is done to.
pub struct Scene {
    pub repository: String,
    pub blob: Vec<u8>,
    pub digest: String,
    /// Two images with the blob as their layer.
    pub image: Vec<u8>,
    pub other: Vec<u8>,
    configs: [String; 2],
    /// Where the upload goes on, if there is one.
    pub target: String,
}

impl Scene {
    /// One that nobody saw before.
    pub fn new(operation: &Operation, noise: &mut Noise) -> Self {
        let blob = noise.bytes(operation.size);
        let id = noise.number();
        let configs = [format!(r#"{{"id":{id}}}"#), format!(r#"{{"id":{id},"other":true}}"#)];
        Self {
            repository: match operation.fresh {
                true => format!("{}/{id:x}", operation.name),
                false => operation.name.to_owned(),
            },
            digest: sha256(&blob),
            image: content::image(configs[0].as_bytes(), &[&blob]),
            other: content::image(configs[1].as_bytes(), &[&blob]),
            blob,
            configs,
            target: String::new(),
        }
    }

    /// Below the repository.
    pub fn path(&self, rest: &str) -> String {
        format!("/v2/{}/{rest}", self.repository)
    }

    /// A tag of this scene's own.
    pub fn tag(&self) -> String {
        format!("t{}", &self.digest[7..23])
    }

    /// Where the tag is.
    pub fn tagged(&self) -> String {
        self.path(&format!("manifests/{}", self.tag()))
    }

    /// Pushes what both images name.
    pub fn push_blobs(&self, client: &Client) {
        push::blob(client, &self.repository, &self.blob);
        for config in &self.configs {
            push::blob(client, &self.repository, config.as_bytes());
        }
    }

    /// Pushes the first image under its tag.
    pub fn push_image(&self, client: &Client) {
        self.push_blobs(client);
        push::manifest(client, &self.repository, &self.tag(), IMAGE, &self.image);
    }

    /// What a reference names: nothing, or a manifest and all that it names,
    /// every byte of it.
    pub fn named(&self, client: &Client, reference: &str) -> Result<Option<String>, Failure> {
        let head = client.request("HEAD", &self.path(&format!("manifests/{reference}"))).try_send()?;
        match head.status {
            404 => Ok(None),
            200 => {
                push::whole(client, &self.repository, reference)?;
                Ok(Some(head.header("docker-content-digest").to_owned()))
            }
            status => Err(format!("HEAD of {reference}: {status}").into()),
        }
    }

    /// Whether the blob is there; if it is, it is whole.
    pub fn has_blob(&self, client: &Client) -> Result<bool, Failure> {
        let head = client.request("HEAD", &self.path(&format!("blobs/{}", self.digest))).try_send()?;
        match head.status {
            404 => Ok(false),
            200 => push::whole_blob(client, &self.repository, &self.digest).map(|()| true),
            status => Err(format!("HEAD of {}: {status}", self.digest).into()),
        }
    }
}

/// It must be so.
pub fn must(so: bool, what: &str) -> Result<(), Failure> {
    if so { Ok(()) } else { Err(what.into()) }
}
