//! The `models` backend at work.

use std::sync::Arc;
use std::task::{Context, Poll};

use portcullis_core::BoxFuture;
use portcullis_core::error::{Error, codes};
use portcullis_core::llm::{Llm, LlmRequest, LlmResponse, Operation};
use portcullis_core::protocol::ArcService;
use tower_service::Service;

use super::Pattern;
use crate::listing::not_found;
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
        let rewrite = self.rewrite.as_ref();
        Some(rewrite.map_or_else(|| name.to_owned(), |rewrite| rewrite.fill(matched)))
    }
}

/// Picks the backend by the model's name. Targets are in order of precedence.
#[derive(Clone, Debug)]
pub(super) struct Models {
    pub(super) targets: Arc<[Target]>,
}

impl Models {
    /// The target that serves `name`: the first that matches.
    pub(super) fn serving(&self, name: &str) -> Option<&Target> {
        let mut targets = self.targets.iter();
        targets.find(|target| target.pattern.matched(name).is_some())
    }

    fn pick(&self, request: &LlmRequest) -> Result<(&Target, Arc<str>), Error> {
        let name = &*request.model;
        let target = self.serving(name).ok_or_else(|| not_found(name))?;
        let asked = target.asked(name).filter(|asked| asked != name);
        Ok((
            target,
            asked.map_or_else(|| request.model.clone(), Arc::from),
        ))
    }

    /// A call that names no model goes to the one backend there is, or where `*` points.
    fn pick_unnamed(&self) -> Result<&Target, Error> {
        match &*self.targets {
            [only] => Some(only),
            _ => self.serving(""),
        }
        .ok_or_else(|| {
            let what = "this call names no model, and several backends could serve it: name one of their models in `x-portcullis-model`";
            Error::new(&codes::MODEL_NOT_FOUND, what)
        })
    }

    fn send(&self, mut request: LlmRequest) -> Result<SendFuture, Error> {
        if request.model.is_empty() {
            return Ok(self.pick_unnamed()?.service.send(request));
        }
        let (target, model) = self.pick(&request)?;
        rename(&mut request, &model)?;
        Ok(target.service.send(request))
    }
}

type SendFuture = BoxFuture<'static, Result<LlmResponse, Error>>;

impl Service<LlmRequest> for Models {
    type Response = LlmResponse;
    type Error = Error;
    type Future = SendFuture;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: LlmRequest) -> Self::Future {
        match request.operation {
            Operation::ListModels => Box::pin(self.clone().answer_list(request)),
            Operation::GetModel => Box::pin(self.clone().answer_get(request)),
            _ => self
                .send(request)
                .unwrap_or_else(|e| Box::pin(std::future::ready(Err(e)))),
        }
    }
}
