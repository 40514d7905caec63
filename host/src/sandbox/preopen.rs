//! A directory that a module may use by WASI's own calls, and the threads that
//! wait for it.

use std::{fs::File, io, os::fd::AsRawFd, thread};

use tokio::{runtime::Runtime, task::AbortHandle};
use wasmtime_wasi::{FsPerms, WasiCtxBuilder};

/// Threads of modules that wait for files themselves.
const FEWEST: usize = 4;
const MOST: usize = 32;

/// A directory, opened once.
pub struct Preopen {
    /// It is opened.
    pub directory: File,
    /// Whether the module may write to it, too.
    pub writable: bool,
}

impl Preopen {
    /// Whether that can be done here: once, before there are modules.
    pub fn check(&self) -> wasmtime::Result<()> {
        self.add(&mut WasiCtxBuilder::new())
    }

    /// Shows it to a module as `/`.
    pub fn add(&self, builder: &mut WasiCtxBuilder) -> wasmtime::Result<()> {
        // wasmtime opens a path: by this one it is the directory that is open
        // already, wherever that has moved meanwhile.
        let path = format!("/proc/self/fd/{}", self.directory.as_raw_fd());
        let rights = if self.writable { FsPerms::ReadWrite } else { FsPerms::ReadOnly };
        builder.preopened_dir(path, "/", rights)?;
        Ok(())
    }
}

/// Threads for modules whose file calls wait for the disk where they are made:
/// others' requests are served by other threads.
pub struct Threads(Option<Runtime>);

impl Threads {
    /// As many as there may be instances, within reason.
    pub fn start(instances: u32) -> io::Result<Self> {
        let count = usize::try_from(instances).unwrap_or(MOST).clamp(FEWEST, MOST);
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(count)
            .max_blocking_threads(256)
            .thread_name("files")
            .enable_all()
            .build()?;
        Ok(Self(Some(runtime)))
    }

    /// Runs it there. It ends when this is dropped.
    pub async fn run<T: Send + 'static>(&self, work: impl Future<Output = T> + Send + 'static) -> io::Result<T> {
        let runtime = self.0.as_ref().ok_or(io::ErrorKind::NotConnected)?;
        let running = runtime.spawn(work);
        let _ends = Ends(running.abort_handle());
        running.await.map_err(io::Error::other)
    }
}

impl Drop for Threads {
    fn drop(&mut self) {
        // One that waits for a disk is not waited for.
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

struct Ends(AbortHandle);

impl Drop for Ends {
    fn drop(&mut self) {
        if !thread::panicking() {
            self.0.abort();
        }
    }
}
