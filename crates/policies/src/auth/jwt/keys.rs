//! The public keys of an issuer.

use std::fmt;

use jsonwebtoken::jwk::{Jwk, JwkSet, KeyOperations, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey};

/// More keys than this are refused: an issuer has a few.
const MAX_KEYS: usize = 100;

/// A JWK set (RFC 7517). Keys that are not for signatures, or of a kind that is not read, are left out.
pub struct KeySet(Vec<Key>);

/// What is wrong with a JWK set.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeySetError {
    /// It is not one.
    #[error("not a JWK set")]
    NotASet,
    /// It is too large.
    #[error("more than 100 keys")]
    TooMany,
}

struct Key {
    id: Option<String>,
    algorithm: Option<String>,
    key: DecodingKey,
}

impl KeySet {
    /// Reads a set.
    ///
    /// # Errors
    ///
    /// When the text is no JWK set, or has more than 100 keys.
    pub fn parse(json: &[u8]) -> Result<Self, KeySetError> {
        let set: JwkSet = serde_json::from_slice(json).map_err(|_| KeySetError::NotASet)?;
        if set.keys.len() > MAX_KEYS {
            return Err(KeySetError::TooMany);
        }
        Ok(Self(set.keys.iter().filter_map(Key::read).collect()))
    }

    /// Whether a token with this key id may be signed by one of them.
    pub(super) fn has(&self, id: Option<&str>) -> bool {
        self.0.iter().any(|key| key.is_named(id))
    }

    /// The keys that may have signed with this algorithm under this key id.
    pub(super) fn find(
        &self,
        id: Option<&str>,
        algorithm: Algorithm,
    ) -> impl Iterator<Item = &DecodingKey> {
        let fits = move |key: &&Key| {
            let named = key.algorithm.as_deref();
            key.is_named(id)
                && key.key.family() == algorithm.family()
                && named.is_none_or(|named| named == format!("{algorithm:?}"))
        };
        self.0.iter().filter(fits).map(|key| &key.key)
    }
}

impl Key {
    fn read(jwk: &Jwk) -> Option<Self> {
        let common = &jwk.common;
        let signs = common.public_key_use.is_none()
            || common.public_key_use == Some(PublicKeyUse::Signature);
        let operations = common.key_operations.as_deref();
        let verifies = operations.is_none_or(|all| all.contains(&KeyOperations::Verify));
        if !signs || !verifies {
            return None;
        }
        Some(Self {
            id: common.key_id.clone(),
            algorithm: common.key_algorithm.as_ref().map(ToString::to_string),
            key: DecodingKey::from_jwk(jwk).ok()?,
        })
    }

    fn is_named(&self, id: Option<&str>) -> bool {
        id.is_none() || self.id.as_deref() == id
    }
}

impl fmt::Debug for KeySet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list()
            .entries(self.0.iter().map(|key| &key.id))
            .finish()
    }
}
