//! Both ways: thoughts, for which chat completions have no field of their own.
//!
//! Hosts write the words as `reasoning_content` or `reasoning`. What a provider must be given back stands in
//! `reasoning_details`, as at OpenRouter: a list of `{"type": "reasoning.text", "text", "signature", "format"}`
//! and `{"type": "reasoning.encrypted", "data", "format"}`. A client that sends a message back as it came so
//! brings everything back.

use portcullis_core::json::{Kind, Raw};

use crate::translate::write::{Array, Object};
use crate::translate::{Reasoning, Signature, Text};

/// What a family is called in `format`, and where that word begins.
const FORMATS: [(&str, &str, &str); 3] = [
    ("anthropic", "anthropic-claude-v1", "anthropic"),
    ("google", "google-gemini-v1", "google"),
    ("openai", "openai-responses-v1", "openai"),
];

/// Reads `reasoning_details`, each with its number where it has one. What is no such list holds nothing.
pub(super) fn details(list: Raw<'_>) -> Vec<(Option<u64>, Reasoning<'_>)> {
    if list.kind() != Kind::Array {
        return Vec::new();
    }
    let details = list.elements().flatten();
    details
        .filter_map(|raw| Some((raw.get("index").and_then(Raw::as_count), detail(raw)?)))
        .collect()
}

/// Reads one of them.
fn detail(raw: Raw<'_>) -> Option<Reasoning<'_>> {
    let text = |key| {
        raw.get(key)
            .and_then(Text::of)
            .filter(|text| !text.is_empty())
    };
    if raw.kind() != Kind::Object {
        return None;
    }
    let own = text("format").map_or("openai", |format| {
        let format = format.plain().into_owned();
        let known = FORMATS
            .iter()
            .find(|(_, _, start)| format.starts_with(start));
        known.map_or("openai", |(family, ..)| family)
    });
    let redacted = text("type").is_some_and(|kind| kind.is("reasoning.encrypted"));
    let sealed = if redacted {
        text("data")
    } else {
        text("signature")
    };
    let reasoning = Reasoning {
        text: text("text").or_else(|| text("summary")),
        signature: sealed.map(|data| Signature::read(own, data)),
        redacted,
        id: text("id"),
    };
    let empty = reasoning.text.is_none() && reasoning.signature.is_none();
    (!empty).then_some(reasoning)
}

/// Puts the words of a message's thoughts, all in one, to the details beside them. The first of the details that
/// could have words and has none takes those that no other has.
pub(super) fn joined<'a>(
    mut details: Vec<Reasoning<'a>>,
    words: Option<Text<'a>>,
) -> Vec<Reasoning<'a>> {
    let Some(words) = words else { return details };
    let wordless = details.iter().position(|detail| !detail.redacted);
    let Some(first) = wordless else {
        let text = Some(words);
        details.insert(
            0,
            Reasoning {
                text,
                ..Reasoning::default()
            },
        );
        return details;
    };
    if details[first].text.is_none() {
        let others: usize = details
            .iter()
            .filter_map(|one| one.text.as_ref())
            .map(|t| t.plain().len())
            .sum();
        details[first].text = Some(if others == 0 {
            words
        } else {
            let plain = words.plain();
            let rest = plain.len().saturating_sub(others);
            plain.get(..rest).unwrap_or_default().to_owned().into()
        });
    }
    details
}

/// Writes the thoughts of a message, if there are any.
pub(super) fn write<'a>(o: &mut Object<'_>, all: impl Iterator<Item = &'a Reasoning<'a>> + Clone) {
    if all.clone().any(|one| one.text.is_some()) {
        let out = o.key("reasoning_content");
        out.push(b'"');
        for text in all.clone().filter_map(|one| one.text.as_ref()) {
            text.write_inner(out);
        }
        out.push(b'"');
    }
    if all.clone().any(|one| one.signature.is_some()) {
        o.array("reasoning_details", |a| {
            for (index, one) in (0..).zip(all) {
                write_detail(a, index, one);
            }
        });
    }
}

/// Writes one of the list.
pub(super) fn write_detail(a: &mut Array<'_>, index: u64, one: &Reasoning<'_>) {
    a.object(|o| {
        let kind = if one.redacted {
            "reasoning.encrypted"
        } else {
            "reasoning.text"
        };
        o.str("type", kind);
        o.u64("index", index);
        o.maybe_text("id", one.id.as_ref());
        o.maybe_text("text", one.text.as_ref());
        if let Some(signature) = &one.signature {
            let key = if one.redacted { "data" } else { "signature" };
            o.text(key, &signature.data);
            o.str("format", format_of(signature.family));
        }
    });
}

fn format_of(family: &str) -> &'static str {
    let known = FORMATS.iter().find(|(name, ..)| *name == family);
    known.map_or("unknown", |(_, format, _)| format)
}
