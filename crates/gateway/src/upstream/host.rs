//! Upstream client: the host a request names, where it is not the one it is sent to.

use http::{HeaderValue, Uri, uri::Authority};

/// Request extension: sent as `Host` (HTTP/2: `:authority`) in place of the authority of the URI, which says
/// where the request goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamedHost(pub Authority);

impl NamedHost {
    pub(super) fn header(&self) -> HeaderValue {
        HeaderValue::from_str(self.0.as_str())
            .expect("an authority has only characters a header may have")
    }

    /// The URI an HTTP/2 request is written with.
    pub(super) fn name(self, uri: &Uri) -> Uri {
        let mut parts = uri.clone().into_parts();
        parts.authority = Some(self.0);
        Uri::from_parts(parts).expect("one authority takes the place of another")
    }
}
