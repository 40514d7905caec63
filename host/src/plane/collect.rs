//! A small body, whole, in memory.

use std::{fmt::Display, pin::pin, time::Duration};

use bytes::{Bytes, BytesMut};
use http_body::Body;
use http_body_util::BodyExt;
use tokio::time::timeout;

use crate::storage::Failure;

/// The whole body, of at most `limit` bytes. `idle` bounds the silence between
/// two parts of it.
///
/// # Errors
/// [`Failure::TooLarge`]; [`Failure::Interrupted`] if it broke off.
pub async fn collect<B>(body: B, limit: u64, idle: Duration) -> Result<Bytes, Failure>
where
    B: Body<Data = Bytes> + Send,
    B::Error: Display,
{
    let declared = body.size_hint();
    if declared.lower() > limit {
        return Err(Failure::TooLarge(declared.lower()));
    }
    let mut body = pin!(body);
    let mut first = Bytes::new();
    let mut rest = BytesMut::new();
    loop {
        let frame = match timeout(idle, body.frame()).await {
            Ok(Some(Ok(frame))) => frame,
            Ok(None) => break,
            Ok(Some(Err(error))) => {
                tracing::debug!("a body broke off: {error}");
                return Err(Failure::Interrupted);
            }
            Err(_) => return Err(Failure::Interrupted),
        };
        let Ok(data) = frame.into_data() else { continue };
        if (first.len() + rest.len() + data.len()) as u64 > limit {
            return Err(Failure::TooLarge(limit));
        }
        if first.is_empty() && rest.is_empty() {
            first = data;
        } else {
            // Nothing is reserved by what was declared: only bytes that came
            // take room.
            rest.extend_from_slice(&std::mem::take(&mut first));
            rest.extend_from_slice(&data);
        }
    }
    Ok(if rest.is_empty() { first } else { rest.freeze() })
}
