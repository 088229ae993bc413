//! Encode: the blocks a message consists of, read.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use portcullis_core::json::{Cursor, JsonError};

use super::FAMILY;
use super::format::media_type;
use super::reading::{Place, Reading};
use crate::translate::{
    Arguments, CacheMark, Media, MediaKind, Part, Reasoning, Signature, Source, Text, ToolCall,
    ToolResult,
};

/// What a signature of another family begins with where a place for it takes base64: the base64 of `portculli`.
const MARKED: &str = "cG9ydGN1bGxp";

/// Reads an array of blocks.
pub(super) fn read<'a>(
    cx: &mut Reading<'_>,
    at: &mut Cursor<'a>,
    place: Place<'_>,
    parts: &mut Vec<Part<'a>>,
) -> Result<(), JsonError> {
    cx.array(at, place, |cx, place, at| block(cx, at, place, parts))
}

fn block<'a>(
    cx: &mut Reading<'_>,
    at: &mut Cursor<'a>,
    place: Place<'_>,
    parts: &mut Vec<Part<'a>>,
) -> Result<(), JsonError> {
    cx.object(at, place, |cx, key, at| {
        let name = key.as_str().unwrap_or_default();
        let here = Place::Key(&place, &name);
        let part = match &*name {
            "text" => Part::text(cx.text(at, here)?),
            "image" => media(cx, at, here, MediaKind::Image)?,
            "document" => media(cx, at, here, MediaKind::Document)?,
            "video" => media(cx, at, here, MediaKind::Video)?,
            "audio" => media(cx, at, here, MediaKind::Audio)?,
            "toolUse" => return tool_use(cx, at, here, parts),
            "toolResult" => tool_result(cx, at, here)?,
            "reasoningContent" => return reasoning(cx, at, here, parts),
            "cachePoint" => return cache_point(cx, at, here, parts),
            "guardContent" => return guarded(cx, at, here, parts),
            "citationsContent" => return cited(cx, at, here, parts),
            _ => {
                let raw = at.value()?;
                if raw.is_null() {
                    return Ok(());
                }
                let kind = name;
                Part::Foreign { kind, raw }
            }
        };
        parts.push(part);
        Ok(())
    })
}

fn media<'a>(
    cx: &mut Reading<'_>,
    at: &mut Cursor<'a>,
    place: Place<'_>,
    kind: MediaKind,
) -> Result<Part<'a>, JsonError> {
    let (mut format, mut name, mut source) = (None, None, None);
    cx.object(at, place, |cx, key, at| {
        if key == "format" {
            format = Some(cx.text(at, Place::Key(&place, "format"))?);
        } else if key == "name" {
            name = Some(cx.text(at, Place::Key(&place, "name"))?);
        } else if key == "source" {
            source = media_source(cx, at, Place::Key(&place, "source"))?;
        } else {
            cx.lose(at, place, key, "other dialects have no such thing")?;
        }
        Ok(())
    })?;
    let source = source.ok_or_else(|| cx.wrong(Place::Key(&place, "source"), "bytes or text"))?;
    let known = format.and_then(|format| media_type(kind, &format.plain()));
    Ok(Part::Media(Media {
        kind,
        media_type: known.map(Text::from),
        source,
        name,
        detail: None,
        cache: None,
    }))
}

fn media_source<'a>(
    cx: &mut Reading<'_>,
    at: &mut Cursor<'a>,
    place: Place<'_>,
) -> Result<Option<Source<'a>>, JsonError> {
    let mut source = None;
    cx.object(at, place, |cx, key, at| {
        if key == "bytes" {
            source = Some(Source::Base64(cx.text(at, Place::Key(&place, "bytes"))?));
        } else if key == "text" {
            source = Some(Source::Text(cx.text(at, Place::Key(&place, "text"))?));
        } else if key == "content" {
            let here = Place::Key(&place, "content");
            source = Some(Source::Text(joined(texts(cx, at, here)?)));
        } else if key == "s3Location" {
            let why = "only the account it is in can read it";
            return Err(cx.untranslatable(Place::Key(&place, "s3Location"), why));
        } else {
            cx.lose(at, place, key, "it is not known")?;
        }
        Ok(())
    })?;
    Ok(source)
}

/// The texts of an array of `{"text"}`.
fn texts<'a>(
    cx: &mut Reading<'_>,
    at: &mut Cursor<'a>,
    place: Place<'_>,
) -> Result<Vec<Text<'a>>, JsonError> {
    let mut texts = Vec::new();
    cx.array(at, place, |cx, place, at| {
        cx.object(at, place, |cx, key, at| {
            if key == "text" {
                texts.push(cx.text(at, Place::Key(&place, "text"))?);
                return Ok(());
            }
            cx.lose(at, place, key, "it is not known")
        })
    })?;
    Ok(texts)
}

