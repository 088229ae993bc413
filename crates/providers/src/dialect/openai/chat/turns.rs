//! Encode: turns written as messages.

use crate::dialect::openai::{function, media};
use crate::translate::write::{Array, Object, array};
use crate::translate::{
    Conversation, Losses, Media, MediaKind, Names, Part, Role, Source, Text, ToolCall, ToolResult,
    Turn,
};

/// Writes a turn: results of tools as a message each, then what else was said as one.
pub(super) fn write(
    messages: &mut Array<'_>,
    turn: &Turn<'_>,
    c: &Conversation<'_>,
    names: &mut Names,
    losses: &mut Losses,
) {
    let mut lost = Lost {
        at: c.turn_path(turn.at),
        losses,
    };
    let mut moved: Vec<&Part<'_>> = Vec::new();
    for part in &turn.parts {
        if let Part::ToolResult(result) = part {
            write_result(messages, result, &mut moved, &mut lost);
        }
    }
    if turn.role == Role::Assistant {
        assistant(messages, turn, names, &mut lost);
        return;
    }
    let said = moved.into_iter().chain(&turn.parts);
    let content: Vec<_> = said.filter(|part| lost.sayable(part, turn.role)).collect();
    if content.is_empty() && !turn.parts.is_empty() {
        return;
    }
    messages.object(|o| {
        let role = match turn.role {
            Role::System => "system",
            Role::Developer => "developer",
            Role::User | Role::Assistant => "user",
        };
        o.str("role", role);
        o.maybe_text("name", turn.name.as_ref());
        write_content(o, &content);
    });
}

/// Where losses of a turn are noted.
struct Lost<'l> {
    at: String,
    losses: &'l mut Losses,
}

impl Lost<'_> {
    fn note(&mut self, what: &str, why: &'static str) {
        self.losses.add(format!("{}.{what}", self.at), why);
    }

    fn mark(&mut self, cached: bool) {
        if cached {
            self.note(
                "cache_control",
                "OpenAI caches by itself and takes no marks",
            );
        }
    }

    /// Whether a part goes into the content of a message of this role; notes what does not.
    fn sayable(&mut self, part: &Part<'_>, role: Role) -> bool {
        match part {
            Part::Text {
                citations, cache, ..
            } => {
                self.mark(cache.is_some());
                if citations.is_some() {
                    self.note("citations", "chat completions have none in a conversation");
                }
                true
            }
            Part::Media(media) => {
                self.mark(media.cache.is_some());
                let why = unsayable(media, role);
                if let Some(why) = why {
                    self.note("media", why);
                }
                why.is_none()
            }
            Part::Refusal(_) => true,
            Part::ToolResult(_) => false,
            Part::ToolCall(_) => {
                self.note("tool_call", "only the assistant calls tools");
                false
            }
            Part::Reasoning(_) => {
                self.note("reasoning", "only the assistant thinks");
                false
            }
            Part::Foreign { .. } => {
                self.note("content", "it is of another provider's own");
                false
            }
        }
    }
}

/// Why media cannot stand in a message of this role.
fn unsayable(media: &Media<'_>, role: Role) -> Option<&'static str> {
    match (media.kind, &media.source) {
        _ if role != Role::User => Some("OpenAI takes media from the user alone"),
        (MediaKind::Image, Source::File(_)) => Some("chat completions take no image by its id"),
        (MediaKind::Audio, Source::Base64(_)) if media::audio_format(media).is_some() => None,
        (MediaKind::Audio, _) => Some("chat completions take sound as bytes of a known format"),
        (MediaKind::Video, _) => Some("chat completions take no video"),
        (MediaKind::Document, Source::Url(_)) => Some("chat completions take no file at a URL"),
        _ => None,
    }
}

fn write_result<'p>(
    messages: &mut Array<'_>,
    result: &'p ToolResult<'p>,
    moved: &mut Vec<&'p Part<'p>>,
    lost: &mut Lost<'_>,
) {
    lost.mark(result.cache.is_some());
    if result.error {
        lost.note("is_error", "OpenAI's tools do not fail other than in words");
    }
    let mut content = Vec::with_capacity(result.parts.len());
    for part in &result.parts {
        if let Part::Media(_) = part {
            lost.note(
                "media",
                "it stands in a message of the user after the tool's",
            );
            moved.push(part);
        } else if lost.sayable(part, Role::User) {
            content.push(part);
        }
    }
    messages.object(|o| {
        o.str("role", "tool");
        if let Some(id) = &result.id {
            o.text("tool_call_id", &function::id(id));
        }
        match result.json {
            Some(json) if content.is_empty() => {
                let text = String::from_utf8_lossy(json.bytes());
                o.str("content", &text);
            }
            _ => write_content(o, &content),
        }
    });
}

