//! One name: its certificate, and when the next thing is to be done for it.

use std::time::{Duration, SystemTime};

use instant_acme::{Account, CertificateIdentifier};
use rustls::pki_types::CertificateDer;
use tokio::time::{Instant, timeout};

use super::{challenge::Way, schedule};
use crate::tls::Leaf;

/// Between two questions to the authority about a certificate's renewal.
const SELDOM: Duration = Duration::from_secs(24 * 60 * 60);
const OFTEN: Duration = Duration::from_secs(60);
/// After a question that was not answered.
const UNANSWERED: Duration = Duration::from_secs(6 * 60 * 60);
/// For an answer.
const QUESTION: Duration = Duration::from_secs(60);

/// A name to have a certificate for.
pub(super) struct Name {
    /// In lower case.
    pub host: String,
    /// Failed orders since the last that did not.
    pub failures: usize,
    /// No order before that.
    pub pause: Option<Instant>,
    /// How the next order proves that this is the host: an index.
    way: usize,
    certificate: Option<Known>,
}

/// A certificate that was seen.
struct Known {
    der: CertificateDer<'static>,
    life: (SystemTime, SystemTime),
    /// When to renew it.
    at: SystemTime,
    /// A random number from 0 to 1, chosen once, so that what is drawn from it
    /// stays.
    chance: f64,
    /// When to ask the authority about it again.
    ask: Instant,
}

impl Name {
    pub(super) fn new(host: String) -> Self {
        Self { host, failures: 0, pause: None, way: 0, certificate: None }
    }

    /// Takes note of what the cache holds.
    pub(super) fn see(&mut self, found: Option<(Leaf, CertificateDer<'static>)>) {
        let Some((leaf, der)) = found else {
            self.certificate = None;
            return;
        };
        if self.certificate.as_ref().is_some_and(|known| known.der == der) {
            return;
        }
        let (life, chance) = ((leaf.not_before, leaf.not_after), chance());
        let at = schedule::renewal(life.0, life.1, chance);
        self.certificate = Some(Known { der, life, at, chance, ask: Instant::now() });
    }

    /// When the next order is to begin; at once where there is no certificate.
    pub(super) fn due(&self) -> SystemTime {
        self.certificate.as_ref().map_or(SystemTime::UNIX_EPOCH, |known| known.at)
    }

    /// Whether there is a certificate, good or old.
    pub(super) fn has_one(&self) -> bool {
        self.certificate.is_some()
    }

    /// Whether the certificate is from the future: then the clock is wrong,
    /// and nothing can be said about its renewal.
    pub(super) fn is_early(&self, now: SystemTime) -> bool {
        self.certificate.as_ref().is_some_and(|known| now < known.life.0)
    }

    /// Whether to ask the authority when to renew.
    pub(super) fn wants_to_ask(&self) -> bool {
        self.certificate.as_ref().is_some_and(|known| known.ask <= Instant::now())
    }

    /// When that is, or the renewal, whichever comes first, from now.
    pub(super) fn next(&self, now: SystemTime) -> Duration {
        let due = self.due().duration_since(now).unwrap_or_default();
        let ask = self.certificate.as_ref().map(|known| known.ask.saturating_duration_since(Instant::now()));
        ask.map_or(due, |ask| ask.min(due))
    }

    /// Asks nothing for a while.
    pub(super) fn put_off_question(&mut self) {
        if let Some(known) = &mut self.certificate {
            known.ask = Instant::now() + UNANSWERED;
        }
    }

    /// Asks the authority when to renew (RFC 9773). Where it has no opinion,
    /// our own stands.
    pub(super) async fn ask(&mut self, account: &Account) {
        let Some(id) = self.replaced() else { return self.put_off_question() };
        let asked = timeout(QUESTION, account.renewal_info(&id)).await;
        let Some(known) = &mut self.certificate else { return };
        match asked {
            Ok(Ok((info, again))) => {
                known.ask = Instant::now() + again.clamp(OFTEN, SELDOM);
                let window = (info.suggested_window.start.into(), info.suggested_window.end.into());
                if let Some(at) = schedule::suggested(window, known.life, known.chance)
                    && at != known.at
                {
                    tracing::debug!(host = self.host, "the authority suggests when to renew");
                    known.at = at;
                }
            }
            Ok(Err(instant_acme::Error::Unsupported(_))) => known.ask = Instant::now() + SELDOM,
            Ok(Err(_)) | Err(_) => self.put_off_question(),
        }
    }

    /// How an authority calls the certificate that is to be replaced.
    pub(super) fn replaced(&self) -> Option<CertificateIdentifier<'static>> {
        let known = self.certificate.as_ref()?;
        CertificateIdentifier::try_from(&known.der).ok().map(CertificateIdentifier::into_owned)
    }

    /// How the next order is to prove that this is the host.
    pub(super) fn way(&self, ways: &[Way]) -> Way {
        ways.get(self.way % ways.len().max(1)).copied().unwrap_or(Way::Tls)
    }

    /// After a proof that failed: another, if there is one.
    pub(super) fn another_way(&mut self) {
        self.way = self.way.wrapping_add(1);
    }
}

/// A random number from 0 to 1.
pub(super) fn chance() -> f64 {
    // Without randomness nothing else would work either.
    f64::from(getrandom::u32().unwrap_or_default()) / f64::from(u32::MAX)
}
