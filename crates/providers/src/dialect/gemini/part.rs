//! Encode: a part of a content, as neutral ones.

use portcullis_core::error::Error;
use portcullis_core::json::{Kind, Raw};
use smallvec::SmallVec;

use super::key::{camel, field, get};
use super::place::Place;
use super::signature;
use crate::dialect::fields::{Fields, lose, members, text};
use crate::translate::read::wrong;
use crate::translate::{
    Arguments, Losses, Media, MediaKind, Part, Reasoning, Source, Text, ToolCall, ToolResult, media,
};

/// What one part becomes: a signed text is its words and its seal.
pub(super) type Parts<'a> = SmallVec<[Part<'a>; 2]>;

/// Things only Gemini has in its turns: what its own tools did.
pub(super) const FOREIGN: [&str; 4] = [
    "executableCode",
    "codeExecutionResult",
    "toolCall",
    "toolResponse",
];

/// Reads a part.
pub(super) fn read<'a>(
    fields: &Fields<'a>,
    at: Place,
    losses: &mut Losses,
) -> Result<Parts<'a>, Error> {
    let mut parts = Parts::new();
    let seal = match field(fields, "thoughtSignature") {
        Some(data) => text(data, || format!("{at}.thoughtSignature"))?.map(signature::read),
        None => None,
    };
    let thought = field(fields, "thought").and_then(Raw::as_bool) == Some(true);
    for member in fields {
        let (name, value) = (camel(&member.key), member.value);
        if value.is_null() {
            continue;
        }
        match &*name {
            "text" => {
                let words = text(value, || format!("{at}.text"))?;
                if thought {
                    parts.push(Part::Reasoning(Reasoning {
                        text: words,
                        signature: seal.clone(),
                        ..Reasoning::default()
                    }));
                } else {
                    let words = words.filter(|words| !words.is_empty());
                    parts.extend(words.map(Part::text));
                }
            }
            "functionCall" => {
                let mut call = call(value, at)?;
                call.signature = seal.clone();
                parts.push(Part::ToolCall(call));
            }
            "functionResponse" => parts.push(Part::ToolResult(result(value, at, losses)?)),
            "inlineData" => {
                let media = inline(value, &format!("{at}.inlineData"), losses)?;
                parts.push(Part::Media(media));
            }
            "fileData" => parts.push(Part::Media(file(value, at, losses)?)),
            "thought" | "thoughtSignature" => {}
            name if FOREIGN.contains(&name) => parts.push(Part::Foreign {
                kind: name.to_owned().into(),
                raw: value,
            }),
            name => lose(losses, format_args!("{at}.{name}"), value),
        }
    }
    let carries = |part: &Part<'_>| matches!(part, Part::Reasoning(_) | Part::ToolCall(_));
    if seal.is_some() && !parts.iter().any(carries) {
        parts.push(Part::Reasoning(Reasoning {
            redacted: thought,
            signature: seal,
            ..Reasoning::default()
        }));
    }
    Ok(parts)
}

/// Adds parts to a content. An empty thought with a seal is the end of the thoughts before it, as a stream has
/// it: they are one under that seal.
pub(super) fn push<'a>(content: &mut Vec<Part<'a>>, parts: Parts<'a>) {
    for part in parts {
        let ends = matches!(&part, Part::Reasoning(Reasoning { text: Some(text), signature: Some(_), .. })
            if text.is_empty());
        let is_open = |part: &Part<'_>| {
            matches!(
                part,
                Part::Reasoning(Reasoning {
                    text: Some(_),
                    signature: None,
                    ..
                })
            )
        };
        let open = content
            .iter()
            .rev()
            .take_while(|part| is_open(part))
            .count();
        let Part::Reasoning(end) = part else {
            content.push(part);
            continue;
        };
        if !ends || open == 0 {
            content.push(Part::Reasoning(end));
            continue;
        }
        let before = content.split_off(content.len() - open);
        let words = before.iter().filter_map(|part| match part {
            Part::Reasoning(thought) => thought.text.as_ref().map(Text::plain),
            _ => None,
        });
        content.push(Part::Reasoning(Reasoning {
            text: Some(words.collect::<String>().into()),
            ..end
        }));
    }
}

/// Whether a URI is of something stored at Google.
pub(super) fn is_stored(uri: &str) -> bool {
    const PLACES: [&str; 3] = [
        "gs://",
        "files/",
        "https://generativelanguage.googleapis.com/",
    ];
    PLACES.iter().any(|place| uri.starts_with(place))
}

