//! Encode: schemas in the notation of OpenAPI 3.0, as JSON Schema.
//!
//! Gemini's `Schema` names types in capitals (`"OBJECT"`), says `nullable` beside them, and, as protocol buffers
//! do, writes large numbers as strings. All others know JSON Schema.

use std::borrow::Cow;
use std::ops::Range;

use portcullis_core::json::{Cursor, JsonError, Kind, Raw, quote};

use super::key::camel;
use crate::translate::write::{Object, object};

/// Writes a schema as JSON Schema.
pub(super) fn write(out: &mut Vec<u8>, schema: Raw<'_>) {
    if schema.kind() != Kind::Object {
        out.extend_from_slice(schema.bytes());
        return;
    }
    object(out, |o| {
        let nullable = schema.get("nullable").and_then(Raw::as_bool) == Some(true);
        for member in schema.members().filter_map(Result::ok) {
            write_member(o, &camel(&member.key), member.value, nullable);
        }
    });
}

/// The document with the parameters of its functions as JSON Schema. What is no such document is left as it is:
/// whoever reads it says so.
pub(super) fn prepared(body: &[u8]) -> Cow<'_, [u8]> {
    let mut found = Vec::new();
    if find(body, &mut found).is_err() || found.is_empty() {
        return Cow::Borrowed(body);
    }
    let mut out = Vec::with_capacity(body.len() + 64);
    let mut from = 0;
    for (span, schema) in found {
        out.extend_from_slice(&body[from..span.start]);
        write(&mut out, schema);
        from = span.end;
    }
    out.extend_from_slice(&body[from..]);
    Cow::Owned(out)
}

/// Finds the parameters of functions, in the order of the document.
fn find<'a>(body: &'a [u8], found: &mut Vec<(Range<usize>, Raw<'a>)>) -> Result<(), JsonError> {
    let mut cursor = Cursor::new(body)?;
    cursor.object(|key, at| {
        if key == "tools" {
            at.array(|at| tool(at, found))?;
        }
        Ok(())
    })?;
    cursor.end()
}

fn tool<'a>(
    at: &mut Cursor<'a>,
    found: &mut Vec<(Range<usize>, Raw<'a>)>,
) -> Result<(), JsonError> {
    at.object(|key, at| {
        if camel(&key) != "functionDeclarations" {
            return Ok(());
        }
        at.array(|at| {
            at.object(|key, at| {
                if key == "parameters" {
                    let schema = at.value()?;
                    let span = schema.span();
                    found.push((span.start as usize..span.end as usize, schema));
                }
                Ok(())
            })?;
            Ok(())
        })?;
        Ok(())
    })?;
    Ok(())
}

fn write_member(o: &mut Object<'_>, key: &str, value: Raw<'_>, nullable: bool) {
    match key {
        "type" => match value.as_str() {
            Some(kind) if kind == "TYPE_UNSPECIFIED" => {}
            Some(kind) if nullable => o.array("type", |a| {
                a.str(&kind.to_ascii_lowercase());
                a.str("null");
            }),
            Some(kind) => o.str("type", &kind.to_ascii_lowercase()),
            None => o.raw("type", value.bytes()),
        },
        // The order is that of the properties themselves.
        "nullable" | "propertyOrdering" => {}
        "example" => o.array("examples", |a| a.raw(value.bytes())),
        "properties" | "defs" | "$defs" if value.kind() == Kind::Object => {
            let name = if key == "defs" { "$defs" } else { key };
            o.object(name, |o| {
                for member in value.members().filter_map(Result::ok) {
                    let name = member.key.raw().str_bytes().unwrap_or_default();
                    write(o.key(&String::from_utf8_lossy(name)), member.value);
                }
            });
        }
        "items" | "additionalProperties" => write(o.key(key), value),
        "anyOf" | "prefixItems" if value.kind() == Kind::Array => o.array(key, |a| {
            for one in value.elements().filter_map(Result::ok) {
                write(a.element(), one);
            }
        }),
        "minItems" | "maxItems" | "minLength" | "maxLength" | "minProperties" | "maxProperties" => {
            let digits = value.str_bytes().filter(|digits| is_count(digits));
            o.raw(key, digits.unwrap_or(value.bytes()));
        }
        "ref" => o.raw("$ref", value.bytes()),
        key => {
            let quoted = quote(key);
            let inner = String::from_utf8_lossy(&quoted[1..quoted.len() - 1]);
            o.raw(&inner, value.bytes());
        }
    }
}

fn is_count(digits: &[u8]) -> bool {
    !digits.is_empty() && digits.iter().all(u8::is_ascii_digit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_in_capitals_nullable_and_counts_in_strings_become_json_schema() {
        let schema = r#"{"type":"OBJECT","properties":{"type":{"type":"STRING","nullable":true},
            "n_x":{"type":"ARRAY","minItems":"2","items":{"type":"INTEGER"}}},
            "any_of":[{"type":"NUMBER"}],"propertyOrdering":["type"],"required":["type"]}"#;
        let mut out = Vec::new();
        write(&mut out, Raw::parse(schema.as_bytes()).unwrap());
        let expected = concat!(
            r#"{"type":"object","properties":{"type":{"type":["string","null"]},"#,
            r#""n_x":{"type":"array","minItems":2,"items":{"type":"integer"}}},"#,
            r#""anyOf":[{"type":"number"}],"required":["type"]}"#
        );
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }

    #[test]
    fn json_schema_stays_what_it_is() {
        let schema =
            br#"{"type":"object","properties":{"a":{"type":["string","null"]}},"$ref":"x"}"#;
        let mut out = Vec::new();
        write(&mut out, Raw::parse(schema).unwrap());
        assert_eq!(out, schema);
    }

    #[test]
    fn only_parameters_of_functions_are_written_anew() {
        let body = br#"{"parameters":{"type":"A"},"tools":[{"function_declarations":[
            {"name":"f","parameters":{"type":"STRING"}},{"parametersJsonSchema":{"type":"B"}}]}]}"#;
        let expected = br#"{"parameters":{"type":"A"},"tools":[{"function_declarations":[
            {"name":"f","parameters":{"type":"string"}},{"parametersJsonSchema":{"type":"B"}}]}]}"#;
        assert_eq!(prepared(body), &expected[..]);
        assert!(matches!(prepared(b"{"), Cow::Borrowed(b"{")));
        assert!(matches!(prepared(br#"{"tools":3}"#), Cow::Borrowed(_)));
    }
}
