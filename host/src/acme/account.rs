//! The account at the authority, by the key in the cache.

use instant_acme::{Account, Error, Key, NewAccount};
use rustls::pki_types::PrivateKeyDer;
use tokio::task::spawn_blocking;

use super::{authority::Wire, cache::Cache, problem::Failure};
use crate::config::LetsEncrypt;

/// Finds the account or makes it. That agrees to the authority's terms, as it
/// does in distribution.
pub(super) async fn open(settings: &LetsEncrypt, cache: &Cache, wire: &Wire) -> Result<Account, Failure> {
    let failed = |error: Error| Failure::of(&error, wire).about_account();
    let builder = Account::builder_with_http(Box::new(wire.clone()));
    let directory = settings.directory.clone();
    let contact = settings.email.as_ref().map(|email| format!("mailto:{email}"));
    let contact: Vec<&str> = contact.iter().map(String::as_str).collect();
    let (from, to) = (cache.clone(), cache.clone());
    let known = spawn_blocking(move || from.account()).await.map_err(Failure::own)?.map_err(Failure::own)?;
    match known {
        Some(pkcs8) => {
            let key = Key::from_pkcs8_der(pkcs8.clone_key()).map_err(failed)?;
            let (account, _) =
                builder.create_from_key((key, PrivateKeyDer::Pkcs8(pkcs8)), directory).await.map_err(failed)?;
            // It may be new all the same, or the address may be.
            if !contact.is_empty()
                && let Err(error) = account.update_contacts(&contact).await
            {
                tracing::warn!("the authority did not take the e-mail address: {}", Failure::of(&error, wire));
            }
            Ok(account)
        }
        None => {
            let new = NewAccount { contact: &contact, terms_of_service_agreed: true, only_return_existing: false };
            let (account, credentials) = builder.create(&new, directory, None).await.map_err(failed)?;
            let kept = spawn_blocking(move || to.keep_account(credentials.private_key().secret_pkcs8_der())).await;
            kept.map_err(Failure::own)?.map_err(Failure::own)?;
            tracing::info!(account = account.id(), directory = settings.directory, "a new account at the authority");
            Ok(account)
        }
    }
}
