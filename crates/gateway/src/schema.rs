//! Before the request line: the JSON schema of the configuration, for editors and for whoever writes one.

use portcullis_core::assemble::Registry;
use portcullis_core::config;
use schemars::SchemaGenerator;
use schemars::generate::SchemaSettings;
use serde_json::Value;

/// The schema (JSON Schema 2020-12) of a document in which the names of `registry` are known.
pub fn schema(registry: &Registry) -> Value {
    let policies: Vec<_> = registry
        .policies()
        .map(|(name, policy)| (name, whole(|generator| policy.schema(generator))))
        .collect();
    let backends: Vec<_> = registry
        .backends()
        .map(|(name, backend)| (name, whole(|generator| backend.schema(generator))))
        .collect();
    config::schema(&policies, &backends)
}

/// The same as indented JSON that ends in a line end: the file an editor is pointed to.
pub fn text(registry: &Registry) -> String {
    format!("{:#}\n", schema(registry))
}

/// One configuration's schema, with the definitions it refers to.
fn whole(make: impl FnOnce(&mut SchemaGenerator) -> schemars::Schema) -> schemars::Schema {
    let mut generator = SchemaSettings::draft2020_12().into_generator();
    let mut schema = make(&mut generator);
    let definitions = generator.take_definitions(true);
    if !definitions.is_empty() {
        schema.insert("$defs".to_owned(), Value::Object(definitions));
    }
    schema
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::generated;

    #[test]
    fn the_committed_schema_is_that_of_the_registry() {
        generated::check("gateway.schema.json", &text(&crate::registry()));
    }

    #[test]
    fn every_reference_of_the_schema_has_its_definition() {
        let schema = schema(&crate::registry());
        let text = schema.to_string();
        let references: Vec<_> = text.split("\"$ref\":\"#").skip(1).collect();
        assert!(references.len() > 20);
        for reference in references {
            let pointer = reference.split('"').next().unwrap();
            assert!(schema.pointer(pointer).is_some(), "{pointer}");
        }
    }
}
