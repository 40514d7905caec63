//! What a connection is doing, and until when it may.
//!
//! One clock a connection: the socket, the framing and the requests write down
//! when they began to wait, and the connection's task has one timer for the
//! earliest end of patience.

use std::{
    ops::Deref,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use tokio::time::Instant;

use super::options::Limits;

/// The state of a connection. Times are milliseconds since its beginning plus
/// one; 0 is "not".
#[derive(Debug)]
pub(super) struct Pulse {
    base: Instant,
    /// Streams share the connection.
    multiplexed: AtomicBool,
    /// Requests that have begun, but for those that were answered by what an
    /// earlier one was.
    begun: AtomicU64,
    /// No request yet.
    fresh: AtomicBool,
    /// Requests whose answers are not done.
    active: AtomicU32,
    idle_since: AtomicU64,
    /// HTTP/1.1: a head has begun.
    head_since: AtomicU64,
    /// HTTP/1.1: more of a body is waited for.
    read_since: AtomicU64,
    /// The client does not take what is sent.
    write_since: AtomicU64,
    /// HTTP/2: answers with bodies under way, and when one of them moved.
    sending: AtomicU32,
    moved: AtomicU64,
    /// HTTP/1.1: a body has not come to its end, and how much of it came.
    in_body: AtomicBool,
    body: AtomicU64,
    /// Bits: what took too long, or broke.
    expired: AtomicU32,
}

/// What took too long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Silence {
    /// No request: no fault of anybody.
    Idle,
    /// A request's head.
    Head,
    /// A request's body.
    Read,
    /// The client takes nothing.
    Write,
    /// HTTP/2: the client takes no body.
    Stalled,
}

/// Bits of `expired`.
const HEAD: u32 = 1;
const READ: u32 = 2;
const WRITE: u32 = 4;
const BROKEN: u32 = 8;

impl Pulse {
    pub(super) fn new() -> Self {
        Self {
            base: Instant::now(),
            multiplexed: AtomicBool::new(false),
            begun: AtomicU64::new(0),
            fresh: AtomicBool::new(true),
            active: AtomicU32::new(0),
            idle_since: AtomicU64::new(1),
            head_since: AtomicU64::new(0),
            read_since: AtomicU64::new(0),
            write_since: AtomicU64::new(0),
            sending: AtomicU32::new(0),
            moved: AtomicU64::new(0),
            in_body: AtomicBool::new(false),
            body: AtomicU64::new(0),
            expired: AtomicU32::new(0),
        }
    }

    fn now(&self) -> u64 {
        u64::try_from(self.base.elapsed().as_millis()).unwrap_or(u64::MAX - 1) + 1
    }

    fn start(&self, since: &AtomicU64) {
        if since.load(Relaxed) == 0 {
            since.store(self.now(), Relaxed);
        }
    }

    /// The protocol is known: HTTP begins here.
    pub(super) fn begin(&self, multiplexed: bool) {
        self.multiplexed.store(multiplexed, Relaxed);
        self.idle_since.store(self.now(), Relaxed);
    }

    /// A request has begun, and goes on till the returned value is dropped.
    pub(super) fn request(self: &Arc<Self>) -> Active {
        self.begun.fetch_add(1, Relaxed);
        self.repeat()
    }

    /// The same for one that is answered as an earlier one was.
    pub(super) fn repeat(self: &Arc<Self>) -> Active {
        self.fresh.store(false, Relaxed);
        self.active.fetch_add(1, Relaxed);
        Active(self.clone())
    }

    /// Requests that have [begun](Self::request).
    pub(super) fn begun(&self) -> u64 {
        self.begun.load(Relaxed)
    }

    /// Streams share the connection.
    pub(super) fn is_multiplexed(&self) -> bool {
        self.multiplexed.load(Relaxed)
    }

    /// No request is under way.
    pub(super) fn is_idle(&self) -> bool {
        self.active.load(Relaxed) == 0
    }

    /// An answer's body begins (`true`) or ends.
    pub(super) fn sending(&self, begins: bool) {
        if begins {
            self.moved();
            self.sending.fetch_add(1, Relaxed);
        } else {
            self.sending.fetch_sub(1, Relaxed);
        }
    }

    /// A part of an answer's body was taken.
    pub(super) fn moved(&self) {
        if self.multiplexed.load(Relaxed) {
            self.moved.store(self.now(), Relaxed);
        }
    }

