//! Before the request line: typed values from JSON, with the place of every error.

use serde::de::value::StrDeserializer;
use serde::de::{
    DeserializeOwned, DeserializeSeed, Deserializer, EnumAccess, Error as _, Expected,
    IntoDeserializer, MapAccess, SeqAccess, Unexpected, VariantAccess, Visitor,
};
use serde::forward_to_deserialize_any;
use serde_json::Value;
use serde_json::map::Iter;

use crate::config::fault::Fault;
use crate::config::{ConfigError, Pointer};

/// Makes a `T` of the `value` that stands at `at`.
///
/// Unlike `serde_json::from_value` it reads mappings only from mappings, never from lists by position.
/// An error raised by a `Deserialize` impl through `Error::custom` may carry a hint behind a line break.
///
/// # Errors
///
/// The first thing that does not fit, at its own place: an unknown key at the key, with the nearest known
/// one as hint. Strings found are not repeated in the message, since they may be secret.
pub fn decode<T: DeserializeOwned>(value: &Value, at: &Pointer) -> Result<T, ConfigError> {
    T::deserialize(Tree(value)).map_err(|fault| fault.into_error().under(at))
}

#[derive(Clone, Copy)]
struct Tree<'a>(&'a Value);

impl Tree<'_> {
    fn unfit(self, wanted: &dyn Expected) -> Fault {
        let found = match self.0 {
            Value::Null => Unexpected::Unit,
            Value::Bool(b) => Unexpected::Bool(*b),
            Value::Number(n) => match (n.as_u64(), n.as_i64()) {
                (Some(n), _) => Unexpected::Unsigned(n),
                (None, Some(n)) => Unexpected::Signed(n),
                (None, None) => Unexpected::Float(n.as_f64().unwrap_or(f64::NAN)),
            },
            Value::String(text) => Unexpected::Str(text),
            Value::Array(_) => Unexpected::Seq,
            Value::Object(_) => Unexpected::Map,
        };
        Fault::invalid_type(found, wanted)
    }
}

impl<'de> Deserializer<'de> for Tree<'_> {
    type Error = Fault;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        match self.0 {
            Value::Null => visitor.visit_unit(),
            Value::Bool(b) => visitor.visit_bool(*b),
            Value::Number(n) => match (n.as_u64(), n.as_i64()) {
                (Some(n), _) => visitor.visit_u64(n),
                (None, Some(n)) => visitor.visit_i64(n),
                (None, None) => visitor.visit_f64(n.as_f64().unwrap_or(f64::NAN)),
            },
            Value::String(text) => visitor.visit_str(text),
            Value::Array(items) => {
                let mut items = Items { items, next: 0 };
                let value = visitor.visit_seq(&mut items)?;
                items.end()?;
                Ok(value)
            }
            Value::Object(map) => visitor.visit_map(Entries {
                rest: map.iter(),
                current: None,
            }),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        if self.0.is_null() {
            visitor.visit_none()
        } else {
            visitor.visit_some(self)
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Fault> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Fault> {
        match self.0 {
            Value::Object(_) => self.deserialize_any(visitor),
            _ => Err(self.unfit(&"a mapping")),
        }
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Fault> {
        match self.0 {
            Value::String(name) => {
                visitor.visit_enum(IntoDeserializer::<Fault>::into_deserializer(name.as_str()))
            }
            Value::Object(map) => match (map.len(), map.iter().next()) {
                (1, Some((key, value))) => visitor.visit_enum(Variant { key, value }),
                (n, _) => Err(Fault::custom(format_args!(
                    "expected exactly one key, found {n}"
                ))),
            },
            _ => Err(self.unfit(&"a name, or a mapping with one key")),
        }
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        visitor.visit_unit()
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf
        unit unit_struct seq tuple tuple_struct map identifier
    }
}

struct Items<'a> {
    items: &'a [Value],
    next: usize,
}

impl Items<'_> {
    fn end(&self) -> Result<(), Fault> {
        if self.next == self.items.len() {
            return Ok(());
        }
        let (most, found) = (self.next, self.items.len());
        Err(Fault::custom(format_args!(
            "expected at most {most} items, found {found}"
        )))
    }
}

impl<'de> SeqAccess<'de> for Items<'_> {
    type Error = Fault;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, Fault> {
        let Some(item) = self.items.get(self.next) else {
            return Ok(None);
        };
        let at = self.next;
        self.next += 1;
        seed.deserialize(Tree(item))
            .map(Some)
            .map_err(|fault| fault.at_index(at))
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.items.len() - self.next)
    }
}

struct Entries<'a> {
    rest: Iter<'a>,
    current: Option<(&'a str, &'a Value)>,
}

impl<'de> MapAccess<'de> for Entries<'_> {
    type Error = Fault;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, Fault> {
        let Some((key, value)) = self.rest.next() else {
            return Ok(None);
        };
        self.current = Some((key, value));
        seed.deserialize(StrDeserializer::new(key))
            .map(Some)
            .map_err(|fault: Fault| fault.at_key(key).on_key())
    }

    fn next_value_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<T::Value, Fault> {
        let (key, value) = self
            .current
            .take()
            .expect("serde asks for a key before its value");
        seed.deserialize(Tree(value))
            .map_err(|fault| fault.at_key(key))
    }
}

