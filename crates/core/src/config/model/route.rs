//! Before the request line: which requests go where, as data.

use std::fmt;

use schemars::JsonSchema;
use serde::de::value::{MapAccessDeserializer, SeqAccessDeserializer};
use serde::de::{Error, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};

use crate::config::{BackendRef, Pointer, PolicyEntry};

/// Requests of some form, what happens to them, and the backend they go to.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[non_exhaustive]
pub struct Route {
    /// Its name, unique in the project; a route without one is known by its matches.
    pub name: Option<String>,
    /// The listeners it is reached through, `project/name` for those another project exports; by default
    /// all of its own project.
    #[serde(default)]
    pub listeners: Vec<String>,
    /// The requests meant: any of these. By default every request.
    #[serde(
        rename = "match",
        default = "everything",
        deserialize_with = "one_or_many"
    )]
    #[schemars(with = "OneOrMany")]
    pub matches: Vec<RouteMatch>,
    /// What happens to them on the way.
    #[serde(default)]
    pub policies: Vec<PolicyEntry>,
    /// Where they go.
    pub backend: BackendRef,
    /// Where the route stands.
    #[serde(skip)]
    #[schemars(skip)]
    pub at: Pointer,
}

impl Route {
    /// An unnamed route for every request that stands nowhere in particular.
    #[must_use]
    pub fn new(backend: BackendRef) -> Self {
        Self {
            name: None,
            listeners: Vec::new(),
            matches: everything(),
            policies: Vec::new(),
            backend,
            at: Pointer::root(),
        }
    }

    /// The name in the route's [`ObjectId`](crate::config::ObjectId): its own, else its matches, with its
    /// listeners if it names any.
    #[must_use]
    pub fn identity(&self) -> String {
        if let Some(name) = &self.name {
            return name.clone();
        }
        let matches = self
            .matches
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
            .join(" | ");
        match self.listeners.as_slice() {
            [] => matches,
            listeners => format!("{matches} @ {}", listeners.join(" ")),
        }
    }

    pub(crate) fn place(&mut self, at: &Pointer) {
        self.at = at.clone();
        PolicyEntry::place(&mut self.policies, at);
        let identity = self.identity();
        if let BackendRef::Inline(backend) = &mut self.backend {
            backend.place(&at.key("backend"));
            // The colon keeps it apart from every backend that has a name of its own.
            backend.name = format!("route:{identity}");
        }
    }
}

/// What a request must have, all of it together; an empty one matches every request.
///
/// It displays as `POST api.example.com/v1* x-team=a ?beta=1`.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
#[non_exhaustive]
pub struct RouteMatch {
    /// The host, exact or with one leading `*.` label.
    pub host: Option<String>,
    /// The path.
    pub path: Option<PathMatch>,
    /// The header fields.
    pub headers: Vec<NamedMatch>,
    /// The query parameters.
    pub query: Vec<NamedMatch>,
    /// The method, in capitals.
    pub method: Option<String>,
}

impl fmt::Display for RouteMatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(method) = &self.method {
            write!(f, "{method} ")?;
        }
        f.write_str(self.host.as_deref().unwrap_or_default())?;
        match &self.path {
            None => f.write_str("/*"),
            Some(PathMatch::Exact(path)) => f.write_str(path),
            Some(PathMatch::Prefix(path)) => write!(f, "{path}*"),
            Some(PathMatch::Regex(path)) => write!(f, "~{path}"),
        }?;
        self.headers
            .iter()
            .try_for_each(|header| write!(f, " {header}"))?;
        self.query
            .iter()
            .try_for_each(|parameter| write!(f, " ?{parameter}"))
    }
}

/// What a path must be.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub enum PathMatch {
    /// This path.
    Exact(String),
    /// A path which starts with these whole segments: `/v1` matches `/v1/chat`, not `/v10`.
    Prefix(String),
    /// A path this regular expression matches as a whole.
    Regex(String),
}

/// What a header field or query parameter must be, written `{name: ..., value: ...}` or `{name: ..., regex: ...}`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(try_from = "Written")]
#[schemars(with = "Written")]
#[non_exhaustive]
pub struct NamedMatch {
    /// Its name.
    pub name: String,
    /// Its value.
    pub want: Want,
}

impl NamedMatch {
    /// Wants `name` to have a value.
    pub fn new(name: impl Into<String>, want: Want) -> Self {
        Self {
            name: name.into(),
            want,
        }
    }
}

impl fmt::Display for NamedMatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.want {
            Want::Exact(value) => write!(f, "{}={value}", self.name),
            Want::Regex(regex) => write!(f, "{}~{regex}", self.name),
        }
    }
}

/// What a value must be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Want {
    /// This text.
    Exact(String),
    /// A text this regular expression matches as a whole.
    Regex(String),
}

/// A header field or query parameter by its name, and what its value must be.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[schemars(rename = "NamedMatch")]
struct Written {
    /// Its name.
    name: String,
    /// The value it must have.
    value: Option<String>,
    /// The regular expression its whole value must match.
    regex: Option<String>,
}

impl TryFrom<Written> for NamedMatch {
    type Error = &'static str;

    fn try_from(written: Written) -> Result<Self, Self::Error> {
        let want = match (written.value, written.regex) {
            (Some(value), None) => Want::Exact(value),
            (None, Some(regex)) => Want::Regex(regex),
            _ => return Err("expected exactly one of `value` and `regex`"),
        };
        Ok(Self {
            name: written.name,
            want,
        })
    }
}

fn everything() -> Vec<RouteMatch> {
    vec![RouteMatch::default()]
}

/// One match, or a list of matches of which any will do.
#[derive(JsonSchema)]
#[schemars(untagged)]
#[expect(dead_code, reason = "describes the form for the schema only")]
enum OneOrMany {
    One(RouteMatch),
    Many(Vec<RouteMatch>),
}

fn one_or_many<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<RouteMatch>, D::Error> {
    deserializer.deserialize_any(Matches)
}

struct Matches;

impl<'de> Visitor<'de> for Matches {
    type Value = Vec<RouteMatch>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a match, or a list of matches")
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
        RouteMatch::deserialize(MapAccessDeserializer::new(map)).map(|one| vec![one])
    }

    fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<Self::Value, A::Error> {
        let many = Vec::deserialize(SeqAccessDeserializer::new(seq))?;
        if many.is_empty() {
            return Err(A::Error::custom(
                "an empty list matches nothing\nleave `match` out to match everything",
            ));
        }
        Ok(many)
    }
}
