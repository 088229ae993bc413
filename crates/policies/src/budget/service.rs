//! The budgets of each call.

use std::task::{Context, Poll};

use http::{HeaderName, HeaderValue};
use portcullis_core::assemble::PolicyKind;
use portcullis_core::context::Decision;
use portcullis_core::error::Error;
use portcullis_core::expr::Facts;
use portcullis_core::llm::{LlmRequest, LlmResponse};
use portcullis_core::protocol::Reply;
use tower_service::Service;

use super::{BudgetLayer, BudgetPolicy};
use crate::ledger::{Family, Limited, Pending};
use crate::note;

/// How much is used of the budget that is used most, in percent, once that is worth a warning.
const USED: HeaderName = HeaderName::from_static("portcullis-budget-used");

/// A service whose calls keep to budgets. Made by [`BudgetLayer`](super::BudgetLayer).
#[derive(Clone, Debug)]
pub struct Budget<S> {
    inner: S,
    budgets: BudgetLayer,
}

impl<S> Budget<S> {
    pub(super) fn new(inner: S, budgets: BudgetLayer) -> Self {
        Self { inner, budgets }
    }
}

impl<S> Service<LlmRequest> for Budget<S>
where
    S: Service<LlmRequest, Response = LlmResponse>,
    S::Error: Into<Error>,
{
    type Response = LlmResponse;
    type Error = Error;
    type Future = Limited<S::Future, LlmResponse>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.inner.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, request: LlmRequest) -> Self::Future {
        let family = Family::of(&request.head.headers);
        let facts = Facts::of_call(&request);
        let admitted = self
            .budgets
            .0
            .admit(&request.context, &facts, Some(&request), family);
        match admitted {
            Ok(admitted) => {
                note(&request.context, BudgetPolicy::NAME, Decision::Allowed);
                let warned = admitted
                    .warned
                    .map(|warned| (USED, HeaderValue::from(warned.0)));
                let warned = warned.into_iter().collect();
                Limited::admitted(
                    self.inner.call(request),
                    admitted.pending,
                    warned,
                    until_its_end,
                )
            }
            Err(refusal) => {
                note(&request.context, BudgetPolicy::NAME, Decision::Refused);
                Limited::refused(refusal)
            }
        }
    }
}

fn until_its_end(reply: LlmResponse, pending: Pending) -> LlmResponse {
    reply.on_end(move |_| drop(pending))
}
