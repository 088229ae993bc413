//! Protocols as types, and the services and layers that speak them with their types erased.
//!
//! Layers and services are generic over the service they wrap. Where configuration builds a chain the
//! types are erased, once per configured link, into [`ArcService`] and [`ArcLayer`].

mod codec;
mod erased;

use crate::body::{Body, End};
use crate::context::HasContext;

pub use codec::{Codec, DecodeLayer, DecodeService, Encode, EncodeLayer, EncodeService};
pub use erased::{ArcLayer, ArcService};

/// A protocol the gateway can carry: the types of its requests and replies.
pub trait Protocol: Sized + Send + Sync + 'static {
    /// Its name in records and in the registry.
    const NAME: &'static str;
    /// One request. Cloning is a bound where it is needed: an HTTP request cannot be cloned.
    type Request: HasContext + Send + 'static;
    /// One reply.
    type Response: Reply + Send + 'static;
}

/// What every reply can say about itself.
pub trait Reply: Sized {
    /// Its HTTP status.
    fn status(&self) -> http::StatusCode;
    /// Calls `f` once when the reply has ended, after what feeds it was dropped. See [`Body::on_end`].
    fn on_end(self, f: impl FnOnce(End) + Send + 'static) -> Self;
}

/// Plain HTTP.
#[derive(Clone, Copy, Debug)]
pub struct Http;

impl Protocol for Http {
    const NAME: &'static str = "http";
    type Request = crate::Request;
    type Response = crate::Response;
}

impl Reply for http::Response<Body> {
    fn status(&self) -> http::StatusCode {
        self.status()
    }

    fn on_end(self, f: impl FnOnce(End) + Send + 'static) -> Self {
        self.map(|body| body.on_end(f))
    }
}
