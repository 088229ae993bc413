//! The `llm` backend between the call and its providers: one, or the engine over several.

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::time::Duration;

use portcullis_core::assemble::BuildContext;
use portcullis_core::attempt::{Engine, Retry, Settings, Wishes};
use portcullis_core::backend::{Endpoint, EndpointState, Endpoints, Group, Health};
use portcullis_core::config::{ConfigError, Pointer};
use portcullis_core::llm::{Llm, LlmProof, LlmRequest, Patience};
use portcullis_core::protocol::ArcService;
use tower_service::Service;

use super::config::MAX_WEIGHT;
use super::{LlmConfig, ProviderConfig, endpoint};
use crate::provider::endpoint_name;

/// After so long without content, the caller of a stream gets the head of the reply.
const HOLD_BACK: Duration = Duration::from_secs(15);

/// The most providers of one backend.
const MAX_PROVIDERS: usize = 100;

/// The service of a backend.
pub(super) fn service(
    mut config: LlmConfig,
    cx: &BuildContext<'_>,
) -> Result<ArcService<Llm>, ConfigError> {
    if config.groups.is_empty() {
        return single(config, cx);
    }
    if let Some(key) = config.misplaced() {
        let what = format!("`{key}` is a provider's, and with `groups` it stands there on each");
        return Err(cx.error(&Pointer::root().key(key), what).on_key());
    }
    let mut made = Made::default();
    let patience = patience(&config);
    for (index, group) in std::mem::take(&mut config.groups).into_iter().enumerate() {
        let at = Pointer::root().key("groups").index(index);
        let balance = group.balance.balance();
        let balance = balance.ok_or_else(|| {
            cx.error(
                &at.key("balance"),
                "the header to share calls by has no valid name",
            )
        })?;
        if group.providers.is_empty() {
            return Err(cx.error(&at.key("providers"), "a group has a provider at least"));
        }
        let mut endpoints = Vec::with_capacity(group.providers.len());
        for (index, provider) in group.providers.into_iter().enumerate() {
            let place = at.key("providers").index(index);
            endpoints.push(made.add(provider, patience, &cx.inside(&place))?);
        }
        made.groups.push(Group::new(endpoints, balance));
    }
    let further = made.services.len().saturating_sub(1).clamp(2, 10);
    let settings = settings(&config, Retry::times(further as u32), cx)?;
    Ok(ArcService::new(made.engine(&config, settings)))
}

/// One provider. Where nothing is asked of the engine, calls go past it.
fn single(mut config: LlmConfig, cx: &BuildContext<'_>) -> Result<ArcService<Llm>, ConfigError> {
    let what = "an `llm` backend needs a `provider`, or `groups` of them";
    let provider = config.take_provider();
    let provider = provider.ok_or_else(|| cx.error(&Pointer::root(), what))?;
    let asked = config.retry.is_some() || provider.max_concurrent.is_some();
    let mut made = Made::default();
    let one = made.add(provider, patience(&config), cx)?;
    made.groups.push(Group::new(vec![one], Default::default()));
    // Nothing is gained by leaving out the only one.
    config.health.max_eject_for = Duration::ZERO.into();
    let mut settings = settings(&config, Retry::times(0), cx)?;
    if !asked {
        settings.hold_back = None;
        settings.tell = false;
    }
    let direct = made.services[0].clone();
    let engine = made.engine(&config, settings);
    if asked {
        return Ok(ArcService::new(engine));
    }
    Ok(ArcService::from_fn(move |request: LlmRequest| {
        let wishes = |attributes: &mut http::Extensions| attributes.get::<Wishes>().is_some();
        match request.context.attributes(wishes) {
            false => direct.send(request),
            true => engine.clone().call(request),
        }
    }))
}

/// What has been made of the providers so far.
#[derive(Default)]
struct Made {
    groups: Vec<Group>,
    services: Vec<ArcService<Llm>>,
    names: HashSet<Arc<str>>,
}

impl Made {
    fn add(
        &mut self,
        config: ProviderConfig,
        patience: Patience,
        cx: &BuildContext<'_>,
    ) -> Result<Endpoint, ConfigError> {
        let at = |key: &str| Pointer::root().key(key);
        if config.weight > MAX_WEIGHT {
            let what = format!("a weight is at most {MAX_WEIGHT}");
            return Err(cx.error(&at("weight"), what));
        }
        if config.max_concurrent == Some(0) {
            return Err(cx.error(&at("maxConcurrent"), "0 is drained by `weight: 0`"));
        }
        let name = config.name.as_deref().unwrap_or(&config.provider);
        let name = endpoint_name(cx.owner(), name);
        if name.is_empty() || !name.bytes().all(|byte| (b' '..=b'~').contains(&byte)) {
            return Err(cx.error(&at("name"), "a name is of printable ASCII characters"));
        }
        if !self.names.insert(name.clone()) {
            let what = format!("another provider of this backend is called `{name}` too");
            return Err(cx.error(&Pointer::root(), what).hint("give each a `name`"));
        }
        if self.names.len() > MAX_PROVIDERS {
            let what = format!("a backend has at most {MAX_PROVIDERS} providers");
            return Err(cx.error(&Pointer::root(), what));
        }
        let mut one = Endpoint::new(name.clone());
        one.state = cx.state(&format!("endpoint {name}"), EndpointState::new);
        one.credential = config.api_key.as_ref().map(|key| {
            // Only told apart by it, and only in this process.
            let mut hasher = DefaultHasher::new();
            (&config.provider, &config.base_url, key.expose()).hash(&mut hasher);
            cx.state(&format!("credential {:x}", hasher.finish()), Health::new)
        });
        one.weight = config.weight;
        one.max_concurrent = config.max_concurrent.map(|max| max as usize);
        one.context_window = config.context_window;
        self.services.push(endpoint(config, patience, name, cx)?);
        Ok(one)
    }

    fn engine(self, config: &LlmConfig, settings: Settings) -> Engine<Llm, LlmProof> {
        let endpoints = Endpoints::new(self.groups, config.health.into(), config.queue.into());
        Engine::new(Arc::new(endpoints), self.services, settings, LlmProof)
    }
}

fn patience(config: &LlmConfig) -> Patience {
    let limit = |limit: Option<portcullis_core::config::Duration>| {
        limit
            .map(|limit| limit.get())
            .filter(|limit| !limit.is_zero())
    };
    let mut patience = Patience::default();
    patience.first_token = limit(config.first_token_timeout);
    patience.idle = limit(config.stream_idle_timeout);
    patience
}

fn settings(
    config: &LlmConfig,
    usual: Retry,
    cx: &BuildContext<'_>,
) -> Result<Settings, ConfigError> {
    let at = |key: &str, (part, what): (&str, &'static str)| {
        cx.error(&Pointer::root().key(key).key(part), what)
    };
    let retry = config.retry.map(|retry| retry.retry()).transpose();
    let hedge = config.hedge.map(|hedge| hedge.hedge()).transpose();
    let hold_back = config.hold_back.map_or(HOLD_BACK, |limit| limit.get());
    let mut settings = Settings::default();
    settings.retry = retry.map_err(|e| at("retry", e))?.unwrap_or(usual);
    settings.hedge = hedge.map_err(|e| at("hedge", e))?;
    settings.hold_back = (!hold_back.is_zero()).then_some(hold_back);
    settings.tell = config.served_by;
    Ok(settings)
}

#[cfg(test)]
mod matrix;
#[cfg(test)]
mod tests;
