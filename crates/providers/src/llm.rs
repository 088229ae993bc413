//! The `llm` backend: calls to one provider.

use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{HeaderValue, Method, Uri, header};
use portcullis_core::BoxFuture;
use portcullis_core::assemble::{Backend, BuildContext};
use portcullis_core::config::{ByteSize, ConfigError, Pointer, PolicyEntry, Secret, nearest};
use portcullis_core::error::{Error, codes};
use portcullis_core::llm::{
    Dialect, Llm, LlmInput, LlmOutput, LlmRequest, LlmResponse, Metered, Operation,
};
use portcullis_core::payload::Payload;
use portcullis_core::protocol::ArcService;
use portcullis_core::upstream::Origin;
use schemars::JsonSchema;
use serde::Deserialize;
use tower_service::Service;

use crate::dialect::{list_models, render_models};
use crate::provider::{Provider, UsageMode, endpoint_name};
use crate::vendor::{Vendor, Vendors};

/// The backend `llm`: one provider of a vendor.
#[derive(Clone, Copy, Debug, Default)]
pub struct LlmBackend;

/// One provider.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct LlmConfig {
    /// The vendor: `openai`, `anthropic`, `openai-compatible`, or one registered by the program.
    pub provider: String,
    /// The base URL of its API, with the version segment: `https://api.openai.com/v1`. Default: the
    /// vendor's own.
    pub base_url: Option<String>,
    /// The key. It goes to this base URL and nowhere else; the caller's own credentials never do.
    pub api_key: Option<Secret>,
    /// The model to ask for, whatever the caller named. Default: what the caller named.
    pub model: Option<String>,
    /// How the usage of a streamed call is learnt where the upstream tells it only if asked.
    #[serde(default)]
    pub usage: UsageMode,
    /// The largest reply held in memory; streams are not bound by it. Default: 64 MiB.
    pub max_reply_bytes: Option<ByteSize>,
    /// Policies of this endpoint. They run for every attempt and replace the backend's of one name.
    #[serde(default)]
    pub policies: Vec<PolicyEntry>,
}

impl Backend<Llm> for LlmBackend {
    const NAME: &'static str = "llm";
    type Config = LlmConfig;

    fn service(
        &self,
        config: LlmConfig,
        cx: &BuildContext<'_>,
    ) -> Result<ArcService<Llm>, ConfigError> {
        let vendor = find_vendor(&config.provider, cx)?;
        let mut provider = Provider::new(origin(vendor, &config, cx)?).usage(config.usage);
        if let Some(max) = config.max_reply_bytes {
            provider = provider.max_reply(max.get());
        }
        for (name, value) in (vendor.default_headers)() {
            provider = provider.default_header(name, value);
        }
        let endpoint = cx.endpoint(&config.policies, &Pointer::root(), Arc::new(provider))?;
        let metered = Metered::new(endpoint, endpoint_name(cx.owner(), vendor.name));
        let dialects = cx.registry().dialects();
        let spoken = vendor
            .dialects
            .iter()
            .filter_map(|n| dialects.iter().find(|d| d.name() == *n));
        Ok(ArcService::new(LlmService {
            inner: ArcService::new(metered),
            spoken: spoken.cloned().collect(),
            vendor: vendor.name,
            model: config.model.map(Into::into),
        }))
    }
}

fn find_vendor<'a>(name: &str, cx: &'a BuildContext<'_>) -> Result<&'a Vendor, ConfigError> {
    let vendors = cx.registry().slot::<Vendors>();
    if let Some(vendor) = vendors.and_then(|v| v.get(name)) {
        return Ok(vendor);
    }
    let unknown = cx.error(
        &Pointer::root().key("provider"),
        format!("unknown provider `{name}`"),
    );
    let known: Vec<_> = vendors
        .into_iter()
        .flat_map(Vendors::iter)
        .map(|v| v.name)
        .collect();
    Err(match nearest(name, known.iter().copied()) {
        Some(near) => unknown.hint(format!("did you mean `{near}`?")),
        None => unknown.hint(format!("known are {}", known.join(", "))),
    })
}

