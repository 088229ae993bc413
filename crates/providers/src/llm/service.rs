//! The `llm` backend at work.

use std::sync::Arc;
use std::task::{Context, Poll};

use http::Method;
use http::header::CONTENT_TYPE;
use portcullis_core::BoxFuture;
use portcullis_core::error::{Error, codes};
use portcullis_core::llm::{Llm, LlmInput, LlmOutput, LlmRequest, LlmResponse, Operation};
use portcullis_core::payload::Payload;
use portcullis_core::protocol::ArcService;
use tower_service::Service;

use crate::codes::UNTRANSLATABLE;
use crate::dialect::{render_model, render_models};
use crate::listing;
use crate::translate::{ESTIMATE_HEADER, Losses, Spoken, Way, Wire, estimate};

/// Sends calls to the endpoint, if it speaks their dialect.
#[derive(Clone, Debug)]
pub(super) struct LlmService {
    pub(super) inner: ArcService<Llm>,
    /// What it speaks, and what can be put into it.
    pub(super) spoken: Spoken,
    pub(super) vendor: &'static str,
    /// What to ask for, whatever the caller named.
    pub(super) model: Option<Arc<str>>,
}

impl LlmService {
    fn refuse(&self, request: &LlmRequest) -> Error {
        let spoken: Vec<_> = self.spoken.dialects.iter().map(|d| d.name()).collect();
        let served = match &*request.model {
            "" => "this path".to_owned(),
            model => format!("`{model}`"),
        };
        let what = format!(
            "the call is written in {}, but {served} is served by {}, which speaks {}",
            request.dialect.name(),
            self.vendor,
            spoken.join(" and "),
        );
        Error::new(&codes::DIALECT_UNSUPPORTED, what).param("model")
    }

    /// Answers about models for a caller of another dialect: asks in one the endpoint speaks, and puts what
    /// it says in the caller's shape.
    async fn translate_models(self, request: LlmRequest) -> Result<LlmResponse, Error> {
        let Some(spoken) = self.spoken.dialects.first() else {
            return Err(self.refuse(&request));
        };
        let asked = listing::ask(&request, spoken.clone());
        let models = listing::read(self.inner.send(asked).await?).await?;
        let dialect = request.dialect.name();
        let body = if request.operation == Operation::GetModel {
            let found = models.iter().find(|model| *model.id == *request.model);
            render_model(
                dialect,
                found.ok_or_else(|| listing::not_found(&request.model))?,
            )
        } else {
            render_models(dialect, &models)
        };
        Ok(listing::reply(&request, body))
    }
}

impl Service<LlmRequest> for LlmService {
    type Response = LlmResponse;
    type Error = Error;
    type Future = BoxFuture<'static, Result<LlmResponse, Error>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, mut request: LlmRequest) -> Self::Future {
        let way = self.spoken.way(&*request.dialect, request.operation);
        if matches!(way, Way::None) {
            return match request.operation {
                Operation::ListModels | Operation::GetModel => {
                    Box::pin(self.clone().translate_models(request))
                }
                _ => Box::pin(std::future::ready(Err(self.refuse(&request)))),
            };
        }
        if let Way::Estimated(wire) = way {
            return Box::pin(std::future::ready(estimated(&request, &*wire)));
        }
        if let Some(model) = &self.model
            && let Err(e) = rename(&mut request, model)
        {
            return Box::pin(std::future::ready(Err(e)));
        }
        if !request.model.is_empty() {
            let served = request.model.clone();
            request.context.serve_model(served);
        }
        self.inner.send(request)
    }
}

/// Answers how many tokens a call would use by an estimate, and says that it is one.
fn estimated(request: &LlmRequest, wire: &dyn Wire) -> Result<LlmResponse, Error> {
    let (LlmInput::Json(payload), Some(counting)) = (&request.body, wire.counting()) else {
        let what = "what is to be counted is not a document";
        return Err(Error::new(&UNTRANSLATABLE, what));
    };
    let mut unread = Losses::default();
    let conversation = counting.read_request(&request.head, payload.raw(), &mut unread)?;
    let body = counting.write_reply(estimate(&conversation));
    let reply = http::Response::builder()
        .header(CONTENT_TYPE, "application/json")
        .header(ESTIMATE_HEADER, "tokens");
    let (head, body) = reply
        .body(body)
        .expect("these headers are headers")
        .into_parts();
    let body = LlmOutput::Whole(Payload::from(body));
    Ok(LlmResponse::new(head, request.dialect.clone(), body))
}

/// Asks for another model than the caller named: in the body, as a splice, and in the call. A body the
/// gateway does not read keeps the name it has, and that is recorded.
///
/// # Errors
///
/// When the body has no model to replace.
pub(crate) fn rename(request: &mut LlmRequest, model: &Arc<str>) -> Result<(), Error> {
    if request.model == *model {
        return Ok(());
    }
    match &mut request.body {
        LlmInput::Json(payload) => {
            request
                .dialect
                .set_model(&mut request.head, payload, model)?;
            request.model = model.clone();
        }
        LlmInput::Opaque(_) if request.head.method == Method::POST => {
            let loss = format!("the body is not read, so it does not name the model `{model}`");
            request
                .context
                .record(|exchange| exchange.losses.push(loss.into()));
        }
        LlmInput::Opaque(_) => {}
    }
    Ok(())
}
