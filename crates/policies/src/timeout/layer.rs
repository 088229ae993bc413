//! Which waits have which limit.

use std::time::Duration;

use portcullis_core::upstream::Timeouts;
use tower_layer::Layer;

use super::Timed;

/// Bounds calls in time. What is not set has no limit here.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TimeoutsLayer {
    request: Option<Duration>,
    upstream: Timeouts,
}

impl TimeoutsLayer {
    /// Bounds nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Bounds the whole call, to the last byte of its reply.
    #[must_use]
    pub fn request(mut self, limit: Duration) -> Self {
        self.request = Some(limit);
        self
    }

    /// Bounds the making of a connection to an upstream, with name lookup and TLS.
    #[must_use]
    pub fn connect(mut self, limit: Duration) -> Self {
        self.upstream.connect = Some(limit);
        self
    }

    /// Bounds the wait from the end of the request to the first byte of an upstream's reply.
    #[must_use]
    pub fn first_byte(mut self, limit: Duration) -> Self {
        self.upstream.first_byte = Some(limit);
        self
    }

    /// Bounds the wait between two pieces of an upstream's reply.
    #[must_use]
    pub fn idle(mut self, limit: Duration) -> Self {
        self.upstream.idle = Some(limit);
        self
    }
}

impl<S> Layer<S> for TimeoutsLayer {
    type Service = Timed<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Timed::new(inner, self.request, self.upstream)
    }
}
