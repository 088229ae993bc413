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
