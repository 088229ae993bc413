//! The `llm` backend, as configuration writes it.

use std::collections::BTreeMap;

use portcullis_core::attempt::{HedgeConfig, RetryConfig};
use portcullis_core::backend::{BalanceConfig, HealthConfig, QueueConfig};
use portcullis_core::config::{ByteSize, Duration, PolicyEntry, Secret, Transport};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::provider::UsageMode;
use crate::sign::AwsConfig;

/// The largest weight of a provider.
pub(super) const MAX_WEIGHT: u32 = 1_000_000;

/// One provider, or `groups` of them.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct LlmConfig {
    /// The vendor: `openai`, `anthropic`, `gemini`, `bedrock`, `openai-compatible`, or another one there is.
    pub provider: Option<String>,
    /// The base URL of its API, with the version segment: `https://api.openai.com/v1`. Default: the
    /// vendor's own.
    pub base_url: Option<String>,
    /// The key. It goes to this base URL and nowhere else; the caller's own credentials never do.
    pub api_key: Option<Secret>,
    /// What else the vendor's URLs are made of, by name: `{project: p, location: europe-west4}` for `vertex`.
    /// Which there are hangs on the vendor; most have none.
    #[serde(default)]
    pub options: BTreeMap<String, String>,
    /// The region of the provider, for those of AWS: `eu-central-1`. Default: that of `AWS_REGION` or
    /// `AWS_DEFAULT_REGION`.
    pub region: Option<String>,
    /// Who signs requests to a provider of AWS, where there is no `apiKey`.
    pub aws: Option<AwsConfig>,
    /// The dialects to ask it in, best first; calls of others are translated to the first that can be. Default: all
    /// its vendor speaks.
    pub dialects: Option<Vec<String>>,
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
    /// The most calls it takes at a time. Default: no bound.
    pub max_concurrent: Option<u32>,
    /// Policies of this endpoint. They run for every attempt and replace the backend's of one name.
    #[serde(default)]
    pub policies: Vec<PolicyEntry>,
    /// Several providers instead of one: the first group that has a fit provider serves. The settings of a provider
    /// are then written on each.
    #[serde(default)]
    pub groups: Vec<GroupConfig>,
    /// Further attempts after one that failed before the reply's first content. Default: none for one
    /// provider; for groups one for each further provider, and at least 2.
    pub retry: Option<RetryConfig>,
    /// A second attempt at another provider when the first takes long. Default: none.
    pub hedge: Option<HedgeConfig>,
    /// When a provider of a group is left out for failing.
    #[serde(default)]
    pub health: HealthConfig,
    /// How calls wait where every fit provider has `maxConcurrent` calls.
    #[serde(default)]
    pub queue: QueueConfig,
    /// After so long without content, the caller of a stream gets the head of the reply and a comment, while
    /// attempts go on; errors come inside of the stream from then on. `0s` for never. Default: 15 s. Only with
    /// `groups` or `retry`.
    pub hold_back: Option<Duration>,
    /// How long an attempt at a stream may take to its first content. Default: no limit but those of `timeouts`.
    pub first_token_timeout: Option<Duration>,
    /// How long a stream may be without an event after its first content; comments and pings do not count.
    /// Default: no limit but `idle` of `timeouts`, for which they do.
    pub stream_idle_timeout: Option<Duration>,
    /// Whether a reply names its provider and the number of attempts, in `portcullis-served-by` and
    /// `portcullis-attempts`. Default: true. Only with `groups` or `retry`.
    #[serde(default = "yes")]
    pub served_by: bool,
}

/// Providers of one priority.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct GroupConfig {
    /// The providers.
    pub providers: Vec<ProviderConfig>,
    /// How they share the calls. Default: `powerOfTwoChoices`.
    #[serde(default)]
    pub balance: BalanceConfig,
}

