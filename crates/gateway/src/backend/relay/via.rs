//! The end of the line: the mark a call bears that has come through a proxy (RFC 9110 §7.6.3).

use http::header::VIA;
use http::{HeaderMap, HeaderValue, Version};
use portcullis_core::error::Error;

use super::forwarded::extend;
use crate::backend::codes::PROXY_LOOP;

/// A name nobody else has, so that a call that leads back here is not sent round until no connection is left.
#[derive(Debug)]
pub(in crate::backend) struct Via(Box<str>);

impl Via {
    pub(in crate::backend) fn make() -> Self {
        Self(format!("portcullis-{:016x}", fastrand::u64(..)).into())
    }

    /// Refuses a call that has been here before.
    pub(super) fn check(&self, headers: &HeaderMap) -> Result<(), Error> {
        let values = headers.get_all(VIA).iter().map(HeaderValue::as_bytes);
        let mut words = values.flat_map(|value| value.split(|b| matches!(b, b' ' | b',' | b'\t')));
        if words.any(|word| word == self.0.as_bytes()) {
            return Err(Error::new(&PROXY_LOOP, PROXY_LOOP.about));
        }
        Ok(())
    }

    /// Marks a call that came in `version`.
    pub(super) fn write(&self, headers: &mut HeaderMap, version: Version) {
        let version = match version {
            Version::HTTP_2 => "2",
            Version::HTTP_10 => "1.0",
            _ => "1.1",
        };
        extend(headers, VIA, &format!("{version} {}", self.0));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_is_known_by_the_mark_it_was_given_and_others_are_not() {
        let (here, there) = (Via::make(), Via::make());
        let mut headers = HeaderMap::new();
        headers.append(VIA, HeaderValue::from_static("1.1 fred, 1.0 p.example (x)"));
        here.check(&headers).unwrap();
        there.write(&mut headers, Version::HTTP_2);
        here.check(&headers).unwrap();
        here.write(&mut headers, Version::HTTP_11);
        assert_eq!(here.check(&headers).unwrap_err().code(), &PROXY_LOOP);
        assert_eq!(headers.get_all(VIA).iter().count(), 1);
    }
}
