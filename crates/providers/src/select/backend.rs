//! The `models` backend: its configuration.

use std::collections::HashMap;

use portcullis_core::assemble::{Backend, BuildContext};
use portcullis_core::config::{ConfigError, Pointer};
use portcullis_core::llm::Llm;
use portcullis_core::protocol::ArcService;
use schemars::JsonSchema;
use serde::Deserialize;

use super::Pattern;
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
    /// names no model (`""`) goes by the only entry there is, or by `*`, and still names none. Entries that
    /// are no pattern match nothing.
    ///
    /// ```
    /// use portcullis_providers::select::ModelsConfig;
    ///
    /// let config: ModelsConfig = serde_json::from_value(serde_json::json!([
    ///     {"match": "*", "backend": "rest"},
    ///     {"match": "claude-*", "backend": "anthropic", "rewrite": "claude-*-latest"},
    /// ]))?;
    /// let (entry, asked) = config.pick("claude-opus").expect("`claude-*` matches it");
    /// assert_eq!((&*entry.backend, &*asked), ("anthropic", "claude-opus-latest"));
    /// # Ok::<(), serde_json::Error>(())
    /// ```
    pub fn pick(&self, model: &str) -> Option<(&ModelRoute, String)> {
        if let ("", [only]) = (model, &*self.0) {
            return Some((only, String::new()));
        }
        let patterns = self.0.iter().filter_map(|route| {
            let pattern = Pattern::parse(&route.pattern).ok()?;
            pattern.matched(model).is_some().then_some((route, pattern))
        });
        let (route, pattern) = patterns.min_by_key(|(_, pattern)| pattern.rank())?;
        let rewrite = route.rewrite.as_deref().filter(|_| !model.is_empty());
        let rewrite = rewrite.and_then(|to| Pattern::template(to).ok());
        let asked = match rewrite {
            Some(rewrite) => rewrite.fill(pattern.matched(model)?),
            None => model.to_owned(),
        };
        Some((route, asked))
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
        targets.sort_by_key(|target| target.pattern.rank());
        Ok(ArcService::new(Models {
            targets: targets.into(),
        }))
    }
}

fn target(route: &ModelRoute, at: &Pointer, cx: &BuildContext<'_>) -> Result<Target, ConfigError> {
    let pattern =
        Pattern::parse(&route.pattern).map_err(|e| cx.error(&at.key("match"), e.to_string()))?;
    let rewrite = route.rewrite.as_deref().map(Pattern::template).transpose();
    let rewrite = rewrite.map_err(|e| cx.error(&at.key("rewrite"), e.to_string()))?;
    if rewrite.as_ref().is_some_and(Pattern::has_star) && !pattern.has_star() {
        return Err(cx.error(
            &at.key("rewrite"),
            "a `*` here needs one in `match` to stand for",
        ));
    }
    let service = cx.backend(&route.backend, &at.key("backend"))?;
    Ok(Target {
        pattern,
        rewrite,
        service,
    })
}
