//! One policy of a list made into a layer, conditions included.

use serde_json::Value;

use super::{BuildContext, RegisteredPolicy};
use crate::config::{ConfigError, PolicyEntry};
use crate::protocol::{ArcLayer, Protocol};

/// The key of alternatives in a policy's body.
pub(super) const ALTERNATIVES: &str = "conditional";

/// Whether an entry works on the decoded call although its policy also works on HTTP: its settings or its
/// conditions ask what only the call has.
pub(super) fn is_typed(policy: &RegisteredPolicy, entry: &PolicyEntry) -> bool {
    let reads = |condition: &Value| condition.as_str().is_some_and(reads_call);
    let alternative = |alternative: &Value| {
        alternative.get("condition").is_some_and(reads)
            || alternative
                .get("policy")
                .is_some_and(|body| policy.is_typed(body))
    };
    entry.when.as_deref().is_some_and(reads_call)
        || match alternatives(entry) {
            Some(alternatives) => alternatives.iter().any(alternative),
            None => policy.is_typed(&entry.body),
        }
}

/// The layer of an entry for protocol `P`, which the policy speaks.
///
/// # Errors
///
/// When its settings or conditions make no sense.
pub(super) fn layer<P: Protocol>(
    policy: &RegisteredPolicy,
    entry: &PolicyEntry,
    cx: &BuildContext<'_>,
) -> Result<ArcLayer<P>, ConfigError> {
    let kind = policy.for_protocol::<P>().ok_or_else(|| {
        let what = format!("policy `{}` does not work on {} calls", entry.name, P::NAME);
        ConfigError::new(&entry.at, what).on_key()
    })?;
    let state = match &entry.id {
        Some(id) => format!("{} {id}", entry.name),
        None => entry.name.clone(),
    };
    let cx = cx.of_policy(state);
    if alternatives(entry).is_none() && entry.when.is_none() {
        return kind.layer(&entry.body, &cx);
    }
    conditional::layer(policy.name, kind.as_ref(), entry, &cx)
}

fn alternatives(entry: &PolicyEntry) -> Option<&Vec<Value>> {
    entry.body.get(ALTERNATIVES)?.as_array()
}

#[cfg(feature = "cel")]
fn reads_call(condition: &str) -> bool {
    crate::expr::Cel::new(condition).is_ok_and(|condition| condition.is_typed())
}

#[cfg(not(feature = "cel"))]
fn reads_call(_: &str) -> bool {
    false
}

#[cfg(feature = "cel")]
mod conditional {
    use serde::Deserialize;

    use super::super::conditional::{Alternative, choose};
    use super::super::registry::AnyPolicy;
    use super::*;
    use crate::config::{Pointer, decode};
    use crate::expr::Cel;

    /// More alternatives than this are refused, as AgentgatewayPolicy does.
    const MAX_ALTERNATIVES: usize = 16;

    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Alternatives {
        conditional: Vec<Written>,
    }

    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Written {
        condition: Option<Cel>,
        policy: Value,
    }

    pub(super) fn layer<P: Protocol>(
        name: &'static str,
        kind: &dyn AnyPolicy<P>,
        entry: &PolicyEntry,
        cx: &BuildContext<'_>,
    ) -> Result<ArcLayer<P>, ConfigError> {
        let layer = match alternatives(entry) {
            None => kind.layer(&entry.body, cx)?,
            Some(_) => choose(name, written(kind, entry, cx)?),
        };
        let Some(when) = &entry.when else {
            return Ok(layer);
        };
        let condition = Cel::new(when)
            .map_err(|e| ConfigError::new(&entry.when_at, e.to_string()))
            .and_then(|cel| boolean(cel, &entry.when_at))?;
        let condition = Some(condition);
        Ok(choose(name, vec![Alternative { condition, layer }]))
    }

    fn written<P: Protocol>(
        kind: &dyn AnyPolicy<P>,
        entry: &PolicyEntry,
        cx: &BuildContext<'_>,
    ) -> Result<Vec<Alternative<P>>, ConfigError> {
        let Alternatives { conditional } = decode(&entry.body, &entry.at)?;
        let list = entry.at.key(ALTERNATIVES);
        let last = conditional.len().saturating_sub(1);
        if conditional.is_empty() || conditional.len() > MAX_ALTERNATIVES {
            let what = "there must be 1 to 16 alternatives";
            return Err(ConfigError::new(list, what));
        }
        let mut made = Vec::with_capacity(conditional.len());
        for (index, alternative) in conditional.into_iter().enumerate() {
            let at: Pointer = list.index(index);
            let condition = match alternative.condition {
                Some(condition) => Some(boolean(condition, &at.key("condition"))?),
                None if index == last => None,
                None => {
                    let what =
                        "an alternative without a condition always applies, so it must be last";
                    return Err(ConfigError::new(at, what));
                }
            };
            let cx = cx.of_alternative(index, at.key("policy"));
            let layer = kind.layer(&alternative.policy, &cx)?;
            made.push(Alternative { condition, layer });
        }
        Ok(made)
    }

    fn boolean(condition: Cel, at: &Pointer) -> Result<Cel, ConfigError> {
        if condition.may_be_boolean() {
            return Ok(condition);
        }
        Err(ConfigError::new(at, "a condition must be true or false"))
    }
}

#[cfg(not(feature = "cel"))]
mod conditional {
    use super::super::registry::AnyPolicy;
    use super::*;

    pub(super) fn layer<P: Protocol>(
        _: &'static str,
        _: &dyn AnyPolicy<P>,
        entry: &PolicyEntry,
        _: &BuildContext<'_>,
    ) -> Result<ArcLayer<P>, ConfigError> {
        let what = "this build leaves out the expressions that conditions are written in";
        let at = if entry.when.is_some() {
            entry.when_at.clone()
        } else {
            entry.at.key(ALTERNATIVES)
        };
        Err(ConfigError::new(at, what).hint("build with the feature `cel`"))
    }
}
