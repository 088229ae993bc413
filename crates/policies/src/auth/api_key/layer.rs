//! Which keys are accepted, and whether one is needed.

use std::sync::Arc;

use http::HeaderMap;
use portcullis_core::context::Principal;
use portcullis_core::error::Error;
use tower_layer::Layer;

use super::key::Keys;
use super::presented::{presented, refusal};
use super::{ApiKey, ApiKeyAuth, DuplicateKey, Mode};
use crate::codes;

/// Lets calls through that present one of its keys. Clones share the keys.
#[derive(Clone, Debug)]
pub struct ApiKeyLayer {
    keys: Arc<Keys>,
    mode: Mode,
}

impl ApiKeyLayer {
    /// Accepts these keys, and refuses calls without one. A layer without any keys refuses every call.
    ///
    /// # Errors
    ///
    /// When one key is in the list twice.
    pub fn new(keys: impl IntoIterator<Item = ApiKey>) -> Result<Self, DuplicateKey> {
        Ok(Self {
            keys: Arc::new(Keys::collect(keys)?),
            mode: Mode::Strict,
        })
    }

    /// Lets calls without a key through too, without a principal. A wrong key is still refused.
    #[must_use]
    pub fn optional(self) -> Self {
        self.mode(Mode::Optional)
    }

    /// What becomes of calls without a key, and of those with a wrong one. Default: refused.
    #[must_use]
    pub fn mode(mut self, mode: Mode) -> Self {
        self.mode = mode;
        self
    }

    /// Who calls with these headers; `None` is a caller without a key, who may.
    pub(super) fn admit(&self, headers: &HeaderMap) -> Result<Option<&Principal>, Error> {
        match self.judge(headers) {
            Err(_) if self.mode == Mode::Permissive => Ok(None),
            judged => judged,
        }
    }

    fn judge(&self, headers: &HeaderMap) -> Result<Option<&Principal>, Error> {
        match presented(headers)? {
            Some(key) => match self.keys.bearer(key) {
                Some((bearer, false)) => Ok(Some(bearer)),
                Some((_, true)) => Err(refusal(&codes::API_KEY_INVALID, "the API key has expired")),
                None => Err(refusal(
                    &codes::API_KEY_INVALID,
                    "the API key is not known here",
                )),
            },
            None if self.mode != Mode::Strict => Ok(None),
            None => Err(refusal(
                &codes::API_KEY_MISSING,
                "no API key, send one as `authorization: Bearer …` or `x-api-key`",
            )),
        }
    }
}

impl<S> Layer<S> for ApiKeyLayer {
    type Service = ApiKeyAuth<S>;

    fn layer(&self, inner: S) -> Self::Service {
        ApiKeyAuth::new(inner, self.clone())
    }
}
