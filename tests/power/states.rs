//! One state that a disk was found in.

use std::{collections::BTreeSet, fs, path::Path};

use skerry_tests::{
    Client, Options, Registry,
    client::{Failure, with},
    content::{IMAGE, Noise},
    image::file_digest,
    layout, push, sha256,
    supervisor::Event,
};

use crate::{
    clients::Pages,
    disk::{Disk, Loss},
    promises::{Thing, Value, allowed},
};

/// Of so many states, on one everything is pushed again.
const AGAIN: u64 = 4;

/// Rebuilds it, starts on it, and looks.
pub fn check(events: &[Event], loss: Loss, mut noise: Noise, pages: &Pages) -> Result<(), Failure> {
    let directory = tempfile::Builder::new().prefix("skerry-power-").tempdir()?;
    Disk::after(events).write(directory.path(), loss, &mut noise);
    files(directory.path())?;
    let answered: BTreeSet<u64> = events
        .iter()
        .filter_map(|event| match event {
            Event::Sent { number, .. } => Some(*number),
            _ => None,
        })
        .collect();
    let volume = Some(directory.path().to_owned());
    let mut registry = Registry::start(Options { tls: false, volume, ..Options::default() });
    let client = registry.client();
    for (thing, history) in &pages.histories {
        let (found, allowed) = (find(&client, thing)?, allowed(history, &answered));
        if !allowed.contains(&found) {
            return Err(format!("{thing:?} is {found:?}, not one of {allowed:?}").into());
        }
    }
    if noise.below(AGAIN) == 0 {
        again(&client, pages)?;
    }
    registry.kill9();
    Ok(())
}

/// Whatever has its name is whole, also what nobody asks for.
fn files(volume: &Path) -> Result<(), Failure> {
    let root = layout::root(volume);
    for file in layout::files(&root) {
        let path = root.join(&file);
        let parts: Vec<&str> = file.iter().map(|part| part.to_str().unwrap()).collect();
        match parts[..] {
            ["blobs", algorithm, _, hex, "data"] if file_digest(&path) != format!("{algorithm}:{hex}") => {
                return Err(format!("{} is not whole", file.display()).into());
            }
            [.., above, name, "link"] => {
                let digest = fs::read_to_string(&path)?;
                // A tag's own says what it likes.
                let due = if name == "current" {
                    digest.starts_with("sha256:") && digest.len() == 71
                } else {
                    digest == format!("{above}:{name}")
                };
                if !due {
                    return Err(format!("{} says {digest:?}", file.display()).into());
                }
            }
            _ => {}
        }
    }
    Ok(())
}

/// What a thing is. All that it names is there too, every byte of it.
fn find(client: &Client, thing: &Thing) -> Result<Value, Failure> {
    match thing {
        Thing::Tag(name, reference) | Thing::Manifest(name, reference) => {
            let answer = client.request("GET", &format!("/v2/{name}/manifests/{reference}")).try_send()?;
            match answer.status {
                404 => Ok(None),
                200 => push::whole(client, name, reference).map(|()| Some(sha256(&answer.body))),
                status => Err(format!("{}: {status}", answer.what()).into()),
            }
        }
        Thing::Blob(name, digest) => {
            let answer = client.request("GET", &format!("/v2/{name}/blobs/{digest}")).try_send()?;
            match answer.status {
                404 => Ok(None),
                200 => Ok(Some(sha256(&answer.body))),
                status => Err(format!("{}: {status}", answer.what()).into()),
            }
        }
        Thing::Referrer(name, subject, digest) => {
            let answer = client.request("GET", &format!("/v2/{name}/referrers/{subject}")).try_send()?;
            let list = push::demand(answer, 200)?.text();
            if !list.contains(digest) {
                return Ok(None);
            }
            push::whole(client, name, digest).map(|()| Some(digest.clone()))
        }
    }
}

/// Everything can be pushed again, and is there then.
fn again(client: &Client, pages: &Pages) -> Result<(), Failure> {
    for (name, place, bytes) in &pages.uploads {
        go_on(client, name, place, bytes)?;
    }
    for thing in pages.histories.keys() {
        if let Thing::Blob(name, digest) = thing {
            push::try_blob(client, name, &pages.contents[digest])?;
            push::whole_blob(client, name, digest)?;
        }
    }
    for thing in pages.histories.keys() {
        if let Thing::Manifest(name, digest) = thing {
            push::try_manifest(client, name, digest, IMAGE, &pages.contents[digest])?;
            push::whole(client, name, digest)?;
        }
    }
    Ok(())
}

/// An upload goes on from where it is, or its digest tells that bytes of it
/// are lost; then it is pushed anew.
fn go_on(client: &Client, name: &str, place: &str, bytes: &[u8]) -> Result<(), Failure> {
    let digest = sha256(bytes);
    let status = client.request("GET", place).try_send()?;
    if status.status == 204 {
        let last: usize = status.header("range").strip_prefix("0-").ok_or("a range begins at 0")?.parse()?;
        // `0-0` is said of an empty one too.
        let rest = if last == 0 { bytes } else { bytes.get(last + 1..).ok_or("an upload is longer than it can be")? };
        let put = client.request("PUT", &with(place, &format!("digest={digest}"))).body(rest.to_vec()).try_send()?;
        if put.status == 201 {
            return push::whole_blob(client, name, &digest);
        }
        push::demand(put, 400)?;
    } else {
        push::demand(status, 404)?;
    }
    push::try_blob(client, name, bytes)?;
    push::whole_blob(client, name, &digest)
}
