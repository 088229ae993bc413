//! Encode: keys of Google's JSON, which are read in camel case and in the snake case of protocol buffers.

use std::borrow::Cow;

use portcullis_core::json::{Key, Raw};

use crate::dialect::fields::{Fields, members};

/// The key in camel case; empty for one that is no text.
pub(super) fn camel<'a>(key: &Key<'a>) -> Cow<'a, str> {
    let name = key.as_str().unwrap_or_default();
    if !name.contains('_') {
        return name;
    }
    let mut camel = String::with_capacity(name.len());
    let mut up = false;
    for c in name.chars() {
        if c == '_' {
            up = !camel.is_empty();
        } else if std::mem::take(&mut up) {
            camel.push(c.to_ascii_uppercase());
        } else {
            camel.push(c);
        }
    }
    camel.into()
}

/// The last member whose key is `name`, in either case, unless it is `null`.
pub(super) fn field<'a>(fields: &Fields<'a>, name: &str) -> Option<Raw<'a>> {
    let mut found = fields.iter().rev();
    let found = found.find(|member| member.key == name || camel(&member.key) == name)?;
    (!found.value.is_null()).then_some(found.value)
}

/// A member of an object, unless it is `null`.
pub(super) fn get<'a>(object: Raw<'a>, name: &str) -> Option<Raw<'a>> {
    field(&members(object), name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_read_in_either_case() {
        let object = br#"{"system_instruction":1,"topP":2,"_x":3,"mime_type":null}"#;
        let object = Raw::parse(object).unwrap();
        for (name, value) in [("systemInstruction", 1), ("topP", 2), ("x", 3)] {
            assert_eq!(
                get(object, name).and_then(Raw::as_u64),
                Some(value),
                "{name}"
            );
        }
        assert_eq!(get(object, "mimeType"), None);
    }
}
