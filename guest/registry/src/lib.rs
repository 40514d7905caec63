//! The default registry module: the routes of the OCI distribution-spec 1.1
//! and of Docker's registry API, over the layout of `registry:2`.
//!
//! It decides and names keys. The bytes of blobs never come here: the host
//! moves them, and checks every digest and key itself.
//!
//! A fresh instance answers each request, and the host remembers an answer by
//! what it depended on, so two things are absent on purpose: state, and every
//! import that a `GET` or `HEAD` could do without. Reading asks for no time, no
//! randomness and no output.
//!
//! Everything but the glue in `component.rs` is plain Rust over the ports in
//! [`host`], and is tested natively with [`memory`] behind them.

mod admission;
mod blobs;
mod catalog;
pub mod collect;
#[cfg(target_family = "wasm")]
mod component;
mod descent;
pub mod digest;
mod error;
mod etag;
pub mod host;
pub mod inventory;
mod layout;
mod links;
mod manifests;
#[cfg(not(target_family = "wasm"))]
pub mod memory;
pub mod name;
mod nothing;
mod pagination;
mod percent;
mod permits;
pub mod range;
mod referrers;
pub mod response;
pub mod retain;
pub mod route;
mod settings;
mod tags;
pub mod tend;
pub mod time;
mod uploads;
mod used;
pub mod verify;
mod walk;

use self::{
    digest::Digest,
    error::Code,
    host::Host,
    manifests::Target,
    name::RepositoryName,
    permits::{Browse, Pull, Push, Receive, Remove},
    response::Response,
    route::{Method, Route},
    settings::{Delete, Write},
};
pub use self::{
    error::{Error, HostFailure, failure_answer},
    manifests::{media_type, too_deep},
    uploads::UploadId,
};

/// Answers the request.
#[must_use]
pub fn handle(host: &dyn Host) -> Response {
    dispatch(host).unwrap_or_else(Error::into_response).of_registry()
}

fn dispatch(host: &dyn Host) -> Result<Response, Error> {
    use Method::{Delete as Erase, Get, Head, Options, Patch, Post, Put};

    let path = host.path();
    let route = Route::parse(&path)?;
    let method = Method::parse(&host.method());
    let write = || permit(Write::ask(host), host, &route);
    let delete = || permit(Delete::ask(host), host, &route);
    match (&route, method) {
        (_, Options) => Ok(Response::new(200).header("Allow", settings::allow(host, route.methods()))),
        (Route::Root, Get | Head) => Ok(Response::new(200)),
        (Route::Version, Get | Head) => Ok(Response::new(301).header("Location", "/v2/")),
        (Route::Ping, Get | Head) => {
            permits::enter(host)?;
            Ok(Response::new(200).header("Content-Type", "application/json").bytes(b"{}".to_vec()))
        }
        (Route::Catalog, Get | Head) => catalog::list(&Browse::ask(host)?),
        (Route::Tags(name), Get | Head) => tags::list(&Pull::ask(host, repository(name)?, None)?),
        (Route::Referrers(name, digest), Get | Head) => {
            let (name, digest) = (repository(name)?, parse_digest(digest)?);
            referrers::list(&Pull::ask(host, name, Some(digest.as_str()))?, &digest)
        }
        (Route::Manifest(name, reference), Get | Head | Put | Erase) => {
            let (name, reference) = (repository(name)?, manifests::reference(reference)?);
            match method {
                Put => {
                    let target = Target::ask(host, reference)?;
                    manifests::push(&Push::ask(host, name, &target.names())?, write()?, &target)
                }
                Erase => manifests::delete(&Remove::ask(host, name, reference.as_str())?, delete()?, &reference),
                _ => manifests::pull(&Pull::ask(host, name, Some(reference.as_str()))?, &reference),
            }
        }
        (Route::Blob(name, digest), Get | Head | Erase) => {
            let (name, digest) = (repository(name)?, parse_digest(digest)?);
            if method == Erase {
                blobs::delete(&Remove::ask(host, name, digest.as_str())?, delete()?, &digest)
            } else {
                blobs::pull(&Pull::ask(host, name, Some(digest.as_str()))?, &digest, method == Get)
            }
        }
        (Route::Uploads(name), Post) => uploads::start(&Push::ask(host, repository(name)?, &[])?, write()?),
        (Route::Upload(name, id), Get | Head) => uploads::status(&Receive::ask(host, repository(name)?)?, id),
        (Route::Upload(name, id), Patch) => uploads::patch(&Receive::ask(host, repository(name)?)?, write()?, id),
        (Route::Upload(name, id), Put) => uploads::put(&Receive::ask(host, repository(name)?)?, write()?, id),
        (Route::Upload(name, id), Erase) => {
            uploads::cancel(&Receive::ask_to_cancel(host, repository(name)?)?, write()?, id)
        }
        _ => Err(refused(host, &route)),
    }
}

fn repository(name: &str) -> Result<RepositoryName, Error> {
    RepositoryName::parse(name).ok_or_else(|| Error::new(Code::NameInvalid).detail("name", name))
}

fn parse_digest(text: &str) -> Result<Digest, Error> {
    Digest::parse(text).map_err(|why| uploads::bad_digest(why, text))
}

/// A refusal says which methods would be taken (RFC 9110, 15.5.6).
fn permit<T>(asked: Result<T, Error>, host: &dyn Host, route: &Route<'_>) -> Result<T, Error> {
    asked.map_err(|error| error.header("Allow", settings::allow(host, route.methods())))
}

fn refused(host: &dyn Host, route: &Route<'_>) -> Error {
    Error::new(Code::Unsupported)
        .message("the path does not take this method")
        .header("Allow", settings::allow(host, route.methods()))
}
