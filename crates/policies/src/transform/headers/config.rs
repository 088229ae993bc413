//! `headerModifiers` in configuration.

use http::header::{CONTENT_LENGTH, HOST};
use http::{HeaderName, HeaderValue};
use portcullis_core::assemble::{BuildContext, Merge, Policy, PolicyKind};
use portcullis_core::config::{ConfigError, Pointer, Secret};
use portcullis_core::protocol::{ArcLayer, Http};
use portcullis_core::upstream::is_hop;
use schemars::JsonSchema;
use serde::Deserialize;

use super::{HeaderEdits, HeaderModifiersLayer};

/// The policy `headerModifiers`: headers of request and reply removed, set and added.
#[derive(Clone, Copy, Debug, Default)]
pub struct HeaderModifiersPolicy;

/// Edits of the headers of requests and replies.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct HeaderModifiersConfig {
    /// Edits of the request.
    #[serde(default)]
    pub request: HeaderFilter,
    /// Edits of the reply.
    #[serde(default)]
    pub response: HeaderFilter,
}

/// Edits of one head: first `remove`, then `set`, then `add`.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct HeaderFilter {
    /// Headers given a value in place of all they had; each name once.
    #[serde(default)]
    pub set: Vec<Header>,
    /// Headers given one more value.
    #[serde(default)]
    pub add: Vec<Header>,
    /// Names of headers removed with all their values; each once.
    #[serde(default)]
    pub remove: Vec<String>,
}

/// A header and its value.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Header {
    /// The name, in upper or lower case.
    pub name: String,
    /// The value, which may be a credential and is not printed.
    pub value: Secret,
}

impl PolicyKind for HeaderModifiersPolicy {
    const NAME: &'static str = "headerModifiers";
    const MERGE: Merge = Merge::Accumulate;
    type Config = HeaderModifiersConfig;
}

impl Policy<Http> for HeaderModifiersPolicy {
    fn layer(
        &self,
        config: HeaderModifiersConfig,
        cx: &BuildContext<'_>,
    ) -> Result<ArcLayer<Http>, ConfigError> {
        let root = Pointer::root();
        let read = |filter: &HeaderFilter, key| {
            filter
                .read()
                .map_err(|e| e.under(&cx.at().join(&root.key(key))))
        };
        Ok(ArcLayer::new(
            HeaderModifiersLayer::new()
                .request(read(&config.request, "request")?)
                .response(read(&config.response, "response")?),
        ))
    }
}

impl HeaderFilter {
    fn read(&self) -> Result<HeaderEdits, ConfigError> {
        let mut edits = HeaderEdits::new();
        let list = Pointer::root().key("remove");
        let mut removed = Vec::new();
        for (index, name) in self.remove.iter().enumerate() {
            let at = list.index(index);
            let name = read_name(name, &at)?;
            once(&mut removed, &name, at)?;
            edits = edits.remove(name);
        }
        let list = Pointer::root().key("set");
        let mut set = Vec::new();
        for (index, header) in self.set.iter().enumerate() {
            let at = list.index(index);
            let (name, value) = header.read(&at)?;
            once(&mut set, &name, at.key("name"))?;
            edits = edits.set(name, value);
        }
        let list = Pointer::root().key("add");
        for (index, header) in self.add.iter().enumerate() {
            let (name, value) = header.read(&list.index(index))?;
            edits = edits.add(name, value);
        }
        Ok(edits)
    }
}

impl Header {
    fn read(&self, at: &Pointer) -> Result<(HeaderName, HeaderValue), ConfigError> {
        let name = read_name(&self.name, &at.key("name"))?;
        let mut value = HeaderValue::from_str(self.value.expose()).map_err(|_| {
            let what = "a header's value is one line of visible ASCII characters and spaces";
            ConfigError::new(at.key("value"), what)
        })?;
        value.set_sensitive(true);
        Ok((name, value))
    }
}

fn read_name(name: &str, at: &Pointer) -> Result<HeaderName, ConfigError> {
    let name: HeaderName = name
        .parse()
        .map_err(|_| ConfigError::new(at, "not a header's name"))?;
    if name == HOST || name == CONTENT_LENGTH || is_hop(&name) {
        let what = format!("`{name}` belongs to the connection, which the gateway keeps itself");
        return Err(ConfigError::new(at, what));
    }
    Ok(name)
}

fn once(
    before: &mut Vec<(HeaderName, Pointer)>,
    name: &HeaderName,
    at: Pointer,
) -> Result<(), ConfigError> {
    match before.iter().find(|(other, _)| other == name) {
        Some((_, first)) => {
            Err(ConfigError::new(at, format!("`{name}` is listed twice")).other(first.clone()))
        }
        None => {
            before.push((name.clone(), at));
            Ok(())
        }
    }
}
