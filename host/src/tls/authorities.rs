//! Whom this process itself trusts, as a client.

use std::path::Path;

use rustls::RootCertStore;

use super::{files, pem};

/// The authorities in a PEM file or, without one, the system's.
///
/// # Errors
/// A sentence on why there is nobody to trust.
pub fn authorities(file: Option<&Path>) -> Result<RootCertStore, String> {
    let mut roots = RootCertStore::empty();
    match file {
        Some(path) => {
            let text = files::read(path).map_err(|error| error.to_string())?;
            let certificates = pem::certificates(path, &text).map_err(|error| error.to_string())?;
            if roots.add_parsable_certificates(certificates).0 == 0 {
                return Err(format!("{}: none of the certificates in it can be an authority", path.display()));
            }
        }
        None => {
            let found = rustls_native_certs::load_native_certs();
            if roots.add_parsable_certificates(found.certs).0 == 0 {
                return Err(
                    "this system trusts no authority: install ca-certificates, set SSL_CERT_FILE, or name a file"
                        .to_owned(),
                );
            }
        }
    }
    Ok(roots)
}
