//! From the configuration to what each room wants to know.

use std::{
    fs::File,
    io::{self, Read},
    path::Path,
    sync::Arc,
};

use cap_fs_ext::DirExt;
use cap_std::{ambient_authority, fs::Dir};

use super::ServeError;
use crate::{
    cli::Collect,
    config::{self, Config},
    remember,
    sandbox::{self, Compiler, CompilerLimits, ModuleFile},
    server,
    storage::{self, HOST_SEGMENT, Key, Threads},
};

/// The largest module that is read.
const MODULE: u64 = 256 << 20;

/// The server's options.
pub fn options(config: &Config) -> server::Options {
    let (http, limits) = (&config.http, &config.limits);
    server::Options {
        prefix: http.prefix.clone(),
        host: http.host.clone(),
        relative_urls: http.relative_urls,
        headers: http.headers.clone(),
        trusted_proxies: http.trusted_proxies.clone(),
        proxy_protocol: http.proxy_protocol.clone(),
        h2c: http.h2c,
        drain: http.drain,
        limits: server::Limits {
            connections: limits.connections,
            connections_per_address: limits.connections_per_address,
            handshakes: limits.handshakes,
            handshake_time: limits.handshake_time,
            head_time: limits.head_time,
            keep_alive: limits.keep_alive,
            read_idle: limits.read_idle,
            write_idle: limits.write_idle,
            linger: limits.linger,
            head_bytes: limits.head_bytes,
            head_fields: limits.head_fields,
            target_bytes: limits.target_bytes,
            h1_buffer: limits.h1_buffer,
            h2_streams: limits.h2_streams,
            h2_stream_window: limits.h2_stream_window,
            h2_connection_window: limits.h2_connection_window,
            h2_send_buffer: limits.h2_send_buffer,
            h2_pending_resets: limits.h2_pending_resets,
            h2_local_resets: limits.h2_local_resets,
            h2_ping: limits.h2_ping,
        },
    }
}

/// The sandbox's limits.
pub fn limits(config: &Config) -> sandbox::Limits {
    let (sandbox, limits) = (&config.sandbox, &config.limits);
    sandbox::Limits {
        instances: sandbox.instances,
        parked: sandbox.parked,
        parked_per_address: sandbox.parked_per_address,
        parked_per_principal: sandbox.parked_per_principal,
        asking: sandbox.asking,
        asking_per_address: sandbox.asking_per_address,
        queue: sandbox.queue,
        queue_time: sandbox.queue_time,
        recount: sandbox.recount,
        memory: wide(sandbox.memory),
        table_elements: sandbox.table_elements,
        time: sandbox.time,
        storage_time: sandbox.storage_time,
        calls: sandbox.calls,
        bytes: sandbox.bytes,
        answer: wide(limits.answer),
        body_in_memory: limits.body_in_memory,
        object_in_memory: limits.object_in_memory,
        idle: limits.read_idle,
    }
}

/// What is remembered.
pub fn remember(config: &Config) -> Option<remember::Options> {
    let asked = config.remember.as_ref()?;
    Some(remember::Options {
        entries: asked.entries,
        bytes: wide(asked.bytes),
        answer: wide(asked.answer),
        age: asked.age,
    })
}

