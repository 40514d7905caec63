//! Whole TLS records out of frames.
//!
//! HTTP/2 mostly sends frames with 16 KiB of data (RFC 9113, section 4.2), and
//! a TLS record holds as much (RFC 8446, section 5.1): with a frame's head of 9
//! bytes each would be two records, and either end would work twice.

use std::io::{self, IoSlice};

/// Bytes of a record.
pub(super) const RECORD: usize = 16 << 10;

/// Parts that are taken at once.
const PARTS: usize = 8;

/// What fills no record yet.
#[derive(Default)]
pub(super) struct Rest(Vec<u8>);

impl Rest {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Has `write` take as much as fills records, `most` bytes at the most,
    /// and keeps what is left if that is less than a record. Returns how much
    /// of `parts` was taken, which is nothing where `write` has no room.
    pub(super) fn take(
        &mut self,
        parts: &[IoSlice<'_>],
        most: usize,
        write: impl FnOnce(&[IoSlice<'_>]) -> io::Result<usize>,
    ) -> io::Result<usize> {
        let parts = parts.get(..PARTS).unwrap_or(parts);
        let given: usize = parts.iter().map(|part| part.len()).sum();
        let whole = (self.0.len().saturating_add(given) / RECORD * RECORD).min(most.max(RECORD));
        let mut taken = 0;
        if whole > 0 {
            let mut slices = [IoSlice::new(&[]); PARTS + 1];
            let mut left = whole;
            for (slice, bytes) in
                slices.iter_mut().zip(std::iter::once(&*self.0).chain(parts.iter().map(|part| &**part)))
            {
                let some = bytes.get(..left).unwrap_or(bytes);
                left -= some.len();
                *slice = IoSlice::new(some);
            }
            let written = write(&slices)?;
            taken = written.saturating_sub(self.0.len());
            self.0.drain(..written.min(self.0.len()));
            if written < whole {
                return Ok(taken);
            }
        }
        if given - taken < RECORD {
            let mut skipped = taken;
            for part in parts {
                self.0.extend_from_slice(part.get(skipped..).unwrap_or_default());
                skipped = skipped.saturating_sub(part.len());
            }
            taken = given;
        }
        Ok(taken)
    }

    /// Has `write` take what is left, in a record that is not full.
    pub(super) fn end(&mut self, write: impl FnOnce(&[u8]) -> io::Result<usize>) -> io::Result<()> {
        match write(&self.0)? {
            0 => return Err(io::ErrorKind::WriteZero.into()),
            written => drop(self.0.drain(..written.min(self.0.len()))),
        }
        if self.0.is_empty() {
            // A connection that stands idle keeps nothing.
            self.0 = Vec::new();
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// What TLS was given, and how much room it has for each.
    struct Tls {
        bytes: Vec<u8>,
        given: Vec<usize>,
        room: usize,
    }

    impl Tls {
        fn new(room: usize) -> Self {
            Self { bytes: Vec::new(), given: Vec::new(), room }
        }

        fn write(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
            let all: Vec<u8> = slices.iter().flat_map(|slice| slice.iter().copied()).collect();
            let taken = all.len().min(self.room);
            self.bytes.extend_from_slice(&all[..taken]);
            self.given.push(all.len());
            Ok(taken)
        }

        /// Sends frames of such sizes one by one, as who writes again until
        /// all is taken; what came of it has to be what was sent.
        fn frames(&mut self, rest: &mut Rest, sizes: &[usize]) {
            let mut sent = Vec::new();
            for (n, size) in sizes.iter().enumerate() {
                let frame: Vec<u8> = (0..*size).map(|at| (at * 7 + n).to_le_bytes()[0]).collect();
                sent.extend_from_slice(&frame);
                let mut left = &frame[..];
                while !left.is_empty() {
                    let (head, data) = left.split_at(left.len().min(9));
                    let taken = rest.take(&[IoSlice::new(head), IoSlice::new(data)], 4 * RECORD, |all| self.write(all));
                    let taken = taken.unwrap();
                    left = &left[taken..];
                    if taken == 0 {
                        self.room = usize::MAX;
                    }
                }
            }
            self.room = self.room.max(1);
            while !rest.is_empty() {
                rest.end(|left| self.write(&[IoSlice::new(left)])).unwrap();
            }
            assert!(self.bytes == sent, "{} for {}", self.bytes.len(), sent.len());
        }
    }

    #[test]
    fn frames_fill_records() {
        let mut tls = Tls::new(usize::MAX);
        tls.frames(&mut Rest::default(), &[RECORD + 9; 100]);
        assert_eq!(tls.given, [[RECORD; 100].as_slice(), &[900]].concat());
    }

    #[test]
    fn small_and_large_ones() {
        let mut tls = Tls::new(usize::MAX);
        tls.frames(&mut Rest::default(), &[9, 100, RECORD - 110, 1, 1, 11 * RECORD + 8]);
        assert_eq!(tls.given, [RECORD, 4 * RECORD, 4 * RECORD, 3 * RECORD, 9]);
    }

    #[test]
    fn where_there_is_little_room() {
        for room in [0, 1, 8, 9, 10, RECORD - 1, RECORD, RECORD + 1, 3 * RECORD] {
            let mut rest = Rest::default();
            Tls::new(room).frames(&mut rest, &[RECORD + 9, RECORD + 9, 40, 5 * RECORD, 9, RECORD - 1]);
            assert_eq!(rest.0.capacity(), 0);
        }
    }

    #[test]
    fn nothing_is_lost_with_a_failure() {
        let mut rest = Rest::default();
        assert_eq!(rest.take(&[IoSlice::new(b"abc")], RECORD, |_| panic!("no record is full")).unwrap(), 3);
        assert!(rest.end(|_| Err(io::ErrorKind::BrokenPipe.into())).is_err());
        assert!(rest.end(|_| Ok(0)).is_err(), "who writes until nothing is left would never end");
        assert_eq!(rest.0, b"abc");
    }
}
