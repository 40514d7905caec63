//! A registry module that serves reads of a distribution volume by `std::fs`
//! alone: its directory is `/`. Below `/try/` it does with files, by path, what
//! a test wants to see done or refused.

#![cfg(target_family = "wasm")]

wit_bindgen::generate!({ path: "../../../wit", world: "registry", generate_all });

use std::{fmt::Debug, fs, io};

use exports::skerry::registry::handler::{Content, Guest, HostAnswer, HostFailure, Progress, Response, Slice, Task};
use serde_json::Value;
use skerry::registry::{request, uploads::Upload};

struct Module;
export!(Module);

const ROOT: &str = "/docker/registry/v2";

impl Guest for Module {
    fn handle() -> Response {
        let path = request::path();
        if let Some(rest) = path.strip_prefix("/try/") {
            return tried(rest);
        }
        if !matches!(request::method().as_str(), "GET" | "HEAD") {
            return error(405, "UNSUPPORTED");
        }
        let Some(rest) = path.strip_prefix("/v2/") else { return error(404, "NOT_FOUND") };
        let served = match rest {
            "" => return answer(200, &[("content-type", "application/json")], Content::Bytes(b"{}".to_vec())),
            _ => match (rest.strip_suffix("/tags/list"), split(rest, "/manifests/"), split(rest, "/blobs/")) {
                (Some(name), _, _) => tags(name),
                (_, Some((name, reference)), _) => manifest(name, reference),
                (_, _, Some((name, digest))) => blob(name, digest),
                _ => return error(404, "NOT_FOUND"),
            },
        };
        served.unwrap_or_else(|cause| match cause.kind() {
            io::ErrorKind::NotFound => error(404, "BLOB_UNKNOWN"),
            _ => error(500, "UNKNOWN"),
        })
    }

    fn failure_answer(_: HostFailure) -> HostAnswer {
        HostAnswer { headers: Vec::new(), body: b"the host answers".to_vec() }
    }

    fn tend(_: Task, _: Option<String>, _: u32) -> Result<Progress, String> {
        Ok(Progress { cursor: None, examined: 0, changed: 0, messages: Vec::new(), total: 0, damage: Vec::new() })
    }
}

/// Name and reference, if both may be a part of a path.
fn split<'a>(path: &'a str, at: &str) -> Option<(&'a str, &'a str)> {
    let (name, reference) = path.rsplit_once(at)?;
    let plain = |part: &str| !part.is_empty() && !part.starts_with(['.', '_']);
    (name.split('/').all(plain) && plain(reference) && !reference.contains('/')).then_some((name, reference))
}

fn hex(digest: &str) -> io::Result<&str> {
    let hex = digest.strip_prefix("sha256:").unwrap_or_default();
    let good = hex.len() == 64 && hex.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    good.then_some(hex).ok_or_else(|| io::ErrorKind::NotFound.into())
}

/// Where a blob's bytes lie.
fn data(hex: &str) -> String {
    format!("{ROOT}/blobs/sha256/{}/{hex}/data", &hex[..2])
}

fn manifest(name: &str, reference: &str) -> io::Result<Response> {
    let of = format!("{ROOT}/repositories/{name}/_manifests");
    let digest = match reference.contains(':') {
        true => reference.to_owned(),
        false => fs::read_to_string(format!("{of}/tags/{reference}/current/link"))?,
    };
    let hex = hex(&digest)?;
    fs::metadata(format!("{of}/revisions/sha256/{hex}/link"))?;
    let bytes = fs::read(data(hex))?;
    let parsed: Value = serde_json::from_slice(&bytes)?;
    let known = match parsed["manifests"].is_array() {
        true => "application/vnd.oci.image.index.v1+json",
        false => "application/vnd.oci.image.manifest.v1+json",
    };
    let media = parsed["mediaType"].as_str().unwrap_or(known).to_owned();
    Ok(answer(200, &[("content-type", &media), ("docker-content-digest", &digest)], Content::Bytes(bytes)))
}

fn blob(name: &str, digest: &str) -> io::Result<Response> {
    let hex = hex(digest)?;
    fs::metadata(format!("{ROOT}/repositories/{name}/_layers/sha256/{hex}/link"))?;
    let path = data(hex);
    let length = fs::metadata(&path)?.len();
    let key = path.trim_start_matches('/').to_owned();
    let headers = [("content-type", "application/octet-stream"), ("docker-content-digest", digest)];
    Ok(answer(200, &headers, Content::Slice(Slice { key, offset: 0, length })))
}

fn tags(name: &str) -> io::Result<Response> {
    let mut tags = Vec::new();
    for entry in fs::read_dir(format!("{ROOT}/repositories/{name}/_manifests/tags"))? {
        tags.push(format!("\"{}\"", entry?.file_name().to_string_lossy()));
    }
    tags.sort();
    let body = format!("{{\"name\":\"{name}\",\"tags\":[{}]}}", tags.join(","));
    Ok(answer(200, &[("content-type", "application/json")], Content::Bytes(body.into_bytes())))
}

/// `WHAT/path`: what comes of it, as text.
fn tried(rest: &str) -> Response {
    let (what, path) = rest.split_once('/').unwrap_or((rest, ""));
    let file = format!("/{path}");
    let said = match what {
        "read" => show(fs::read_to_string(&file)),
        "write" => show(fs::write(&file, "written")),
        "append" => show(fs::OpenOptions::new().append(true).open(&file)),
        "list" => show(fs::read_dir(&file).map(|entries| entries.flatten().count())),
        "lists" => {
            let first = |_| fs::read_dir(&file).and_then(|mut entries| entries.next().transpose());
            let ended = (0..100_000).map(first).find_map(Result::err);
            ended.map_or_else(|| "never".to_owned(), |cause| format!("refused: {:?}", cause.kind()))
        }
        "stat" => show(fs::metadata(&file).map(|metadata| metadata.len())),
        "remove" => show(fs::remove_file(&file)),
        "mkdir" => show(fs::create_dir(&file)),
        "rename" => show(fs::rename("/theirs", &file)),
        "seize" => show(fs::rename(&file, "/theirs")),
        "hard-link" => show(fs::hard_link(&file, "/linked")),
        #[allow(deprecated)]
        "soft-link" => show(fs::soft_link(&file, "/linked")),
        "upload" => upload(path),
        _ => "no such thing".to_owned(),
    };
    answer(200, &[("content-type", "text/plain")], Content::Bytes(said.into_bytes()))
}

fn show(outcome: io::Result<impl Debug>) -> String {
    match outcome {
        Ok(what) => format!("{what:?}"),
        Err(cause) => format!("refused: {:?}", cause.kind()),
    }
}

fn upload(key: &str) -> String {
    let outcome = Upload::create(key, &[]).and_then(|upload| {
        upload.append(None, None)?;
        let digest = upload.digest("sha256")?;
        upload.finish("done/object", &digest, &[], &[])
    });
    format!("{outcome:?}")
}

fn error(status: u16, code: &str) -> Response {
    let body = format!("{{\"errors\":[{{\"code\":\"{code}\"}}]}}");
    answer(status, &[("content-type", "application/json")], Content::Bytes(body.into_bytes()))
}

fn answer(status: u16, headers: &[(&str, &str)], body: Content) -> Response {
    let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    Response { status, headers, body, notes: Vec::new() }
}
