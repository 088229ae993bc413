//! The `llm` backend: calls to one provider.

mod aws;
mod service;

use std::sync::Arc;

use portcullis_core::assemble::{Backend, BuildContext};
use portcullis_core::config::{
    ByteSize, ConfigError, Pointer, PolicyEntry, Secret, Transport, nearest,
};
use portcullis_core::llm::{Dialect, Llm, Metered};
use portcullis_core::protocol::ArcService;
use portcullis_core::upstream::Origin;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::provider::{Provider, UsageMode, endpoint_name};
use crate::sign::AwsConfig;
use crate::translate::{Spoken, Wires};
use crate::vendor::{Vendor, Vendors};

use service::LlmService;
pub(crate) use service::rename;

/// The backend `llm`: one provider of a vendor.
#[derive(Clone, Copy, Debug, Default)]
pub struct LlmBackend;

/// One provider.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct LlmConfig {
    /// The vendor: `openai`, `anthropic`, `bedrock`, `openai-compatible`, or one registered by the program.
    pub provider: String,
    /// The base URL of its API, with the version segment: `https://api.openai.com/v1`. Default: the
    /// vendor's own.
    pub base_url: Option<String>,
    /// The key. It goes to this base URL and nowhere else; the caller's own credentials never do.
    pub api_key: Option<Secret>,
    /// The region of the provider, for those of AWS: `eu-central-1`. Default: that of `AWS_REGION` or
    /// `AWS_DEFAULT_REGION`.
    pub region: Option<String>,
    /// Who signs requests to a provider of AWS, where there is no `apiKey`.
    pub aws: Option<AwsConfig>,
    /// The model to ask for, whatever the caller named. Default: what the caller named.
    pub model: Option<String>,
    /// How the usage of a streamed call is learnt where the upstream tells it only if asked.
    #[serde(default)]
    pub usage: UsageMode,
    /// Whether a call of another dialect is refused rather than lose a field on its way. Default: no; what is lost
    /// is listed in the reply header `portcullis-loss` and in the record of the call.
    #[serde(default)]
    pub strict: bool,
    /// The largest reply held in memory; streams are not bound by it. Default: 64 MiB.
    pub max_reply_bytes: Option<ByteSize>,
    /// How connections to the provider are made: certificates, HTTP version, proxy, pool. Default: HTTP/1.1,
    /// directly, trusting the system's certificate authorities.
    pub transport: Option<Transport>,
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
        let wires = cx.registry().slot::<Wires>();
        let spoken = Spoken {
            dialects: spoken(vendor, cx)?,
            wires: wires.cloned().unwrap_or_default(),
            strict: config.strict,
        };
        if config.model.as_deref() == Some("") {
            return Err(cx.error(&Pointer::root().key("model"), "a model has a name"));
        }
        let mut origin = origin(vendor, &config, cx)?;
        if let Some(transport) = &config.transport {
            let place = Pointer::root().key("transport");
            origin = origin.with_transport(cx.transport(transport, &place)?);
        }
        let mut provider = Provider::new(origin)
            .usage(config.usage)
            .speaking(spoken.clone());
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
    let region = aws::region(vendor, config, aws::variable, cx)?;
    let url = match &region {
        None if url.contains(aws::REGION) => return Err(aws::needs_region(vendor, cx)),
        region => url.replace(aws::REGION, region.as_deref().unwrap_or_default()),
    };
    let mut origin = Origin::parse(&url).map_err(|e| cx.error(&at("baseUrl"), e.to_string()))?;
    if let Some(version) = vendor.version {
        origin = origin.ending_with(version);
    }
    let Some(key) = &config.api_key else {
        if vendor.aws_service.is_some() || config.aws.is_some() {
            let region = region.as_deref();
            let signs = aws::credential(vendor, config, region, aws::variable, cx)?;
            return Ok(signs.into_iter().fold(origin, Origin::with_credential));
        }
        if vendor.key_required && config.base_url.is_none() {
            let what = format!("provider `{}` needs an `apiKey`", vendor.name);
            let variable = vendor.key_variables.first().copied().unwrap_or("API_KEY");
            return Err(cx
                .error(&Pointer::root(), what)
                .hint(format!("apiKey: \"${{{variable}}}\"")));
        }
        return Ok(origin);
    };
    if config.aws.is_some() {
        return Err(cx.error(&at("aws"), "what has an `apiKey` is not signed"));
    }
    let credential = (vendor.credential)(key.expose())
        .map_err(|_| cx.error(&at("apiKey"), "the key has characters no header takes"))?;
    Ok(origin.with_credential(credential))
}

#[cfg(test)]
mod tests;
