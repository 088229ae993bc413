//! Edits of both heads.

use std::sync::Arc;

use tower_layer::Layer;

use super::{HeaderEdits, HeaderModifiers};

/// Edits the headers of requests and replies. Clones copy the edits; the services it makes share them.
#[derive(Clone, Debug, Default)]
pub struct HeaderModifiersLayer {
    request: HeaderEdits,
    response: HeaderEdits,
}

impl HeaderModifiersLayer {
    /// Edits nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Edits requests so. A second call replaces the first.
    #[must_use]
    pub fn request(mut self, edits: HeaderEdits) -> Self {
        self.request = edits;
        self
    }

    /// Edits replies so. A second call replaces the first.
    #[must_use]
    pub fn response(mut self, edits: HeaderEdits) -> Self {
        self.response = edits;
        self
    }
}

impl<S> Layer<S> for HeaderModifiersLayer {
    type Service = HeaderModifiers<S>;

    fn layer(&self, inner: S) -> Self::Service {
        let some = |edits: &HeaderEdits| (!edits.is_empty()).then(|| Arc::new(edits.clone()));
        HeaderModifiers::new(inner, some(&self.request), some(&self.response))
    }
}
