//! Backend: reads the request documents of `echo`. What it does not look at is skipped, not kept.

use std::fmt;
use std::marker::PhantomData;

use portcullis_core::error::{Error, codes};
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

/// Reads a document, an object, as `T`.
///
/// # Errors
///
/// `body_not_json`, or `invalid_field` with the path of the field.
pub(super) fn read<'a, T: Deserialize<'a>>(json: &'a [u8]) -> Result<T, Error> {
    read_at::<Object<T>>("", json).map(|object| object.0)
}

/// Reads the value of the field `place` as `T`.
fn read_at<'a, T: Deserialize<'a>>(place: &str, json: &'a [u8]) -> Result<T, Error> {
    let mut reader = serde_json::Deserializer::from_slice(json);
    let value = serde_path_to_error::deserialize(&mut reader).map_err(|e| {
        let path = e.path().iter().next().map(|_| e.path().to_string());
        fault(place, path.as_deref().unwrap_or_default(), &e.into_inner())
    })?;
    reader.end().map_err(|e| fault(place, "", &e))?;
    Ok(value)
}

/// An error of a field that is not as it must be.
pub(super) fn invalid(param: &str, what: impl Into<std::borrow::Cow<'static, str>>) -> Error {
    Error::new(&codes::INVALID_FIELD, what).param(param)
}

fn fault(place: &str, path: &str, error: &serde_json::Error) -> Error {
    let words = error.to_string();
    if !error.is_data() {
        return Error::new(&codes::BODY_NOT_JSON, words);
    }
    let what = words.split(" at line ").next().unwrap_or(&words).to_owned();
    let missing = what
        .strip_prefix("missing field `")
        .and_then(|rest| rest.strip_suffix('`'));
    let mut param = String::from(place);
    for step in [Some(path), missing].into_iter().flatten() {
        if !(param.is_empty() || step.is_empty() || step.starts_with('[')) {
            param.push('.');
        }
        param.push_str(step);
    }
    if param.is_empty() {
        return Error::new(&codes::INVALID_FIELD, what);
    }
    invalid(&param, what)
}

/// Takes the items of a list one by one, each of which must be an object.
pub(super) fn each<'de, D, T>(
    json: D,
    what: &'static str,
    take: impl FnMut(T),
) -> Result<(), D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    json.deserialize_seq(Each {
        what,
        take,
        item: PhantomData,
    })
}

struct Each<T, F> {
    what: &'static str,
    take: F,
    item: PhantomData<fn() -> T>,
}

impl<'de, T: Deserialize<'de>, F: FnMut(T)> Visitor<'de> for Each<T, F> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.what)
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut items: A) -> Result<(), A::Error> {
        while let Some(Object(item)) = items.next_element()? {
            (self.take)(item);
        }
        Ok(())
    }
}

/// A `T` written as an object: derived structs would take a list too.
struct Object<T>(T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(json: D) -> Result<Self, D::Error> {
        json.deserialize_map(ObjectOf(PhantomData)).map(Self)
    }
}

struct ObjectOf<T>(PhantomData<fn() -> T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for ObjectOf<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, members: A) -> Result<T, A::Error> {
        T::deserialize(MapAccessDeserializer::new(members))
    }
}

/// The names of the tools that may be called.
#[derive(Debug, Default)]
pub(super) struct Tools(Vec<String>);

impl Tools {
    /// Reads the fields `tools` and `tool_choice` of any dialect.
    ///
    /// # Errors
    ///
    /// `invalid_field` when the tools are no list of objects.
    pub(super) fn read(tools: Option<&RawValue>, choice: Option<&RawValue>) -> Result<Self, Error> {
        let offered = match tools {
            Some(tools) => read_at("tools", tools.get().as_bytes())?,
            None => Self::default(),
        };
        let forbidden = choice.is_some_and(|choice| {
            let named = serde_json::from_str::<String>(choice.get());
            let typed = || serde_json::from_str::<Choice>(choice.get()).map(|choice| choice.kind);
            named.or_else(|_| typed()).is_ok_and(|kind| kind == "none")
        });
        Ok(if forbidden { Self::default() } else { offered })
    }

    /// Whether this is one of them.
    pub(super) fn offer(&self, name: &str) -> bool {
        self.0.iter().any(|tool| tool == name)
    }
}

#[derive(serde::Deserialize)]
struct Choice {
    #[serde(rename = "type")]
    kind: String,
}

/// A tool as the dialects have it: Chat puts the name inside `function`.
#[derive(serde::Deserialize)]
struct Tool {
    #[serde(rename = "type")]
    kind: Option<String>,
    name: Option<String>,
    function: Option<Function>,
}

#[derive(serde::Deserialize)]
struct Function {
    name: String,
}

impl<'de> Deserialize<'de> for Tools {
    fn deserialize<D: Deserializer<'de>>(json: D) -> Result<Self, D::Error> {
        let mut names = Vec::new();
        each(json, "a list of tools", |tool: Tool| {
            // Others are run by the provider, or take something other than JSON.
            if matches!(tool.kind.as_deref(), None | Some("function" | "custom")) {
                names.extend(tool.function.map(|function| function.name).or(tool.name));
            }
        })?;
        Ok(Self(names))
    }
}
