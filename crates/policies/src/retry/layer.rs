//! What further attempts a route asks for.

use portcullis_core::attempt::Retry;
use tower_layer::Layer;

use super::Retrying;

/// Asks the engine behind for further attempts of its own.
#[derive(Clone, Copy, Debug)]
pub struct RetryLayer(Retry);

impl RetryLayer {
    /// Asks for these.
    #[must_use]
    pub fn new(retry: Retry) -> Self {
        Self(retry)
    }
}

impl<S> Layer<S> for RetryLayer {
    type Service = Retrying<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Retrying::new(inner, self.0)
    }
}
