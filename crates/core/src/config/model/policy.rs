//! Before the request line: a policy in a list, its body still JSON.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Error, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use crate::config::Pointer;

/// One entry of a policy list: `rateLimit: {...}`, with `when: ...` beside it where it is for some calls only, and `id: ...` beside it where one list has the same
/// policy twice and its state must be told apart across changes. `Debug` leaves the body out: it may hold secrets.
#[derive(Clone, PartialEq)]
#[non_exhaustive]
pub struct PolicyEntry {
    /// The policy's registered name; whether there is such a policy is found when it is built.
    pub name: String,
    /// What tells two entries of one name apart.
    pub id: Option<String>,
    /// What must hold of a call for the policy to apply to it, as an expression. By default it always applies.
    pub when: Option<String>,
    /// The policy's own configuration.
    pub body: Value,
    /// Where the body stands; for [`decode`](crate::config::decode).
    pub at: Pointer,
    /// Where `when` stands.
    pub when_at: Pointer,
}

impl PolicyEntry {
    /// A policy that stands nowhere in particular.
    pub fn new(name: impl Into<String>, body: Value) -> Self {
        Self {
            name: name.into(),
            id: None,
            when: None,
            body,
            at: Pointer::root(),
            when_at: Pointer::root(),
        }
    }

    pub(crate) fn place(entries: &mut [Self], owner: &Pointer) {
        let list = owner.key("policies");
        for (index, entry) in entries.iter_mut().enumerate() {
            entry.at = list.index(index).key(&entry.name);
            entry.when_at = list.index(index).key("when");
        }
    }
}

impl fmt::Debug for PolicyEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PolicyEntry")
            .field("name", &self.name)
            .field("id", &self.id)
            .field("at", &self.at)
            .finish_non_exhaustive()
    }
}

impl<'de> Deserialize<'de> for PolicyEntry {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Entry)
    }
}

impl JsonSchema for PolicyEntry {
    fn schema_name() -> Cow<'static, str> {
        "PolicyEntry".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "object"})
    }
}

struct Entry;

impl<'de> Visitor<'de> for Entry {
    type Value = PolicyEntry;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a policy: a mapping from its name to its settings")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<PolicyEntry, A::Error> {
        let (mut named, mut id, mut when) = (None, None, None);
        while let Some(key) = map.next_key::<String>()? {
            match &named {
                _ if key == "id" => id = Some(map.next_value()?),
                _ if key == "when" => when = Some(map.next_value()?),
                None => named = Some((key, map.next_value()?)),
                Some((first, _)) => {
                    return Err(A::Error::custom(format_args!(
                        "an entry has one policy, found `{first}` and `{key}`\nstart the second with a `-` of its own"
                    )));
                }
            }
        }
        let (name, body) = named.ok_or_else(|| A::Error::custom("an entry without a policy"))?;
        Ok(PolicyEntry {
            id,
            when,
            ..PolicyEntry::new(name, body)
        })
    }
}
