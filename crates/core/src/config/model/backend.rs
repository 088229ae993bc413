//! Before the request line: where calls go, its body still JSON.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::value::MapAccessDeserializer;
use serde::de::{Error, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use crate::config::{Pointer, PolicyEntry};

/// Something that answers calls: `name`, `policies`, `export`, and one further key which names its kind.
/// `Debug` leaves the body out: it may hold secrets.
#[derive(Clone, PartialEq)]
#[non_exhaustive]
pub struct Backend {
    /// Its name; for one written inside a route, `route:` and the route's identity.
    pub name: String,
    /// Whether other projects may refer to it.
    pub export: bool,
    /// What happens to each attempt on it.
    pub policies: Vec<PolicyEntry>,
    /// The registered kind, as `llm` or `directResponse`; whether there is such a kind is found when it is built.
    pub kind: String,
    /// The kind's own configuration.
    pub body: Value,
    /// Where the backend stands.
    pub at: Pointer,
}

impl Backend {
    /// A backend without policies that stands nowhere in particular.
    pub fn new(name: impl Into<String>, kind: impl Into<String>, body: Value) -> Self {
        Self {
            name: name.into(),
            export: false,
            policies: Vec::new(),
            kind: kind.into(),
            body,
            at: Pointer::root(),
        }
    }

    /// Where the body stands; for [`decode`](crate::config::decode).
    #[must_use]
    pub fn body_at(&self) -> Pointer {
        self.at.key(&self.kind)
    }

    pub(crate) fn place(&mut self, at: &Pointer) {
        self.at = at.clone();
        PolicyEntry::place(&mut self.policies, at);
    }
}

impl fmt::Debug for Backend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Backend")
            .field("name", &self.name)
            .field("export", &self.export)
            .field("policies", &self.policies)
            .field("kind", &self.kind)
            .field("at", &self.at)
            .finish_non_exhaustive()
    }
}

impl<'de> Deserialize<'de> for Backend {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(BackendMap)
    }
}

impl JsonSchema for Backend {
    fn schema_name() -> Cow<'static, str> {
        "Backend".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "object"})
    }
}

struct BackendMap;

impl<'de> Visitor<'de> for BackendMap {
    type Value = Backend;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a backend: a mapping with its kind as a key")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Backend, A::Error> {
        let mut backend = Backend::new("", "", Value::Null);
        while let Some(key) = map.next_key::<String>()? {
            match key.as_str() {
                "name" => backend.name = map.next_value()?,
                "export" => backend.export = map.next_value()?,
                "policies" => backend.policies = map.next_value()?,
                _ if backend.kind.is_empty() => {
                    (backend.kind, backend.body) = (key, map.next_value()?);
                }
                _ => {
                    let first = &backend.kind;
                    return Err(A::Error::custom(format_args!(
                        "a backend has one kind, found `{first}` and `{key}`"
                    )));
                }
            }
        }
        if backend.kind.is_empty() {
            return Err(A::Error::custom(
                "a backend without a kind\nadd a key like `llm` or `directResponse`",
            ));
        }
        Ok(backend)
    }
}

/// Which backend a route uses.
#[derive(Clone, Debug, PartialEq)]
pub enum BackendRef {
    /// One by name, perhaps of another project which exports it.
    Named {
        /// The project, unless it is the route's own.
        project: Option<String>,
        /// The backend's name.
        name: String,
    },
    /// One written inside the route.
    Inline(Box<Backend>),
}

impl BackendRef {
    /// Reads `name` or `project/name`.
    ///
    /// # Errors
    ///
    /// If there is more than one slash, or nothing on one of its sides.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        let (project, name) = match text.split_once('/') {
            Some((project, name)) => (Some(project.to_owned()), name),
            None => (None, text),
        };
        if project.as_deref() == Some("") || name.is_empty() || name.contains('/') {
            return Err("expected a backend's name, or `project/name`");
        }
        Ok(Self::Named {
            project,
            name: name.to_owned(),
        })
    }
}

impl<'de> Deserialize<'de> for BackendRef {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Either)
    }
}

impl JsonSchema for BackendRef {
    fn schema_name() -> Cow<'static, str> {
        "BackendRef".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let inline = generator.subschema_for::<Backend>();
        json_schema!({
            "description": "A backend by name, `project/name` if another project exports it, or written in place.",
            "anyOf": [{"type": "string", "minLength": 1}, inline],
        })
    }
}

struct Either;

impl<'de> Visitor<'de> for Either {
    type Value = BackendRef;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a backend's name, or a backend")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<BackendRef, E> {
        BackendRef::parse(text).map_err(E::custom)
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<BackendRef, A::Error> {
        Backend::deserialize(MapAccessDeserializer::new(map))
            .map(Box::new)
            .map(BackendRef::Inline)
    }
}
