//! API keys: what is known about one, and how it is found again by its digest.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use jiff::Timestamp;
use portcullis_core::context::{Credential, Principal};
use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq;

/// How a digest is written in configuration, before its hexadecimal digits.
const PREFIX: &str = "sha256:";

/// A key that is accepted, and who its bearer is. The key itself is not kept, only its SHA-256 digest.
///
/// Without an [`id`](Self::id) its bearer is called `key-` and the first eight hexadecimal digits of the
/// digest. Several keys may have one id: that is how a key is replaced while it is in use.
#[derive(Clone, Debug)]
pub struct ApiKey {
    digest: Digest,
    expires: Option<Timestamp>,
    principal: Principal,
}

impl ApiKey {
    /// Accepts this key.
    #[must_use]
    pub fn new(key: &str) -> Self {
        Self::known_by(Digest::of(key.as_bytes()))
    }

    /// Accepts the key with this digest, written `sha256:` and 64 hexadecimal digits, as of
    /// `printf %s "$KEY" | sha256sum`.
    ///
    /// # Errors
    ///
    /// When it is written in another way.
    pub fn hashed(hash: &str) -> Result<Self, HashError> {
        let digits = hash.strip_prefix(PREFIX).ok_or(HashError)?;
        Digest::parse(digits).map(Self::known_by).ok_or(HashError)
    }

    /// Names its bearer.
    #[must_use]
    pub fn id(mut self, id: impl Into<Arc<str>>) -> Self {
        self.principal.id = id.into();
        self
    }

    /// Refuses it from this time on.
    #[must_use]
    pub fn expires(mut self, at: Timestamp) -> Self {
        self.expires = Some(at);
        self
    }

    /// Lets its bearer call these models only: names, with a `*` before or behind for any beginning or end.
    #[must_use]
    pub fn models(mut self, models: impl Into<Arc<[String]>>) -> Self {
        self.principal.models = Some(models.into());
        self
    }

    /// Adds facts about its bearer, for policies that ask for them.
    #[must_use]
    pub fn metadata(mut self, metadata: Map<String, Value>) -> Self {
        self.principal.metadata = Some(Arc::new(metadata));
        self
    }

    fn known_by(digest: Digest) -> Self {
        let principal = Principal::new(digest.to_string()).by(Credential::ApiKey);
        Self {
            digest,
            expires: None,
            principal,
        }
    }
}

/// A text that is not `sha256:` and 64 hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a hash is `sha256:` and 64 hexadecimal digits")]
pub struct HashError;

/// One key listed twice, which would make its bearer ambiguous.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("keys {first} and {second} of the list, counted from 0, are the same")]
pub struct DuplicateKey {
    /// Where it stands first.
    pub first: usize,
    /// Where it stands again.
    pub second: usize,
}

/// Bearers by the digest of their key.
pub(super) struct Keys(HashMap<Digest, (Principal, Option<Timestamp>)>);

impl Keys {
    pub(super) fn collect(keys: impl IntoIterator<Item = ApiKey>) -> Result<Self, DuplicateKey> {
        let mut places = HashMap::new();
        let mut bearers = HashMap::new();
        for (second, key) in keys.into_iter().enumerate() {
            let ApiKey {
                digest,
                expires,
                principal,
            } = key;
            match places.entry(digest) {
                Entry::Occupied(first) => {
                    let first = *first.get();
                    return Err(DuplicateKey { first, second });
                }
                Entry::Vacant(place) => place.insert(second),
            };
            bearers.insert(digest, (principal, expires));
        }
        Ok(Self(bearers))
    }

    /// Whose key it is, and whether it has expired.
    pub(super) fn bearer(&self, key: &[u8]) -> Option<(&Principal, bool)> {
        let (principal, expires) = self.0.get(&Digest::of(key))?;
        Some((principal, expires.is_some_and(|at| at <= Timestamp::now())))
    }
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Keys({})", self.0.len())
    }
}

/// A SHA-256 digest. Compared in constant time, and printed by its first digits only.
#[derive(Clone, Copy)]
struct Digest([u8; 32]);

impl Digest {
    fn of(key: &[u8]) -> Self {
        Self(Sha256::digest(key).into())
    }

    fn parse(digits: &str) -> Option<Self> {
        let mut digest = [0; 32];
        let (pairs, []) = digits.as_bytes().as_chunks::<2>() else {
            return None;
        };
        if pairs.len() != digest.len() {
            return None;
        }
        for (byte, [high, low]) in digest.iter_mut().zip(pairs) {
            let digit = |c: u8| char::from(c).to_digit(16);
            *byte = u8::try_from(digit(*high)? << 4 | digit(*low)?).ok()?;
        }
        Some(Self(digest))
    }
}

impl PartialEq for Digest {
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl Eq for Digest {}

impl Hash for Digest {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.hash(state);
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, ..] = self.0;
        write!(f, "key-{a:02x}{b:02x}{c:02x}{d:02x}")
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