/// A variant written as a mapping with one key, which is its name.
struct Variant<'a> {
    key: &'a str,
    value: &'a Value,
}

impl<'de> EnumAccess<'de> for Variant<'_> {
    type Error = Fault;
    type Variant = Self;

    fn variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<(T::Value, Self), Fault> {
        let name = seed
            .deserialize(StrDeserializer::new(self.key))
            .map_err(|fault: Fault| fault.at_key(self.key).on_key())?;
        Ok((name, self))
    }
}

impl<'de> VariantAccess<'de> for Variant<'_> {
    type Error = Fault;

    fn unit_variant(self) -> Result<(), Fault> {
        let nothing = self.value.is_null();
        nothing
            .then_some(())
            .ok_or_else(|| Tree(self.value).unfit(&"nothing").at_key(self.key))
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, Fault> {
        seed.deserialize(Tree(self.value))
            .map_err(|fault| fault.at_key(self.key))
    }

    fn tuple_variant<V: Visitor<'de>>(self, _len: usize, visitor: V) -> Result<V::Value, Fault> {
        Tree(self.value)
            .deserialize_any(visitor)
            .map_err(|fault| fault.at_key(self.key))
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Fault> {
        Tree(self.value)
            .deserialize_struct("", fields, visitor)
            .map_err(|fault| fault.at_key(self.key))
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;
    use serde_json::json;

    use super::*;

    #[derive(Debug, Deserialize, PartialEq)]
    #[serde(deny_unknown_fields, rename_all = "camelCase")]
    struct Policy {
        max_tokens: u16,
        unit: Option<Unit>,
        #[serde(default)]
        rules: Vec<Rule>,
        pair: Option<(u8, u8)>,
    }

    #[derive(Debug, Deserialize, PartialEq)]
    enum Unit {
        Second,
        Minute,
    }

    #[derive(Debug, Deserialize, PartialEq)]
    #[serde(deny_unknown_fields, rename_all = "camelCase")]
    enum Rule {
        Exact(String),
        Range { from: u8 },
    }

    fn refused(value: &Value) -> String {
        decode::<Policy>(value, &Pointer::root().key("p"))
            .unwrap_err()
            .to_string()
    }

    #[test]
    fn a_fitting_value_becomes_the_type() {
        let value = json!({"maxTokens": 5, "unit": "Minute", "rules": [{"exact": "a"}, {"range": {"from": 1}}], "pair": [1, 2]});
        let policy: Policy = decode(&value, &Pointer::root()).unwrap();
        assert_eq!(
            policy.rules,
            [Rule::Exact("a".into()), Rule::Range { from: 1 }]
        );
        assert_eq!(
            (policy.max_tokens, policy.unit, policy.pair),
            (5, Some(Unit::Minute), Some((1, 2)))
        );
    }

    #[test]
    fn errors_name_their_place_and_what_was_probably_meant() {
        let cases = [
            (
                json!({"max_tokens": 5}),
                "/p/max_tokens: unknown key `max_tokens` (did you mean `maxTokens`?)",
            ),
            (
                json!({"maxTokens": 5, "zzz": 1}),
                "/p/zzz: unknown key `zzz` (known keys: `maxTokens`, `unit`, `rules`, `pair`)",
            ),
            (json!({}), "/p: missing key `maxTokens`"),
            (
                json!({"maxTokens": 70000}),
                "/p/maxTokens: expected a whole number from 0 to 65535, found 70000",
            ),
            (
                json!({"maxTokens": "sk-secret"}),
                "/p/maxTokens: expected a whole number from 0 to 65535, found a string",
            ),
            (
                json!({"maxTokens": 5, "unit": "Minut"}),
                "/p/unit: not one of `Second`, `Minute` (did you mean `Minute`?)",
            ),
            (
                json!({"maxTokens": 5, "rules": [{"exact": "a"}, {"exakt": "a"}]}),
                "/p/rules/1/exakt: not one of `exact`, `range` (did you mean `exact`?)",
            ),
            (
                json!({"maxTokens": 5, "rules": [{"range": {"form": 1}}]}),
                "/p/rules/0/range/form: unknown key `form` (did you mean `from`?)",
            ),
            (
                json!({"maxTokens": 5, "rules": [{}]}),
                "/p/rules/0: expected exactly one key, found 0",
            ),
            (
                json!({"maxTokens": 5, "pair": [1, 2, 3]}),
                "/p/pair: expected at most 2 items, found 3",
            ),
            (json!([5]), "/p: expected a mapping, found a list"),
            (json!(null), "/p: expected a mapping, found nothing"),
        ];
        for (value, said) in cases {
            assert_eq!(refused(&value), said);
        }
    }

    #[test]
    fn an_unknown_key_is_pointed_at_and_a_bad_value_under_it() {
        let unknown = decode::<Policy>(&json!({"x": 1}), &Pointer::root()).unwrap_err();
        let bad = decode::<Policy>(&json!({"maxTokens": -1}), &Pointer::root()).unwrap_err();
        assert!(unknown.on_key);
        assert!(!bad.on_key);
    }
}