    /// HTTP/1.1: bytes came, and are part of this.
    pub(super) fn received(&self, in_head: bool, in_body: bool, body: u64) {
        if in_head {
            self.start(&self.head_since);
        } else {
            self.head_since.store(0, Relaxed);
        }
        self.read_since.store(0, Relaxed);
        self.in_body.store(in_body, Relaxed);
        self.body.store(body, Relaxed);
    }

    /// HTTP/1.1: bytes are waited for.
    pub(super) fn waits(&self) {
        if self.in_body.load(Relaxed) {
            self.start(&self.read_since);
        }
    }

    /// HTTP/1.1: a body has not come to its end.
    pub(super) fn in_body(&self) -> bool {
        self.in_body.load(Relaxed)
    }

    /// HTTP/1.1: bytes of the last body.
    pub(super) fn body(&self) -> u64 {
        self.body.load(Relaxed)
    }

    /// The socket took bytes, or did not.
    pub(super) fn wrote(&self, blocked: bool) {
        if blocked {
            self.start(&self.write_since);
        } else if self.write_since.load(Relaxed) != 0 {
            self.write_since.store(0, Relaxed);
        }
    }

    /// From now on reads or writes fail.
    pub(super) fn expire(&self, silence: Silence) {
        let bit = match silence {
            Silence::Idle | Silence::Stalled => 0,
            Silence::Head => HEAD,
            Silence::Read => {
                self.read_since.store(0, Relaxed);
                READ
            }
            Silence::Write => WRITE,
        };
        self.expired.fetch_or(bit, Relaxed);
    }

    /// Reads must fail.
    pub(super) fn read_expired(&self) -> bool {
        self.expired.load(Relaxed) & (HEAD | READ) != 0
    }

    /// The head took too long.
    pub(super) fn head_expired(&self) -> bool {
        self.expired.load(Relaxed) & HEAD != 0
    }

    /// What came is no request: nothing more is read.
    pub(super) fn break_off(&self) {
        self.head_since.store(0, Relaxed);
        self.expired.fetch_or(BROKEN, Relaxed);
    }

    /// What came is no request, and those before it are answered.
    pub(super) fn is_over(&self) -> bool {
        self.expired.load(Relaxed) & BROKEN != 0 && self.is_idle()
    }

    /// Writes must fail.
    pub(super) fn write_expired(&self) -> bool {
        self.expired.load(Relaxed) & WRITE != 0
    }

    /// What ends the patience with this connection next, if nothing happens.
    pub(super) fn due(&self, limits: &Limits) -> Option<(Instant, Silence)> {
        let after = |since: u64, time: Duration| self.base + Duration::from_millis(since.saturating_sub(1)) + time;
        let mut due = None;
        let mut consider = |at: Instant, silence| {
            if due.is_none_or(|(earliest, _)| at < earliest) {
                due = Some((at, silence));
            }
        };
        let [write, head, read, idle, moved] =
            [&self.write_since, &self.head_since, &self.read_since, &self.idle_since, &self.moved]
                .map(|since| since.load(Relaxed));
        if write != 0 {
            consider(after(write, limits.write_idle), Silence::Write);
        }
        if self.is_idle() {
            if head != 0 || self.fresh.load(Relaxed) {
                // A head that came early, behind another request, waited for
                // us: its time begins when the request before it is done.
                consider(
                    after(if self.fresh.load(Relaxed) { idle } else { head.max(idle) }, limits.head_time),
                    Silence::Head,
                );
            } else {
                consider(after(idle, limits.keep_alive), Silence::Idle);
            }
        } else {
            if read != 0 {
                consider(after(read, limits.read_idle), Silence::Read);
            }
            if self.multiplexed.load(Relaxed) && self.sending.load(Relaxed) > 0 {
                consider(after(moved, limits.write_idle), Silence::Stalled);
            }
        }
        due
    }
}

/// A request that is not done.
pub(super) struct Active(Arc<Pulse>);

impl Deref for Active {
    type Target = Pulse;

    fn deref(&self) -> &Pulse {
        &self.0
    }
}

impl Drop for Active {
    fn drop(&mut self) {
        self.idle_since.store(self.now(), Relaxed);
        self.active.fetch_sub(1, Relaxed);
    }
}
