//! The `models` backend at work.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_util::future::join_all;
use http::{HeaderValue, Uri, header};
use portcullis_core::BoxFuture;
use portcullis_core::body::Body;
use portcullis_core::error::{Error, codes};
use portcullis_core::llm::{
    Llm, LlmInput, LlmOutput, LlmRequest, LlmResponse, Operation, TakeOnce,
};
use portcullis_core::payload::Payload;
use portcullis_core::protocol::ArcService;
use tower_service::Service;

use super::Pattern;
use crate::dialect::{ModelEntry, list_models, render_model, render_models};
use crate::llm::rename;

/// One pattern with the service of its backend.
#[derive(Debug)]
pub(super) struct Target {
    pub(super) pattern: Pattern,
    pub(super) rewrite: Option<Pattern>,
    pub(super) service: ArcService<Llm>,
}

impl Target {
    /// What the backend is asked for when the caller asks for `name`.
    fn asked(&self, name: &str) -> Option<String> {
        let matched = self.pattern.matched(name)?;
        Some(
            self.rewrite
                .as_ref()
                .map_or_else(|| name.to_owned(), |rewrite| rewrite.fill(matched)),
        )
    }

    /// What callers name the backend's `model`, if this pattern gives it a name.
    fn called(&self, model: &str) -> Option<String> {
        match &self.rewrite {
            Some(rewrite) => rewrite
                .matched(model)
                .map(|matched| self.pattern.fill(matched)),
            None => self.pattern.matched(model).map(|_| model.to_owned()),
        }
    }
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
        let found = self
            .targets
            .iter()
            .find_map(|target| Some((target, target.asked(name)?)));
        match found {
            Some((target, asked)) if asked == name => Ok((target, request.model.clone())),
            Some((target, asked)) => Ok((target, asked.into())),
            None => Err(not_found(name)),
        }
    }

    /// A call that names no model goes to the one backend there is, or where `*` points.
    fn pick_unnamed(&self) -> Result<&Target, Error> {
        match (
            &*self.targets,
            self.targets
                .iter()
                .find(|target| target.pattern.matched("").is_some()),
        ) {
            ([only], _) | (_, Some(only)) => Ok(only),
            _ => Err(Error::new(
                &codes::MODEL_NOT_FOUND,
                "this call names no model, and several backends could serve it: name one of their models in `x-portcullis-model`",
            )),
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
        let picked = if request.model.is_empty() {
            self.pick_unnamed()
                .map(|target| (target, request.model.clone()))
        } else {
            self.pick(&request)
        };
        let sent = picked.and_then(|(target, model)| {
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
    if !target.pattern.has_star() {
        return vec![ModelEntry::named(target.pattern.to_string())];
    }
    let listed = match target.service.send(listing(request)).await {
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
            target.pattern
        );
        request
            .context
            .record(|exchange| exchange.losses.push(loss.into()));
        return Vec::new();
    };
    let named = listed.into_iter().filter_map(|entry| {
        Some(ModelEntry {
            id: target.called(&entry.id)?,
            ..entry
        })
    });
    named.collect()
}

/// The question for all models a backend has, asked of each on its own: clones of a call share its body,
/// which can be sent but once, and a call about one model has another path.
fn listing(request: &LlmRequest) -> LlmRequest {
    let mut listing = request.clone();
    let mut head = (*request.head).clone();
    head.uri = Uri::from_static("/v1/models");
    listing.head = Arc::new(head);
    listing.operation = Operation::ListModels;
    listing.body = LlmInput::Opaque(TakeOnce::new(Body::empty()));
    listing
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
