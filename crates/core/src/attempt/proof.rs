//! What the engine must know of a protocol.

use std::sync::Arc;
use std::time::Duration;

use super::Class;
use crate::BoxFuture;
use crate::backend::Affinity;
use crate::context::Turn;
use crate::error::Error;
use crate::protocol::Protocol;

/// What is to come of a call.
pub type Rest<P> = BoxFuture<'static, Result<<P as Protocol>::Response, Error>>;

/// Knows when a reply of protocol `P` has proved itself, and how a request is sent once more.
pub trait Proof<P: Protocol>: Send + Sync + 'static {
    /// What must be known of a request to judge its replies.
    type Asked: Clone + Send + Sync + 'static;

    /// What must be known of this one.
    fn asked(&self, request: &P::Request) -> Self::Asked;

    /// The key by which calls stay with an endpoint.
    fn key(&self, request: &P::Request, affinity: &Affinity) -> Option<u64>;

    /// The request for one attempt, with the attempt's turn in its context.
    fn copy(&self, request: &P::Request, turn: Arc<Turn>) -> P::Request;

    /// Whether the request could be sent once more now.
    fn is_replayable(&self, request: &P::Request) -> bool;

    /// Reads a reply up to the commit point.
    fn prove(
        &self,
        asked: Self::Asked,
        reply: P::Response,
    ) -> BoxFuture<'static, Result<Proven<P>, Rejected<P>>>;

    /// What an attempt came to that ended with the gateway's own error.
    fn fail(&self, asked: &Self::Asked, error: Error) -> Rejected<P> {
        let _ = asked;
        error.into()
    }

    /// Whether a reply can begin before any attempt has proved itself. Default: no.
    fn can_hold(&self, asked: &Self::Asked) -> bool {
        let _ = asked;
        false
    }

    /// A reply that begins now and goes on with what comes of `rest`; or `rest` again where a reply cannot begin.
    fn hold(&self, asked: Self::Asked, rest: Rest<P>) -> Result<P::Response, Rest<P>> {
        let _ = asked;
        Err(rest)
    }

    /// Writes on a reply who served it.
    fn tell(&self, reply: &mut P::Response, served: &Served<'_>);
}

/// A reply at its commit point.
#[expect(
    missing_debug_implementations,
    reason = "replies of a protocol need not print"
)]
pub struct Proven<P: Protocol> {
    /// The reply, nothing of it lost.
    pub reply: P::Response,
    /// How long its endpoint wants no further call, if it says so.
    pub rest: Option<Duration>,
}

/// An attempt that failed before its commit point.
#[expect(
    missing_debug_implementations,
    reason = "replies of a protocol need not print"
)]
pub struct Rejected<P: Protocol> {
    /// What it came to.
    pub class: Class,
    /// When the upstream wants to be asked again, if it says so.
    pub after: Option<Duration>,
    /// What to tell the caller if no other attempt succeeds.
    pub reply: Result<P::Response, Error>,
}

impl<P: Protocol> From<Error> for Rejected<P> {
    fn from(error: Error) -> Self {
        Self {
            class: Class::of_error(&error),
            after: error.after(),
            reply: Err(error),
        }
    }
}

/// Who served a call.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Served<'a> {
    /// The endpoint.
    pub endpoint: &'a str,
    /// How many attempts were made.
    pub attempts: u32,
}
