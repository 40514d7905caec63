//! Which path means what, and by which methods.

use std::borrow::Cow;

use crate::{
    error::{Code, Error},
    percent,
};

/// What a path names. The texts are decoded and not checked further yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Route<'a> {
    /// `/`, where load balancers knock.
    Root,
    /// `/v2`
    Version,
    /// `/v2/`
    Ping,
    /// `/v2/_catalog`
    Catalog,
    /// `/v2/<name>/tags/list`
    Tags(String),
    /// `/v2/<name>/manifests/<reference>`
    Manifest(String, Cow<'a, str>),
    /// `/v2/<name>/blobs/<digest>`
    Blob(String, Cow<'a, str>),
    /// `/v2/<name>/blobs/uploads/`
    Uploads(String),
    /// `/v2/<name>/blobs/uploads/<id>`
    Upload(String, Cow<'a, str>),
    /// `/v2/<name>/referrers/<digest>`
    Referrers(String, Cow<'a, str>),
}

/// The methods that some route takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// `GET`
    Get,
    /// `HEAD`
    Head,
    /// `PUT`
    Put,
    /// `POST`
    Post,
    /// `PATCH`
    Patch,
    /// `DELETE`
    Delete,
    /// `OPTIONS`
    Options,
    /// Any other.
    Other,
}

impl Method {
    /// Reads a method, which is case-sensitive.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        match text {
            "GET" => Self::Get,
            "HEAD" => Self::Head,
            "PUT" => Self::Put,
            "POST" => Self::Post,
            "PATCH" => Self::Patch,
            "DELETE" => Self::Delete,
            "OPTIONS" => Self::Options,
            _ => Self::Other,
        }
    }
}

impl<'a> Route<'a> {
    /// Reads a path, percent-encoded as it was sent.
    ///
    /// Names may hold any word, `blobs` and `tags` among them, so it is read
    /// from the right.
    ///
    /// # Errors
    /// 404 where no route is like that, 400 where a segment is no segment.
    pub fn parse(path: &'a str) -> Result<Self, Error> {
        let rest = match path {
            "/" => return Ok(Self::Root),
            "/v2" => return Ok(Self::Version),
            "/v2/" => return Ok(Self::Ping),
            _ => path.strip_prefix("/v2/").ok_or_else(unknown)?,
        };
        // Only the collection of uploads ends in a slash.
        let (rest, slash) = rest.strip_suffix('/').map_or((rest, false), |rest| (rest, true));
        let mut segments = Vec::new();
        for raw in rest.split('/') {
            let segment = percent::segment(raw);
            segments.push(segment.ok_or_else(|| {
                Error::new(Code::NameInvalid).message("the path has a segment that is none").detail("segment", raw)
            })?);
        }
        if let [only] = segments.as_slice() {
            return if *only == "_catalog" && !slash { Ok(Self::Catalog) } else { Err(unknown()) };
        }
        let last = segments.pop().ok_or_else(unknown)?;
        let kind = segments.pop().ok_or_else(unknown)?;
        if kind == "uploads" && !slash && segments.last().is_some_and(|word| word == "blobs") {
            segments.pop();
            return Ok(Self::Upload(name(&segments).ok_or_else(unknown)?, last));
        }
        let name = name(&segments).ok_or_else(unknown)?;
        match (kind.as_ref(), last.as_ref()) {
            ("blobs", "uploads") => Ok(Self::Uploads(name)),
            _ if slash => Err(unknown()),
            ("blobs", _) => Ok(Self::Blob(name, last)),
            ("manifests", _) => Ok(Self::Manifest(name, last)),
            ("referrers", _) => Ok(Self::Referrers(name, last)),
            ("tags", "list") => Ok(Self::Tags(name)),
            _ => Err(unknown()),
        }
    }

    /// The methods that it takes: those that read, then those that write.
    #[must_use]
    pub const fn methods(&self) -> (&'static str, &'static str) {
        match self {
            Self::Root | Self::Version | Self::Ping | Self::Catalog | Self::Tags(_) | Self::Referrers(..) => {
                ("GET, HEAD, OPTIONS", "")
            }
            Self::Manifest(..) => ("GET, HEAD, OPTIONS", "PUT, DELETE"),
            Self::Blob(..) => ("GET, HEAD, OPTIONS", "DELETE"),
            Self::Uploads(_) => ("OPTIONS", "POST"),
            Self::Upload(..) => ("GET, HEAD, OPTIONS", "PATCH, PUT, DELETE"),
        }
    }
}

/// The refusal of a path that nothing is at.
pub fn unknown() -> Error {
    Error::new(Code::Unsupported).status(404).message("there is no such path")
}

fn name(segments: &[Cow<'_, str>]) -> Option<String> {
    (!segments.is_empty()).then(|| segments.join("/"))
}
