//! `jwtAuthentication` in configuration.

use std::path::PathBuf;
use std::sync::Arc;

use http::{HeaderName, Uri};
use portcullis_core::assemble::{BuildContext, Level, Policy, PolicyKind};
use portcullis_core::config::{ConfigError, Duration, Pointer};
use portcullis_core::protocol::{ArcLayer, Http};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

use super::{Algorithm, Issuer, JwtLayer, KeySet, RemoteKeys};

/// The policy `jwtAuthentication`, on listeners and routes: callers present a JSON web token.
#[derive(Clone, Copy, Debug, Default)]
pub struct JwtAuthentication;

/// Whose tokens are accepted.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct JwtConfig {
    /// Those who issue them.
    #[schemars(length(min = 1, max = 64))]
    pub providers: Vec<ProviderConfig>,
    /// Whether a call needs a token. Default: `Strict`.
    #[serde(default)]
    pub mode: Mode,
    /// Where the token is. Default: in `authorization`, behind `Bearer `.
    pub location: Option<Location>,
}

/// Who issues tokens, and which of them are accepted.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct ProviderConfig {
    /// The claim `iss` of its tokens.
    #[schemars(length(min = 1))]
    pub issuer: String,
    /// Whom a token must be for: one of these. Default: anyone.
    #[serde(default)]
    pub audiences: Vec<String>,
    /// Its keys.
    pub jwks: JwksConfig,
    /// Algorithms that are accepted. Default: those with a public key.
    #[serde(default)]
    pub algorithms: Vec<String>,
    /// Claims a token must have. Default: `exp`.
    #[serde(default = "required_claims")]
    pub required_claims: Vec<String>,
    /// By how much clocks may differ, in whole seconds. Default: 60s.
    pub clock_skew: Option<Duration>,
}

/// A JWK set.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub enum JwksConfig {
    /// Itself, as a mapping or as text.
    Inline(Value),
    /// A file it is in.
    File(PathBuf),
    /// Where it is fetched from: an `https` URL, or an `http` one of this machine.
    Url(String),
}

/// Whether a call needs a token.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
pub enum Mode {
    /// A call without a token, or with one that does not hold, is refused.
    #[default]
    Strict,
    /// A call without a token goes on, without a principal.
    Optional,
    /// So does one with a token that does not hold.
    Permissive,
}

/// Where a token is.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub enum Location {
    /// In a header.
    Header {
        /// Its name.
        name: String,
        /// What stands before the token. Default: nothing.
        #[serde(default)]
        prefix: String,
    },
}

/// More issuers than this are refused, as AgentgatewayPolicy does.
const MAX_PROVIDERS: usize = 64;
/// A longer skew would make expiry pointless.
const MAX_SKEW: std::time::Duration = std::time::Duration::from_secs(60 * 60);

fn required_claims() -> Vec<String> {
    vec!["exp".to_owned()]
}

impl PolicyKind for JwtAuthentication {
    const NAME: &'static str = "jwtAuthentication";
    const LEVELS: &'static [Level] = Level::CALL;
    type Config = JwtConfig;
}

impl Policy<Http> for JwtAuthentication {
    fn layer(
        &self,
        config: JwtConfig,
        cx: &BuildContext<'_>,
    ) -> Result<ArcLayer<Http>, ConfigError> {
        let list = Pointer::root().key("providers");
        if config.providers.is_empty() || config.providers.len() > MAX_PROVIDERS {
            return Err(cx.error(&list, "there must be 1 to 64 providers"));
        }
        let mut issuers: Vec<Issuer> = Vec::with_capacity(config.providers.len());
        for (index, provider) in config.providers.into_iter().enumerate() {
            let at = list.index(index);
            let same = |issuer: &Issuer| *issuer.name == *provider.issuer;
            if let Some(first) = issuers.iter().position(same) {
                let what = "two providers of the same issuer";
                let first = cx.at().join(&list.index(first));
                return Err(cx.error(&at.key("issuer"), what).other(first));
            }
            issuers.push(provider.read(&at, cx)?);
        }
        let layer = JwtLayer::new(issuers).mode(config.mode);
        Ok(ArcLayer::new(match config.location {
            None => layer,
            Some(Location::Header { name, prefix }) => {
                let at = Pointer::root().key("location").key("header").key("name");
                let name = name.parse::<HeaderName>();
                let name = name.map_err(|_| cx.error(&at, "not the name of a header"))?;
                layer.header(name, &prefix)
            }
        }))
    }
}

impl ProviderConfig {
    fn read(self, at: &Pointer, cx: &BuildContext<'_>) -> Result<Issuer, ConfigError> {
        let name: Arc<str> = self.issuer.into();
        let keys_at = at.key("jwks");
        let parse = |json: &[u8], at: &Pointer| {
            KeySet::parse(json).map_err(|e| cx.error(at, e.to_string()))
        };
        let mut issuer = match self.jwks {
            JwksConfig::Inline(Value::String(text)) => {
                Issuer::new(name, parse(text.as_bytes(), &keys_at.key("inline"))?)
            }
            JwksConfig::Inline(set) => Issuer::new(
                name,
                parse(set.to_string().as_bytes(), &keys_at.key("inline"))?,
            ),
            JwksConfig::File(path) => {
                let at = keys_at.key("file");
                let text = std::fs::read(&path);
                let text = text.map_err(|e| cx.error(&at, format!("cannot be read: {e}")))?;
                Issuer::new(name, parse(&text, &at)?)
            }
            JwksConfig::Url(url) => {
                let wrong = "expected an `https` URL, or an `http` one of this machine";
                let uri = fetchable(&url).ok_or_else(|| cx.error(&keys_at.key("url"), wrong))?;
                let make = || RemoteKeys::new(uri, cx.client());
                Issuer::remote(name, cx.state(&format!("keys {url}"), make))
            }
        };
        if !self.algorithms.is_empty() {
            let mut algorithms = Vec::with_capacity(self.algorithms.len());
            for (index, name) in self.algorithms.iter().enumerate() {
                let at = at.key("algorithms").index(index);
                let known = name.parse::<Algorithm>();
                algorithms
                    .push(known.map_err(|_| cx.error(&at, "not an algorithm of JSON web tokens"))?);
            }
            issuer = issuer.algorithms(algorithms);
        }
        if let Some(skew) = self.clock_skew {
            if skew.get() > MAX_SKEW {
                return Err(cx.error(&at.key("clockSkew"), "at most an hour"));
            }
            issuer = issuer.clock_skew(skew.get());
        }
        Ok(issuer
            .audiences(self.audiences)
            .required_claims(self.required_claims))
    }
}

/// A URL that keys may be fetched from: nobody on the way can change them.
fn fetchable(url: &str) -> Option<Uri> {
    let uri: Uri = url.parse().ok()?;
    let host = uri.host()?.trim_matches(['[', ']']);
    let local = host == "localhost"
        || host
            .parse()
            .is_ok_and(|ip: std::net::IpAddr| ip.is_loopback());
    let fits = match uri.scheme_str()? {
        "https" => true,
        "http" => local,
        _ => false,
    };
    fits.then_some(uri)
}
