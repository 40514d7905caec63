//! What the client may do: permits, each for one repository.
//!
//! A handler takes a permit, and reaches the host through it alone. So there
//! is no way to look at a repository before the question is asked, and where
//! the answer is to hide it, there is nothing to be seen.

use std::marker::PhantomData;

use crate::{
    error::{Code, Error},
    host::{Action, Host, Intent, Verdict},
    name::RepositoryName,
    nothing::Nothing,
    route,
};

/// Intents of one question.
const INTENTS: usize = 16;

/// Lets the client in, whatever it is about to do.
pub fn enter(host: &dyn Host) -> Result<(), Error> {
    match ask(host, &[])? {
        View::All(_) => Ok(()),
        View::Nothing(_) => Err(route::unknown()),
    }
}

/// That the client may do something in a repository.
pub struct Permit<'a, A> {
    view: View<'a>,
    name: RepositoryName,
    action: PhantomData<A>,
}

/// That it may read.
pub type Pull<'a> = Permit<'a, ToPull>;
/// That it may write something new.
pub type Push<'a> = Permit<'a, ToPush>;
/// That it may use an upload.
pub type Receive<'a> = Permit<'a, ToReceive>;
/// That it may remove.
pub type Remove<'a> = Permit<'a, ToRemove>;

/// Reading.
pub enum ToPull {}
/// Writing something new.
pub enum ToPush {}
/// Using an upload.
pub enum ToReceive {}
/// Removing.
pub enum ToRemove {}

impl<A> Permit<'_, A> {
    /// The repository.
    pub const fn name(&self) -> &RepositoryName {
        &self.name
    }

    /// The host, as far as the client may see it.
    pub fn host(&self) -> &dyn Host {
        self.view.host()
    }
}

impl<'a> Pull<'a> {
    /// Asks for the permit.
    ///
    /// # Errors
    /// 401, 403, 503.
    pub fn ask(host: &'a dyn Host, name: RepositoryName, reference: Option<&str>) -> Result<Self, Error> {
        permit(host, name, &[(Action::Pull, reference)])
    }

    /// Whether the client may also read something of another repository, of
    /// which it learns nothing if not.
    pub fn reaches(host: &dyn Host, name: &RepositoryName, reference: &str) -> bool {
        matches!(ask(host, &[intent(name, Action::Pull, Some(reference))]), Ok(View::All(_)))
    }
}

impl<'a> Push<'a> {
    /// Asks for the permit, to write what is known by these references.
    ///
    /// # Errors
    /// 401, 403, 503; 404 for a repository that is hidden: nothing can be
    /// written to what is not there.
    pub fn ask(host: &'a dyn Host, name: RepositoryName, references: &[&str]) -> Result<Self, Error> {
        let mut actions = vec![(Action::Pull, references.first().copied())];
        if references.is_empty() {
            actions.push((Action::Push, None));
        }
        actions.extend(references.iter().map(|reference| (Action::Push, Some(*reference))));
        let permit: Self = permit(host, name, &actions)?;
        match permit.view {
            View::All(_) => Ok(permit),
            View::Nothing(_) => Err(Error::new(Code::NameUnknown).detail("name", permit.name.as_str())),
        }
    }
}

impl<'a> Receive<'a> {
    /// Asks for the permit, to go on with an upload.
    ///
    /// # Errors
    /// 401, 403, 503.
    pub fn ask(host: &'a dyn Host, name: RepositoryName) -> Result<Self, Error> {
        permit(host, name, &[(Action::Pull, None), (Action::Push, None)])
    }

    /// Asks for the permit, to give it up.
    ///
    /// # Errors
    /// 401, 403, 503.
    pub fn ask_to_cancel(host: &'a dyn Host, name: RepositoryName) -> Result<Self, Error> {
        permit(host, name, &[(Action::Push, None)])
    }
}

impl<'a> Remove<'a> {
    /// Asks for the permit.
    ///
    /// # Errors
    /// 401, 403, 503.
    pub fn ask(host: &'a dyn Host, name: RepositoryName, reference: &str) -> Result<Self, Error> {
        permit(host, name, &[(Action::Delete, Some(reference))])
    }
}

/// That the client may see the names of repositories: of those that it may
/// pull from.
pub struct Browse<'a>(View<'a>);

impl<'a> Browse<'a> {
    /// Asks for the permit.
    ///
    /// # Errors
    /// 401, 403, 503.
    pub fn ask(host: &'a dyn Host) -> Result<Self, Error> {
        ask(host, &[Intent { repository: None, action: Action::Catalog, reference: None }]).map(Self)
    }

    /// The host, as far as the client may see it.
    pub fn host(&self) -> &dyn Host {
        self.0.host()
    }
}

enum View<'a> {
    All(&'a dyn Host),
    Nothing(Nothing<'a>),
}

impl View<'_> {
    fn host(&self) -> &dyn Host {
        match self {
            Self::All(host) => *host,
            Self::Nothing(nothing) => nothing,
        }
    }
}

fn intent<'i>(name: &'i RepositoryName, action: Action, reference: Option<&'i str>) -> Intent<'i> {
    Intent { repository: Some(name.as_str()), action, reference }
}

fn permit<'a, A>(
    host: &'a dyn Host,
    name: RepositoryName,
    actions: &[(Action, Option<&str>)],
) -> Result<Permit<'a, A>, Error> {
    let intents: Vec<_> = actions.iter().map(|(action, reference)| intent(&name, *action, *reference)).collect();
    let mut view = View::All(host);
    for intents in intents.chunks(INTENTS) {
        if let hidden @ View::Nothing(_) = ask(host, intents)? {
            view = hidden;
        }
    }
    Ok(Permit { view, name, action: PhantomData })
}

fn ask<'a>(host: &'a dyn Host, intents: &[Intent<'_>]) -> Result<View<'a>, Error> {
    match host.authorize(intents) {
        Verdict::Allow => Ok(View::All(host)),
        Verdict::Hide => Ok(View::Nothing(Nothing(host))),
        Verdict::Challenge(fields) => Err(fields
            .into_iter()
            .fold(Error::new(Code::Unauthorized), |error, field| error.header("WWW-Authenticate", field))),
        Verdict::Deny(reason) if reason.is_empty() => Err(Error::new(Code::Denied)),
        Verdict::Deny(reason) => Err(Error::new(Code::Denied).message(reason)),
        Verdict::Unavailable => Err(Error::new(Code::Unavailable).cause("an auth policy failed")),
    }
}
