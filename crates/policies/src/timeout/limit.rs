//! The time one call has left.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use portcullis_core::assemble::PolicyKind;
use portcullis_core::context::{self, Decision};
use portcullis_core::error::{Error, codes};
use tokio::time::{Instant, Sleep, sleep_until};

use super::TimeoutsPolicy;
use crate::note;

/// The end of a call's time. The timer is registered when it is first polled.
#[derive(Debug)]
pub(super) struct Limit {
    sleep: Pin<Box<Sleep>>,
    after: Duration,
    context: context::Context,
}

impl Limit {
    /// Starts now; `None` when the end is beyond what a clock can show.
    pub(super) fn start(after: Duration, context: &context::Context) -> Option<Self> {
        let deadline = Instant::now().checked_add(after)?;
        context.limit(deadline.into_std());
        Some(Self {
            sleep: Box::pin(sleep_until(deadline)),
            after,
            context: context.clone(),
        })
    }

    /// Waits for the end, and fails then.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Error> {
        self.sleep.as_mut().poll(cx).map(|()| self.refuse())
    }

    /// The failure, if the end is past: for one who never has to wait and so never polls.
    pub(super) fn check(&self) -> Option<Error> {
        (Instant::now() >= self.sleep.deadline()).then(|| self.refuse())
    }

    fn refuse(&self) -> Error {
        note(&self.context, TimeoutsPolicy::NAME, Decision::Refused);
        let what = format!(
            "the call took longer than the {:?} allowed here",
            self.after
        );
        Error::new(&codes::CALL_TIMEOUT, what)
    }
}
