//! Upstream: a secret that goes to one origin and nowhere else.

use std::fmt;

use http::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue, InvalidHeaderValue};

/// A credential, bound to the [`Origin`](super::Origin) it was given to. It cannot be read out, and does not print.
///
/// The only way onto a request is [`Origin::request`](super::Origin::request), which takes a path and no URL:
///
/// ```
/// # use http::{HeaderMap, Method, header::AUTHORIZATION};
/// # use portcullis_core::{body::Body, upstream::{Credential, Origin}};
/// let credential = Credential::bearer("sk-secret").unwrap();
/// let origin = Origin::parse("https://api.example.com/v1").unwrap().with_credential(credential);
/// let request = origin.request(Method::GET, "/models", None, &HeaderMap::new(), Body::empty()).unwrap();
/// assert_eq!(request.headers()[AUTHORIZATION], "Bearer sk-secret");
/// assert_eq!(request.uri().host(), Some("api.example.com"));
/// ```
///
/// None of the other ways one might think of compiles. To take its parts, to take them back from the
/// origin, to copy the origin with another address:
///
/// ```compile_fail,E0616
/// # use portcullis_core::upstream::Credential;
/// let credential = Credential::bearer("sk-secret").unwrap();
/// let _ = credential.value;
/// ```
/// ```compile_fail,E0451
/// # use portcullis_core::upstream::Credential;
/// let credential = Credential::bearer("sk-secret").unwrap();
/// let Credential { value, .. } = credential;
/// ```
/// ```compile_fail,E0616
/// # use portcullis_core::upstream::Origin;
/// let origin = Origin::parse("https://api.example.com").unwrap();
/// let _ = origin.credential;
/// ```
/// ```compile_fail,E0451
/// # use portcullis_core::upstream::Origin;
/// let evil = Origin::parse("https://evil.example").unwrap();
/// let origin = Origin::parse("https://api.example.com").unwrap();
/// let _ = Origin { authority: "evil.example".parse().unwrap(), ..origin };
/// ```
///
/// To turn it into a header, a text, or a document:
///
/// ```compile_fail,E0277
/// # use portcullis_core::upstream::Credential;
/// let credential = Credential::bearer("sk-secret").unwrap();
/// let _ = http::HeaderValue::try_from(credential);
/// ```
/// ```compile_fail,E0308
/// # use portcullis_core::upstream::Credential;
/// let credential = Credential::bearer("sk-secret").unwrap();
/// http::HeaderMap::new().insert("authorization", credential);
/// ```
/// ```compile_fail,E0599
/// # use portcullis_core::upstream::Credential;
/// let credential = Credential::bearer("sk-secret").unwrap();
/// let _ = credential.to_string();
/// ```
/// ```compile_fail,E0277
/// # use portcullis_core::upstream::Credential;
/// let credential = Credential::bearer("sk-secret").unwrap();
/// let _ = serde_json::to_string(&credential);
/// ```
///
/// To put it on a request oneself:
///
/// ```compile_fail,E0624
/// # use portcullis_core::upstream::Credential;
/// let credential = Credential::bearer("sk-secret").unwrap();
/// credential.put_on(&mut http::HeaderMap::new());
/// ```
#[derive(Clone)]
pub struct Credential {
    header: HeaderName,
    value: HeaderValue,
}

impl Credential {
    /// A credential sent in `header`.
    ///
    /// # Errors
    ///
    /// When the value is no header value.
    pub fn new(header: HeaderName, value: &str) -> Result<Self, InvalidHeaderValue> {
        let mut value = HeaderValue::from_str(value)?;
        value.set_sensitive(true);
        Ok(Self { header, value })
    }

    /// A bearer token (RFC 6750).
    ///
    /// # Errors
    ///
    /// When the token is no header value.
    pub fn bearer(token: &str) -> Result<Self, InvalidHeaderValue> {
        Self::new(AUTHORIZATION, &format!("Bearer {token}"))
    }

    /// In place of whatever the header says.
    pub(super) fn put_on(&self, headers: &mut HeaderMap) {
        headers.insert(self.header.clone(), self.value.clone());
    }
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Credential({}: [secret])", self.header)
    }
}
