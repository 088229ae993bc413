//! How large a request body may be.

use portcullis_core::config::ByteSize;
use tower_layer::Layer;

use super::BodyLimit;

/// Bounds request bodies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BodyLimitLayer {
    max: ByteSize,
}

impl BodyLimitLayer {
    /// The bound where none is named: 32 MiB, which takes the largest prompts with images that providers
    /// take.
    pub const DEFAULT: ByteSize = ByteSize::mib(32);

    /// Lets bodies of at most `max` bytes through; with 0, only empty ones.
    #[must_use]
    pub const fn new(max: ByteSize) -> Self {
        Self { max }
    }
}

impl Default for BodyLimitLayer {
    /// Bounds bodies to [`DEFAULT`](Self::DEFAULT).
    fn default() -> Self {
        Self::new(Self::DEFAULT)
    }
}

impl<S> Layer<S> for BodyLimitLayer {
    type Service = BodyLimit<S>;

    fn layer(&self, inner: S) -> Self::Service {
        BodyLimit::new(inner, self.max.get())
    }
}
