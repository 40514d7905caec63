//! Lists in parts: `n`, `last`, and the `Link` to what follows.

use crate::{
    error::{Code, Error},
    host::Request,
    percent,
};

/// What part of a list is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pagination {
    /// How many entries at most.
    pub n: Option<usize>,
    /// The entry after which they come.
    pub last: Option<String>,
}

impl Pagination {
    /// Reads the parameters.
    ///
    /// # Errors
    /// 400 for an `n` that is no number.
    pub fn ask(request: &(impl Request + ?Sized)) -> Result<Self, Error> {
        let first = |name| request.query(name).into_iter().next().filter(|value| !value.is_empty());
        let n = match first("n") {
            Some(text) => Some(number(&text).ok_or_else(|| invalid(&text))?),
            None => None,
        };
        Ok(Self { n, last: first("last") })
    }
}

/// The refusal of an `n`.
pub fn invalid(text: &str) -> Error {
    Error::new(Code::PaginationNumberInvalid).detail("n", text)
}

/// The value of a `Link` header field to the next part.
pub fn next(path: &str, parameters: &[(&str, &str)]) -> String {
    let query: Vec<_> = parameters.iter().map(|(name, value)| format!("{name}={}", percent::query(value))).collect();
    format!("<{path}?{}>; rel=\"next\"", query.join("&"))
}

fn number(text: &str) -> Option<usize> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| text.parse().unwrap_or(usize::MAX))
}
