//! The id of a call.

use std::fmt;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use http::HeaderValue;

/// The longest id accepted from a caller.
const MAX: usize = 128;

/// The id of a call: the caller's `x-request-id` where it is fit, else a UUID of version 7.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct RequestId(Arc<str>);

impl RequestId {
    /// Makes a new id: a UUID of version 7 (RFC 9562), whose order is the order of time. The random part
    /// is not secret.
    pub fn make() -> Self {
        let since = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        let millis = u64::try_from(since.as_millis()).unwrap_or(u64::MAX);
        let random = fastrand::u128(..).to_ne_bytes();
        let random = random.first_chunk().expect("sixteen bytes hold ten");
        let id = uuid::Builder::from_unix_timestamp_millis(millis, random).into_uuid();
        let mut buffer = uuid::Uuid::encode_buffer();
        Self(Arc::from(&*id.as_hyphenated().encode_lower(&mut buffer)))
    }

    /// Takes a caller's id: 1 to 128 visible ASCII characters. Anything else is not an id.
    pub fn accept(value: &HeaderValue) -> Option<Self> {
        let text = value.to_str().ok()?;
        let fit = (1..=MAX).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic());
        fit.then(|| Self(text.into()))
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The id as a header value.
    pub fn to_header(&self) -> HeaderValue {
        HeaderValue::from_str(&self.0).expect("an id is visible ASCII")
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_made_are_accepted_and_differ() {
        let (a, b) = (RequestId::make(), RequestId::make());
        assert_ne!(a, b);
        assert_eq!(RequestId::accept(&a.to_header()), Some(a));
    }

    #[test]
    fn empty_long_and_spaced_ids_are_not_ids() {
        for bad in ["", "a b", &"x".repeat(MAX + 1)] {
            assert_eq!(
                RequestId::accept(&HeaderValue::from_str(bad).unwrap()),
                None
            );
        }
    }
}
