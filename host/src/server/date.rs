//! The time that an answer tells. hyper tells one too, which stays where it
//! was when the clock is set back.

use std::{
    cell::RefCell,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use http::HeaderValue;
use httpdate::HttpDate;

/// The end of the year 9999: no later time can be written.
const LATEST: u64 = 253_402_300_799;

thread_local! {
    /// What was told last, and of which second.
    static TOLD: RefCell<Option<(u64, HeaderValue)>> = const { RefCell::new(None) };
}

/// The time now.
pub(super) fn date() -> HeaderValue {
    at(SystemTime::now())
}

fn at(now: SystemTime) -> HeaderValue {
    let second = now.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs().min(LATEST);
    TOLD.with_borrow_mut(|told| match told {
        Some((of, value)) if *of == second => value.clone(),
        _ => {
            let text = HttpDate::from(UNIX_EPOCH + Duration::from_secs(second)).to_string();
            // It has letters, digits, commas and colons.
            let value = HeaderValue::try_from(text).unwrap_or_else(|_| HeaderValue::from_static(""));
            told.insert((second, value)).1.clone()
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_follows_the_clock_both_ways() {
        let told = |seconds| at(UNIX_EPOCH + Duration::from_secs(seconds)).to_str().unwrap().to_owned();
        assert_eq!(told(784_111_777), "Sun, 06 Nov 1994 08:49:37 GMT");
        assert_eq!(told(784_111_777), "Sun, 06 Nov 1994 08:49:37 GMT");
        assert_eq!(told(LATEST + 5), "Fri, 31 Dec 9999 23:59:59 GMT");
        assert_eq!(told(0), "Thu, 01 Jan 1970 00:00:00 GMT");
        assert_eq!(at(UNIX_EPOCH - Duration::from_secs(5)), at(UNIX_EPOCH));
    }
}
