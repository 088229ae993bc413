//! Decode: what reads compressed request bodies, and how far. The codings themselves need libraries, which
//! the gateway brings.

use std::fmt;

use bytes::Bytes;
use http::HeaderValue;

use super::Body;
use crate::BoxFuture;
use crate::error::Error;

/// Reads compressed request bodies.
pub trait Unpack: fmt::Debug + Send + Sync + 'static {
    /// Reads a body that is written in `coding`, the value of a `content-encoding` header, into at most `max`
    /// bytes. `None` when this is no coding it knows.
    ///
    /// # Errors
    ///
    /// The future fails with `body_too_large` when there are more than `max` bytes, before or after, and with
    /// `body_broken` when they are not what the coding says, or not all of it.
    fn unpack(
        &self,
        coding: &HeaderValue,
        body: Body,
        max: u64,
    ) -> Option<BoxFuture<'static, Result<Bytes, Error>>>;
}

/// The largest a compressed body may become, in bytes: the word of a policy that bounds bodies, in the
/// extensions of a request. The least of it and the reader's own bound counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MaxUnpacked(pub u64);
