//! Values of a call as expressions see them: looked up when they are read.

use std::sync::OnceLock;

use cel::ExecutionError;
use cel::common::traits::{Container, Indexer, Iterable, Iterator as CelIterator, Sizer};
use cel::common::types::{
    CelBool, CelDouble, CelInt, CelList, CelMap, CelMapKey, CelNull, CelString, CelUInt, MAP_TYPE,
    Type,
};
use cel::common::value::{CowVal, Val};
use http::HeaderMap;
use serde_json::Value as Json;

use super::{Facts, Variable};

/// A longer text, in bytes, cannot be read by an expression.
pub const MAX_TEXT: usize = 64 * 1024;
/// A longer list or larger map cannot be read by an expression.
pub const MAX_ITEMS: usize = 1024;

type Read<T> = Result<T, ExecutionError>;

/// A variable: its fields are read one by one.
#[derive(Clone, Copy, Debug)]
pub(super) struct Record<'a> {
    pub(super) facts: &'a Facts<'a>,
    pub(super) variable: Variable,
}

static RECORD: Type = Type::new_unspecified_type("portcullis.Record");

impl Val for Record<'_> {
    fn get_type(&self) -> &Type {
        &RECORD
    }

    fn cel_type() -> &'static Type {
        &RECORD
    }

    fn as_indexer<'b, 'v>(&'b self) -> Option<&'b (dyn Indexer + 'v)>
    where
        Self: 'v,
    {
        Some(self)
    }

    fn as_container(&self) -> Option<&dyn Container> {
        Some(self)
    }

    fn clone_as_boxed<'v>(&self) -> Box<dyn Val + 'v>
    where
        Self: 'v,
    {
        Box::new(*self)
    }
}

impl<'a> Indexer for Record<'a> {
    fn get<'b, 'v>(&'b self, field: &dyn Val) -> Read<CowVal<'b, 'v>>
    where
        Self: 'v,
    {
        let field = name(field)?;
        match self.facts.field(self.variable, field)? {
            Some(value) => Ok(CowVal::Owned(value)),
            None => Err(ExecutionError::no_such_key(field)),
        }
    }

    fn steal<'v>(self: Box<Self>, field: &dyn Val) -> Read<Box<dyn Val + 'v>>
    where
        Self: 'v,
    {
        let field = name(field)?;
        match self.facts.field(self.variable, field)? {
            Some(value) => Ok(value),
            None => Err(ExecutionError::no_such_key(field)),
        }
    }
}

impl Container for Record<'_> {
    fn contains(&self, field: &dyn Val) -> Read<bool> {
        Ok(self.facts.field(self.variable, name(field)?)?.is_some())
    }
}

/// Header fields by their names, in any case; several of one name are joined by `, `.
#[derive(Debug)]
pub(super) struct Headers<'a> {
    headers: &'a HeaderMap,
    names: OnceLock<Vec<CelString<'a>>>,
}

impl<'a> Headers<'a> {
    pub(super) fn new(headers: &'a HeaderMap) -> Self {
        let names = OnceLock::new();
        Self { headers, names }
    }

    fn value(&self, field: &dyn Val) -> Read<Option<CelString<'a>>> {
        let mut values = self.headers.get_all(name(field)?).iter();
        let Some(first) = values.next() else {
            return Ok(None);
        };
        let first = utf8(first.as_bytes())?;
        let mut joined = None::<String>;
        for value in values {
            let joined = joined.get_or_insert_with(|| first.to_owned());
            joined.push_str(", ");
            joined.push_str(utf8(value.as_bytes())?);
        }
        match joined {
            Some(joined) => {
                bounded(&joined)?;
                Ok(Some(CelString::from(joined)))
            }
            None => Ok(Some(CelString::from(bounded(first)?))),
        }
    }

    fn names(&self) -> &[CelString<'a>] {
        self.names.get_or_init(|| {
            let names = self.headers.keys().take(MAX_ITEMS);
            names.map(|name| CelString::from(name.as_str())).collect()
        })
    }
}

