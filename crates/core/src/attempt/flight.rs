//! The attempts of one call that are under way.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;

use smallvec::SmallVec;

use super::{Proven, Rejected};
use crate::BoxFuture;
use crate::backend::Chosen;
use crate::context::Turn;
use crate::error::codes;
use crate::protocol::Protocol;

type Landing<P> = Result<Proven<P>, Rejected<P>>;

/// One attempt under way. The upstream is let go of before the endpoint's place is given back.
pub(super) struct Flight<P: Protocol> {
    pub(super) run: BoxFuture<'static, Landing<P>>,
    pub(super) turn: Arc<Turn>,
    pub(super) chosen: Arc<Chosen>,
}

/// All of them; nearly always one.
pub(super) struct Flights<P: Protocol>(SmallVec<[Flight<P>; 1]>);

/// An attempt that has ended.
pub(super) struct Landed<P: Protocol> {
    pub(super) came: Landing<P>,
    pub(super) turn: Arc<Turn>,
    pub(super) chosen: Arc<Chosen>,
}

impl<P: Protocol> Flights<P> {
    pub(super) fn new() -> Self {
        Self(SmallVec::new())
    }

    pub(super) fn push(&mut self, flight: Flight<P>) {
        self.0.push(flight);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The first to end. Never, when there are none.
    pub(super) async fn next(&mut self) -> Landed<P> {
        poll_fn(|cx| {
            for at in 0..self.0.len() {
                if let Poll::Ready(came) = self.0[at].run.as_mut().poll(cx) {
                    let Flight { turn, chosen, .. } = self.0.remove(at);
                    return Poll::Ready(Landed { came, turn, chosen });
                }
            }
            Poll::Pending
        })
        .await
    }

    /// Drops those that lost.
    pub(super) fn supersede(&mut self) {
        for flight in self.0.drain(..) {
            flight.turn.end(&codes::ATTEMPT_SUPERSEDED);
        }
    }
}