/// One provider of a group.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ProviderConfig {
    /// What it is called in records, in metrics and to callers, behind the name of the backend. Default: the
    /// vendor's name.
    pub name: Option<String>,
    /// Its share of the calls of its group, relative to the other weights; 0 drains it. At most 1000000.
    /// Default: 1.
    #[serde(default = "one")]
    pub weight: u32,
    /// The vendor: `openai`, `anthropic`, `gemini`, `bedrock`, `openai-compatible`, or another one there is.
    pub provider: String,
    /// The base URL of its API, with the version segment: `https://api.openai.com/v1`. Default: the
    /// vendor's own.
    pub base_url: Option<String>,
    /// The key. It goes to this base URL and nowhere else; the caller's own credentials never do.
    pub api_key: Option<Secret>,
    /// What else the vendor's URLs are made of, by name: `{project: p, location: europe-west4}` for `vertex`.
    /// Which there are hangs on the vendor; most have none.
    #[serde(default)]
    pub options: BTreeMap<String, String>,
    /// The region of the provider, for those of AWS: `eu-central-1`. Default: that of `AWS_REGION` or
    /// `AWS_DEFAULT_REGION`.
    pub region: Option<String>,
    /// Who signs requests to a provider of AWS, where there is no `apiKey`.
    pub aws: Option<AwsConfig>,
    /// The dialects to ask it in, best first; calls of others are translated to the first that can be. Default: all
    /// its vendor speaks.
    pub dialects: Option<Vec<String>>,
    /// The model to ask for, whatever the caller named. Default: what the caller named.
    pub model: Option<String>,
    /// The largest context of that model, in tokens. A call that does not fit goes on to a provider whose
    /// window is larger, and to none where that is not told.
    pub context_window: Option<u64>,
    /// How the usage of a streamed call is learnt where the upstream tells it only if asked.
    #[serde(default)]
    pub usage: UsageMode,
    /// Whether a call of another dialect is refused here rather than lose a field on its way. Default: no.
    #[serde(default)]
    pub strict: bool,
    /// The largest reply held in memory; streams are not bound by it. Default: 64 MiB.
    pub max_reply_bytes: Option<ByteSize>,
    /// How connections to the provider are made: certificates, HTTP version, proxy, pool. Default: HTTP/1.1,
    /// directly, trusting the system's certificate authorities.
    pub transport: Option<Transport>,
    /// The most calls it takes at a time. Default: no bound.
    pub max_concurrent: Option<u32>,
    /// Policies of this endpoint. They run for every attempt and replace the backend's of one name.
    #[serde(default)]
    pub policies: Vec<PolicyEntry>,
}

impl LlmConfig {
    /// The one provider it is about, where it has no groups; its settings leave this value. None where it names
    /// none.
    pub fn take_provider(&mut self) -> Option<ProviderConfig> {
        Some(ProviderConfig {
            name: None,
            weight: 1,
            provider: self.provider.take()?,
            base_url: self.base_url.take(),
            api_key: self.api_key.take(),
            options: std::mem::take(&mut self.options),
            region: self.region.take(),
            aws: self.aws.take(),
            dialects: self.dialects.take(),
            model: self.model.take(),
            context_window: None,
            usage: self.usage,
            strict: self.strict,
            max_reply_bytes: self.max_reply_bytes.take(),
            transport: self.transport.take(),
            max_concurrent: self.max_concurrent.take(),
            policies: std::mem::take(&mut self.policies),
        })
    }

    /// A key of a single provider that stands beside `groups`.
    pub(super) fn misplaced(&self) -> Option<&'static str> {
        let keys = [
            ("provider", self.provider.is_some()),
            ("baseUrl", self.base_url.is_some()),
            ("apiKey", self.api_key.is_some()),
            ("options", !self.options.is_empty()),
            ("region", self.region.is_some()),
            ("aws", self.aws.is_some()),
            ("dialects", self.dialects.is_some()),
            ("model", self.model.is_some()),
            ("usage", self.usage != UsageMode::default()),
            ("strict", self.strict),
            ("maxReplyBytes", self.max_reply_bytes.is_some()),
            ("transport", self.transport.is_some()),
            ("maxConcurrent", self.max_concurrent.is_some()),
            ("policies", !self.policies.is_empty()),
        ];
        keys.into_iter().find_map(|(key, set)| set.then_some(key))
    }
}

fn yes() -> bool {
    true
}

fn one() -> u32 {
    1
}
