//! One issuer: which of its tokens are accepted.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use jsonwebtoken::{DecodingKey, TokenData, Validation, decode};
use portcullis_core::context::{Credential, Principal};
use portcullis_core::payload::{Doc, Parse};
use serde_json::{Map, Value};

use super::keys::KeySet;
use super::remote::RemoteKeys;

pub use jsonwebtoken::Algorithm;

/// Clocks may differ by so much, unless told otherwise.
const CLOCK_SKEW: Duration = Duration::from_secs(60);
/// Keys without an id that are tried for one token.
const MAX_TRIED: usize = 8;

/// Algorithms that are accepted unless told otherwise: those whose key may be known to everyone.
const ALGORITHMS: [Algorithm; 9] = [
    Algorithm::RS256,
    Algorithm::RS384,
    Algorithm::RS512,
    Algorithm::PS256,
    Algorithm::PS384,
    Algorithm::PS512,
    Algorithm::ES256,
    Algorithm::ES384,
    Algorithm::EdDSA,
];

/// Whose tokens are accepted, and which of them.
#[derive(Clone, Debug)]
pub struct Issuer {
    pub(super) name: Arc<str>,
    pub(super) keys: Keys,
    algorithms: Vec<Algorithm>,
    audiences: Vec<String>,
    required: Vec<String>,
    clock_skew: Duration,
}

/// Where the keys of an issuer are.
#[derive(Clone, Debug)]
pub(super) enum Keys {
    Fixed(Arc<KeySet>),
    Remote(Arc<RemoteKeys>),
}

/// Why a token is not accepted, for the log.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unfit {
    #[error("the token is not a JSON web token")]
    Malformed,
    #[error("the algorithm of the token is not allowed")]
    Algorithm,
    #[error("the issuer of the token is not known here")]
    Issuer,
    #[error("no key of the issuer has the id the token names")]
    Key,
    #[error("the token does not hold: {0}")]
    Token(#[from] jsonwebtoken::errors::Error),
    #[error("a claim of the token stands twice")]
    Duplicate,
    #[error("the token has no claim `{0}`")]
    Claim(String),
}

/// What a token says about itself, unverified.
pub(super) struct Presented<'a> {
    pub(super) token: &'a str,
    pub(super) issuer: String,
    pub(super) key_id: Option<String>,
    algorithm: Algorithm,
}

impl Issuer {
    /// Accepts tokens with this `iss`, signed by one of these keys.
    pub fn new(name: impl Into<Arc<str>>, keys: KeySet) -> Self {
        Self::with(name.into(), Keys::Fixed(Arc::new(keys)))
    }

    /// Accepts tokens with this `iss`, signed by one of the keys fetched.
    pub fn remote(name: impl Into<Arc<str>>, keys: Arc<RemoteKeys>) -> Self {
        Self::with(name.into(), Keys::Remote(keys))
    }

    fn with(name: Arc<str>, keys: Keys) -> Self {
        Self {
            name,
            keys,
            algorithms: ALGORITHMS.to_vec(),
            audiences: Vec::new(),
            required: vec!["exp".to_owned()],
            clock_skew: CLOCK_SKEW,
        }
    }

    /// Accepts tokens for one of these audiences only. Default: for any.
    #[must_use]
    pub fn audiences<S: Into<String>>(mut self, audiences: impl IntoIterator<Item = S>) -> Self {
        self.audiences = audiences.into_iter().map(Into::into).collect();
        self
    }

    /// Accepts these algorithms only. Default: all with a public key, and none with a shared secret.
    #[must_use]
    pub fn algorithms(mut self, algorithms: impl IntoIterator<Item = Algorithm>) -> Self {
        self.algorithms = algorithms.into_iter().collect();
        self
    }

    /// Accepts tokens with all of these claims only. Default: `exp`.
    #[must_use]
    pub fn required_claims<S: Into<String>>(mut self, names: impl IntoIterator<Item = S>) -> Self {
        self.required = names.into_iter().map(Into::into).collect();
        self
    }

