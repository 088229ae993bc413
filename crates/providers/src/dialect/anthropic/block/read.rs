//! Encode and the way back: blocks of content, as parts of a turn.

use std::borrow::Cow;

use portcullis_core::error::Error;
use portcullis_core::json::{Kind, Raw};

use super::tool::CALL_SEAL;
use super::{FAMILY, Place, cache, media};
use crate::dialect::fields::{Fields, field, given, lose, members, text, untranslatable};
use crate::translate::{
    Arguments, Losses, Part, Reasoning, Signature, Text, ToolCall, ToolResult, read as reading,
};

/// Reads a block. The inner error is the kind of one that no other dialect has.
pub(crate) fn read<'a>(
    fields: &Fields<'a>,
    place: Place,
    losses: &mut Losses,
) -> Result<Result<Part<'a>, Cow<'a, str>>, Error> {
    let kind = field(fields, "type").and_then(Raw::as_str);
    let Some(kind) = kind else {
        return Err(reading::wrong(&format!("{place}.type"), "a string"));
    };
    let part = match &*kind {
        "text" => words(fields, place, losses)?,
        "image" | "document" => media::read(fields, &kind, place, losses)?,
        "search_result" => media::read_search_result(fields, place, losses)?,
        "thinking" => thinking(fields, place, losses)?,
        "redacted_thinking" => redacted(fields, place, losses)?,
        "tool_use" => call(fields, place, losses)?,
        "tool_result" => result(fields, place, losses)?,
        _ => return Ok(Err(kind)),
    };
    Ok(Ok(part))
}

/// Adds a part to those before it. What seals the call of a tool goes to the call, which it follows.
pub(crate) fn push<'a>(
    parts: &mut Vec<Part<'a>>,
    part: Part<'a>,
    place: Place,
    losses: &mut Losses,
) {
    if let Part::Reasoning(reasoning) = &part
        && reasoning.redacted
        && let Some(seal) = &reasoning.signature
        && let Some(seal) = seal.data.plain().strip_prefix(CALL_SEAL)
    {
        let seal = Signature::read(FAMILY, Text::from(seal.to_owned()));
        match parts.last_mut() {
            Some(Part::ToolCall(call)) => call.signature = Some(seal),
            _ => losses.add(place.to_string(), "it seals a call of a tool that is gone"),
        }
        return;
    }
    parts.push(part);
}

/// A text that must be there.
pub(super) fn required<'a>(
    value: Option<Raw<'a>>,
    place: Place,
    name: &str,
) -> Result<Text<'a>, Error> {
    let found = value.and_then(Text::of);
    found.ok_or_else(|| reading::wrong(&format!("{place}.{name}"), "a string"))
}

/// Notes the fields of a block that are not read.
pub(super) fn lose_others(fields: &Fields<'_>, known: &[&str], place: Place, losses: &mut Losses) {
    for member in fields {
        if member.key != "type" && !known.iter().any(|known| member.key == *known) {
            let name = member.key.as_str().unwrap_or_default();
            lose(losses, format_args!("{place}.{name}"), member.value);
        }
    }
}

fn words<'a>(fields: &Fields<'a>, place: Place, losses: &mut Losses) -> Result<Part<'a>, Error> {
    let (mut words, mut citations, mut mark) = (None, None, None);
    for member in fields {
        if member.key == "text" {
            words = Some(member.value);
        } else if member.key == "citations" {
            let filled = |list: &Raw<'_>| list.elements().next().is_some_and(|e| e.is_ok());
            citations = Some(member.value).filter(filled);
        } else if member.key == "cache_control" {
            mark = cache(member.value, &format!("{place}.cache_control"))?;
        }
    }
    lose_others(
        fields,
        &["text", "citations", "cache_control"],
        place,
        losses,
    );
    Ok(Part::Text {
        text: required(words, place, "text")?,
        citations,
        cache: mark,
    })
}

fn thinking<'a>(fields: &Fields<'a>, place: Place, losses: &mut Losses) -> Result<Part<'a>, Error> {
    lose_others(fields, &["thinking", "signature"], place, losses);
    let signature = match field(fields, "signature") {
        Some(value) => text(value, || format!("{place}.signature"))?,
        None => None,
    };
    Ok(Part::Reasoning(Reasoning {
        text: Some(required(field(fields, "thinking"), place, "thinking")?),
        signature: signature
            .filter(|data| !data.is_empty())
            .map(|data| Signature::read(FAMILY, data)),
        redacted: false,
        id: None,
    }))
}

