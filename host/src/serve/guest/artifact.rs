//! `guest push` and `guest pull`: modules in registries.

use std::{
    ffi::OsString,
    fs, io,
    path::{Path, PathBuf},
};

use bytes::Bytes;

use crate::{
    cli::{Ambient, GuestPull, GuestPush, Way},
    oci::{Artifact, Client, Credentials, Reference, Trust, docker_config},
    sandbox,
    storage::{Algorithm, Digest},
};

/// Pushes a module, and says how a configuration names it.
pub fn push(asked: &GuestPush, ambient: &Ambient) -> Result<String, String> {
    let module = read(&asked.file)?;
    let at = |cause: String| format!("{}: {cause}", asked.file.display());
    let title = asked.file.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let (imports, exports) = sandbox::names(&module).map_err(at)?;
    let artifact = Artifact::of(&module, &title, &imports, &exports).map_err(at)?;
    let mut client = client(&asked.reference, &asked.way, ambient)?;
    block_on(client.push(&asked.reference, &artifact, Bytes::from(module)))?;
    let pinned = asked.reference.pinned(artifact.digest.clone());
    Ok(format!("pushed {}\n\nA configuration names it by its digest:\n\n  module: {pinned}\n", asked.reference))
}

/// Pulls a module, verified.
pub fn pull(asked: &GuestPull, ambient: &Ambient) -> Result<String, String> {
    let last = asked.reference.repository.rsplit('/').next().unwrap_or_default();
    let output = asked.output.clone().unwrap_or_else(|| PathBuf::from(format!("{last}.wasm")));
    let mut client = client(&asked.reference, &asked.way, ambient)?;
    let (manifest, module) = block_on(client.pull(&asked.reference))?;
    write(&output, &module)?;
    let digest = Digest::of(Algorithm::Sha256, &manifest);
    Ok(format!("pulled {} bytes to {}\n\n  module: {}\n", module.len(), output.display(), {
        asked.reference.pinned(digest)
    }))
}

fn client(reference: &Reference, way: &Way, ambient: &Ambient) -> Result<Client, String> {
    let path = way.credentials.clone().or_else(|| docker_config(|name| variable(ambient, name)));
    let credentials = path.as_deref().map(Credentials::read).transpose()?.unwrap_or_default();
    let trust = if way.plain_http { Trust::Anybody } else { Trust::Authorities(way.ca.as_deref()) };
    Client::new(reference, trust, &credentials)
}

fn variable(ambient: &Ambient, name: &str) -> Option<OsString> {
    let (_, value) = ambient.env.iter().find(|(known, _)| known == name)?;
    Some(value.into())
}

fn block_on<T>(work: impl Future<Output = Result<T, String>>) -> Result<T, String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.map_err(|cause| cause.to_string())?.block_on(work)
}

fn read(path: &Path) -> Result<Vec<u8>, String> {
    fs::read(path).map_err(|cause| format!("{} cannot be read: {cause}", path.display()))
}

/// Never over something that is there.
fn write(path: &Path, bytes: &[u8]) -> Result<(), String> {
    let written = fs::File::create_new(path).and_then(|mut file| {
        io::Write::write_all(&mut file, bytes).inspect_err(|_| {
            let _ = fs::remove_file(path);
        })
    });
    written.map_err(|cause| format!("{} cannot be written: {cause}", path.display()))
}
