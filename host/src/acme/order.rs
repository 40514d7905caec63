//! One order, from the authority's offer to its certificate.

use std::{sync::Arc, time::Duration};

use instant_acme::{
    Account, AuthorizationStatus, CertificateIdentifier, Error, Identifier, NewOrder, Order, OrderStatus, RetryPolicy,
};
use rcgen::{CertificateParams, DistinguishedName, KeyPair, PKCS_ECDSA_P256_SHA256};

use super::{
    authority::Wire,
    challenge::{Offered, Proofs, Way},
    problem::Failure,
};

/// Questions whether the authority has decided: from four a second to one in
/// some seconds.
const PATIENCE: RetryPolicy =
    RetryPolicy::new().initial_delay(Duration::from_millis(250)).backoff(1.5).timeout(Duration::from_secs(90));
/// Names are ordered one by one, so there is one authorization, or few.
const AUTHORIZATIONS: usize = 8;

/// What an order is about.
pub(super) struct Wanted<'a> {
    pub account: &'a Account,
    pub wire: &'a Wire,
    pub proofs: &'a Arc<Proofs>,
    pub host: &'a str,
    /// How to prove that this is the host.
    pub way: Way,
    /// The certificate that is renewed, for an authority that wants to know.
    pub replaces: Option<CertificateIdentifier<'static>>,
}

/// What came of it.
pub(super) struct Issued {
    /// In PKCS#8.
    pub key: Vec<u8>,
    /// PEM.
    pub chain: String,
}

impl Wanted<'_> {
    /// Orders, proves, and waits for the certificate.
    pub(super) async fn order(&self) -> Result<Issued, Failure> {
        let mut order = self.begin().await?;
        let offered = self.prove(&mut order).await?;
        let status = order.poll_ready(&PATIENCE).await;
        let ready = matches!(status, Ok(OrderStatus::Ready));
        if !ready {
            // The order itself says little; what was not proved says more.
            if let Some(reason) = self.reason(&mut order).await {
                return Err(reason);
            }
            return Err(match status {
                Err(error) => self.failed(&error),
                Ok(status) => Failure::refused(format!("the order is {status:?}, and the authority does not say why")),
            });
        }
        drop(offered);
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).map_err(Failure::own)?;
        let mut params = CertificateParams::new([self.host.to_owned()]).map_err(Failure::own)?;
        params.distinguished_name = DistinguishedName::new();
        let request = params.serialize_request(&key).map_err(Failure::own)?;
        order.finalize_csr(request.der()).await.map_err(|error| self.failed(&error))?;
        let chain = order.poll_certificate(&PATIENCE).await.map_err(|error| self.failed(&error))?;
        Ok(Issued { key: key.serialize_der(), chain })
    }

    async fn begin(&self) -> Result<Order, Failure> {
        let names = [Identifier::Dns(self.host.to_owned())];
        if let Some(replaces) = &self.replaces {
            let error = match self.account.new_order(&NewOrder::new(&names).replaces(replaces.clone())).await {
                Ok(order) => return Ok(order),
                Err(error) => error,
            };
            let failure = self.failed(&error);
            if matches!(error, Error::Api(_)) && (failure.common || failure.after.is_some()) {
                return Err(failure);
            }
            // It was replaced already, or is another authority's.
            tracing::debug!("an order that names what it replaces was refused: {failure}");
        }
        self.account.new_order(&NewOrder::new(&names)).await.map_err(|error| self.failed(&error))
    }

    /// Offers what the authority wants to see, and tells it to look.
    async fn prove(&self, order: &mut Order) -> Result<Vec<Offered>, Failure> {
        let mut offered = Vec::new();
        let mut authorizations = order.authorizations();
        while let Some(authorization) = authorizations.next().await {
            let mut authorization = authorization.map_err(|error| self.failed(&error))?;
            if offered.len() == AUTHORIZATIONS {
                return Err(Failure::refused("the authority wants more proofs than there are names"));
            }
            match authorization.status {
                AuthorizationStatus::Pending => {}
                AuthorizationStatus::Valid => continue,
                status => return Err(Failure::refused(format!("an authorization is {status:?} from the beginning"))),
            }
            let Some(mut challenge) = authorization.challenge(self.way.kind()) else {
                return Err(Failure::refused(format!("the authority does not offer {}", self.way.name())));
            };
            let (token, proof) = (challenge.token.clone(), challenge.key_authorization());
            let offer = self.proofs.offer(self.way, self.host, &token, &proof).await;
            offered.push(offer.map_err(Failure::refused)?);
            challenge.set_ready().await.map_err(|error| self.failed(&error))?;
        }
        Ok(offered)
    }

    /// Why it was not proved, as the authority has it.
    async fn reason(&self, order: &mut Order) -> Option<Failure> {
        let mut authorizations = order.authorizations();
        while let Some(Ok(mut authorization)) = authorizations.next().await {
            let state = authorization.refresh().await.ok()?;
            if let Some(problem) = state.challenges.iter().find_map(|challenge| challenge.error.as_ref()) {
                return Some(Failure::said(problem));
            }
        }
        None
    }

    fn failed(&self, error: &Error) -> Failure {
        Failure::of(error, self.wire)
    }
}
