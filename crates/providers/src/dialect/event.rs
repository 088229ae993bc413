//! Looking at one event of a stream: one walk of the top level, nothing allocated.

use portcullis_core::json::{JsonError, Members, Raw};

/// What is between the quotes of the event's `type`; empty when it has none. The whole event is checked.
///
/// # Errors
///
/// When the data is not one JSON object.
pub(super) fn type_of(data: &[u8]) -> Result<&[u8], JsonError> {
    let mut found: &[u8] = b"";
    for member in Members::of_document(data) {
        let member = member?;
        if member.key == "type" {
            found = member.value.str_bytes().unwrap_or_default();
        }
    }
    Ok(found)
}

/// Whether a value says anything: a text, list or object that is not empty.
pub(super) fn is_filled(value: Raw<'_>) -> bool {
    let inner = value
        .bytes()
        .get(1..value.bytes().len().saturating_sub(1))
        .unwrap_or_default();
    match value.bytes().first() {
        Some(b'"') => !inner.is_empty(),
        Some(b'[' | b'{') => !inner.trim_ascii().is_empty(),
        _ => false,
    }
}