fn origin(
    vendor: &Vendor,
    config: &LlmConfig,
    cx: &BuildContext<'_>,
) -> Result<Origin, ConfigError> {
    let at = |key: &str| Pointer::root().key(key);
    let url = config
        .base_url
        .as_deref()
        .or(vendor.base_url)
        .ok_or_else(|| {
            cx.error(
                &Pointer::root(),
                format!("provider `{}` needs a `baseUrl`", vendor.name),
            )
            .hint("give the base URL of its API, with the version segment")
        })?;
    let mut origin = Origin::parse(url).map_err(|e| cx.error(&at("baseUrl"), e.to_string()))?;
    if let Some(version) = vendor.version {
        origin = origin.ending_with(version);
    }
    let Some(key) = &config.api_key else {
        if vendor.key_required && config.base_url.is_none() {
            let what = format!("provider `{}` needs an `apiKey`", vendor.name);
            let variable = vendor.key_variables.first().copied().unwrap_or("API_KEY");
            return Err(cx
                .error(&Pointer::root(), what)
                .hint(format!("apiKey: \"${{{variable}}}\"")));
        }
        return Ok(origin);
    };
    let credential = (vendor.credential)(key.expose())
        .map_err(|_| cx.error(&at("apiKey"), "the key has characters no header takes"))?;
    Ok(origin.with_credential(credential))
}

/// Sends calls to the endpoint, if it speaks their dialect.
#[derive(Clone, Debug)]
struct LlmService {
    inner: ArcService<Llm>,
    spoken: Arc<[Arc<dyn Dialect>]>,
    vendor: &'static str,
    model: Option<Arc<str>>,
}

impl LlmService {
    fn speaks(&self, dialect: &dyn Dialect) -> bool {
        self.spoken.iter().any(|d| d.name() == dialect.name())
    }

    fn refuse(&self, request: &LlmRequest) -> Error {
        let spoken: Vec<_> = self.spoken.iter().map(|d| d.name()).collect();
        let what = format!(
            "the call is written in {}, but `{}` is served by {}, which speaks {}",
            request.dialect.name(),
            if request.model.is_empty() {
                "this path"
            } else {
                &request.model
            },
            self.vendor,
            spoken.join(" and "),
        );
        Error::new(&codes::DIALECT_UNSUPPORTED, what).param("model")
    }

    /// Asks for the models in a dialect the endpoint speaks; the reply is put in the caller's shape.
    async fn list(self, mut request: LlmRequest) -> Result<LlmResponse, Error> {
        let asked = request.dialect.clone();
        let Some(spoken) = self.spoken.first() else {
            return Err(self.refuse(&request));
        };
        let mut head = (*request.head).clone();
        head.uri = Uri::from_static("/v1/models");
        head.method = Method::GET;
        request.head = Arc::new(head);
        request.dialect = spoken.clone();
        let mut reply = self.inner.send(request).await?;
        if let LlmOutput::Whole(payload) = &reply.body
            && reply.head.status.is_success()
            && let Some(models) = list_models(payload.raw())
        {
            let list: Bytes = render_models(asked.name(), &models);
            let json = HeaderValue::from_static("application/json");
            reply.head.headers.insert(header::CONTENT_TYPE, json);
            reply.body = LlmOutput::Whole(Payload::from(list));
        }
        reply.dialect = asked;
        Ok(reply)
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
        if request.operation == Operation::ListModels && !self.speaks(&*request.dialect) {
            return Box::pin(self.clone().list(request));
        }
        if !self.speaks(&*request.dialect) {
            return Box::pin(std::future::ready(Err(self.refuse(&request))));
        }
        if let Some(model) = &self.model
            && let Err(e) = rename(&mut request, model)
        {
            return Box::pin(std::future::ready(Err(e)));
        }
        self.inner.send(request)
    }
}

/// Asks for another model than the caller named: in the body, as a splice, and in the call.
///
/// # Errors
///
/// When the body has no model to replace.
pub(crate) fn rename(request: &mut LlmRequest, model: &Arc<str>) -> Result<(), Error> {
    if request.model == *model {
        return Ok(());
    }
    if let LlmInput::Json(payload) = &mut request.body {
        request.dialect.set_model(payload, model)?;
    }
    request.model = model.clone();
    Ok(())
}
