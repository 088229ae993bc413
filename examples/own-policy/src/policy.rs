//! On the decoded call: lets calls for some models through and refuses the others.

use std::collections::BTreeSet;
use std::future::{Ready, ready};
use std::sync::Arc;
use std::task::{Context, Poll};

use futures_util::future::Either;
use portcullis::core::assemble::{BuildContext, Policy, PolicyKind};
use portcullis::core::config::{ConfigError, Pointer};
use portcullis::core::error::{Code, Error, Fault, Kind};
use portcullis::core::llm::{Llm, LlmRequest};
use portcullis::core::protocol::ArcLayer;
use schemars::JsonSchema;
use serde::Deserialize;
use tower::Service;
use tower::layer::layer_fn;

/// The error it refuses with. Its name reaches the caller, in the caller's dialect, and the access log.
static MODEL_NOT_ALLOWED: Code = Code {
    name: "model_not_allowed",
    status: 403,
    kind: Kind::Permission,
    fault: Fault::Client,
    about: "this model may not be used here",
    remedy: "ask for one of the models in `allowedModels`",
};

/// The policy `allowedModels`, as it is registered.
#[derive(Debug)]
pub(crate) struct AllowedModels;

/// Its configuration.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct AllowedModelsConfig {
    /// The models that may be used.
    models: BTreeSet<String>,
}

impl PolicyKind for AllowedModels {
    const NAME: &'static str = "allowedModels";
    type Config = AllowedModelsConfig;
}

impl Policy<Llm> for AllowedModels {
    fn layer(
        &self,
        config: AllowedModelsConfig,
        cx: &BuildContext<'_>,
    ) -> Result<ArcLayer<Llm>, ConfigError> {
        if config.models.is_empty() {
            return Err(cx.error(&Pointer::root().key("models"), "no model would be allowed"));
        }
        let models = Arc::new(config.models);
        Ok(ArcLayer::new(layer_fn(move |inner| AllowModels {
            inner,
            models: models.clone(),
        })))
    }
}

/// The service: one policy's half of a call's way.
#[derive(Clone, Debug)]
pub(crate) struct AllowModels<S> {
    inner: S,
    models: Arc<BTreeSet<String>>,
}

impl<S> Service<LlmRequest> for AllowModels<S>
where
    S: Service<LlmRequest, Error = Error>,
{
    type Response = S::Response;
    type Error = Error;
    type Future = Either<S::Future, Ready<Result<S::Response, Error>>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: LlmRequest) -> Self::Future {
        if self.models.contains(&*request.model) {
            return Either::Left(self.inner.call(request));
        }
        let what = format!("the model `{}` may not be used here", request.model);
        let refused = Error::new(&MODEL_NOT_ALLOWED, what).param("model");
        Either::Right(ready(Err(refused)))
    }
}
