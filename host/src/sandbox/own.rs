//! What the host itself reads by way of the registry module: requests that
//! come from no client, and that no policy is asked about.

use std::{net::IpAddr, sync::Arc};

use bytes::Bytes;

use super::{Failed, Sandbox, state::Request};
use crate::{
    plane::collect,
    server::{Facts, RequestId},
};

impl Sandbox {
    /// The body of the module's answer to a `GET` of this path, as the one
    /// who runs the registry may see it; nothing where the answer is not 200.
    /// At most `most` bytes.
    ///
    /// # Errors
    /// That there was no proper answer, or a larger one.
    pub async fn read_own(&self, path: &str, most: u64) -> Result<Option<Bytes>, String> {
        let head = http::Request::builder().uri(path).body(()).map_err(|cause| cause.to_string())?;
        let client = IpAddr::from([127, 0, 0, 1]);
        let facts = Facts { request_id: RequestId::next(), client, tls: None, repeats: false };
        let request =
            Request { head: head.into_parts().0, body: None, facts: Arc::new(facts), query: None, session: None };
        let (outcome, _) = self.respond(request).await;
        let answer = outcome.map_err(|failed| match failed {
            Failed::Busy => "every instance is busy".to_owned(),
            Failed::NoRoom(cause) | Failed::Guest(cause) => cause,
            Failed::Storage(cause) => cause.to_string(),
        })?;
        if answer.response.status() != http::StatusCode::OK {
            return Ok(None);
        }
        let body = collect(answer.response.into_body(), most, self.shared.limits.idle).await;
        body.map(Some).map_err(|failure| failure.to_string())
    }
}
