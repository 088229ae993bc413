//! What second attempts beside slow ones a route asks for.

use portcullis_core::attempt::Hedge;
use tower_layer::Layer;

use super::Hedging;

/// Asks the engine behind for second attempts beside slow ones of its own.
#[derive(Clone, Copy, Debug)]
pub struct HedgeLayer(Hedge);

impl HedgeLayer {
    /// Asks for these.
    #[must_use]
    pub fn new(hedge: Hedge) -> Self {
        Self(hedge)
    }
}

impl<S> Layer<S> for HedgeLayer {
    type Service = Hedging<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Hedging::new(inner, self.0)
    }
}
