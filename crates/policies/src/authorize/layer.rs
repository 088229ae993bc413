//! Which calls pass.

use std::fmt;
use std::sync::Arc;

use ipnet::IpNet;
use portcullis_core::context::{Context, Decision};
use portcullis_core::error::Error;
use portcullis_core::expr::{Cel, EvalError, Facts};
use tower_layer::Layer;

use super::{Authorization, AuthorizationPolicy, Rule};
use crate::{codes, note};

/// Lets calls pass that its rules do not refuse. Clones share the rules.
#[derive(Clone, Debug)]
pub struct AuthorizationLayer(Arc<Rules>);

#[derive(Clone, Debug, Default)]
struct Rules {
    allow: Vec<Cel>,
    deny: Vec<Cel>,
    require: Vec<Cel>,
    allow_from: Vec<IpNet>,
    deny_from: Vec<IpNet>,
}

impl AuthorizationLayer {
    /// Lets pass what these rules do not refuse; without any, everything.
    pub fn new(rules: impl IntoIterator<Item = Rule>) -> Self {
        let mut all = Rules::default();
        for rule in rules {
            match rule {
                Rule::Allow(cel) => all.allow.push(cel),
                Rule::Deny(cel) => all.deny.push(cel),
                Rule::Require(cel) => all.require.push(cel),
            }
        }
        Self(Arc::new(all))
    }

    /// Refuses callers at other addresses than these; none are no bound.
    #[must_use]
    pub fn allow_addresses(mut self, ranges: impl IntoIterator<Item = IpNet>) -> Self {
        Arc::make_mut(&mut self.0).allow_from.extend(ranges);
        self
    }

    /// Refuses callers at these addresses.
    #[must_use]
    pub fn deny_addresses(mut self, ranges: impl IntoIterator<Item = IpNet>) -> Self {
        Arc::make_mut(&mut self.0).deny_from.extend(ranges);
        self
    }

    /// Whether a call passes, noted in its record.
    pub(super) fn admit(&self, context: &Context, facts: &Facts<'_>) -> Result<(), Error> {
        use portcullis_core::assemble::PolicyKind as _;

        let judged = self.0.addresses(context).and_then(|()| self.0.rules(facts));
        let decision = match judged {
            Ok(()) => Decision::Allowed,
            Err(_) => Decision::Refused,
        };
        note(context, AuthorizationPolicy::NAME, decision);
        judged.map_err(|why| {
            let code = &codes::NOT_AUTHORIZED;
            Error::new(code, "you are not allowed to make this call").because(why)
        })
    }
}

impl Rules {
    fn addresses(&self, context: &Context) -> Result<(), Why> {
        if self.allow_from.is_empty() && self.deny_from.is_empty() {
            return Ok(());
        }
        let address = context.source().and_then(|source| source.address);
        let address = address.ok_or(Why::NoAddress)?.ip().to_canonical();
        let within = |ranges: &[IpNet]| ranges.iter().any(|range| range.contains(&address));
        if within(&self.deny_from) || !(self.allow_from.is_empty() || within(&self.allow_from)) {
            return Err(Why::Address);
        }
        Ok(())
    }

    fn rules(&self, facts: &Facts<'_>) -> Result<(), Why> {
        for rule in &self.deny {
            match rule.test(facts) {
                Ok(false) => {}
                Ok(true) => return Err(Why::Denied(rule.clone())),
                Err(e) => return Err(Why::Failed(e)),
            }
        }
        for rule in &self.require {
            match rule.test(facts) {
                Ok(true) => {}
                Ok(false) => return Err(Why::Missing(rule.clone())),
                Err(e) => return Err(Why::Failed(e)),
            }
        }
        let mut failed = None;
        for rule in &self.allow {
            match rule.test(facts) {
                Ok(true) => return Ok(()),
                Ok(false) => {}
                Err(e) => failed = Some(e),
            }
        }
        match failed {
            _ if self.allow.is_empty() => Ok(()),
            Some(e) => Err(Why::Failed(e)),
            None => Err(Why::NoneAllows),
        }
    }
}

/// Why a call does not pass, for the log.
#[derive(Debug)]
enum Why {
    NoAddress,
    Address,
    Denied(Cel),
    Missing(Cel),
    NoneAllows,
    Failed(EvalError),
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoAddress => f.write_str("the caller's address is not known"),
            Self::Address => f.write_str("the caller's address is not allowed"),
            Self::Denied(rule) => write!(f, "`{rule}` denies it"),
            Self::Missing(rule) => write!(f, "`{rule}` is required"),
            Self::NoneAllows => f.write_str("no rule allows it"),
            Self::Failed(e) => write!(f, "a rule could not be evaluated: {e}"),
        }
    }
}

impl std::error::Error for Why {}

impl<S> Layer<S> for AuthorizationLayer {
    type Service = Authorization<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Authorization::new(inner, self.clone())
    }
}
