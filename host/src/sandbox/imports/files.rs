//! `wasi:filesystem`, for modules that were granted a directory by it: what
//! wasmtime offers, without what is the host's own.
//!
//! No symbolic link is followed and none is made, so that a name says where it
//! leads; a pipe is not opened, as its opener would wait for ever.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use wasmtime::component::{HasData, Resource};
use wasmtime_wasi::{
    filesystem::WasiFilesystemCtxView,
    p2::{
        DynInputStream, DynOutputStream, FsError, FsResult,
        bindings::filesystem::types::{
            Advice, Descriptor, DescriptorFlags, DescriptorStat, DescriptorType, DirectoryEntry, DirectoryEntryStream,
            ErrorCode, Filesize, Host, HostDescriptor, HostDirectoryEntryStream, MetadataHashValue, NewTimestamp,
            OpenFlags, PathFlags,
        },
    },
};

/// For the linker.
pub struct Files;

impl HasData for Files {
    type Data<'a> = Granted<'a>;
}

/// The files of an instance.
pub struct Granted<'a> {
    pub view: WasiFilesystemCtxView<'a>,
    /// Names that are the host's, wherever they lie.
    pub withheld: &'static [&'static str],
    /// How large the directories were that it has listed so far.
    pub listed: Arc<AtomicU64>,
}

/// Of directories that one instance may list, by what they take on the disk,
/// in bytes: wasmtime holds all names of each in memory.
const LISTED: u64 = 16 << 20;

type Fd = Resource<Descriptor>;

impl Granted<'_> {
    /// Whether a path may be used: none of its names is withheld, and those
    /// before the last are no links.
    async fn check(&mut self, fd: &Fd, path: &str) -> FsResult<()> {
        if path.split('/').any(|name| self.withheld.iter().any(|held| name.eq_ignore_ascii_case(held))) {
            return Err(ErrorCode::NotPermitted.into());
        }
        for (at, _) in path.match_indices('/') {
            let above = path.get(..at).unwrap_or_default();
            if !above.is_empty() && self.kind(fd, above).await? == DescriptorType::SymbolicLink {
                return Err(ErrorCode::Loop.into());
            }
        }
        Ok(())
    }

    /// What lies at a path itself.
    async fn kind(&mut self, fd: &Fd, path: &str) -> FsResult<DescriptorType> {
        let stat = self.view.stat_at(again(fd), PathFlags::empty(), path.to_owned());
        Ok(stat.await?.type_)
    }
}

/// The same descriptor, for one more call.
fn again(fd: &Fd) -> Fd {
    Resource::new_borrow(fd.rep())
}

impl Host for Granted<'_> {
    fn convert_error_code(&mut self, error: FsError) -> wasmtime::Result<ErrorCode> {
        self.view.convert_error_code(error)
    }

    fn filesystem_error_code(&mut self, error: Resource<wasmtime::Error>) -> wasmtime::Result<Option<ErrorCode>> {
        self.view.filesystem_error_code(error)
    }
}

