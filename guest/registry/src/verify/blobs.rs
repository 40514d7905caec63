//! The data of all repositories.

use super::{Phase, Step, Verifiable, Wrong, unread};
use crate::{
    digest::{Algorithm, Digest, InvalidDigest},
    host::{Failure, Kind},
    layout,
};

/// Objects that are hashed in one call of the host.
const BATCH: usize = 128;

impl<S: Verifiable + ?Sized> Step<'_, S> {
    /// Goes on with all data; whether it is at the end.
    pub(super) fn blobs(&mut self) -> Result<bool, String> {
        let whole = self.descend(layout::BLOBS, 3, &mut |step, path, kind| step.blob(path, kind))?;
        self.hash()?;
        Ok(whole)
    }

    fn blob(&mut self, path: &str, kind: Kind) -> Result<(), String> {
        let survey = self.place.phase == Phase::Survey;
        let key = format!("{}/{path}", layout::BLOBS);
        let mut parts = path.split('/');
        let name = format!("{}:{}", parts.next().unwrap_or_default(), parts.nth(1).unwrap_or_default());
        let digest = match Digest::parse(&name) {
            Ok(digest) if layout::data(&digest).strip_suffix("/data") == Some(&key) => digest,
            Err(InvalidDigest::UnknownAlgorithm) => {
                self.place.count.unknown += u64::from(survey);
                return Ok(());
            }
            _ if survey => return Ok(()),
            _ => return self.stray(&key),
        };
        if kind == Kind::Object {
            return if survey { Ok(()) } else { self.stray(&key) };
        }
        if !survey {
            self.batch.push(digest);
            return if self.batch.len() >= BATCH { self.hash() } else { Ok(()) };
        }
        let data = layout::data(&digest);
        match self.host.stat(&data) {
            Ok(found) => {
                self.place.count.blobs += 1;
                self.place.count.bytes = self.place.count.bytes.saturating_add(found.size);
                Ok(())
            }
            Err(Failure::NotFound | Failure::WrongKind) => Ok(()),
            Err(failure) => Err(unread(&data, &failure)),
        }
    }

    /// Has the data hashed that was found so far.
    fn hash(&mut self) -> Result<(), String> {
        let batch = std::mem::take(&mut self.batch);
        for algorithm in [Algorithm::Sha256, Algorithm::Sha512] {
            let digests: Vec<_> = batch.iter().filter(|digest| digest.algorithm() == algorithm).collect();
            if digests.is_empty() {
                continue;
            }
            let keys: Vec<_> = digests.iter().map(|digest| layout::data(digest)).collect();
            for (digest, hashed) in digests.into_iter().zip(self.host.digests(&keys, algorithm)) {
                self.hashed(digest, hashed)?;
            }
        }
        Ok(())
    }

    fn hashed(&mut self, digest: &Digest, hashed: Result<String, Failure>) -> Result<(), String> {
        if hashed.as_ref().is_ok_and(|found| found == digest.as_str()) {
            return Ok(());
        }
        let data = layout::data(digest);
        // It may have been written, or replaced, just then.
        let again = self.host.digests(std::slice::from_ref(&data), digest.algorithm()).pop();
        let what = match again.unwrap_or(hashed) {
            Ok(found) if found == digest.as_str() => return Ok(()),
            Ok(_) if self.host.stat(&data).is_ok_and(|found| found.size == 0) => "it is empty".to_owned(),
            Ok(found) => format!("its content is another: it has the digest {found}"),
            // What is not there is missed by who needs it.
            Err(Failure::NotFound) => return Ok(()),
            Err(Failure::WrongKind) => "it is no file".to_owned(),
            Err(Failure::Io(cause)) => format!("it cannot be read: {cause}"),
            Err(failure) => return Err(unread(&data, &failure)),
        };
        self.host.mark(&bad(digest)).map_err(|failure| format!("nothing can be remembered: {failure:?}"))?;
        let wrong = Wrong {
            place: data.clone(),
            what,
            consequence: format!("whatever needs {digest} cannot be pulled, as said of each below"),
            remedy: "push an image that has it".to_owned(),
        };
        self.set_aside(wrong, data.strip_suffix("/data").unwrap_or(&data))
    }
}

/// The mark of data that is not what its name says.
pub(super) fn bad(digest: &Digest) -> String {
    format!("bad {digest}")
}