fn joined(mut texts: Vec<Text<'_>>) -> Text<'_> {
    if texts.len() == 1 {
        return texts.remove(0);
    }
    let plain: Vec<_> = texts.iter().map(Text::plain).collect();
    Text::from(plain.join("\n"))
}

fn tool_use<'a>(
    cx: &mut Reading<'_>,
    at: &mut Cursor<'a>,
    place: Place<'_>,
    parts: &mut Vec<Part<'a>>,
) -> Result<(), JsonError> {
    let (mut id, mut name, mut input) = (None, None, None);
    cx.object(at, place, |cx, key, at| {
        if key == "toolUseId" {
            id = Some(cx.text(at, Place::Key(&place, "toolUseId"))?);
        } else if key == "name" {
            name = Some(cx.text(at, Place::Key(&place, "name"))?);
        } else if key == "input" {
            input = Some(at.value()?);
        } else if key == "type" {
            let why = "the provider ran this tool itself";
            return Err(cx.untranslatable(Place::Key(&place, "type"), why));
        } else {
            cx.lose(at, place, key, "it is not known")?;
        }
        Ok(())
    })?;
    let name = name.ok_or_else(|| cx.wrong(Place::Key(&place, "name"), "the name of a tool"))?;
    let input = input.map_or(&b"{}"[..], |input| input.bytes());
    parts.push(Part::ToolCall(ToolCall {
        id,
        name,
        arguments: Arguments::Object(Cow::Borrowed(input)),
        signature: None,
        cache: None,
    }));
    Ok(())
}

fn tool_result<'a>(
    cx: &mut Reading<'_>,
    at: &mut Cursor<'a>,
    place: Place<'_>,
) -> Result<Part<'a>, JsonError> {
    let mut result = ToolResult {
        id: None,
        name: None,
        parts: Vec::new(),
        json: None,
        error: false,
        cache: None,
    };
    cx.object(at, place, |cx, key, at| {
        if key == "toolUseId" {
            result.id = Some(cx.text(at, Place::Key(&place, "toolUseId"))?);
        } else if key == "status" {
            let status = cx.text(at, Place::Key(&place, "status"))?;
            result.error = status.is("error");
        } else if key == "content" {
            let here = Place::Key(&place, "content");
            cx.array(at, here, |cx, place, at| {
                result_block(cx, at, place, &mut result)
            })?;
        } else {
            cx.lose(at, place, key, "it is not known")?;
        }
        Ok(())
    })?;
    if result.parts.len() != 1 {
        result.json = None;
    }
    Ok(Part::ToolResult(result))
}

/// One block of a result: JSON is kept as it is and as a text.
fn result_block<'a>(
    cx: &mut Reading<'_>,
    at: &mut Cursor<'a>,
    place: Place<'_>,
    result: &mut ToolResult<'a>,
) -> Result<(), JsonError> {
    cx.object(at, place, |cx, key, at| {
        let name = key.as_str().unwrap_or_default();
        let here = Place::Key(&place, &name);
        let part = match &*name {
            "json" => {
                let json = at.value()?;
                result.json = Some(json);
                Part::Text {
                    text: Text::Plain(String::from_utf8_lossy(json.bytes())),
                    citations: None,
                    cache: None,
                }
            }
            "text" => Part::text(cx.text(at, here)?),
            "image" => media(cx, at, here, MediaKind::Image)?,
            "document" => media(cx, at, here, MediaKind::Document)?,
            "video" => media(cx, at, here, MediaKind::Video)?,
            _ => return cx.lose(at, place, key, "other dialects have no such result"),
        };
        result.parts.push(part);
        Ok(())
    })
}

fn reasoning<'a>(
    cx: &mut Reading<'_>,
    at: &mut Cursor<'a>,
    place: Place<'_>,
    parts: &mut Vec<Part<'a>>,
) -> Result<(), JsonError> {
    let mut found = Reasoning::default();
    cx.object(at, place, |cx, key, at| {
        if key == "redactedContent" {
            let data = cx.text(at, Place::Key(&place, "redactedContent"))?;
            found.signature = Some(read_redacted(data));
            found.redacted = true;
            return Ok(());
        }
        if key != "reasoningText" {
            return cx.lose(at, place, key, "it is not known");
        }
        let here = Place::Key(&place, "reasoningText");
        cx.object(at, here, |cx, key, at| {
            if key == "text" {
                found.text = Some(cx.text(at, Place::Key(&here, "text"))?);
            } else if key == "signature" {
                let signature = cx.text(at, Place::Key(&here, "signature"))?;
                found.signature = Some(Signature::read(FAMILY, signature));
            } else {
                cx.lose(at, here, key, "it is not known")?;
            }
            Ok(())
        })
    })?;
    // The signature of a call stands behind it, as thoughts without words.
    let wordless = !found.redacted && found.text.as_ref().is_none_or(Text::is_empty);
    let foreign = found.signature.as_ref().is_some_and(|s| s.family != FAMILY);
    if wordless
        && foreign
        && let Some(Part::ToolCall(call)) = parts.last_mut()
        && call.signature.is_none()
    {
        call.signature = found.signature;
    } else {
        parts.push(Part::Reasoning(found));
    }
    Ok(())
}

