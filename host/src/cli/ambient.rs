//! What the process finds around it, as a value, so that all that follows can
//! be tested without it.

use std::path::{Path, PathBuf};

use rustix::fs::Access;

/// The process's surroundings. No `Debug`: variables hold secrets.
#[derive(Clone)]
pub struct Ambient {
    /// Variables of the environment; those that are no text are left out.
    pub env: Vec<(String, String)>,
    /// Where a configuration may be, first come first.
    pub configs: Vec<PathBuf>,
    /// Where the data is if it is there: the volume of registry images.
    pub volume: PathBuf,
    /// This machine's name.
    pub host_name: String,
    /// Whether we are root.
    pub root: bool,
}

impl Ambient {
    /// This process's.
    pub fn of_process() -> Self {
        let text = |value: std::ffi::OsString| value.into_string().ok();
        Self {
            env: std::env::vars_os().filter_map(|(name, value)| Some((text(name)?, text(value)?))).collect(),
            configs: vec!["/etc/distribution/config.yml".into(), "/etc/docker/registry/config.yml".into()],
            volume: "/var/lib/registry".into(),
            host_name: rustix::system::uname().nodename().to_string_lossy().into_owned(),
            root: rustix::process::geteuid().is_root(),
        }
    }

    /// A variable that is set to something.
    pub(super) fn variable(&self, name: &str) -> Option<&str> {
        let (_, value) = self.env.iter().find(|(known, _)| known == name)?;
        Some(value.as_str()).filter(|value| !value.is_empty())
    }

    /// Where the data goes when nobody said so: a volume that is there, else
    /// where the user's programs keep theirs.
    pub(super) fn data(&self) -> PathBuf {
        if rustix::fs::access(&self.volume, Access::WRITE_OK | Access::EXEC_OK).is_ok() {
            return self.volume.clone();
        }
        let directory = |name| self.variable(name).map(Path::new).filter(|path| path.is_absolute());
        match (directory("XDG_DATA_HOME"), directory("HOME").filter(|home| *home != Path::new("/"))) {
            (Some(data), _) => data.join("skerry"),
            (None, Some(home)) => home.join(".local/share/skerry"),
            (None, None) if self.root => "/var/lib/skerry".into(),
            (None, None) => "skerry-data".into(),
        }
    }
}
