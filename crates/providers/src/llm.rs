//! The `llm` backend: calls to one provider.

use std::sync::Arc;
use std::task::{Context, Poll};

use http::Method;
use portcullis_core::BoxFuture;
use portcullis_core::assemble::{Backend, BuildContext};
use portcullis_core::config::{ByteSize, ConfigError, Pointer, PolicyEntry, Secret, nearest};
use portcullis_core::error::{Error, codes};
use portcullis_core::llm::{Dialect, Llm, LlmInput, LlmRequest, LlmResponse, Metered, Operation};
use portcullis_core::protocol::ArcService;
use portcullis_core::upstream::Origin;
use schemars::JsonSchema;
use serde::Deserialize;
use tower_service::Service;

use crate::dialect::{render_model, render_models};
use crate::listing;
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
        let spoken = spoken(vendor, cx)?;
        if config.model.as_deref() == Some("") {
            return Err(cx.error(&Pointer::root().key("model"), "a model has a name"));
        }
        let mut provider = Provider::new(origin(vendor, &config, cx)?).usage(config.usage);
        if let Some(max) = config.max_reply_bytes {
            provider = provider.max_reply(max.get());
        }
        for (name, value) in (vendor.default_headers)() {
            provider = provider.default_header(name, value);
        }
        let endpoint = cx.endpoint(&config.policies, &Pointer::root(), Arc::new(provider))?;
        let metered = Metered::new(endpoint, endpoint_name(cx.owner(), vendor.name));
        Ok(ArcService::new(LlmService {
            inner: ArcService::new(metered),
            spoken,
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

/// The dialects a vendor speaks.
fn spoken(vendor: &Vendor, cx: &BuildContext<'_>) -> Result<Arc<[Arc<dyn Dialect>]>, ConfigError> {
    let registered = cx.registry().dialects();
    let find = |name: &&str| {
        let found = registered.iter().find(|dialect| dialect.name() == *name);
        found.cloned().ok_or_else(|| {
            let what = format!(
                "provider `{}` speaks `{name}`, which is not registered",
                vendor.name
            );
            cx.error(&Pointer::root().key("provider"), what)
        })
    };
    vendor.dialects.iter().map(find).collect()
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

    /// Answers about models for a caller of another dialect: asks in one the endpoint speaks, and puts what
    /// it says in the caller's shape.
    async fn translate_models(self, request: LlmRequest) -> Result<LlmResponse, Error> {
        let Some(spoken) = self.spoken.first() else {
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
        if !self.speaks(&*request.dialect) {
            return match request.operation {
                Operation::ListModels | Operation::GetModel => {
                    Box::pin(self.clone().translate_models(request))
                }
                _ => Box::pin(std::future::ready(Err(self.refuse(&request)))),
            };
        }
        if let Some(model) = &self.model
            && let Err(e) = rename(&mut request, model)
        {
            return Box::pin(std::future::ready(Err(e)));
        }
        self.inner.send(request)
    }
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
            request.dialect.set_model(payload, model)?;
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

#[cfg(test)]
mod tests;