/// What stands in the place of redacted thoughts. It takes base64, so that the mark of another family is in base64 too.
pub(super) fn read_redacted(data: Text<'_>) -> Signature<'_> {
    let plain = data.plain();
    if plain.starts_with(MARKED)
        && let Some(marked) = STANDARD.decode(&*plain).ok()
        && let Ok(marked) = String::from_utf8(marked)
    {
        return Signature::read(FAMILY, Text::from(marked));
    }
    drop(plain);
    Signature {
        family: FAMILY,
        data,
    }
}

/// What to write in that place.
pub(super) fn written_redacted<'a>(signature: &Signature<'a>) -> Text<'a> {
    if signature.family == FAMILY {
        return signature.data.clone();
    }
    Text::from(STANDARD.encode(&*signature.written(FAMILY).plain()))
}

/// Marks what stands before it.
pub(super) fn cache_point<'a>(
    cx: &mut Reading<'_>,
    at: &mut Cursor<'a>,
    place: Place<'_>,
    parts: &mut [Part<'a>],
) -> Result<(), JsonError> {
    let mark = cache_mark(cx, at, place)?;
    match parts.last_mut() {
        Some(
            Part::Text { cache, .. }
            | Part::Media(Media { cache, .. })
            | Part::ToolCall(ToolCall { cache, .. })
            | Part::ToolResult(ToolResult { cache, .. }),
        ) => *cache = Some(mark),
        _ => cx.losses.add(
            place.to_string(),
            "there is nothing before it that can be marked",
        ),
    }
    Ok(())
}

/// Reads `{"type", "ttl"}`.
pub(super) fn cache_mark(
    cx: &mut Reading<'_>,
    at: &mut Cursor<'_>,
    place: Place<'_>,
) -> Result<CacheMark, JsonError> {
    let mut mark = CacheMark::Default;
    cx.object(at, place, |cx, key, at| {
        if key == "ttl" {
            let ttl = cx.text(at, Place::Key(&place, "ttl"))?;
            mark = if ttl.is("1h") {
                CacheMark::Hour
            } else {
                CacheMark::Minutes5
            };
        }
        Ok(())
    })?;
    Ok(mark)
}

/// Content that a guardrail is to look at goes on as what it is; the guardrail itself does not.
fn guarded<'a>(
    cx: &mut Reading<'_>,
    at: &mut Cursor<'a>,
    place: Place<'_>,
    parts: &mut Vec<Part<'a>>,
) -> Result<(), JsonError> {
    cx.losses.add(
        place.to_string(),
        "no guardrail of the provider looks at it",
    );
    cx.object(at, place, |cx, key, at| {
        if key == "text" {
            let here = Place::Key(&place, "text");
            return cx.object(at, here, |cx, key, at| {
                if key == "text" {
                    parts.push(Part::text(cx.text(at, Place::Key(&here, "text"))?));
                }
                Ok(())
            });
        }
        if key == "image" {
            let image = media(cx, at, Place::Key(&place, "image"), MediaKind::Image)?;
            parts.push(image);
        }
        Ok(())
    })
}

/// Words with what they cite, which stands behind the last of them.
fn cited<'a>(
    cx: &mut Reading<'_>,
    at: &mut Cursor<'a>,
    place: Place<'_>,
    parts: &mut Vec<Part<'a>>,
) -> Result<(), JsonError> {
    let (mut words, mut cites) = (Vec::new(), None);
    cx.object(at, place, |cx, key, at| {
        if key == "content" {
            words = texts(cx, at, Place::Key(&place, "content"))?;
        } else if key == "citations" {
            cites = Some(at.value()?).filter(|cites| !cites.is_null());
        } else {
            cx.lose(at, place, key, "it is not known")?;
        }
        Ok(())
    })?;
    parts.extend(words.into_iter().map(Part::text));
    if let Some(Part::Text { citations, .. }) = parts.last_mut() {
        *citations = cites;
    }
    Ok(())
}
