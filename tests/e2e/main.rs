//! The registry from outside: tables of requests and answers over TLS.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod admin;
mod attacks;
mod base;
mod blobs;
mod checks;
mod commands;
mod deletes;
mod handshakes;
mod listing;
mod manager;
mod manifests;
mod modes;
mod pairs;
mod peers;
mod recovery;
mod referrers;
mod server;
mod tls;
mod uploads;
mod verify;