/// The storage's options.
pub fn directory(config: &Config) -> Result<storage::Options, ServeError> {
    let threads = config.storage.max_threads;
    let defaults = storage::Options::default();
    let link = |text: &String| {
        Key::parse(text)
            .map_err(|wrong| ServeError::Symlink { key: text.escape_debug().to_string(), cause: wrong.to_string() })
    };
    Ok(storage::Options {
        exclusive: config.storage.exclusive,
        reserve: config.storage.reserve,
        sync_whole: match config.storage.sync_whole {
            config::SyncWhole::Auto => storage::SyncWhole::Auto,
            config::SyncWhole::Never => storage::SyncWhole::Never,
            config::SyncWhole::Always => storage::SyncWhole::Always,
        },
        read_only: false,
        allowed_links: config.storage.symlinks.iter().map(link).collect::<Result<_, _>>()?,
        max_open_uploads: config.limits.uploads,
        idle_uploads: config.limits.idle_uploads,
        idle_upload: config.limits.idle_upload,
        staged_per_holder: config.limits.staged_per_principal,
        listing_cache: wide(config.limits.listing_cache),
        threads: Threads {
            reads: defaults.threads.reads.min(threads),
            commits: defaults.threads.commits.min(threads),
            writes: defaults.threads.writes.min(threads),
            ..defaults.threads
        },
    })
}

/// How uploads are purged.
pub fn purge(purge: &config::Purge) -> sandbox::Purge {
    sandbox::Purge { age: purge.age, interval: purge.interval, dry_run: purge.dry_run }
}

/// What garbage goes.
pub fn collection(asked: &Collect) -> sandbox::Collection {
    sandbox::Collection { grace: asked.grace, dry_run: asked.dry_run, delete_untagged: asked.delete_untagged }
}

/// A directory for WASI's own calls.
pub fn preopen(directory: Dir, rights: config::Preopen) -> sandbox::Preopen {
    sandbox::Preopen { directory: directory.into_std_file(), writable: rights == config::Preopen::ReadWrite }
}

/// How tags go that no policy keeps.
pub fn retention(retention: &config::Retention) -> sandbox::Retention {
    sandbox::Retention { interval: retention.interval, dry_run: retention.dry_run }
}

/// Reads a module's file, up to a bound.
pub fn module(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(MODULE + 1).read_to_end(&mut bytes)?;
    if bytes.len() > usize::try_from(MODULE).unwrap_or(usize::MAX) {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, format!("it is larger than {} MiB", MODULE >> 20)));
    }
    Ok(bytes)
}

/// A module that the configuration names, with what it held.
pub fn module_file(config: &Config, path: &Path, bytes: Vec<u8>) -> ModuleFile {
    let pinned = config.sandbox.precompiled.clone();
    ModuleFile { path: path.to_owned(), bytes, pinned, compiler: Arc::new(compiler(config, home(config))) }
}

/// A module that a command names; what is made of it is not kept.
pub fn apart(config: &Config, path: &Path, bytes: Vec<u8>) -> ModuleFile {
    ModuleFile { compiler: Arc::new(compiler(config, None)), ..module_file(config, path, bytes) }
}

/// What compiles foreign modules; it keeps what it makes where it has a home.
pub fn compiler(config: &Config, home: Option<Dir>) -> Compiler {
    let (time, memory) = (config.sandbox.compile_time, config.sandbox.compile_memory);
    Compiler::new(CompilerLimits { time, memory }, home)
}

/// The host's own directory, once the storage has made it.
fn home(config: &Config) -> Option<Dir> {
    if config.storage.read_only {
        return None;
    }
    let root = Dir::open_ambient_dir(&config.storage.root, ambient_authority()).ok()?;
    root.open_dir_nofollow(HOST_SEGMENT).ok()
}

fn wide(value: u64) -> usize {
    usize::try_from(value).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    /// `storage.filesystem.maxthreads`, with the bounds that distribution puts
    /// on it.
    #[test]
    fn threads() {
        let usual = storage::Options::default().threads;
        for (said, meant) in [("25", 25), ("1", 25), ("0", 100), ("100000", 4096)] {
            let variable = ("REGISTRY_STORAGE_FILESYSTEM_MAXTHREADS".to_owned(), said.to_owned());
            let (config, _) = config::load(config::Source::nothing(), [variable].into_iter()).unwrap();
            let threads = directory(&config).unwrap().threads;
            assert_eq!((threads.reads, threads.commits), (usual.reads.min(meant), usual.commits.min(meant)), "{said}");
        }
    }
}