    /// Lets clocks differ by so much, in whole seconds. Default: 60 s.
    #[must_use]
    pub fn clock_skew(mut self, skew: Duration) -> Self {
        self.clock_skew = skew;
        self
    }

    /// Whose token it is, if it is a good one.
    pub(super) fn verify(
        &self,
        presented: &Presented<'_>,
        keys: &KeySet,
    ) -> Result<Principal, Unfit> {
        if !self.algorithms.contains(&presented.algorithm) {
            return Err(Unfit::Algorithm);
        }
        let validation = self.validation(presented.algorithm);
        let id = presented.key_id.as_deref();
        let mut wrong = Unfit::Key;
        for key in keys.find(id, presented.algorithm).take(MAX_TRIED) {
            match read(presented.token, key, &validation) {
                Ok(claims) => return self.principal(claims),
                Err(e) => wrong = e,
            }
        }
        Err(wrong)
    }

    fn validation(&self, algorithm: Algorithm) -> Validation {
        let mut validation = Validation::new(algorithm);
        validation.leeway = self.clock_skew.as_secs();
        validation.validate_nbf = true;
        validation.set_issuer(&[&self.name]);
        let mut required = vec!["iss"];
        required.extend(self.required.iter().map(String::as_str));
        if self.audiences.is_empty() {
            validation.validate_aud = false;
        } else {
            validation.set_audience(&self.audiences);
            required.push("aud");
        }
        validation.validate_exp = required.contains(&"exp");
        validation.set_required_spec_claims(&required);
        validation
    }

    fn principal(&self, claims: Map<String, Value>) -> Result<Principal, Unfit> {
        if let Some(missing) = self
            .required
            .iter()
            .find(|name| !claims.contains_key(*name))
        {
            return Err(Unfit::Claim(missing.clone()));
        }
        let subject = claims.get("sub").and_then(Value::as_str);
        let subject: Arc<str> = subject
            .ok_or_else(|| Unfit::Claim("sub".to_owned()))?
            .into();
        let mut principal = Principal::new(subject).by(Credential::Jwt);
        principal.metadata = Some(Arc::new(claims));
        Ok(principal)
    }
}

impl<'a> Presented<'a> {
    /// Reads what a token says about itself.
    pub(super) fn read(token: &'a [u8]) -> Result<Self, Unfit> {
        let token = std::str::from_utf8(token).map_err(|_| Unfit::Malformed)?;
        let header = jsonwebtoken::decode_header(token)?;
        let claims = claims(token)?;
        let claims: Map<String, Value> =
            serde_json::from_slice(&claims).map_err(|_| Unfit::Malformed)?;
        let issuer = claims.get("iss").and_then(Value::as_str);
        Ok(Self {
            token,
            issuer: issuer.ok_or(Unfit::Issuer)?.to_owned(),
            key_id: header.kid,
            algorithm: header.alg,
        })
    }
}

fn read(token: &str, key: &DecodingKey, rules: &Validation) -> Result<Map<String, Value>, Unfit> {
    let TokenData { claims, .. } = decode::<Map<String, Value>>(token, key, rules)?;
    Ok(claims)
}

/// The bytes of the claims, none of which stands twice: who checks one and who reads the other would differ.
fn claims(token: &str) -> Result<Bytes, Unfit> {
    let mut parts = token.split('.');
    let (header, claims) = (parts.next(), parts.next());
    for part in [header, claims] {
        let raw = decoded(part)?;
        let doc = Doc::parse(&raw).map_err(|_| Unfit::Malformed)?;
        if doc.duplicate().is_some() {
            return Err(Unfit::Duplicate);
        }
    }
    decoded(claims)
}

fn decoded(part: Option<&str>) -> Result<Bytes, Unfit> {
    let raw = URL_SAFE_NO_PAD.decode(part.ok_or(Unfit::Malformed)?);
    raw.map(Bytes::from).map_err(|_| Unfit::Malformed)
}
