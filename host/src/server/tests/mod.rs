//! The server against clients that speak to it over real sockets.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod admin;
mod connections;
mod drain;
mod framing;
mod http2;
mod proxied;
mod repeats;
mod requests;
mod support;
