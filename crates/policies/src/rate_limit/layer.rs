//! Which limits calls keep to.

use std::sync::Arc;

use tower_layer::Layer;

use super::RateLimit;
use crate::codes;
use crate::ledger::{Limit, Limits, Refusal};

/// Output tokens reserved unless told otherwise.
pub(super) const RESERVE_OUTPUT: u64 = 1024;

/// Keeps calls to limits. Clones share the counts.
#[derive(Clone, Debug)]
pub struct RateLimitLayer(pub(super) Arc<Limits>);

impl RateLimitLayer {
    /// Keeps calls to all of these. Those of tokens refuse calls that are plain HTTP, since nobody knows
    /// what they use: put them inside the decoding.
    pub fn new(limits: impl IntoIterator<Item = Limit>) -> Self {
        Self(Arc::new(Limits {
            all: limits.into_iter().map(Arc::new).collect(),
            refusal: Refusal {
                code: &codes::RATE_LIMITED,
                what: "rate limit",
            },
            reserve_output: RESERVE_OUTPUT,
            unmodelled: false,
        }))
    }

    /// Reserves so many output tokens for a call that does not say how many it wants, and at most as many
    /// for one that does. Default: 1,024.
    #[must_use]
    pub fn reserve_output(self, tokens: u64) -> Self {
        self.with(|limits| limits.reserve_output = tokens)
    }

    /// Lets calls pass uncounted of which nobody knows how many tokens they use.
    #[must_use]
    pub fn allow_unmodelled(self) -> Self {
        self.with(|limits| limits.unmodelled = true)
    }

    fn with(self, change: impl FnOnce(&mut Limits)) -> Self {
        let mut limits = Limits {
            all: self.0.all.clone(),
            ..*self.0
        };
        change(&mut limits);
        Self(Arc::new(limits))
    }
}

impl<S> Layer<S> for RateLimitLayer {
    type Service = RateLimit<S>;

    fn layer(&self, inner: S) -> Self::Service {
        RateLimit::new(inner, self.clone())
    }
}
