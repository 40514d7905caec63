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

mod blobs;
mod catalog;
pub mod collect;
#[cfg(target_family = "wasm")]
mod component;
pub mod digest;
mod error;
mod etag;
pub mod host;
mod layout;
mod links;
mod manifests;
#[cfg(not(target_family = "wasm"))]
pub mod memory;
pub mod name;
mod pagination;
mod percent;
pub mod range;
mod referrers;
pub mod response;
pub mod route;
mod settings;
mod tags;
pub mod tend;
pub mod time;
mod uploads;
mod walk;

use self::{
    digest::Digest,
    error::Code,
    host::Host,
    name::RepositoryName,
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
    use Method::{Delete as Remove, Get, Head, Options, Patch, Post, Put};

    let path = host.path();
    let route = Route::parse(&path)?;
    let method = Method::parse(&host.method());
    match (&route, method) {
        (_, Options) => Ok(Response::new(200).header("Allow", settings::allow(host, route.methods()))),
        (Route::Root, Get | Head) => Ok(Response::new(200)),
        (Route::Version, Get | Head) => Ok(Response::new(301).header("Location", "/v2/")),
        (Route::Ping, Get | Head) => {
            Ok(Response::new(200).header("Content-Type", "application/json").bytes(b"{}".to_vec()))
        }
        (Route::Catalog, Get | Head) => catalog::list(host),
        (Route::Tags(name), Get | Head) => tags::list(host, &repository(name)?),
        (Route::Referrers(name, digest), Get | Head) => {
            referrers::list(host, &repository(name)?, &parse_digest(digest)?)
        }
        (Route::Manifest(name, reference), _) => {
            let (name, reference) = (repository(name)?, || manifests::reference(reference));
            match method {
                Get | Head => manifests::pull(host, &name, &reference()?),
                Put => manifests::push(host, permit(Write::ask(host), host, &route)?, &name, &reference()?),
                Remove => manifests::delete(host, permit(Delete::ask(host), host, &route)?, &name, &reference()?),
                _ => Err(refused(host, &route)),
            }
        }
        (Route::Blob(name, digest), Get | Head) => {
            blobs::pull(host, &repository(name)?, &parse_digest(digest)?, method == Get)
        }
        (Route::Blob(name, digest), Remove) => {
            let permit = permit(Delete::ask(host), host, &route)?;
            blobs::delete(host, permit, &repository(name)?, &parse_digest(digest)?)
        }
        (Route::Uploads(name), Post) => {
            uploads::start(host, permit(Write::ask(host), host, &route)?, &repository(name)?)
        }
        (Route::Upload(name, id), Get | Head) => uploads::status(host, &repository(name)?, id),
        (Route::Upload(name, id), Patch | Put | Remove) => {
            let (permit, name) = (permit(Write::ask(host), host, &route)?, repository(name)?);
            match method {
                Patch => uploads::patch(host, permit, &name, id),
                Put => uploads::put(host, permit, &name, id),
                _ => uploads::cancel(host, permit, &name, id),
            }
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
