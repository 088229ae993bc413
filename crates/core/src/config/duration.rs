//! Before the request line: spans of time, as configuration writes them.

use std::borrow::Cow;
use std::{fmt, time};

use jiff::fmt::friendly::SpanParser;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Error, Visitor};
use serde::{Deserialize, Deserializer};

const FORM: &str = "a duration like `10s`, `1h30m` or `250ms`";

/// A span of time, written as Gateway API does (GEP-2257): `10s`, `1h30m`, `250ms`, `0s`.
///
/// Up to four whole numbers of at most five digits, each with its unit `h`, `m`, `s` or `ms`, larger
/// units first and each once. A number without unit is refused, since seconds and milliseconds are both usual.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Duration(time::Duration);

impl Duration {
    /// So many seconds.
    #[must_use]
    pub const fn from_secs(n: u64) -> Self {
        Self(time::Duration::from_secs(n))
    }

    /// So many milliseconds.
    #[must_use]
    pub const fn from_millis(n: u64) -> Self {
        Self(time::Duration::from_millis(n))
    }

    /// The span as the standard library has it.
    #[must_use]
    pub const fn get(self) -> time::Duration {
        self.0
    }
}

impl From<Duration> for time::Duration {
    fn from(duration: Duration) -> Self {
        duration.0
    }
}

impl From<time::Duration> for Duration {
    fn from(duration: time::Duration) -> Self {
        Self(duration)
    }
}

impl fmt::Display for Duration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl<'de> Deserialize<'de> for Duration {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Written)
    }
}

impl JsonSchema for Duration {
    fn schema_name() -> Cow<'static, str> {
        "Duration".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "A span of time: whole numbers with their units, as in `10s`, `1h30m` or `250ms`.",
            "type": "string",
            "pattern": "^([0-9]{1,5}(h|m|s|ms)){1,4}$",
        })
    }
}

struct Written;

impl Visitor<'_> for Written {
    type Value = Duration;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(FORM)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Duration, E> {
        if !is_gep_2257(text) {
            return Err(E::custom(format_args!("not {FORM}")));
        }
        let parsed = SpanParser::new().parse_unsigned_duration(text);
        parsed
            .map(Duration)
            .map_err(|_| E::custom("units must get smaller and not repeat\nas in `1h30m`"))
    }

    fn visit_u64<E: Error>(self, n: u64) -> Result<Duration, E> {
        Err(E::custom(format_args!(
            "a duration needs a unit\nfor {n} seconds write `{n}s`"
        )))
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<Duration, E> {
        Err(E::custom(format_args!("not {FORM}")))
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<Duration, E> {
        Err(E::custom(
            "a duration needs a unit\nfor half a second write `500ms`",
        ))
    }
}

/// Whether the text has the one form allowed, of the many the parser behind would take.
fn is_gep_2257(text: &str) -> bool {
    let mut rest = text;
    for _ in 0..4 {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let (number, tail) = rest.split_at(digits);
        let unit = ["ms", "h", "m", "s"]
            .into_iter()
            .find(|unit| tail.starts_with(unit));
        let (1..=5, Some(unit)) = (number.len(), unit) else {
            return false;
        };
        rest = &tail[unit.len()..];
        if rest.is_empty() {
            return true;
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::config::{Pointer, decode};

    fn duration(value: &Value) -> Result<time::Duration, String> {
        decode(value, &Pointer::root())
            .map(Duration::get)
            .map_err(|error| error.to_string())
    }

    #[test]
    fn gateway_api_durations_are_read() {
        let ms = time::Duration::from_millis;
        for (text, expected) in [
            ("10s", ms(10_000)),
            ("1h30m", ms(5_400_000)),
            ("250ms", ms(250)),
            ("0s", ms(0)),
            ("1h1m1s1ms", ms(3_661_001)),
            ("99999h", ms(99_999 * 3_600_000)),
        ] {
            assert_eq!(duration(&json!(text)), Ok(expected), "{text}");
        }
    }

    #[test]
    fn other_forms_are_refused() {
        for text in [
            "",
            "10",
            "s",
            "1.5s",
            "-1s",
            "1 s",
            "1d",
            "100000s",
            "10 seconds",
            "1h ",
            "PT1S",
            "1us",
        ] {
            assert!(
                duration(&json!(text))
                    .unwrap_err()
                    .starts_with("not a duration like"),
                "{text}"
            );
        }
        for text in ["1s1h", "1s1s"] {
            assert!(
                duration(&json!(text))
                    .unwrap_err()
                    .starts_with("units must get smaller"),
                "{text}"
            );
        }
    }

    #[test]
    fn a_number_without_unit_is_refused_with_what_to_write() {
        assert_eq!(
            duration(&json!(30)).unwrap_err(),
            "a duration needs a unit (for 30 seconds write `30s`)"
        );
        assert_eq!(
            duration(&json!(true)).unwrap_err(),
            format!("expected {FORM}, found true")
        );
    }
}