impl Val for Headers<'_> {
    fn get_type(&self) -> &Type {
        &MAP_TYPE
    }

    fn cel_type() -> &'static Type {
        &MAP_TYPE
    }

    fn as_indexer<'b, 'v>(&'b self) -> Option<&'b (dyn Indexer + 'v)>
    where
        Self: 'v,
    {
        Some(self)
    }

    fn as_container(&self) -> Option<&dyn Container> {
        Some(self)
    }

    fn as_iterable<'b, 'v>(&'b self) -> Option<&'b (dyn Iterable + 'v)>
    where
        Self: 'v,
    {
        Some(self)
    }

    fn as_sizer(&self) -> Option<&dyn Sizer> {
        Some(self)
    }

    fn clone_as_boxed<'v>(&self) -> Box<dyn Val + 'v>
    where
        Self: 'v,
    {
        Box::new(Self::new(self.headers))
    }
}

impl Indexer for Headers<'_> {
    fn get<'b, 'v>(&'b self, field: &dyn Val) -> Read<CowVal<'b, 'v>>
    where
        Self: 'v,
    {
        match self.value(field)? {
            Some(value) => Ok(CowVal::owned(value)),
            None => Err(ExecutionError::no_such_key(name(field)?)),
        }
    }

    fn steal<'v>(self: Box<Self>, field: &dyn Val) -> Read<Box<dyn Val + 'v>>
    where
        Self: 'v,
    {
        match self.value(field)? {
            Some(value) => Ok(Box::new(value)),
            None => Err(ExecutionError::no_such_key(name(field)?)),
        }
    }
}

impl Container for Headers<'_> {
    fn contains(&self, field: &dyn Val) -> Read<bool> {
        Ok(self.headers.contains_key(name(field)?))
    }
}

impl Sizer for Headers<'_> {
    fn size(&self) -> CelInt {
        CelInt::from(i64::try_from(self.headers.keys_len()).unwrap_or(i64::MAX))
    }
}

impl Iterable for Headers<'_> {
    fn iter<'b, 'v>(&'b self) -> Box<dyn CelIterator<'b, 'v> + 'b>
    where
        Self: 'v,
    {
        Box::new(Names(self.names().iter()))
    }
}

struct Names<'b, 'a>(std::slice::Iter<'b, CelString<'a>>);

impl<'b, 'a: 'v, 'v> CelIterator<'b, 'v> for Names<'b, 'a> {
    fn next(&mut self) -> Option<&'b (dyn Val + 'v)> {
        self.0.next().map(|name| name as &(dyn Val + 'v))
    }
}

/// A text, if it is not too long.
pub(super) fn text<'a>(value: &'a str) -> Read<Box<dyn Val + 'a>> {
    Ok(Box::new(CelString::from(bounded(value)?)))
}

/// A text made for the occasion.
pub(super) fn owned<'a>(value: String) -> Read<Box<dyn Val + 'a>> {
    bounded(&value)?;
    Ok(Box::new(CelString::from(value)))
}

/// A JSON value with all that is in it.
pub(super) fn json<'a>(value: &'a Json) -> Read<Box<dyn Val + 'a>> {
    Ok(match value {
        Json::Null => Box::new(CelNull),
        Json::Bool(truth) => Box::new(CelBool::from(*truth)),
        Json::Number(number) => match (number.as_i64(), number.as_u64()) {
            (Some(whole), _) => Box::new(CelInt::from(whole)),
            (None, Some(whole)) => Box::new(CelUInt::from(whole)),
            (None, None) => Box::new(CelDouble::from(number.as_f64().unwrap_or(f64::NAN))),
        },
        Json::String(value) => text(value)?,
        Json::Array(items) => {
            count(items.len())?;
            let items: Read<Vec<_>> = items.iter().map(json).collect();
            Box::new(CelList::from(items?))
        }
        Json::Object(map) => {
            count(map.len())?;
            let entries = map.iter().map(|(key, value)| {
                let key = CelMapKey::from(bounded(key)?);
                Ok((key, json(value)?))
            });
            let entries: Read<std::collections::HashMap<_, _>> = entries.collect();
            Box::new(CelMap::from(entries?))
        }
    })
}

fn name(field: &dyn Val) -> Read<&str> {
    match field.downcast_ref::<CelString<'_>>() {
        Some(name) => Ok(name.inner()),
        None => Err(ExecutionError::UnexpectedType {
            got: field.get_type().name().to_owned(),
            want: "string".to_owned(),
        }),
    }
}

fn bounded(text: &str) -> Read<&str> {
    if text.len() <= MAX_TEXT {
        return Ok(text);
    }
    Err(ExecutionError::function_error(
        "read",
        "a text is longer than 64 KiB",
    ))
}

fn count(items: usize) -> Read<()> {
    if items <= MAX_ITEMS {
        return Ok(());
    }
    Err(ExecutionError::function_error(
        "read",
        "a list or map has more than 1,024 items",
    ))
}

fn utf8(bytes: &[u8]) -> Read<&str> {
    std::str::from_utf8(bytes)
        .map_err(|_| ExecutionError::function_error("read", "a header field is not UTF-8"))
}
