//! The body of a reply: carries a plan's steps out, bills what it sends, and tells how it ended.

use std::{
    collections::VecDeque,
    convert::Infallible,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

use crate::{
    capture::{Call, Ended},
    plan::{Plan, Step},
    upstream::wire::Line,
};

type Wait = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Performs the steps of a plan; an early drop files the call as cancelled.
pub(crate) struct PlanBody {
    steps: VecDeque<Step>,
    /// What is left of the declared length.
    left: Option<u64>,
    waiting: Option<Wait>,
    line: Arc<Line>,
    call: Call,
}

impl PlanBody {
    pub(crate) fn new(plan: Plan, line: Arc<Line>, mut call: Call) -> Self {
        if plan.steps.is_empty() {
            call.end(Ended::Completed);
        }
        Self {
            steps: plan.steps,
            left: plan.length,
            waiting: None,
            line,
            call,
        }
    }
}

/// Waits a step out; sending is not waiting.
pub(crate) fn wait(step: &Step, line: &Arc<Line>, call: &mut Call) -> Wait {
    let line = Arc::clone(line);
    match step {
        Step::Send(_) => Box::pin(std::future::ready(())),
        Step::Flush => Box::pin(async move { line.flush().await }),
        Step::Sleep(time) => Box::pin(tokio::time::sleep(*time)),
        Step::Hang => Box::pin(std::future::pending()),
        Step::Break(how) => {
            let how = *how;
            call.end(Ended::Broken);
            Box::pin(async move { line.break_off(how).await })
        }
    }
}

impl Body for PlanBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let this = &mut *self;
        loop {
            if let Some(waiting) = &mut this.waiting {
                ready!(waiting.as_mut().poll(cx));
                this.waiting = None;
            }
            match this.steps.pop_front() {
                None => {
                    this.call.end(Ended::Completed);
                    return Poll::Ready(None);
                }
                Some(Step::Send(piece)) => {
                    this.call.bill(0, piece.tokens);
                    this.left = this.left.map(|left| left - piece.bytes.len() as u64);
                    if this.steps.is_empty() || this.left == Some(0) {
                        this.call.end(Ended::Completed);
                    }
                    return Poll::Ready(Some(Ok(Frame::data(piece.bytes))));
                }
                Some(step) => this.waiting = Some(wait(&step, &this.line, &mut this.call)),
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.steps.is_empty() && self.waiting.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        self.left.map(SizeHint::with_exact).unwrap_or_default()
    }
}
