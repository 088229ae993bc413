//! Before the request line: the JSON schema of a document, for editors and for whoever writes one.

use std::mem;

use schemars::{Schema, SchemaGenerator, generate::SchemaSettings};
use serde_json::{Map, Value, json};

use crate::config::Config;

/// The schema (JSON Schema 2020-12) of a document in which these policies and kinds of backends are known.
///
/// What each needs is given as the schema of its own configuration, in full; definitions it brings along
/// are kept apart from those of others.
#[must_use]
pub fn schema(policies: &[(&str, Schema)], backends: &[(&str, Schema)]) -> Value {
    let mut root = generator().into_root_schema_for::<Config>().to_value();
    let mut definitions = take_definitions(&mut root);
    let entry = one_of(
        "policy",
        policies,
        &json!({
            "id": {"type": "string", "description": "What tells two entries of one name apart."},
            "when": {"type": "string", "description": "An expression: the policy applies to calls of which it holds. Default: to all."},
        }),
        &mut definitions,
    );
    definitions.insert("PolicyEntry".into(), entry);
    let common = json!({
        "name": {"type": "string", "description": "Its name, unique in the project; none inside a route."},
        "export": {"type": "boolean", "default": false, "description": "Whether other projects may refer to it."},
        "policies": {"type": "array", "items": {"$ref": "#/$defs/PolicyEntry"}, "description": "What happens to each attempt on it."},
    });
    let backend = one_of("backend", backends, &common, &mut definitions);
    definitions.insert("Backend".into(), backend);
    root["$defs"] = Value::Object(definitions);
    root
}

fn generator() -> SchemaGenerator {
    SchemaSettings::draft2020_12().into_generator()
}

/// A mapping with the `common` keys and exactly one of the named ones.
fn one_of(
    room: &str,
    named: &[(&str, Schema)],
    common: &Value,
    definitions: &mut Map<String, Value>,
) -> Value {
    let mut properties = common.as_object().cloned().unwrap_or_default();
    let mut choices = Vec::with_capacity(named.len());
    for (name, schema) in named {
        let own = format!("{room}.{name}");
        let mut body = schema.clone().to_value();
        let nested = take_definitions(&mut body);
        for (inner, mut schema) in nested {
            redirect(&mut schema, &own);
            definitions.insert(format!("{own}.{inner}"), schema);
        }
        redirect(&mut body, &own);
        definitions.insert(own.clone(), body);
        let body = json!({"$ref": format!("#/$defs/{own}")});
        let body = match room {
            "policy" => json!({"anyOf": [body, alternatives(&body)]}),
            _ => body,
        };
        properties.insert((*name).to_owned(), body);
        choices.push(json!({"required": [name]}));
    }
    let mut schema =
        json!({"type": "object", "properties": properties, "additionalProperties": false});
    if !choices.is_empty() {
        schema["oneOf"] = Value::Array(choices);
    }
    schema
}

/// The body of a policy as alternatives, the first of which that fits a call applies to it.
fn alternatives(body: &Value) -> Value {
    let condition = "An expression; without one it always applies, and must be last.";
    json!({
        "type": "object",
        "properties": {"conditional": {
            "type": "array", "minItems": 1, "maxItems": 16,
            "items": {
                "type": "object",
                "properties": {"condition": {"type": "string", "description": condition}, "policy": body},
                "required": ["policy"],
                "additionalProperties": false,
            },
        }},
        "required": ["conditional"],
        "additionalProperties": false,
    })
}

/// The definitions of a schema that is to become a part of another one.
fn take_definitions(schema: &mut Value) -> Map<String, Value> {
    let Some(keys) = schema.as_object_mut() else {
        return Map::new();
    };
    keys.remove("$schema");
    match keys.get_mut("$defs").map(mem::take) {
        Some(Value::Object(definitions)) => {
            keys.remove("$defs");
            definitions
        }
        _ => Map::new(),
    }
}

/// Makes references to a schema's own definitions, or to itself, find them where they were put.
fn redirect(schema: &mut Value, own: &str) {
    match schema {
        Value::Array(items) => items.iter_mut().for_each(|item| redirect(item, own)),
        Value::Object(keys) => {
            for (key, value) in keys.iter_mut() {
                match value {
                    Value::String(to) if key == "$ref" => {
                        if let Some(name) = to.strip_prefix("#/$defs/") {
                            *to = format!("#/$defs/{own}.{name}");
                        } else if to == "#" {
                            *to = format!("#/$defs/{own}");
                        }
                    }
                    value => redirect(value, own),
                }
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use schemars::JsonSchema;

    use super::*;
    use crate::config::{Duration, Secret};

    #[derive(JsonSchema)]
    #[expect(dead_code, reason = "only its schema is looked at")]
    struct Timeouts {
        request: Option<Duration>,
        inner: Option<Box<Timeouts>>,
    }

    #[derive(JsonSchema)]
    #[expect(dead_code, reason = "only its schema is looked at")]
    struct Llm {
        api_key: Secret,
    }

    fn example() -> Value {
        schema(
            &[("timeouts", generator().into_root_schema_for::<Timeouts>())],
            &[("llm", generator().into_root_schema_for::<Llm>())],
        )
    }

    /// Every reference in a schema.
    fn references(schema: &Value, found: &mut Vec<String>) {
        match schema {
            Value::Array(items) => items.iter().for_each(|item| references(item, found)),
            Value::Object(keys) => {
                found.extend(keys.get("$ref").and_then(Value::as_str).map(str::to_owned));
                keys.values().for_each(|value| references(value, found));
            }
            _ => {}
        }
    }

    #[test]
    fn every_reference_has_its_definition() {
        let schema = example();
        let mut found = Vec::new();
        references(&schema, &mut found);
        assert!(
            found.contains(&"#/$defs/policy.timeouts.Duration".to_owned()),
            "{found:?}"
        );
        assert!(
            found.contains(&"#/$defs/policy.timeouts".to_owned()),
            "{found:?}"
        );
        for reference in found {
            let pointer = reference.strip_prefix('#').unwrap();
            assert!(schema.pointer(pointer).is_some(), "{reference}");
        }
    }

    #[test]
    fn an_entry_has_exactly_one_policy() {
        let entry = &example()["$defs"]["PolicyEntry"];
        assert_eq!(entry["oneOf"], json!([{"required": ["timeouts"]}]));
        assert_eq!(entry["additionalProperties"], json!(false));
    }

    #[test]
    fn the_document_needs_its_version_and_nothing_else() {
        let schema = example();
        assert_eq!(schema["required"], json!(["schemaVersion"]));
        assert_eq!(schema["properties"]["schemaVersion"]["const"], json!(1));
        assert_eq!(schema["$defs"]["Route"]["required"], json!(["backend"]));
        let keys = [
            "schemaVersion",
            "project",
            "listeners",
            "routes",
            "backends",
            "admin",
            "accessLog",
            "prices",
            "shutdown",
        ];
        assert_eq!(
            schema["properties"]
                .as_object()
                .unwrap()
                .keys()
                .collect::<Vec<_>>(),
            keys
        );
    }
}