fn call<'a>(value: Raw<'a>, at: Place) -> Result<ToolCall<'a>, Error> {
    let fields = members(value);
    let place = |name: &str| format!("{at}.functionCall.{name}");
    let name = field(&fields, "name").and_then(Text::of);
    let name = name.filter(|name| !name.is_empty());
    let arguments = match field(&fields, "args") {
        None => &b"{}"[..],
        Some(args) if args.kind() == Kind::Object => args.bytes(),
        Some(_) => return Err(wrong(&place("args"), "an object")),
    };
    Ok(ToolCall {
        id: id(&fields),
        name: name.ok_or_else(|| wrong(&place("name"), "the name of a function"))?,
        arguments: Arguments::Object(arguments.into()),
        signature: None,
        cache: None,
    })
}

/// An id that says something: SDKs send empty ones.
fn id<'a>(fields: &Fields<'a>) -> Option<Text<'a>> {
    let id = field(fields, "id").and_then(Text::of);
    id.filter(|id| !id.is_empty())
}

fn result<'a>(value: Raw<'a>, at: Place, losses: &mut Losses) -> Result<ToolResult<'a>, Error> {
    let fields = members(value);
    let place = format!("{at}.functionResponse");
    let json = field(&fields, "response");
    if json.is_some_and(|json| json.kind() != Kind::Object) {
        return Err(wrong(&format!("{place}.response"), "an object"));
    }
    let (words, error) = json.map_or((None, false), said);
    let mut parts: Vec<_> = words.map(Part::text).into_iter().collect();
    for member in &fields {
        match &*camel(&member.key) {
            "id" | "name" | "response" => {}
            "parts" => {
                for (number, part) in member.value.elements().filter_map(Result::ok).enumerate() {
                    let place = format!("{place}.parts[{number}]");
                    match get(part, "inlineData") {
                        Some(data) => {
                            let media = inline(data, &format!("{place}.inlineData"), losses)?;
                            parts.push(Part::Media(media));
                        }
                        None => lose(losses, place, part),
                    }
                }
            }
            name => lose(losses, format_args!("{place}.{name}"), member.value),
        }
    }
    Ok(ToolResult {
        id: id(&fields),
        name: field(&fields, "name").and_then(Text::of),
        parts,
        json,
        error,
        cache: None,
    })
}

/// What a response says in words, and whether it says that the tool failed. By Google's convention a result is
/// under `output` and a failure under `error`; SDKs write `result` too. Anything else is said as it is.
fn said(response: Raw<'_>) -> (Option<Text<'_>>, bool) {
    let as_json = |value: Raw<'_>| Text::from(String::from_utf8_lossy(value.bytes()).into_owned());
    if let [only] = &members(response)[..] {
        let error = only.key == "error";
        if error || only.key == "output" || only.key == "result" {
            let words = Text::of(only.value).unwrap_or_else(|| as_json(only.value));
            return (Some(words), error);
        }
    }
    (Some(as_json(response)), false)
}

fn inline<'a>(value: Raw<'a>, place: &str, losses: &mut Losses) -> Result<Media<'a>, Error> {
    let fields = members(value);
    let data = field(&fields, "data").and_then(Text::of);
    let data = data.ok_or_else(|| wrong(&format!("{place}.data"), "bytes in base64"))?;
    let source = Source::Base64(standard(data));
    Ok(medium(&fields, source, place, losses))
}

/// Bytes in the standard alphabet: Google reads that for URLs too.
fn standard(data: Text<'_>) -> Text<'_> {
    let odd = match &data {
        Text::Json(inner) => memchr::memchr2(b'-', b'_', inner),
        Text::Plain(text) => memchr::memchr2(b'-', b'_', text.as_bytes()),
    };
    match odd {
        None => data,
        Some(_) => data.plain().replace('-', "+").replace('_', "/").into(),
    }
}

fn file<'a>(value: Raw<'a>, at: Place, losses: &mut Losses) -> Result<Media<'a>, Error> {
    let fields = members(value);
    let place = format!("{at}.fileData");
    let uri = field(&fields, "fileUri").and_then(Text::of);
    let uri = uri.ok_or_else(|| wrong(&format!("{place}.fileUri"), "a URI"))?;
    let stored = is_stored(&uri.plain());
    let source = if stored {
        Source::File(uri)
    } else {
        Source::Url(uri)
    };
    Ok(medium(&fields, source, &place, losses))
}

fn medium<'a>(
    fields: &Fields<'a>,
    source: Source<'a>,
    place: &str,
    losses: &mut Losses,
) -> Media<'a> {
    let mut found = Media {
        kind: MediaKind::Document,
        media_type: None,
        source,
        name: None,
        detail: None,
        cache: None,
    };
    for member in fields {
        match &*camel(&member.key) {
            "mimeType" => found.media_type = Text::of(member.value),
            "displayName" => found.name = Text::of(member.value),
            "data" | "fileUri" => {}
            name => lose(losses, format_args!("{place}.{name}"), member.value),
        }
    }
    let told = media::media_type(&found).map(Text::into_owned);
    if let Some(told) = told {
        found.kind = media::kind(&told.plain());
    }
    found
}
