//! The `models` backend: its configuration.

use std::collections::HashMap;
use std::sync::Arc;

use portcullis_core::assemble::{Backend, BuildContext};
use portcullis_core::config::{ConfigError, Pointer};
use portcullis_core::llm::Llm;
use portcullis_core::protocol::ArcService;
use schemars::JsonSchema;
use serde::Deserialize;

use super::rule::{Rule, RuleError, choose};
use super::service::{Models, Target};

/// The backend `models`: a call's `model` picks the backend.
#[derive(Clone, Copy, Debug, Default)]
pub struct ModelsBackend;

/// Which models go where. Of the patterns that match, an exact name wins, then the longest prefix, then
/// the longest suffix, then `*`; their order does not matter.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct ModelsConfig(pub Vec<ModelRoute>);

/// One pattern.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ModelRoute {
    /// A model's name, or one with a `*` at its beginning or its end.
    #[serde(rename = "match")]
    pub pattern: String,
    /// The backend that serves it.
    pub backend: String,
    /// The name to ask that backend for; a `*` in it stands for what the pattern's star matched.
    pub rewrite: Option<String>,
}

impl ModelsConfig {
    /// The entry a call for `model` goes by, and the name that entry's backend is asked for. A call that
    /// names no model (`""`) goes by the only entry there is, or by `*`. Entries that are no pattern match
    /// nothing.
    pub fn pick(&self, model: &str) -> Option<(&ModelRoute, String)> {
        let mut rules: Vec<_> = self
            .0
            .iter()
            .filter_map(|route| Some((route, route.rule().ok()?)))
            .collect();
        rules.sort_by_key(|(_, rule)| rule.pattern.rank());
        let (index, asked) = choose(rules.iter().map(|(_, rule)| rule), model)?;
        Some((rules[index].0, asked))
    }
}

impl ModelRoute {
    fn rule(&self) -> Result<Rule, RuleError> {
        Rule::read(&self.pattern, self.rewrite.as_deref())
    }
}

impl Backend<Llm> for ModelsBackend {
    const NAME: &'static str = "models";
    type Config = ModelsConfig;

    fn service(
        &self,
        config: ModelsConfig,
        cx: &BuildContext<'_>,
    ) -> Result<ArcService<Llm>, ConfigError> {
        let mut first: HashMap<&str, usize> = HashMap::new();
        let mut targets = Vec::with_capacity(config.0.len());
        for (index, route) in config.0.iter().enumerate() {
            let at = Pointer::root().index(index);
            if let Some(before) = first.insert(&route.pattern, index) {
                let what = format!("the pattern `{}` stands twice", route.pattern);
                let other = cx.at().join(&Pointer::root().index(before));
                return Err(cx.error(&at.key("match"), what).other(other));
            }
            targets.push(target(route, &at, cx)?);
        }
        if targets.is_empty() {
            return Err(cx.error(
                &Pointer::root(),
                "no model goes anywhere: the list is empty",
            ));
        }
        targets.sort_by_key(|target| target.rule.pattern.rank());
        Ok(ArcService::new(Models::new(Arc::from(targets))))
    }
}

fn target(route: &ModelRoute, at: &Pointer, cx: &BuildContext<'_>) -> Result<Target, ConfigError> {
    let rule = route.rule();
    let rule = rule.map_err(|e| cx.error(&at.key(e.key()), e.to_string()))?;
    let service = cx.backend(&route.backend, &at.key("backend"))?;
    Ok(Target { rule, service })
}
