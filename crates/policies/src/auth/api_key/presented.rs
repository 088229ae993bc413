//! Which API key a request presents.

use http::header::{AUTHORIZATION, WWW_AUTHENTICATE};
use http::{HeaderMap, HeaderName, HeaderValue};
use portcullis_core::error::{Code, Error};

use crate::codes;

/// The headers SDKs put their keys in.
static HEADERS: [HeaderName; 4] = [
    AUTHORIZATION,
    HeaderName::from_static("x-api-key"),
    HeaderName::from_static("api-key"),
    HeaderName::from_static("x-goog-api-key"),
];

/// The one key in these headers, if there is one.
///
/// The same key in several of them is one key; different keys, or an empty one, are refused.
pub(super) fn presented(headers: &HeaderMap) -> Result<Option<&[u8]>, Error> {
    let mut found: Option<(&HeaderName, &[u8])> = None;
    for name in &HEADERS {
        for value in headers.get_all(name) {
            let Some(key) = key_in(name, value) else {
                continue;
            };
            match found {
                _ if key.is_empty() => {
                    let what = format!("the API key in `{name}` is empty");
                    return Err(refusal(&codes::API_KEY_INVALID, what));
                }
                Some((first, other)) if other != key => {
                    let what =
                        format!("there are different API keys in `{first}` and `{name}`, send one");
                    return Err(refusal(&codes::API_KEY_INVALID, what));
                }
                _ => found = Some((name, key)),
            }
        }
    }
    Ok(found.map(|(_, key)| key))
}

/// The error that refuses a call for its key, or for the lack of one.
pub(super) fn refusal(
    code: &'static Code,
    what: impl Into<std::borrow::Cow<'static, str>>,
) -> Error {
    Error::new(code, what).header(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"))
}

fn key_in<'a>(name: &HeaderName, value: &'a HeaderValue) -> Option<&'a [u8]> {
    let text = value.as_bytes().trim_ascii();
    if *name != AUTHORIZATION {
        return Some(text);
    }
    let end = text.iter().position(|b| *b == b' ').unwrap_or(text.len());
    let (scheme, key) = text.split_at(end);
    scheme
        .eq_ignore_ascii_case(b"bearer")
        .then(|| key.trim_ascii())
}