fn redacted<'a>(fields: &Fields<'a>, place: Place, losses: &mut Losses) -> Result<Part<'a>, Error> {
    lose_others(fields, &["data"], place, losses);
    let data = required(field(fields, "data"), place, "data")?;
    Ok(Part::Reasoning(Reasoning {
        text: None,
        signature: Some(Signature::read(FAMILY, data)),
        redacted: true,
        id: None,
    }))
}

fn call<'a>(fields: &Fields<'a>, place: Place, losses: &mut Losses) -> Result<Part<'a>, Error> {
    let known = ["id", "name", "input", "cache_control", "caller"];
    lose_others(fields, &known, place, losses);
    if let Some(caller) = field(fields, "caller").and_then(given) {
        let kind = field(&members(caller), "type").and_then(Raw::as_str);
        if kind.as_deref() != Some("direct") {
            let why = "only Anthropic calls tools from code";
            return Err(untranslatable(format_args!("{place}.caller"), why));
        }
    }
    let input = match field(fields, "input") {
        Some(input) if input.kind() == Kind::Object => Cow::Borrowed(input.bytes()),
        None => Cow::Borrowed(&b"{}"[..]),
        Some(_) => return Err(reading::wrong(&format!("{place}.input"), "an object")),
    };
    let mark = match field(fields, "cache_control") {
        Some(value) => cache(value, &format!("{place}.cache_control"))?,
        None => None,
    };
    Ok(Part::ToolCall(ToolCall {
        id: Some(required(field(fields, "id"), place, "id")?),
        name: required(field(fields, "name"), place, "name")?,
        arguments: Arguments::Object(input),
        signature: None,
        cache: mark,
    }))
}

fn result<'a>(fields: &Fields<'a>, place: Place, losses: &mut Losses) -> Result<Part<'a>, Error> {
    let known = ["tool_use_id", "content", "is_error", "cache_control"];
    lose_others(fields, &known, place, losses);
    let mark = match field(fields, "cache_control") {
        Some(value) => cache(value, &format!("{place}.cache_control"))?,
        None => None,
    };
    let error = field(fields, "is_error").and_then(given);
    let error = error.map(|error| {
        let wrong = || reading::wrong(&format!("{place}.is_error"), "true or false");
        error.as_bool().ok_or_else(wrong)
    });
    Ok(Part::ToolResult(ToolResult {
        id: Some(required(
            field(fields, "tool_use_id"),
            place,
            "tool_use_id",
        )?),
        name: None,
        parts: match field(fields, "content").and_then(given) {
            Some(content) => inner(content, place, losses)?,
            None => Vec::new(),
        },
        json: None,
        error: error.transpose()?.unwrap_or(false),
        cache: mark,
    }))
}

/// What a tool answered: a text, or blocks.
fn inner<'a>(content: Raw<'a>, place: Place, losses: &mut Losses) -> Result<Vec<Part<'a>>, Error> {
    if let Some(words) = Text::of(content) {
        return Ok(vec![Part::text(words)]);
    }
    if content.kind() != Kind::Array {
        let wanted = "a string or a list of blocks";
        return Err(reading::wrong(&format!("{place}.content"), wanted));
    }
    let mut parts = Vec::new();
    for (number, block) in (0..).zip(content.elements().filter_map(Result::ok)) {
        let place = place.inner(number);
        let fields = members(block);
        let kind = match read_plain(&fields, place, losses)? {
            Ok(part) => {
                parts.push(part);
                continue;
            }
            Err(kind) => kind,
        };
        let why = format!("`{kind}` blocks in a tool's result are known to Anthropic alone");
        return Err(untranslatable(place, &why));
    }
    Ok(parts)
}

/// Reads a block of the kinds that may stand in a tool's result, in which no results stand.
fn read_plain<'a>(
    fields: &Fields<'a>,
    place: Place,
    losses: &mut Losses,
) -> Result<Result<Part<'a>, Cow<'a, str>>, Error> {
    let kind = field(fields, "type").and_then(Raw::as_str);
    match kind.as_deref() {
        Some("text" | "image" | "document" | "search_result") | None => read(fields, place, losses),
        Some(_) => Ok(Err(kind.unwrap_or_default())),
    }
}
