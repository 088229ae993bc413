//! Reading the head of a request: one pass over the top level, no tree.

use portcullis_core::error::{Error, codes};
use portcullis_core::json::{JsonError, KeySet, Member, Members, quote};
use portcullis_core::llm::Head;
use portcullis_core::payload::{Doc, Payload, Splice, replace};

/// Reads `model` and `stream`; `more` sees every other member. No key may stand twice: parsers differ in
/// which of the two they take.
pub(super) fn read(
    body: &[u8],
    mut more: impl FnMut(&Member<'_>, &mut Head),
) -> Result<Head, Error> {
    let mut head = Head::default();
    unique(body, |member| {
        if member.key == "model" {
            let model = member.value.as_str();
            head.model = model.ok_or_else(|| wrong("model", "a string"))?.into();
        } else if member.key == "stream" {
            head.stream = match member.value.as_bool() {
                Some(stream) => stream,
                None if member.value.is_null() => false,
                None => return Err(wrong("stream", "true or false")),
            };
        } else {
            more(&member, &mut head);
        }
        Ok(())
    })?;
    if head.model.is_empty() {
        Err(wrong("model", "the name of a model"))
    } else {
        Ok(head)
    }
}

/// Goes through the members of the body. No key may stand twice.
pub(super) fn unique<'a>(
    body: &'a [u8],
    mut each: impl FnMut(Member<'a>) -> Result<(), Error>,
) -> Result<(), Error> {
    let mut keys = KeySet::default();
    for member in Members::of_document(body) {
        let member = member.map_err(not_json)?;
        if !keys.insert(member.key) {
            let key = member.key.as_str().unwrap_or_default();
            let what = format!("the key `{key}` stands twice");
            return Err(Error::new(&codes::DUPLICATE_KEY, what).param(&key));
        }
        each(member)?;
    }
    Ok(())
}

/// Writes another model's name over the `model` of the document.
pub(crate) fn set_model(body: &mut Payload<Doc>, model: &str) -> Result<(), Error> {
    let raw = body.raw().clone();
    for member in Members::of_document(&raw) {
        let member = member.map_err(not_json)?;
        if member.key == "model" {
            return splice(body, &mut [replace(member.value, quote(model))]);
        }
    }
    Err(wrong("model", "the name of a model"))
}

/// Applies edits that were made of this very document.
pub(super) fn splice(body: &mut Payload<Doc>, edits: &mut [Splice]) -> Result<(), Error> {
    body.splice(edits)
        .map_err(|e| Error::new(&codes::BODY_NOT_JSON, "the body cannot be edited").because(e))
}

/// The body is not JSON, or not a JSON object.
pub(super) fn not_json(e: JsonError) -> Error {
    Error::new(
        &codes::BODY_NOT_JSON,
        format!("the body is not valid JSON: {e}"),
    )
}

/// A field is missing or of the wrong type.
pub(super) fn wrong(field: &'static str, wanted: &str) -> Error {
    Error::new(&codes::INVALID_FIELD, format!("`{field}` must be {wanted}")).param(field)
}

#[cfg(test)]
mod tests;
