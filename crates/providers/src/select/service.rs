//! The `models` backend at work.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_util::future::join_all;
use http::{HeaderValue, header};
use portcullis_core::BoxFuture;
use portcullis_core::body::Body;
use portcullis_core::error::{Error, codes};
use portcullis_core::llm::{
    Llm, LlmInput, LlmOutput, LlmRequest, LlmResponse, Operation, TakeOnce,
};
use portcullis_core::payload::Payload;
use portcullis_core::protocol::ArcService;
use tower_service::Service;

use super::rule::{Rule, choose};
use crate::dialect::{ModelEntry, list_models, render_model, render_models};
use crate::llm::rename;

/// One pattern with the service of its backend.
#[derive(Debug)]
pub(super) struct Target {
    pub(super) rule: Rule,
    pub(super) service: ArcService<Llm>,
}

/// Picks the backend by the model's name. Targets are in order of precedence.
#[derive(Clone, Debug)]
pub(super) struct Models {
    targets: Arc<[Target]>,
}

impl Models {
    pub(super) fn new(targets: Arc<[Target]>) -> Self {
        Self { targets }
    }

    fn pick(&self, request: &LlmRequest) -> Result<(&Target, Arc<str>), Error> {
        let name = &*request.model;
        match choose(self.targets.iter().map(|target| &target.rule), name) {
            Some((index, asked)) if asked == name => {
                Ok((&self.targets[index], request.model.clone()))
            }
            Some((index, asked)) => Ok((&self.targets[index], asked.into())),
            None if name.is_empty() => Err(Error::new(
                &codes::MODEL_NOT_FOUND,
                "this call names no model, and several backends could serve it: name one of their models in `x-portcullis-model`",
            )),
            None => Err(not_found(name)),
        }
    }

    /// Every model callers can name. A backend that cannot list its own is left out, and that is recorded.
    async fn list(self, request: &LlmRequest) -> Vec<ModelEntry> {
        let lists = join_all(self.targets.iter().map(|target| entries(target, request))).await;
        let mut models = BTreeMap::new();
        for entry in lists.into_iter().flatten() {
            models.entry(entry.id.clone()).or_insert(entry);
        }
        models.into_values().collect()
    }

    async fn answer_list(self, request: LlmRequest) -> Result<LlmResponse, Error> {
        let models = self.list(&request).await;
        Ok(reply(
            &request,
            render_models(request.dialect.name(), &models),
        ))
    }

    async fn answer_get(self, request: LlmRequest) -> Result<LlmResponse, Error> {
        let models = self.list(&request).await;
        let found = models.iter().find(|model| *model.id == *request.model);
        let model = found.ok_or_else(|| not_found(&request.model))?;
        Ok(reply(&request, render_model(request.dialect.name(), model)))
    }
}

impl Service<LlmRequest> for Models {
    type Response = LlmResponse;
    type Error = Error;
    type Future = BoxFuture<'static, Result<LlmResponse, Error>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, mut request: LlmRequest) -> Self::Future {
        match request.operation {
            Operation::ListModels => return Box::pin(self.clone().answer_list(request)),
            Operation::GetModel => return Box::pin(self.clone().answer_get(request)),
            _ => {}
        }
        let sent = self.pick(&request).and_then(|(target, model)| {
            rename(&mut request, &model)?;
            Ok(&target.service)
        });
        match sent {
            Ok(service) => service.send(request),
            Err(e) => Box::pin(std::future::ready(Err(e))),
        }
    }
}

/// The models callers can reach by one target.
async fn entries(target: &Target, request: &LlmRequest) -> Vec<ModelEntry> {
    if !target.rule.pattern.has_star() {
        return vec![ModelEntry::named(target.rule.pattern.to_string())];
    }
    let mut listing = request.clone();
    listing.operation = Operation::ListModels;
    // A body can be sent once, and this question goes to several backends.
    listing.body = LlmInput::Opaque(TakeOnce::new(Body::empty()));
    let listed = match target.service.send(listing).await {
        Ok(LlmResponse {
            head,
            body: LlmOutput::Whole(payload),
            ..
        }) if head.status.is_success() => list_models(payload.raw()),
        _ => None,
    };
    let Some(listed) = listed else {
        let loss = format!(
            "the backend of `{}` did not list its models",
            target.rule.pattern
        );
        request
            .context
            .record(|exchange| exchange.losses.push(loss.into()));
        return Vec::new();
    };
    let named = listed.into_iter().filter_map(|entry| {
        Some(ModelEntry {
            id: target.rule.called(&entry.id)?,
            ..entry
        })
    });
    named.collect()
}

fn reply(request: &LlmRequest, body: Bytes) -> LlmResponse {
    let mut head = http::Response::new(()).into_parts().0;
    head.headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/json"),
    );
    LlmResponse::new(
        head,
        request.dialect.clone(),
        LlmOutput::Whole(Payload::from(body)),
    )
}

fn not_found(model: &str) -> Error {
    Error::new(
        &codes::MODEL_NOT_FOUND,
        format!("no backend here serves the model `{model}`"),
    )
    .param("model")
}
