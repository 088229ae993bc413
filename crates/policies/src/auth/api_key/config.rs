//! `apiKeyAuthentication` in configuration.

use jiff::Timestamp;
use portcullis_core::assemble::{BuildContext, Level, Policy, PolicyKind};
use portcullis_core::config::{ConfigError, Pointer, Secret};
use portcullis_core::protocol::{ArcLayer, Http};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::{ApiKey, ApiKeyLayer, DuplicateKey};

/// A longer id helps nobody, and ends up in records and metrics.
const MAX_ID: usize = 128;

/// The policy `apiKeyAuthentication`, on listeners and routes: callers present a key of the gateway.
#[derive(Clone, Copy, Debug, Default)]
pub struct ApiKeyAuthentication;

/// Which API keys are accepted, and whose they are.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct ApiKeyConfig {
    /// The keys.
    #[schemars(length(min = 1))]
    pub keys: Vec<KeyConfig>,
    /// Whether a call needs a key. Default: `strict`.
    #[serde(default)]
    pub mode: Mode,
}

/// One API key: itself in `key`, or its digest in `keyHash`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct KeyConfig {
    /// The key: visible ASCII characters. Only its digest is kept.
    pub key: Option<Secret>,
    /// The SHA-256 digest of the key: `sha256:` and 64 hexadecimal digits.
    #[schemars(regex(pattern = "^sha256:[0-9a-fA-F]{64}$"))]
    pub key_hash: Option<String>,
    /// Whose key it is, in limits, records and metrics. Several keys may share an id. Default: `key-` and
    /// the first eight digits of the digest.
    #[schemars(length(min = 1, max = 128))]
    pub id: Option<String>,
    /// From when on it is refused, as `2027-01-01T00:00:00Z`. Default: never.
    pub expires_at: Option<String>,
    /// The models its bearer may call: names, with a `*` before or behind for any beginning or end. Default: all.
    #[schemars(length(min = 1))]
    pub allowed_models: Option<Vec<String>>,
    /// Facts about its bearer, for other policies.
    pub metadata: Option<Map<String, Value>>,
}

/// Whether a call needs an API key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Mode {
    /// A call without a key is refused.
    #[default]
    #[serde(alias = "Strict")]
    Strict,
    /// A call without a key is let through, without a principal. A wrong key is still refused.
    #[serde(alias = "Optional")]
    Optional,
    /// So is a call with a wrong key: something else says who calls, or nobody does.
    #[serde(alias = "Permissive")]
    Permissive,
}

impl PolicyKind for ApiKeyAuthentication {
    const NAME: &'static str = "apiKeyAuthentication";
    const LEVELS: &'static [Level] = Level::CALL;
    type Config = ApiKeyConfig;
}

impl Policy<Http> for ApiKeyAuthentication {
    fn layer(
        &self,
        config: ApiKeyConfig,
        cx: &BuildContext<'_>,
    ) -> Result<ArcLayer<Http>, ConfigError> {
        let list = Pointer::root().key("keys");
        if config.keys.is_empty() {
            return Err(cx.error(&list, "no key is listed, so every call would be refused"));
        }
        let mut keys = Vec::with_capacity(config.keys.len());
        for (index, key) in config.keys.into_iter().enumerate() {
            keys.push(key.read(&list.index(index), cx)?);
        }
        let layer = ApiKeyLayer::new(keys).map_err(|DuplicateKey { first, second }| {
            cx.error(&list.index(second), "the same key is listed twice")
                .other(cx.at().join(&list.index(first)))
                .hint("leave one of the two out")
        })?;
        Ok(ArcLayer::new(layer.mode(config.mode)))
    }
}

impl KeyConfig {
    fn read(self, at: &Pointer, cx: &BuildContext<'_>) -> Result<ApiKey, ConfigError> {
        let mut key = match (&self.key, &self.key_hash) {
            (Some(key), None) if sendable(key.expose()) => ApiKey::new(key.expose()),
            (Some(_), None) => {
                let what = "a key consists of visible ASCII characters";
                return Err(cx.error(&at.key("key"), what));
            }
            (None, Some(hash)) => {
                ApiKey::hashed(hash).map_err(|e| cx.error(&at.key("keyHash"), e.to_string()))?
            }
            (None, None) => return Err(cx.error(at, "either `key` or `keyHash` is needed")),
            (Some(_), Some(_)) => {
                return Err(cx.error(at, "`key` and `keyHash` are both given, leave one out"));
            }
        };
        if let Some(id) = self.id {
            check_id(&id).map_err(|what| cx.error(&at.key("id"), what))?;
            key = key.id(id);
        }
        if let Some(written) = self.expires_at {
            let what = "expected a time like `2027-01-01T00:00:00Z`";
            let at_time = written.parse::<Timestamp>();
            key = key.expires(at_time.map_err(|_| cx.error(&at.key("expiresAt"), what))?);
        }
        if let Some(models) = self.allowed_models {
            if models.is_empty() {
                let what = "no model is listed, so the key would be of no use";
                return Err(cx.error(&at.key("allowedModels"), what));
            }
            key = key.models(models);
        }
        Ok(match self.metadata {
            Some(metadata) => key.metadata(metadata),
            None => key,
        })
    }
}

fn sendable(key: &str) -> bool {
    key.bytes().all(|b| b.is_ascii_graphic())
}

fn check_id(id: &str) -> Result<(), &'static str> {
    match id {
        "" => Err("the id is empty"),
        _ if id.len() > MAX_ID => Err("the id is longer than 128 bytes"),
        _ if id.chars().any(char::is_control) => Err("the id has control characters"),
        _ => Ok(()),
    }
}