impl HostDescriptor for Granted<'_> {
    async fn open_at(
        &mut self,
        fd: Fd,
        _: PathFlags,
        path: String,
        open: OpenFlags,
        flags: DescriptorFlags,
    ) -> FsResult<Fd> {
        self.check(&fd, &path).await?;
        match self.kind(&fd, &path).await {
            Ok(DescriptorType::RegularFile | DescriptorType::Directory) => {}
            Ok(DescriptorType::SymbolicLink) => return Err(ErrorCode::Loop.into()),
            Ok(_) => return Err(ErrorCode::NotPermitted.into()),
            // It may be about to be made; else the call itself says why not.
            Err(_) => {}
        }
        self.view.open_at(fd, PathFlags::empty(), path, open, flags).await
    }

    async fn create_directory_at(&mut self, fd: Fd, path: String) -> FsResult<()> {
        self.check(&fd, &path).await?;
        self.view.create_directory_at(fd, path).await
    }

    async fn stat_at(&mut self, fd: Fd, _: PathFlags, path: String) -> FsResult<DescriptorStat> {
        self.check(&fd, &path).await?;
        self.view.stat_at(fd, PathFlags::empty(), path).await
    }

    async fn set_times_at(
        &mut self,
        fd: Fd,
        _: PathFlags,
        path: String,
        accessed: NewTimestamp,
        modified: NewTimestamp,
    ) -> FsResult<()> {
        self.check(&fd, &path).await?;
        self.view.set_times_at(fd, PathFlags::empty(), path, accessed, modified).await
    }

    async fn link_at(&mut self, _: Fd, _: PathFlags, _: String, _: Fd, _: String) -> FsResult<()> {
        Err(ErrorCode::NotPermitted.into())
    }

    async fn symlink_at(&mut self, _: Fd, _: String, _: String) -> FsResult<()> {
        Err(ErrorCode::NotPermitted.into())
    }

    async fn readlink_at(&mut self, fd: Fd, path: String) -> FsResult<String> {
        self.check(&fd, &path).await?;
        self.view.readlink_at(fd, path).await
    }

    async fn remove_directory_at(&mut self, fd: Fd, path: String) -> FsResult<()> {
        self.check(&fd, &path).await?;
        self.view.remove_directory_at(fd, path).await
    }

    async fn rename_at(&mut self, fd: Fd, path: String, to: Fd, then: String) -> FsResult<()> {
        self.check(&fd, &path).await?;
        self.check(&to, &then).await?;
        self.view.rename_at(fd, path, to, then).await
    }

    async fn unlink_file_at(&mut self, fd: Fd, path: String) -> FsResult<()> {
        self.check(&fd, &path).await?;
        self.view.unlink_file_at(fd, path).await
    }

    async fn metadata_hash_at(&mut self, fd: Fd, _: PathFlags, path: String) -> FsResult<MetadataHashValue> {
        self.check(&fd, &path).await?;
        self.view.metadata_hash_at(fd, PathFlags::empty(), path).await
    }

    // What is open already may be used.

    async fn advise(&mut self, fd: Fd, offset: Filesize, length: Filesize, advice: Advice) -> FsResult<()> {
        self.view.advise(fd, offset, length, advice).await
    }

    async fn sync_data(&mut self, fd: Fd) -> FsResult<()> {
        self.view.sync_data(fd).await
    }

    async fn get_flags(&mut self, fd: Fd) -> FsResult<DescriptorFlags> {
        self.view.get_flags(fd).await
    }

    async fn get_type(&mut self, fd: Fd) -> FsResult<DescriptorType> {
        self.view.get_type(fd).await
    }

    async fn set_size(&mut self, fd: Fd, size: Filesize) -> FsResult<()> {
        self.view.set_size(fd, size).await
    }

    async fn set_times(&mut self, fd: Fd, accessed: NewTimestamp, modified: NewTimestamp) -> FsResult<()> {
        self.view.set_times(fd, accessed, modified).await
    }

    async fn read(&mut self, fd: Fd, length: Filesize, offset: Filesize) -> FsResult<(Vec<u8>, bool)> {
        self.view.read(fd, length, offset).await
    }

    async fn write(&mut self, fd: Fd, bytes: Vec<u8>, offset: Filesize) -> FsResult<Filesize> {
        self.view.write(fd, bytes, offset).await
    }

    async fn read_directory(&mut self, fd: Fd) -> FsResult<Resource<DirectoryEntryStream>> {
        let size = self.view.stat(again(&fd)).await?.size;
        if self.listed.fetch_add(size, Ordering::Relaxed).saturating_add(size) > LISTED {
            return Err(ErrorCode::InsufficientMemory.into());
        }
        self.view.read_directory(fd).await
    }

    async fn sync(&mut self, fd: Fd) -> FsResult<()> {
        self.view.sync(fd).await
    }

    async fn stat(&mut self, fd: Fd) -> FsResult<DescriptorStat> {
        self.view.stat(fd).await
    }

    fn drop(&mut self, fd: Fd) -> wasmtime::Result<()> {
        HostDescriptor::drop(&mut self.view, fd)
    }

    fn read_via_stream(&mut self, fd: Fd, offset: Filesize) -> FsResult<Resource<DynInputStream>> {
        self.view.read_via_stream(fd, offset)
    }

    fn write_via_stream(&mut self, fd: Fd, offset: Filesize) -> FsResult<Resource<DynOutputStream>> {
        self.view.write_via_stream(fd, offset)
    }

    fn append_via_stream(&mut self, fd: Fd) -> FsResult<Resource<DynOutputStream>> {
        self.view.append_via_stream(fd)
    }

    async fn is_same_object(&mut self, one: Fd, other: Fd) -> wasmtime::Result<bool> {
        self.view.is_same_object(one, other).await
    }

    async fn metadata_hash(&mut self, fd: Fd) -> FsResult<MetadataHashValue> {
        self.view.metadata_hash(fd).await
    }
}

impl HostDirectoryEntryStream for Granted<'_> {
    async fn read_directory_entry(
        &mut self,
        stream: Resource<DirectoryEntryStream>,
    ) -> FsResult<Option<DirectoryEntry>> {
        self.view.read_directory_entry(stream).await
    }

    fn drop(&mut self, stream: Resource<DirectoryEntryStream>) -> wasmtime::Result<()> {
        HostDirectoryEntryStream::drop(&mut self.view, stream)
    }
}
