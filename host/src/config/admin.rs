//! `admin`: who reaches it may replace what decides on every request.

use std::path::PathBuf;

use super::{
    model::{Admin, Remote},
    node::Node,
    read::{MOST, Reader},
};

/// What an address of a Unix socket may have, in bytes.
const PATH: usize = 107;

impl Reader<'_> {
    pub(super) fn admin(&mut self) -> Admin {
        let socket = self.text("admin.socket");
        if socket.len() > PATH || socket.contains('\0') || socket.ends_with('/') {
            let message = format!("`admin.socket` is to be the path of a socket, of {PATH} bytes at the most");
            self.problem("admin.socket", message);
        }
        Admin { socket: (!socket.is_empty()).then(|| PathBuf::from(socket)), remote: self.remote() }
    }

    fn remote(&mut self) -> Option<Remote> {
        let files = self.root.find("admin.tls.clientcas").map(Node::items).unwrap_or_default();
        let client_cas: Vec<PathBuf> =
            files.iter().filter_map(Node::text).filter(|text| !text.is_empty()).map(PathBuf::from).take(MOST).collect();
        if self.text("admin.addr").is_empty() {
            if self.root.find("admin.tls").is_some_and(Node::asks) {
                self.problem("admin.tls", "`admin.tls` is set, and `admin.addr` is not");
            }
            return None;
        }
        let listen = self.listen("tcp", "admin.addr");
        let (certificate, key) = (self.text("admin.tls.certificate"), self.text("admin.tls.key"));
        if certificate.is_empty() || key.is_empty() || client_cas.is_empty() {
            // On loopback too: every user of the machine could connect, and
            // every page that a browser there shows.
            self.problem(
                "admin.addr",
                "`admin.addr` needs `admin.tls.certificate`, `admin.tls.key` and `admin.tls.clientcas`: who connects \
                 may replace the modules, and is to have a certificate; on this machine alone, `admin.socket` needs none",
            );
        }
        if self.text("admin.addr") == self.text("http.addr") && listen.port != 0 {
            self.problem("admin.addr", "`admin.addr` and `http.addr` are the same");
        }
        Some(Remote { listen, certificate: PathBuf::from(certificate), key: PathBuf::from(key), client_cas })
    }
}
