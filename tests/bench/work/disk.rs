//! What a push costs the disk, whoever asks for it: the files of images, made,
//! renamed and synced, and nothing else.

use std::{
    fs::{self, File},
    io::{self, ErrorKind, Write as _},
    path::{Path, PathBuf},
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    thread,
    time::Instant,
};

use skerry_tests::{content::Noise, layout, sha256};

use super::{Context, images::OBJECTS};
use crate::{
    ground::{LAYER_SIZE, TAG},
    load::{Sample, Window},
    process::Processes,
};

/// About as long as the manifest of such an image.
const MANIFEST: usize = 2 << 10;

/// As many clients as push to registries, each with a repository of its own.
pub fn run(context: &Context<'_>) -> Sample {
    // It stays until all is measured: who removes files makes others slow.
    let volume = tempfile::tempdir_in(&context.fixtures.ground.directory).unwrap().keep();
    let stage = volume.join("stage");
    fs::create_dir(&stage).unwrap();
    for first in 0..=u8::MAX {
        fs::create_dir_all(layout::root(&volume).join(format!("blobs/sha256/{first:02x}"))).unwrap();
    }
    let (units, ends) = (AtomicU64::new(0), AtomicBool::new(false));
    thread::scope(|scope| {
        for client in 0..context.sizes.clients {
            let (volume, stage, units, ends) = (&volume, &stage, &units, &ends);
            scope.spawn(move || {
                let disk = Disk { volume, temporary: stage.join(client.to_string()), name: format!("bench/{client}") };
                disk.begin().unwrap();
                while !ends.load(Ordering::Relaxed) {
                    disk.image(units).unwrap();
                }
            });
        }
        let Window { before, time } = context.sizes.window;
        let ours = Processes::alone(std::process::id());
        thread::sleep(before);
        let (from, cpu, begun) = (Instant::now(), ours.cpu(), units.load(Ordering::Relaxed));
        thread::sleep(time);
        let sample = Sample {
            units: (units.load(Ordering::Relaxed) - begun) as f64,
            seconds: from.elapsed().as_secs_f64(),
            cpu: ours.cpu() - cpu,
            ..Sample::default()
        };
        ends.store(true, Ordering::Relaxed);
        sample
    })
}

struct Disk<'a> {
    volume: &'a Path,
    temporary: PathBuf,
    name: String,
}

impl Disk<'_> {
    fn begin(&self) -> io::Result<()> {
        let nothing = digest();
        for link in [
            layout::layer_link(self.volume, &self.name, &nothing),
            layout::revision_link(self.volume, &self.name, &nothing),
            self.index(&nothing),
        ] {
            fs::create_dir_all(link.parent().unwrap().parent().unwrap())?;
        }
        Ok(())
    }

    fn image(&self, units: &AtomicU64) -> io::Result<()> {
        for object in 1..=OBJECTS {
            let digest = digest();
            let is_manifest = object == OBJECTS;
            let bytes = vec![0; if is_manifest { MANIFEST } else { LAYER_SIZE }];
            self.make(&layout::blob(self.volume, &digest), &bytes)?;
            if is_manifest {
                self.make(&layout::revision_link(self.volume, &self.name, &digest), digest.as_bytes())?;
                self.make(&self.index(&digest), digest.as_bytes())?;
                self.make(&layout::tag_link(self.volume, &self.name, TAG), digest.as_bytes())?;
            } else {
                self.make(&layout::layer_link(self.volume, &self.name, &digest), digest.as_bytes())?;
            }
            units.fetch_add(1, Ordering::Relaxed);
        }
        Ok(())
    }

    /// What the tag was.
    fn index(&self, digest: &str) -> PathBuf {
        let tag = layout::tag_link(self.volume, &self.name, TAG);
        let (algorithm, hex) = digest.split_once(':').unwrap();
        tag.parent().unwrap().with_file_name("index").join(algorithm).join(hex).join("link")
    }

    /// Makes a file so that it is there, whole, also after a power cut.
    fn make(&self, file: &Path, bytes: &[u8]) -> io::Result<()> {
        let mut temporary = File::create(&self.temporary)?;
        temporary.write_all(bytes)?;
        temporary.sync_all()?;
        let directory = file.parent().unwrap();
        match fs::create_dir(directory) {
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
            made => made.and_then(|()| sync(directory.parent().unwrap()))?,
        }
        fs::rename(&self.temporary, file)?;
        sync(directory)
    }
}

fn sync(directory: &Path) -> io::Result<()> {
    File::open(directory)?.sync_all()
}

/// Of what nobody has.
fn digest() -> String {
    sha256(Noise::fresh().number().to_le_bytes())
}
