//! Encode and the way back: what a message says, which requests and replies have in common.

use portcullis_core::error::Error;
use portcullis_core::json::{Kind, Raw};

use super::FAMILY;
use crate::dialect::fields::{Fields, field, given, lose, members, untranslatable};
use crate::translate::media;
use crate::translate::write::{Array, object};
use crate::translate::{
    Arguments, Losses, Media, MediaKind, Part, Reasoning, Signature, Text, ToolCall,
    read as reading,
};

/// Reads `content`: a text, or a list of blocks.
pub(super) fn read<'a>(
    content: Raw<'a>,
    place: &str,
    losses: &mut Losses,
) -> Result<Vec<Part<'a>>, Error> {
    if let Some(text) = Text::of(content) {
        return Ok(vec![Part::text(text)]);
    }
    if content.is_null() {
        return Ok(Vec::new());
    }
    if content.kind() != Kind::Array {
        return Err(reading::wrong(place, "a string or a list of blocks"));
    }
    let mut parts = Vec::new();
    for (number, block) in content.elements().filter_map(Result::ok).enumerate() {
        parts.push(read_block(
            &members(block),
            &format!("{place}[{number}]"),
            losses,
        )?);
    }
    Ok(parts)
}

fn read_block<'a>(
    fields: &Fields<'a>,
    place: &str,
    losses: &mut Losses,
) -> Result<Part<'a>, Error> {
    let kind = field(fields, "type").and_then(Raw::as_str);
    let known: &[&str] = match kind.as_deref() {
        Some("text") => &["type", "text"],
        Some("thinking") => &["type", "thinking", "signature", "redacted"],
        Some("image_url") => &["type", "image_url"],
        Some("document") => &["type", "document"],
        _ => {
            let wanted = "`text`, `thinking`, `image_url` or `document`";
            return Err(reading::wrong(&format!("{place}.type"), wanted));
        }
    };
    lose_others(fields, known, place, losses);
    let words = |name| {
        let text = field(fields, name).and_then(Text::of);
        text.ok_or_else(|| reading::wrong(&format!("{place}.{name}"), "a string"))
    };
    match kind.as_deref() {
        Some("text") => Ok(Part::text(words("text")?)),
        Some("thinking") => {
            let redacted = field(fields, "redacted").and_then(Raw::as_bool) == Some(true);
            Ok(Part::Reasoning(Reasoning {
                text: Some(words("thinking")?).filter(|_| !redacted),
                signature: seal(fields),
                redacted,
                id: None,
            }))
        }
        Some("image_url") => image(fields, place, losses),
        _ => document(fields, place, losses),
    }
}

/// Notes the fields that are not read.
pub(super) fn lose_others(fields: &Fields<'_>, known: &[&str], place: &str, losses: &mut Losses) {
    for member in fields {
        if !known.iter().any(|known| member.key == *known) {
            let name = member.key.as_str().unwrap_or_default();
            lose(losses, format_args!("{place}.{name}"), member.value);
        }
    }
}

/// What another provider sealed a part with.
pub(super) fn seal<'a>(fields: &Fields<'a>) -> Option<Signature<'a>> {
    let data = field(fields, "signature").and_then(Text::of)?;
    Some(Signature::read(FAMILY, data)).filter(|seal| seal.family != FAMILY)
}

fn image<'a>(fields: &Fields<'a>, place: &str, losses: &mut Losses) -> Result<Part<'a>, Error> {
    let image = field(fields, "image_url").map(members).unwrap_or_default();
    let place = format!("{place}.image_url");
    lose_others(&image, &["url", "detail"], &place, losses);
    let url = field(&image, "url").and_then(Text::of);
    let url = url.ok_or_else(|| reading::wrong(&format!("{place}.url"), "a string"))?;
    let (source, media_type) = media::source(url, || format!("{place}.url"))?;
    Ok(Part::Media(Media {
        kind: MediaKind::Image,
        media_type,
        source,
        name: None,
        detail: field(&image, "detail").and_then(Text::of),
        cache: None,
    }))
}

/// A document a tool answered with: an object of facts, as its JSON.
fn document<'a>(fields: &Fields<'a>, place: &str, losses: &mut Losses) -> Result<Part<'a>, Error> {
    let document = field(fields, "document").map(members).unwrap_or_default();
    let place = format!("{place}.document");
    lose_others(&document, &["data"], &place, losses);
    let data = field(&document, "data").and_then(given);
    let data = data.ok_or_else(|| reading::wrong(&format!("{place}.data"), "an object"))?;
    Ok(match Text::of(data) {
        Some(text) => Part::text(text),
        None => Part::text(String::from_utf8_lossy(data.bytes()).into_owned()),
    })
}

