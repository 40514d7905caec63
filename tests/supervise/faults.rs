//! What is to happen to which call.

use skerry_tests::{
    content::Noise,
    supervisor::{Action, Errno, Fault, Fired},
};

use super::calls::Call;

/// What is to happen now, and what happened of it.
#[derive(Default)]
pub struct Plan {
    fault: Option<Armed>,
    fired: Vec<Fired>,
    /// Calls that are held.
    pub held: usize,
}

struct Armed {
    fault: Fault,
    noise: Noise,
    seen: u64,
    /// The next write finds no room.
    full: bool,
}

impl Plan {
    pub fn arm(&mut self, fault: Fault) {
        let seed = if let Fault::Random { seed, .. } = fault { seed } else { 0 };
        self.fired.clear();
        self.fault = Some(Armed { fault, noise: Noise::new(seed), seen: 0, full: false });
    }

    pub fn disarm(&mut self) -> Vec<Fired> {
        self.fault = None;
        std::mem::take(&mut self.fired)
    }

    /// Whether what is held may go on.
    pub fn released(&self) -> bool {
        self.fault.is_none()
    }

    /// What is to become of a call.
    pub fn decide(&mut self, call: &Call) -> Option<Action> {
        let action = self.fault.as_mut()?.decide(call)?;
        self.fired.push(Fired { kind: call.kind, call: call.name.to_owned(), path: call.path.clone(), action });
        Some(action)
    }
}

impl Armed {
    fn decide(&mut self, call: &Call) -> Option<Action> {
        if std::mem::take(&mut self.full) {
            if call.kind == skerry_tests::supervisor::Kind::Write {
                return Some(Action::Fail(Errno::ENOSPC));
            }
            self.full = true;
        }
        let action = match self.fault {
            Fault::Nth { kind, nth, action, lasting } => {
                if call.kind != kind {
                    return None;
                }
                self.seen += 1;
                let at = self.seen - 1;
                if at == nth || lasting && at > nth { action } else { return None }
            }
            Fault::Random { permille, .. } => {
                if self.noise.below(1000) >= permille {
                    return None;
                }
                let actions = call.kind.actions();
                actions[self.noise.below(actions.len() as u64) as usize]
            }
        };
        self.full = action == Action::Full;
        Some(action)
    }
}
