//! Upstream: a secret that goes to one origin and nowhere else.

use std::fmt;
use std::sync::Arc;

use http::header::{AUTHORIZATION, HeaderName, HeaderValue, InvalidHeaderValue};

use crate::BoxFuture;
use crate::body::Body;
use crate::error::Error;

/// Proves who sends a request by signing it, where no header alone does: AWS's Signature Version 4 for one.
///
/// A [`Credential`] made of it is bound to its origin like any other: it is given requests to that origin only.
pub trait Sign: fmt::Debug + Send + Sync + 'static {
    /// What must be waited for before the next request can be signed; `None` when nothing must, as with keys that
    /// do not run out.
    fn ready(&self) -> Option<BoxFuture<'static, Result<(), Error>>> {
        None
    }

    /// Whether the signature covers the body, so that a streamed one must be read whole before.
    fn covers_body(&self) -> bool {
        true
    }

    /// Signs a request that is complete: its method, its URI as it is sent, its headers, its body.
    ///
    /// # Errors
    ///
    /// When there is nothing to sign with, or the body is covered and not whole.
    fn sign(&self, request: &mut http::Request<Body>) -> Result<(), Error>;
}

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
/// credential.put_on(&mut http::Request::default());
/// ```
#[derive(Clone)]
pub struct Credential {
    value: Secret,
}

#[derive(Clone)]
enum Secret {
    Header(HeaderName, HeaderValue),
    Signer(Arc<dyn Sign>),
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
        Ok(Self {
            value: Secret::Header(header, value),
        })
    }

    /// A credential that signs each request.
    pub fn signing(signer: Arc<dyn Sign>) -> Self {
        Self {
            value: Secret::Signer(signer),
        }
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
    ///
    /// # Errors
    ///
    /// As [`Sign::sign`].
    pub(super) fn put_on(&self, request: &mut http::Request<Body>) -> Result<(), Error> {
        match &self.value {
            Secret::Header(name, value) => {
                request.headers_mut().insert(name.clone(), value.clone());
                Ok(())
            }
            Secret::Signer(signer) => signer.sign(request),
        }
    }

    /// Who signs, if the credential is a signature.
    pub(super) fn signer(&self) -> Option<&Arc<dyn Sign>> {
        match &self.value {
            Secret::Header(..) => None,
            Secret::Signer(signer) => Some(signer),
        }
    }
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.value {
            Secret::Header(name, _) => write!(f, "Credential({name}: [secret])"),
            Secret::Signer(_) => f.write_str("Credential([signer])"),
        }
    }
}
