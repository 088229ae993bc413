//! Encode: turns written as items of an input.

use super::output;
use crate::dialect::openai::{function, media};
use crate::translate::write::{Array, Object};
use crate::translate::{
    Conversation, Losses, Media, MediaKind, Names, Part, Role, Source, Text, ToolResult, Turn,
};

/// Where losses of a turn are noted.
pub(super) struct Lost<'l> {
    at: String,
    losses: &'l mut Losses,
}

impl<'l> Lost<'l> {
    /// Of this turn.
    pub(super) fn of(c: &Conversation<'_>, turn: &Turn<'_>, losses: &'l mut Losses) -> Self {
        let at = c.turn_path(turn.at);
        Self { at, losses }
    }

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

    /// Notes what of a part is not said; whether the rest is.
    pub(super) fn part(&mut self, part: &Part<'_>) -> bool {
        match part {
            Part::Text {
                citations, cache, ..
            } => {
                self.mark(cache.is_some());
                if citations.is_some() {
                    self.note("citations", "their form is the provider's own");
                }
                true
            }
            Part::Refusal(_) => true,
            Part::Media(media) => {
                self.mark(media.cache.is_some());
                let sayable = matches!(media.kind, MediaKind::Image | MediaKind::Document);
                if !sayable {
                    self.note("media", "responses take images and files alone");
                }
                sayable
            }
            Part::Foreign { .. } => {
                self.note("content", "it is of another provider's own");
                false
            }
            Part::ToolCall(_) | Part::ToolResult(_) | Part::Reasoning(_) => true,
        }
    }
}

/// Writes a turn: its words as a message, and what is an item of its own in its place.
pub(super) fn write(a: &mut Array<'_>, turn: &Turn<'_>, names: &mut Names, lost: &mut Lost<'_>) {
    if turn.name.is_some() {
        lost.note("name", "responses have no names of speakers");
    }
    let mut words: Vec<&Part<'_>> = Vec::new();
    for part in &turn.parts {
        if !lost.part(part) {
            continue;
        }
        match part {
            Part::ToolResult(result) => {
                message(a, turn.role, &mut words);
                write_result(a, result, lost);
            }
            Part::ToolCall(call) => {
                message(a, turn.role, &mut words);
                lost.mark(call.cache.is_some());
                if call.signature.is_some() {
                    lost.note("signature", "responses have no place for it");
                }
                a.object(|o| {
                    o.str("type", "function_call");
                    if let Some(id) = &call.id {
                        o.text("call_id", &function::id(id));
                    }
                    o.text("name", &names.fit(&call.name, function::NAME));
                    call.arguments.write_string(o.key("arguments"));
                });
            }
            Part::Reasoning(one) => match &one.signature {
                Some(sealed) if sealed.family == "openai" => {
                    message(a, turn.role, &mut words);
                    a.object(|o| output::reasoning(o, one, one.id.as_ref(), None));
                }
                _ => lost.note("reasoning", "responses take what OpenAI has sealed alone"),
            },
            Part::Media(_) if turn.role != Role::User => {
                lost.note("media", "OpenAI takes media from the user alone");
            }
            part => words.push(part),
        }
    }
    message(a, turn.role, &mut words);
}

/// Writes what was gathered for a message, if anything was.
fn message(a: &mut Array<'_>, role: Role, words: &mut Vec<&Part<'_>>) {
    if words.is_empty() {
        return;
    }
    a.object(|o| {
        o.str("type", "message");
        let role = match role {
            Role::System => "system",
            Role::Developer => "developer",
            Role::User => "user",
            Role::Assistant => "assistant",
        };
        o.str("role", role);
        match &words[..] {
            [Part::Text { text, .. }] => o.text("content", text),
            parts => o.array("content", |a| {
                for part in parts {
                    a.object(|o| write_part(o, part, role == "assistant"));
                }
            }),
        }
    });
    words.clear();
}

fn write_result(a: &mut Array<'_>, result: &ToolResult<'_>, lost: &mut Lost<'_>) {
    lost.mark(result.cache.is_some());
    if result.error {
        lost.note("is_error", "OpenAI's tools do not fail other than in words");
    }
    let parts = result.parts.iter().filter(|part| lost.part(part));
    let parts: Vec<_> = parts.collect();
    a.object(|o| {
        o.str("type", "function_call_output");
        if let Some(id) = &result.id {
            o.text("call_id", &function::id(id));
        }
        match (&parts[..], result.json) {
            ([], Some(json)) => o.str("output", &String::from_utf8_lossy(json.bytes())),
            ([], None) => o.str("output", ""),
            ([Part::Text { text, .. }], _) => o.text("output", text),
            (parts, _) => o.array("output", |a| {
                for part in parts {
                    a.object(|o| write_part(o, part, false));
                }
            }),
        }
    });
}

fn write_part(o: &mut Object<'_>, part: &Part<'_>, of_model: bool) {
    match part {
        Part::Text { text, .. } => {
            o.str(
                "type",
                if of_model {
                    "output_text"
                } else {
                    "input_text"
                },
            );
            o.text("text", text);
            if of_model {
                o.array("annotations", |_| {});
            }
        }
        Part::Refusal(text) if of_model => {
            o.str("type", "refusal");
            o.text("refusal", text);
        }
        Part::Refusal(text) => {
            o.str("type", "input_text");
            o.text("text", text);
        }
        Part::Media(media) => write_media(o, media),
        // Items of their own do not come here.
        _ => {
            o.str("type", "input_text");
            o.str("text", "");
        }
    }
}

fn write_media(o: &mut Object<'_>, media: &Media<'_>) {
    if media.kind == MediaKind::Image {
        o.str("type", "input_image");
        match &media.source {
            Source::File(id) => o.text("file_id", id),
            _ => media::write_url(media, "image/png", o.key("image_url")),
        }
        let auto = Text::from("auto");
        o.text("detail", media.detail.as_ref().unwrap_or(&auto));
        return;
    }
    o.str("type", "input_file");
    match &media.source {
        Source::File(id) => o.text("file_id", id),
        Source::Url(url) => o.text("file_url", url),
        _ => {
            let unnamed = Text::from("document");
            o.text("filename", media.name.as_ref().unwrap_or(&unnamed));
            media::write_url(media, "application/pdf", o.key("file_data"));
        }
    }
}
