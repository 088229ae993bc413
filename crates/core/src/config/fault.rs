//! Before the request line: what serde finds wrong, put into words for people who write YAML.

use std::fmt;

use serde::de::{Error, Expected, Unexpected};

use crate::config::{ConfigError, Pointer, nearest};

/// A [`ConfigError`] on its way up from where serde raised it; each level adds its step.
#[derive(Debug)]
pub(crate) struct Fault(Box<ConfigError>);

impl Fault {
    pub(crate) fn into_error(self) -> ConfigError {
        *self.0
    }

    pub(crate) fn at_key(self, key: &str) -> Self {
        Self(Box::new(self.0.under(&Pointer::root().key(key))))
    }

    pub(crate) fn at_index(self, index: usize) -> Self {
        Self(Box::new(self.0.under(&Pointer::root().index(index))))
    }

    pub(crate) fn on_key(self) -> Self {
        Self(Box::new(self.0.on_key()))
    }

    fn said(what: impl Into<Box<str>>) -> Self {
        Self(Box::new(ConfigError::new(Pointer::root(), what)))
    }

    fn hinted(self, hint: Option<String>) -> Self {
        match hint {
            Some(hint) => Self(Box::new(self.0.hint(hint))),
            None => self,
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl std::error::Error for Fault {}

impl Error for Fault {
    fn custom<T: fmt::Display>(message: T) -> Self {
        let message = message.to_string();
        match message.split_once('\n') {
            Some((what, hint)) => Self::said(what).hinted(Some(hint.to_owned())),
            None => Self::said(message),
        }
    }

    fn invalid_type(found: Unexpected<'_>, wanted: &dyn Expected) -> Self {
        let wanted = plain(wanted);
        let is_word = wanted == "a boolean" && matches!(found, Unexpected::Str(_));
        let hint = is_word.then(|| "write `true` or `false`, without quotes".to_owned());
        Self::said(format!("expected {wanted}, found {}", kind(found))).hinted(hint)
    }

    fn invalid_value(found: Unexpected<'_>, wanted: &dyn Expected) -> Self {
        Self::invalid_type(found, wanted)
    }

    fn invalid_length(found: usize, wanted: &dyn Expected) -> Self {
        Self::said(format!("expected {}, found {found} items", plain(wanted)))
    }

    fn unknown_variant(found: &str, known: &'static [&'static str]) -> Self {
        Self::said(format!("not one of {}", listed(known))).hinted(meant(found, known))
    }

    fn unknown_field(found: &str, known: &'static [&'static str]) -> Self {
        let all = || (!known.is_empty()).then(|| format!("known keys: {}", listed(known)));
        Self::said(format!("unknown key `{found}`")).hinted(meant(found, known).or_else(all))
    }

    fn missing_field(field: &'static str) -> Self {
        Self::said(format!("missing key `{field}`"))
    }

    fn duplicate_field(field: &'static str) -> Self {
        Self::said(format!("key `{field}` is given twice"))
    }
}

/// The hint for a word that is not among the known ones.
fn meant(found: &str, known: &[&'static str]) -> Option<String> {
    Some(format!(
        "did you mean `{}`?",
        nearest(found, known.iter().copied())?
    ))
}

fn listed(words: &[&str]) -> String {
    words
        .iter()
        .map(|word| format!("`{word}`"))
        .collect::<Vec<_>>()
        .join(", ")
}

/// What was found, without the text of strings: it may be secret.
fn kind(found: Unexpected<'_>) -> String {
    match found {
        Unexpected::Bool(b) => b.to_string(),
        Unexpected::Unsigned(n) => n.to_string(),
        Unexpected::Signed(n) => n.to_string(),
        Unexpected::Float(n) => n.to_string(),
        Unexpected::Char(_) | Unexpected::Str(_) => "a string".into(),
        Unexpected::Unit | Unexpected::Option => "nothing".into(),
        Unexpected::Seq => "a list".into(),
        Unexpected::Map => "a mapping".into(),
        _ => "something else".into(),
    }
}

/// What serde wants, without the names Rust has for it.
fn plain(wanted: &dyn Expected) -> String {
    let wanted = wanted.to_string();
    let most: u32 = match wanted.as_str() {
        "u8" => u8::MAX.into(),
        "u16" => u16::MAX.into(),
        "u32" => u32::MAX,
        "u64" | "usize" => return "a whole number, not negative".into(),
        "i8" | "i16" | "i32" | "i64" | "isize" => return "a whole number".into(),
        "f32" | "f64" => return "a number".into(),
        "a sequence" => return "a list".into(),
        "a map" => return "a mapping".into(),
        _ if wanted.starts_with("a nonzero ") => return "a whole number above 0".into(),
        _ if wanted.starts_with("struct ") => return "a mapping".into(),
        _ => return wanted,
    };
    format!("a whole number from 0 to {most}")
}