/// Reads `tool_calls`.
pub(super) fn calls<'a>(
    list: Raw<'a>,
    place: &str,
    losses: &mut Losses,
) -> Result<Vec<Part<'a>>, Error> {
    let mut calls = Vec::new();
    for (number, call) in list.elements().filter_map(Result::ok).enumerate() {
        let place = format!("{place}[{number}]");
        let fields = members(call);
        lose_others(
            &fields,
            &["id", "type", "function", "signature"],
            &place,
            losses,
        );
        let function = field(&fields, "function").map(members).unwrap_or_default();
        let name = field(&function, "name").and_then(Text::of);
        let name = name.ok_or_else(|| {
            let field = format!("{place}.function.name");
            reading::wrong(&field, "a tool's name")
        })?;
        let arguments = field(&function, "arguments").and_then(Text::of);
        calls.push(Part::ToolCall(ToolCall {
            id: field(&fields, "id").and_then(Text::of),
            name,
            arguments: Arguments::String(arguments.unwrap_or_else(|| "".into())),
            signature: seal(&fields),
            cache: None,
        }));
    }
    Ok(calls)
}

/// Writes a block of thoughts; a seal only for those who hand it back.
pub(super) fn write_thinking(reasoning: &Reasoning<'_>, sealed: bool, blocks: &mut Array<'_>) {
    blocks.object(|block| {
        block.str("type", "thinking");
        let nothing = Text::from("");
        block.text("thinking", reasoning.text.as_ref().unwrap_or(&nothing));
        if let Some(seal) = reasoning.signature.as_ref().filter(|_| sealed) {
            block.text("signature", &seal.written(FAMILY));
        }
        if reasoning.redacted {
            block.bool("redacted", true);
        }
    });
}

/// Writes a call; a seal only for those who hand it back.
pub(super) fn write_call(
    call: &ToolCall<'_>,
    id: &Text<'_>,
    name: &Text<'_>,
    sealed: bool,
    list: &mut Array<'_>,
) {
    list.object(|o| {
        o.text("id", id);
        o.str("type", "function");
        o.object("function", |o| {
            o.text("name", name);
            call.arguments.write_string(o.key("arguments"));
        });
        if let Some(seal) = call.signature.as_ref().filter(|_| sealed) {
            o.text("signature", &seal.written(FAMILY));
        }
    });
}

/// Writes a picture, or a document of words as a text.
pub(super) fn write_media(
    media: &Media<'_>,
    field: &dyn Fn() -> String,
    losses: &mut Losses,
    blocks: &mut Array<'_>,
) -> Result<(), Error> {
    use crate::translate::Source;
    match (media.kind, &media.source) {
        (MediaKind::Document, Source::Text(words)) => {
            losses.add(field(), "a document of words is said as a text there");
            blocks.object(|block| {
                block.str("type", "text");
                block.text("text", words);
            });
        }
        (MediaKind::Image, Source::Base64(data)) => {
            let Some(media_type) = media::media_type(media) else {
                return Err(untranslatable(
                    field(),
                    "the picture's media type is not known",
                ));
            };
            blocks.object(|block| {
                block.str("type", "image_url");
                object(block.key("image_url"), |o| {
                    media::write_data_url(o.key("url"), &media_type, data);
                    o.maybe_text("detail", media.detail.as_ref());
                });
            });
        }
        (MediaKind::Image, Source::Url(url)) => blocks.object(|block| {
            block.str("type", "image_url");
            block.object("image_url", |o| {
                o.text("url", url);
                o.maybe_text("detail", media.detail.as_ref());
            });
        }),
        (_, Source::File(_)) => {
            return Err(untranslatable(
                field(),
                "the file is kept at another provider",
            ));
        }
        _ => {
            let why = "Cohere's models take pictures and texts alone";
            return Err(untranslatable(field(), why));
        }
    }
    Ok(())
}

/// Whether a list of citations is in Cohere's form.
pub(super) fn cites(citations: Raw<'_>) -> bool {
    let first = citations.elements().next().and_then(Result::ok);
    first.unwrap_or(citations).get("sources").is_some()
}
