//! Whose tokens are accepted, and whether one is needed.

use std::fmt;
use std::sync::Arc;

use http::header::{AUTHORIZATION, WWW_AUTHENTICATE};
use http::{HeaderMap, HeaderName, HeaderValue};
use portcullis_core::context::Principal;
use portcullis_core::error::{Code, Error};
use tower_layer::Layer;

use super::issuer::{Issuer, Keys, Presented, Unfit};
use super::{JwtAuth, Mode};
use crate::codes;

/// Lets calls through that bring a token of one of its issuers. Clones share keys.
#[derive(Clone, Debug)]
pub struct JwtLayer(Arc<Accepted>);

#[derive(Clone, Debug)]
struct Accepted {
    issuers: Vec<Issuer>,
    mode: Mode,
    header: HeaderName,
    prefix: Box<str>,
}

impl JwtLayer {
    /// Accepts tokens of these issuers, and refuses calls without one.
    pub fn new(issuers: impl IntoIterator<Item = Issuer>) -> Self {
        // Two crypto libraries in one program would make the choice panic; one that was made is kept.
        let _ = jsonwebtoken::crypto::aws_lc::DEFAULT_PROVIDER.install_default();
        Self(Arc::new(Accepted {
            issuers: issuers.into_iter().collect(),
            mode: Mode::Strict,
            header: AUTHORIZATION,
            prefix: "Bearer ".into(),
        }))
    }

    /// What becomes of calls without a token, and of those with one that does not hold. Default: refused.
    #[must_use]
    pub fn mode(mut self, mode: Mode) -> Self {
        Arc::make_mut(&mut self.0).mode = mode;
        self
    }

    /// Reads the token from this header, behind this prefix in any case. Default: `authorization`, `Bearer `.
    #[must_use]
    pub fn header(mut self, name: HeaderName, prefix: &str) -> Self {
        let accepted = Arc::make_mut(&mut self.0);
        accepted.header = name;
        accepted.prefix = prefix.into();
        self
    }

    /// The token in these headers; none where there is none, an error where there are several.
    pub(super) fn token(&self, headers: &HeaderMap) -> Result<Option<Box<[u8]>>, Error> {
        let mut found = None;
        for value in headers.get_all(&self.0.header) {
            let Some(token) = self.unprefixed(value.as_bytes().trim_ascii()) else {
                continue;
            };
            if found.is_some() {
                return self.refuse(&codes::TOKEN_INVALID, Several).map(|_| None);
            }
            found = Some(token.trim_ascii().into());
        }
        Ok(found)
    }

    /// Whose token it is; none for a caller without one, who may.
    pub(super) async fn admit(&self, token: Option<&[u8]>) -> Result<Option<Principal>, Error> {
        let Some(token) = token else {
            return match self.0.mode {
                Mode::Strict => Err(refusal(&codes::TOKEN_MISSING)),
                Mode::Optional | Mode::Permissive => Ok(None),
            };
        };
        let presented = match Presented::read(token) {
            Ok(presented) => presented,
            Err(why) => return self.refuse(&codes::TOKEN_INVALID, why),
        };
        let mut issuers = self.0.issuers.iter();
        let Some(issuer) = issuers.find(|issuer| *issuer.name == *presented.issuer) else {
            return self.refuse(&codes::TOKEN_INVALID, Unfit::Issuer);
        };
        let verified = match &issuer.keys {
            Keys::Fixed(keys) => issuer.verify(&presented, keys),
            Keys::Remote(remote) => match remote.keys(presented.key_id.as_deref()).await {
                Ok(keys) => issuer.verify(&presented, &keys),
                Err(why) => return self.refuse(&codes::KEYS_UNAVAILABLE, Unfetched(why)),
            },
        };
        match verified {
            Ok(principal) => Ok(Some(principal)),
            Err(why) => self.refuse(&codes::TOKEN_INVALID, why),
        }
    }

    fn refuse<E>(&self, code: &'static Code, why: E) -> Result<Option<Principal>, Error>
    where
        E: std::error::Error + Send + Sync + 'static,
    {
        match self.0.mode {
            Mode::Permissive => Ok(None),
            Mode::Strict | Mode::Optional => Err(refusal(code).because(why)),
        }
    }

    fn unprefixed<'a>(&self, value: &'a [u8]) -> Option<&'a [u8]> {
        let prefix = self.0.prefix.as_bytes();
        let (start, token) = value.split_at_checked(prefix.len())?;
        start.eq_ignore_ascii_case(prefix).then_some(token)
    }
}

fn refusal(code: &'static Code) -> Error {
    let challenge = match code {
        _ if *code == codes::TOKEN_INVALID => "Bearer error=\"invalid_token\"",
        _ => "Bearer",
    };
    Error::new(code, code.about).header(WWW_AUTHENTICATE, HeaderValue::from_static(challenge))
}

/// Several tokens, of which nobody knows which is meant.
#[derive(Debug, thiserror::Error)]
#[error("there is more than one token")]
struct Several;

#[derive(Debug)]
struct Unfetched(String);

impl fmt::Display for Unfetched {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the keys could not be fetched: {}", self.0)
    }
}

impl std::error::Error for Unfetched {}

impl<S> Layer<S> for JwtLayer {
    type Service = JwtAuth<S>;

    fn layer(&self, inner: S) -> Self::Service {
        JwtAuth::new(inner, self.clone())
    }
}
