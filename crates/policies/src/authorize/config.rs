//! `authorization` in configuration.

use std::net::IpAddr;

use ipnet::IpNet;
use portcullis_core::assemble::{BuildContext, Merge, Policy, PolicyKind};
use portcullis_core::config::{ConfigError, Pointer};
use portcullis_core::expr::Cel;
use portcullis_core::llm::Llm;
use portcullis_core::protocol::{ArcLayer, Http};
use schemars::JsonSchema;
use serde::Deserialize;

use super::AuthorizationLayer;

/// The policy `authorization`, on every level: rules say which calls pass.
#[derive(Clone, Copy, Debug, Default)]
pub struct AuthorizationPolicy;

/// Which calls pass.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct AuthorizationConfig {
    /// The rules, in any order.
    #[schemars(length(max = 256))]
    pub rules: Vec<Rule>,
    /// Rules of one action, as AgentgatewayPolicy has them.
    pub policy: Option<MatchConfig>,
    /// What the expressions of `policy` do. Default: `Allow`.
    pub action: Option<Action>,
    /// Addresses that may call, or may not.
    pub ip: Option<IpConfig>,
}

/// One rule: what a call does not pass with, or needs to pass.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub enum Rule {
    /// One of those of which at least one must hold.
    Allow(Cel),
    /// It must not hold.
    Deny(Cel),
    /// It must hold.
    Require(Cel),
}

/// The expressions of one action.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct MatchConfig {
    /// The expressions.
    #[schemars(length(min = 1, max = 256))]
    pub match_expressions: Vec<Cel>,
}

/// What an expression that holds does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
pub enum Action {
    /// At least one must hold.
    #[default]
    Allow,
    /// None may hold.
    Deny,
    /// All must hold.
    Require,
}

/// Ranges of addresses, as `10.0.0.0/8` or one address.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct IpConfig {
    /// Only these may call. Default: all.
    pub allow: Vec<String>,
    /// These may not call. Default: none.
    pub deny: Vec<String>,
}

/// More rules than this in one policy are refused.
const MAX_RULES: usize = 256;

impl PolicyKind for AuthorizationPolicy {
    const NAME: &'static str = "authorization";
    const MERGE: Merge = Merge::Accumulate;
    type Config = AuthorizationConfig;

    fn is_typed(config: &AuthorizationConfig) -> bool {
        config.expressions().any(|(_, cel)| cel.is_typed())
    }
}

impl Policy<Http> for AuthorizationPolicy {
    fn layer(
        &self,
        config: AuthorizationConfig,
        cx: &BuildContext<'_>,
    ) -> Result<ArcLayer<Http>, ConfigError> {
        config.read(cx).map(ArcLayer::new)
    }
}

impl Policy<Llm> for AuthorizationPolicy {
    fn layer(
        &self,
        config: AuthorizationConfig,
        cx: &BuildContext<'_>,
    ) -> Result<ArcLayer<Llm>, ConfigError> {
        config.read(cx).map(ArcLayer::new)
    }
}

impl Rule {
    /// Its expression.
    pub fn expression(&self) -> &Cel {
        match self {
            Self::Allow(cel) | Self::Deny(cel) | Self::Require(cel) => cel,
        }
    }
}

impl AuthorizationConfig {
    /// Every expression, with its place.
    fn expressions(&self) -> impl Iterator<Item = (Pointer, &Cel)> {
        let rules = self.rules.iter().enumerate();
        let rules = rules.map(|(index, rule)| {
            let at = Pointer::root().key("rules").index(index);
            (at, rule.expression())
        });
        let list = Pointer::root().key("policy").key("matchExpressions");
        let matches = self.policy.iter().flat_map(|p| &p.match_expressions);
        let matches = matches.enumerate();
        rules.chain(matches.map(move |(index, cel)| (list.index(index), cel)))
    }

    fn read(self, cx: &BuildContext<'_>) -> Result<AuthorizationLayer, ConfigError> {
        let root = Pointer::root();
        if self.action.is_some() && self.policy.is_none() {
            let what = "`action` is for the expressions of `policy`, and there are none";
            return Err(cx.error(&root.key("action"), what));
        }
        let mut count = 0;
        for (at, cel) in self.expressions() {
            count += 1;
            if !cel.may_be_boolean() {
                return Err(cx.error(&at, "a rule must be true or false"));
            }
        }
        let ip = self.ip.unwrap_or_default();
        if count > MAX_RULES {
            return Err(cx.error(&root, "more than 256 rules"));
        }
        if count == 0 && ip.allow.is_empty() && ip.deny.is_empty() {
            return Err(cx.error(&root, "there is no rule, so nothing would be refused"));
        }
        let at = root.key("ip");
        let allow = ranges(&ip.allow, &at.key("allow"), cx)?;
        let deny = ranges(&ip.deny, &at.key("deny"), cx)?;
        let action = self.action.unwrap_or_default();
        let matches = self.policy.into_iter().flat_map(|p| p.match_expressions);
        let matches = matches.map(|cel| match action {
            Action::Allow => Rule::Allow(cel),
            Action::Deny => Rule::Deny(cel),
            Action::Require => Rule::Require(cel),
        });
        let rules = self.rules.into_iter().chain(matches);
        Ok(AuthorizationLayer::new(rules)
            .allow_addresses(allow)
            .deny_addresses(deny))
    }
}

fn ranges(
    written: &[String],
    list: &Pointer,
    cx: &BuildContext<'_>,
) -> Result<Vec<IpNet>, ConfigError> {
    let range = |(index, text): (usize, &String)| {
        let address = || text.parse::<IpAddr>().ok().map(IpNet::from);
        text.parse()
            .ok()
            .or_else(address)
            .ok_or_else(|| cx.error(&list.index(index), "not a range of addresses"))
    };
    written.iter().enumerate().map(range).collect()
}
