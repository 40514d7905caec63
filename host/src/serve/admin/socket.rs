//! A Unix socket that is open to its owner alone, at every moment.

use std::{
    fs::{self, DirBuilder, Permissions},
    io::{self, ErrorKind},
    os::unix::{
        fs::{DirBuilderExt, FileTypeExt, MetadataExt, PermissionsExt},
        net::UnixStream,
    },
    path::{Path, PathBuf},
};

use rustix::process::geteuid;
use tokio::net::UnixListener;

/// Where it is. It is removed with this.
pub struct Place(PathBuf);

impl Drop for Place {
    fn drop(&mut self) {
        // That somebody else was faster is no fault.
        let _ = fs::remove_file(&self.0);
    }
}

/// Listens at a path, in a directory that nobody else may write to: made where
/// it is not there. What an earlier process left there is replaced; what one
/// that runs listens on is not.
pub fn listen(path: &Path) -> io::Result<(UnixListener, Place)> {
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    match DirBuilder::new().mode(0o700).create(directory) {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => return Err(error),
        _ => {}
    }
    private(directory)?;
    match fs::symlink_metadata(path) {
        Ok(there) if !there.file_type().is_socket() => {
            return Err(io::Error::other("something lies there that is no socket"));
        }
        Ok(_) if UnixStream::connect(path).is_ok() => {
            return Err(io::Error::new(ErrorKind::AddrInUse, "another process listens on it"));
        }
        _ => {}
    }
    // It is bound where nobody else can look, and comes to its place when it
    // is closed to others: not even a moment too late.
    let mut name = path.file_name().ok_or(ErrorKind::InvalidInput)?.to_owned();
    name.push(format!(".{}", std::process::id()));
    let hidden = directory.join(name);
    let _ = fs::remove_dir_all(&hidden);
    DirBuilder::new().mode(0o700).create(&hidden)?;
    let bound = bind(&hidden.join("s"), path);
    let _ = fs::remove_dir_all(&hidden);
    Ok((bound?, Place(path.to_owned())))
}

fn bind(at: &Path, then: &Path) -> io::Result<UnixListener> {
    let listener = UnixListener::bind(at)?;
    fs::set_permissions(at, Permissions::from_mode(0o600))?;
    fs::rename(at, then)?;
    Ok(listener)
}

/// Whether this user, or root, alone may put something there.
fn private(directory: &Path) -> io::Result<()> {
    let seen = fs::metadata(directory)?;
    let owner = seen.uid() == 0 || seen.uid() == geteuid().as_raw();
    if owner && seen.mode() & 0o022 == 0 {
        return Ok(());
    }
    Err(io::Error::new(
        ErrorKind::PermissionDenied,
        format!("others may write to {}: choose a directory that is this user's own", directory.display()),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::symlink_metadata(path).unwrap().mode() & 0o7777
    }

    #[tokio::test]
    async fn it_is_its_owners_alone() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("run/admin.sock");
        let (listener, place) = listen(&path).unwrap();
        assert_eq!((mode(&path), mode(path.parent().unwrap())), (0o600, 0o700));
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
        UnixStream::connect(&path).unwrap();
        assert_eq!(listen(&path).err().unwrap().kind(), ErrorKind::AddrInUse);
        drop(listener);
        // A leftover: nobody listens.
        let (_listener, again) = listen(&path).unwrap();
        drop(again);
        assert!(!path.exists());
        drop(place);
    }

    #[tokio::test]
    async fn it_is_put_where_others_cannot_and_over_nothing_else() {
        let root = tempfile::tempdir().unwrap();
        fs::set_permissions(root.path(), Permissions::from_mode(0o777)).unwrap();
        let said = listen(&root.path().join("a.sock")).err().unwrap().to_string();
        assert!(said.starts_with("others may write to "), "{said}");
        fs::set_permissions(root.path(), Permissions::from_mode(0o755)).unwrap();
        let file = root.path().join("file");
        fs::write(&file, "of somebody").unwrap();
        assert!(listen(&file).err().unwrap().to_string().contains("no socket"));
        assert_eq!(fs::read(&file).unwrap(), b"of somebody");
        assert!(listen(&root.path().join("none/there/a.sock")).is_err());
    }
}
