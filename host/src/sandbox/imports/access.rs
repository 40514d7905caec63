//! `skerry:registry/access`.

use crate::{
    remember::Question,
    sandbox::{
        bindings::{
            access as wit,
            identity::{self, Access, Principal},
        },
        policy::Session,
        state::State,
    },
    storage::Failure,
};

/// Accesses of one question, bytes of one name, and repositories of one
/// question.
const ACCESSES: usize = 16;
const NAME: usize = 255;
const REPOSITORIES: usize = 10_000;

impl identity::Host for State {}

impl wit::Host for State {
    async fn authorize(&mut self, accesses: Vec<Access>) -> wasmtime::Result<wit::Verdict> {
        self.enter()?;
        let names = accesses.iter().flat_map(|access| access.repository.iter().chain(&access.reference));
        if accesses.len() > ACCESSES || names.into_iter().any(|name| name.len() > NAME) {
            return Err(wasmtime::Error::msg("guard access: too much in one question"));
        }
        let Some(mut session) = self.lend_session(Session::has_rules) else { return Ok(wit::Verdict::Allow) };
        let asked = self.asking(session.authorize(&accesses)).await;
        self.give_back(session);
        let verdict = match asked {
            Ok((question, verdict)) => {
                self.asked(Question::Policies(question));
                verdict
            }
            Err(_) => self.not_told(wit::Verdict::Unavailable),
        };
        self.leave();
        Ok(verdict)
    }

    async fn may_pull(&mut self, repositories: Vec<String>) -> wasmtime::Result<Vec<bool>> {
        self.enter()?;
        if repositories.len() > REPOSITORIES || repositories.iter().any(|name| name.len() > NAME) {
            return Err(wasmtime::Error::msg("guard access: too much in one question"));
        }
        let Some(mut session) = self.lend_session(Session::has_rules) else {
            return Ok(vec![true; repositories.len()]);
        };
        let asked = self.asking(session.may_pull(&repositories)).await;
        self.give_back(session);
        let may = match asked {
            Ok((question, may)) => {
                self.asked(Question::Policies(question));
                may
            }
            Err(_) => self.not_told(vec![false; repositories.len()]),
        };
        self.leave();
        self.hand_over(may.len())?;
        Ok(may)
    }

    async fn principal(&mut self) -> wasmtime::Result<Option<Principal>> {
        self.enter()?;
        let Some(mut session) = self.lend_session(Session::has_rules) else { return Ok(None) };
        let asked = self.asking(session.principal()).await;
        self.give_back(session);
        let principal = match asked {
            Ok((question, principal)) => {
                self.asked(Question::Policies(question));
                principal
            }
            Err(_) => self.not_told(None),
        };
        self.leave();
        Ok(principal.map(|principal| Principal::clone(&principal)))
    }
}

impl State {
    /// What the request shows to policies, if there are any of that kind.
    pub fn lend_session(&mut self, asks: impl FnOnce(&Session) -> bool) -> Option<Box<Session>> {
        let session = &mut self.request.as_mut()?.session;
        if session.as_deref().is_some_and(asks) { session.take() } else { None }
    }

    pub fn give_back(&mut self, session: Box<Session>) {
        if let Some(request) = &mut self.request {
            request.session = Some(session);
        }
    }

    /// Too many wait already: the answer is not one to remember.
    fn not_told<T>(&mut self, instead: T) -> T {
        let _ = self.noted::<()>(Err(Failure::Busy));
        instead
    }
}
