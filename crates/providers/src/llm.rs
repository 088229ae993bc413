//! The `llm` backend: calls to one provider, or to the fittest of several.

mod aws;
mod config;
mod group;
mod service;

use std::sync::Arc;

use portcullis_core::assemble::{Backend, BuildContext};
use portcullis_core::config::{ConfigError, Pointer, nearest};
use portcullis_core::llm::{Dialect, Llm, Metered, Patience, Patient};
use portcullis_core::protocol::ArcService;
use portcullis_core::upstream::Origin;

use crate::provider::Provider;
use crate::translate::{Spoken, Wires};
use crate::vendor::{Options, Vendor, Vendors};

pub use config::{GroupConfig, LlmConfig, ProviderConfig};
use service::LlmService;
pub(crate) use service::rename;

/// The backend `llm`: one provider of a vendor, or groups of providers.
#[derive(Clone, Copy, Debug, Default)]
pub struct LlmBackend;

impl Backend<Llm> for LlmBackend {
    const NAME: &'static str = "llm";
    type Config = LlmConfig;

    fn service(
        &self,
        config: LlmConfig,
        cx: &BuildContext<'_>,
    ) -> Result<ArcService<Llm>, ConfigError> {
        group::service(config, cx)
    }
}

/// The service of one provider, called `name` in records.
fn endpoint(
    config: ProviderConfig,
    patience: Patience,
    name: Arc<str>,
    cx: &BuildContext<'_>,
) -> Result<ArcService<Llm>, ConfigError> {
    let vendor = find_vendor(&config.provider, cx)?;
    let wires = cx.registry().slot::<Wires>();
    let spoken = Spoken {
        dialects: spoken(vendor, config.dialects.as_deref(), cx)?,
        wires: wires.cloned().unwrap_or_default(),
        strict: config.strict,
    };
    if config.model.as_deref() == Some("") {
        return Err(cx.error(&Pointer::root().key("model"), "a model has a name"));
    }
    let options = options(vendor, &config, cx)?;
    let mut origin = origin(vendor, &config, &options, cx)?;
    if let Some(transport) = &config.transport {
        let place = Pointer::root().key("transport");
        origin = origin.with_transport(cx.transport(transport, &place)?);
    }
    let mut provider = Provider::new(origin)
        .usage(config.usage)
        .vendor(*vendor, options)
        .speaking(spoken.clone());
    if let Some(max) = config.max_reply_bytes {
        provider = provider.max_reply(max.get());
    }
    for (name, value) in (vendor.default_headers)() {
        provider = provider.default_header(name, value);
    }
    let mut inner = cx.endpoint(&config.policies, &Pointer::root(), Arc::new(provider))?;
    if patience != Patience::default() {
        inner = ArcService::new(Patient::new(inner, patience));
    }
    let metered = Metered::new(inner, name).provider(vendor.name);
    Ok(ArcService::new(LlmService {
        inner: ArcService::new(metered),
        spoken,
        vendor: vendor.name,
        model: config.model.map(Into::into),
    }))
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

/// The dialects to ask a vendor in: those that were chosen, or all it speaks.
fn spoken(
    vendor: &Vendor,
    chosen: Option<&[String]>,
    cx: &BuildContext<'_>,
) -> Result<Arc<[Arc<dyn Dialect>]>, ConfigError> {
    let registered = cx.registry().dialects();
    let find = |name: &str| registered.iter().find(|d| d.name() == name).cloned();
    let Some(chosen) = chosen else {
        let all = vendor.dialects.iter().map(|name| {
            find(name).ok_or_else(|| {
                let what = format!(
                    "provider `{}` speaks `{name}`, which is not registered",
                    vendor.name
                );
                cx.error(&Pointer::root().key("provider"), what)
            })
        });
        return all.collect();
    };
    let place = Pointer::root().key("dialects");
    if chosen.is_empty() {
        return Err(cx.error(&place, "a provider is asked in one dialect at least"));
    }
    let chosen = chosen.iter().enumerate().map(|(index, name)| {
        find(name).ok_or_else(|| {
            let unknown = format!("no dialect `{name}` is registered");
            let unknown = cx.error(&place.clone().index(index), unknown);
            match nearest(name, registered.iter().map(|d| d.name())) {
                Some(near) => unknown.hint(format!("did you mean `{near}`?")),
                None => unknown,
            }
        })
    });
    chosen.collect()
}

/// The options given, if they are the vendor's and none is missing.
fn options(
    vendor: &Vendor,
    config: &ProviderConfig,
    cx: &BuildContext<'_>,
) -> Result<Options, ConfigError> {
    let at = Pointer::root().key("options");
    let known = || vendor.options.iter().map(|option| option.name);
    for (name, value) in &config.options {
        if value.is_empty() {
            return Err(cx.error(&at.key(name), format!("the option `{name}` is empty")));
        }
        if !known().any(|known| known == name) {
            let what = format!("provider `{}` has no option `{name}`", vendor.name);
            let unknown = cx.error(&at.key(name), what);
            return Err(match nearest(name, known()) {
                Some(near) => unknown.hint(format!("did you mean `{near}`?")),
                None => unknown,
            });
        }
    }
    let mut needed = vendor.options.iter().filter(|option| option.required);
    match needed.find(|option| !config.options.contains_key(option.name)) {
        None => Ok(config.options.clone().into()),
        Some(missing) => {
            let (name, about) = (missing.name, missing.about);
            let what = format!("provider `{}` needs the option `{name}`", vendor.name);
            Err(cx
                .error(&Pointer::root(), what)
                .hint(format!("options: {{{name}: …}}, {about}")))
        }
    }
}

fn origin(
    vendor: &Vendor,
    config: &ProviderConfig,
    options: &Options,
    cx: &BuildContext<'_>,
) -> Result<Origin, ConfigError> {
    let at = |key: &str| Pointer::root().key(key);
    let based = (vendor.base)(options);
    let url = config
        .base_url
        .as_deref()
        .or(based.as_deref())
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
