//! Only callers on this machine.

use tower_layer::Layer;

use super::LocalOnly;

/// Refuses whatever may come from another machine, or from another site's page in a browser on this one.
#[derive(Clone, Copy, Debug, Default)]
pub struct LocalOnlyLayer;

impl<S> Layer<S> for LocalOnlyLayer {
    type Service = LocalOnly<S>;

    fn layer(&self, inner: S) -> Self::Service {
        LocalOnly::new(inner)
    }
}