fn assistant(messages: &mut Array<'_>, turn: &Turn<'_>, names: &mut Names, lost: &mut Lost<'_>) {
    let mut content = Vec::new();
    let mut thought = Vec::new();
    let mut calls = Vec::new();
    for part in &turn.parts {
        match part {
            Part::ToolCall(call) => calls.push(call),
            Part::Reasoning(reasoning) if reasoning.signature.is_none() => {
                thought.extend(reasoning.text.as_ref());
            }
            Part::Reasoning(_) => {
                lost.note("reasoning", "chat completions take none that is sealed");
            }
            part if lost.sayable(part, turn.role) => content.push(part),
            _ => {}
        }
    }
    if content.is_empty() && thought.is_empty() && calls.is_empty() && !turn.parts.is_empty() {
        return;
    }
    messages.object(|o| {
        o.str("role", "assistant");
        o.maybe_text("name", turn.name.as_ref());
        if !thought.is_empty() {
            joined(o.key("reasoning_content"), thought.into_iter());
        }
        if content.is_empty() {
            o.null("content");
        } else if let [Part::Refusal(refusal)] = &content[..] {
            o.null("content");
            o.text("refusal", refusal);
        } else {
            write_content(o, &content);
        }
        if !calls.is_empty() {
            o.array("tool_calls", |a| {
                for call in calls {
                    write_call(a, call, names, lost);
                }
            });
        }
    });
}

fn write_call(a: &mut Array<'_>, call: &ToolCall<'_>, names: &mut Names, lost: &mut Lost<'_>) {
    lost.mark(call.cache.is_some());
    if call.signature.is_some() {
        lost.note("signature", "chat completions have no place for it");
    }
    a.object(|o| {
        if let Some(id) = &call.id {
            o.text("id", &function::id(id));
        }
        o.str("type", "function");
        o.object("function", |o| {
            o.text("name", &names.fit(&call.name, function::NAME));
            call.arguments.write_string(o.key("arguments"));
        });
    });
}

/// Writes `content`: words alone as a string, all else as a list.
fn write_content(o: &mut Object<'_>, content: &[&Part<'_>]) {
    match content {
        [] => o.str("content", ""),
        [Part::Text { text, .. }] => o.text("content", text),
        parts => array(o.key("content"), |a| {
            for part in parts {
                a.object(|o| write_part(o, part));
            }
        }),
    }
}

fn write_part(o: &mut Object<'_>, part: &Part<'_>) {
    match part {
        Part::Text { text, .. } => {
            o.str("type", "text");
            o.text("text", text);
        }
        Part::Refusal(text) => {
            o.str("type", "refusal");
            o.text("refusal", text);
        }
        Part::Media(media) => write_media(o, media),
        // What else there is does not come here: `sayable` is asked first.
        _ => {
            o.str("type", "text");
            o.str("text", "");
        }
    }
}

fn write_media(o: &mut Object<'_>, media: &Media<'_>) {
    match (media.kind, &media.source) {
        (MediaKind::Image | MediaKind::Video, _) => {
            o.str("type", "image_url");
            o.object("image_url", |o| {
                media::write_url(media, "image/png", o.key("url"));
                o.maybe_text("detail", media.detail.as_ref());
            });
        }
        (MediaKind::Audio, Source::Base64(data)) => {
            o.str("type", "input_audio");
            o.object("input_audio", |o| {
                o.text("data", data);
                o.str("format", media::audio_format(media).unwrap_or("wav"));
            });
        }
        (_, Source::File(id)) => {
            o.str("type", "file");
            o.object("file", |o| o.text("file_id", id));
        }
        _ => {
            o.str("type", "file");
            o.object("file", |o| {
                let unnamed = Text::from("document");
                o.text("filename", media.name.as_ref().unwrap_or(&unnamed));
                media::write_url(media, "application/pdf", o.key("file_data"));
            });
        }
    }
}

/// Writes texts as one string.
pub(super) fn joined<'t>(out: &mut Vec<u8>, texts: impl Iterator<Item = &'t Text<'t>>) {
    out.push(b'"');
    for text in texts {
        text.write_inner(out);
    }
    out.push(b'"');
}
