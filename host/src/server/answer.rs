//! From what a handler answered to what may be sent.

use bytes::{BufMut, Bytes, BytesMut};
use http::{
    HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode,
    header::{CONNECTION, CONTENT_LENGTH, DATE, RETRY_AFTER, TE, TRAILER, TRANSFER_ENCODING, UPGRADE},
};
use http_body::Body as _;

use super::{
    date::date,
    handler::{Handler, HostFailure},
};
use crate::plane::Body;

/// The host alone frames: these never come from behind it.
const FRAMING: [HeaderName; 9] = [
    CONNECTION,
    CONTENT_LENGTH,
    TRANSFER_ENCODING,
    UPGRADE,
    TRAILER,
    TE,
    DATE,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
];

pub(super) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Seconds after which a client may come again.
const COME_AGAIN: HeaderValue = HeaderValue::from_static("5");

/// An answer that the host gives itself.
pub(super) fn failure(handler: &dyn Handler, failure: HostFailure) -> Response<Body> {
    let (headers, body) = handler.failure_answer(failure);
    let mut response = Response::new(Body::full(body));
    *response.status_mut() = failure.status();
    *response.headers_mut() = headers;
    if failure == HostFailure::Unavailable {
        response.headers_mut().insert(RETRY_AFTER, COME_AGAIN);
    }
    response
}

/// Frames an answer: its time, its length by the body's, no body where none may be.
pub(super) fn frame(response: &mut Response<Body>, method: &Method) {
    let headers = response.headers_mut();
    for name in &FRAMING {
        headers.remove(name);
    }
    let bodiless = matches!(response.status(), StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
    let length = response.body().size_hint().exact();
    response.headers_mut().insert(DATE, date());
    if let (Some(length), false) = (length, bodiless) {
        response.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from(length));
    }
    if bodiless || method == Method::HEAD {
        *response.body_mut() = Body::empty();
    }
}

/// Sets the operator's own fields.
pub(super) fn set_headers(headers: &mut HeaderMap, own: &HeaderMap) {
    for name in own.keys() {
        headers.remove(name);
    }
    for (name, value) in own {
        headers.append(name, value.clone());
    }
}

/// What an operator may not set either.
pub(super) fn without_framing(mut headers: HeaderMap) -> HeaderMap {
    for name in &FRAMING {
        if headers.remove(name).is_some() {
            tracing::warn!(%name, "http.headers: the server sets this field itself");
        }
    }
    headers
}

/// The bytes of an HTTP/1.1 answer to what never became a request.
pub(super) fn farewell(handler: &dyn Handler, own: &HeaderMap, failure: HostFailure) -> Bytes {
    let (mut headers, body) = handler.failure_answer(failure);
    set_headers(&mut headers, own);
    headers.insert(CONTENT_LENGTH, HeaderValue::from(body.len()));
    headers.insert(CONNECTION, HeaderValue::from_static("close"));
    let mut out = head(failure.status(), &headers);
    out.put_slice(b"\r\n");
    out.put_slice(&body);
    out.freeze()
}

/// The head of an HTTP/1.1 answer, but for the empty line at its end.
pub(super) fn head(status: StatusCode, headers: &HeaderMap) -> BytesMut {
    let mut out = BytesMut::new();
    out.put_slice(format!("HTTP/1.1 {} {}\r\n", status.as_u16(), status.canonical_reason().unwrap_or("")).as_bytes());
    for (name, value) in headers {
        out.put_slice(name.as_str().as_bytes());
        out.put_slice(b": ");
        out.put_slice(value.as_bytes());
        out.put_slice(b"\r\n");
    }
    out
}
