//! Before the request line: numbers of bytes, as configuration writes them.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Error, Visitor};
use serde::{Deserialize, Deserializer};

const FORM: &str = "a size like `64KiB`, `10MB` or a number of bytes";

/// A number of bytes, written `64KiB`, `1MiB` (powers of 1024), `10MB` (powers of 1000), or as a plain number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ByteSize(u64);

impl ByteSize {
    /// So many bytes.
    #[must_use]
    pub const fn bytes(n: u64) -> Self {
        Self(n)
    }

    /// So many times 1024 bytes.
    ///
    /// # Panics
    ///
    /// If the result does not fit into 64 bits.
    #[must_use]
    pub const fn kib(n: u64) -> Self {
        Self(n * 1024)
    }

    /// So many times 1024 × 1024 bytes.
    ///
    /// # Panics
    ///
    /// If the result does not fit into 64 bits.
    #[must_use]
    pub const fn mib(n: u64) -> Self {
        Self(n * 1024 * 1024)
    }

    /// The number of bytes.
    #[must_use]
    pub const fn get(self) -> u64 {
        self.0
    }

    /// The number of bytes, at most what memory can address.
    #[must_use]
    pub fn as_usize(self) -> usize {
        usize::try_from(self.0).unwrap_or(usize::MAX)
    }
}

impl fmt::Display for ByteSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        bytesize::ByteSize(self.0).display().iec().fmt(f)
    }
}

impl<'de> Deserialize<'de> for ByteSize {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Written)
    }
}

impl JsonSchema for ByteSize {
    fn schema_name() -> Cow<'static, str> {
        "ByteSize".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "A number of bytes, or a size with its unit, as in `64KiB` or `10MB`.",
            "anyOf": [
                {"type": "integer", "minimum": 0},
                {"type": "string", "pattern": "^[0-9]+(\\.[0-9]+)? *([kKmMgGtTpPeE]i?)?[bB]?$"},
            ],
        })
    }
}

struct Written;

impl Visitor<'_> for Written {
    type Value = ByteSize;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(FORM)
    }

    fn visit_u64<E: Error>(self, n: u64) -> Result<ByteSize, E> {
        Ok(ByteSize(n))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<ByteSize, E> {
        let size: bytesize::ByteSize = text
            .parse()
            .map_err(|_| E::custom(format_args!("not {FORM}")))?;
        // The parser stops at the largest number it can hold instead of refusing what is beyond.
        match size.as_u64() {
            u64::MAX => Err(E::custom("too many bytes to count")),
            n => Ok(ByteSize(n)),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::config::{Pointer, decode};

    fn size(value: &Value) -> Result<ByteSize, String> {
        decode(value, &Pointer::root()).map_err(|error| error.to_string())
    }

    #[test]
    fn sizes_are_read_with_and_without_unit() {
        for (value, expected) in [
            (json!("1MiB"), ByteSize::mib(1)),
            (json!("64KiB"), ByteSize::kib(64)),
            (json!("10MB"), ByteSize::bytes(10_000_000)),
            (json!("17"), ByteSize::bytes(17)),
            (json!(4096), ByteSize::kib(4)),
        ] {
            assert_eq!(size(&value), Ok(expected), "{value}");
        }
    }

    #[test]
    fn other_forms_are_refused() {
        for value in [
            json!(""),
            json!("MiB"),
            json!("-1"),
            json!("1 furlong"),
            json!("1.2.3K"),
        ] {
            assert_eq!(size(&value), Err(format!("not {FORM}")), "{value}");
        }
        assert_eq!(size(&json!(-1)), Err(format!("expected {FORM}, found -1")));
        assert_eq!(
            size(&json!("99999999EiB")),
            Err("too many bytes to count".into())
        );
    }

    #[test]
    fn a_size_displays_with_its_unit() {
        assert_eq!(ByteSize::mib(1).to_string(), "1.0 MiB");
    }
}
