//! The way back: the item of a streamed response that is under way.

use portcullis_core::llm::EventKind;

use super::output;
use super::reply::{item as add_item, refusal as refusal_of, words_of};
use super::writer::Events;
use crate::translate::write::{Object, object};
use crate::translate::{Out, Reasoning, Signature, Text};

/// What an item is.
#[derive(Debug)]
pub(super) enum Open {
    /// A message; the open part of it is words, or a refusal.
    Words { refusal: bool },
    /// Thoughts, or only what is sealed of them.
    Thoughts { redacted: bool },
    /// A call of a tool.
    Call {
        id: Text<'static>,
        name: Text<'static>,
    },
}

/// Which item it is.
#[derive(Debug)]
pub(super) struct Place {
    pub(super) id: String,
    pub(super) index: u64,
}

impl Place {
    fn write(&self, o: &mut Object<'_>) {
        o.str("item_id", &self.id);
        o.u64("output_index", self.index);
    }
}

/// An item and what came of it so far.
#[derive(Debug)]
pub(super) struct Item {
    place: Place,
    open: Open,
    /// The words of the open part, as they stand in a JSON string.
    words: Vec<u8>,
    /// The parts of the message that have ended.
    parts: Vec<u8>,
    part: u64,
    /// Whether a part of a summary has begun.
    summary: bool,
    signature: Option<Signature<'static>>,
}

impl Item {
    pub(super) fn new(place: Place, open: Open) -> Self {
        Self {
            place,
            open,
            words: Vec::new(),
            parts: Vec::new(),
            part: 0,
            summary: false,
            signature: None,
        }
    }

    /// The bytes held.
    pub(super) fn held(&self) -> usize {
        self.words.len() + self.parts.len()
    }

    /// Whether a seal belongs to it.
    pub(super) fn takes_seal(&self) -> bool {
        !matches!(self.open, Open::Words { .. })
    }

    /// Keeps what must be given back.
    pub(super) fn seal(&mut self, signature: Signature<'_>) {
        self.signature = Some(Signature {
            family: signature.family,
            data: signature.data.into_owned(),
        });
    }

    /// Tells that it begins.
    pub(super) fn begin(&mut self, events: &mut Events, out: &mut Out) {
        let place = &self.place;
        events.write(out, "response.output_item.added", EventKind::Other, |o| {
            o.u64("output_index", place.index);
            o.object("item", |o| match &self.open {
                Open::Words { .. } => message(o, &place.id, "in_progress", b""),
                Open::Thoughts { .. } => {
                    o.str("type", "reasoning");
                    o.str("id", &place.id);
                    o.array("summary", |_| {});
                    o.str("status", "in_progress");
                }
                Open::Call { id, name } => {
                    call(o, &place.id, id, name, b"", "in_progress");
                }
            });
        });
        if let Open::Words { refusal } = self.open {
            self.begin_part(refusal, events, out);
        }
    }

    fn begin_part(&self, refusal: bool, events: &mut Events, out: &mut Out) {
        let name = "response.content_part.added";
        self.part_event(name, refusal, b"", events, out);
    }

    fn part_event(
        &self,
        name: &str,
        refusal: bool,
        words: &[u8],
        events: &mut Events,
        out: &mut Out,
    ) {
        events.write(out, name, EventKind::Other, |o| {
            self.place.write(o);
            o.u64("content_index", self.part);
            o.object("part", |o| part(o, refusal, words));
        });
    }

    /// Goes on with another part, if it is a message.
    pub(super) fn next_part(&mut self, refusal: bool, events: &mut Events, out: &mut Out) -> bool {
        let Open::Words { refusal: before } = self.open else {
            return false;
        };
        self.end_part(before, events, out);
        self.part += 1;
        self.open = Open::Words { refusal };
        self.begin_part(refusal, events, out);
        true
    }

    /// More words of the open part.
    pub(super) fn words(&mut self, text: &Text<'_>, events: &mut Events, out: &mut Out) {
        if matches!(self.open, Open::Thoughts { .. }) && !self.summary {
            self.summary = true;
            self.summary_event("response.reasoning_summary_part.added", b"", events, out);
        }
        text.write_inner(&mut self.words);
        let name = match &self.open {
            Open::Words { refusal: false } => "response.output_text.delta",
            Open::Words { refusal: true } => "response.refusal.delta",
            Open::Thoughts { .. } => "response.reasoning_summary_text.delta",
            Open::Call { .. } => "response.function_call_arguments.delta",
        };
        events.write(out, name, EventKind::Content, |o| {
            self.place.write(o);
            match &self.open {
                Open::Words { .. } => o.u64("content_index", self.part),
                Open::Thoughts { .. } => o.u64("summary_index", 0),
                Open::Call { .. } => {}
            }
            o.text("delta", text);
            if let Open::Words { refusal: false } = self.open {
                o.array("logprobs", |_| {});
            }
        });
    }

    fn summary_event(&self, name: &str, words: &[u8], events: &mut Events, out: &mut Out) {
        events.write(out, name, EventKind::Other, |o| {
            self.place.write(o);
            o.u64("summary_index", 0);
            o.object("part", |o| {
                o.str("type", "summary_text");
                o.text("text", &Text::Json(words));
            });
        });
    }

    fn end_part(&mut self, refusal: bool, events: &mut Events, out: &mut Out) {
        let words = std::mem::take(&mut self.words);
        let (name, key) = match refusal {
            false => ("response.output_text.done", "text"),
            true => ("response.refusal.done", "refusal"),
        };
        events.write(out, name, EventKind::Other, |o| {
            self.place.write(o);
            o.u64("content_index", self.part);
            o.text(key, &Text::Json(&words));
            if !refusal {
                o.array("logprobs", |_| {});
            }
        });
        self.part_event("response.content_part.done", refusal, &words, events, out);
        add_item(&mut self.parts, |o| part(o, refusal, &words));
    }

    /// Tells that it ends, and adds it to `output`. Gives what must be given back with a call, which has no place
    /// for it.
    pub(super) fn end(
        mut self,
        status: &str,
        events: &mut Events,
        output: &mut Vec<u8>,
        out: &mut Out,
    ) -> Option<Signature<'static>> {
        match &self.open {
            Open::Words { refusal } => self.end_part(*refusal, events, out),
            Open::Thoughts { .. } if self.summary => {
                let name = "response.reasoning_summary_text.done";
                events.write(out, name, EventKind::Other, |o| {
                    self.place.write(o);
                    o.u64("summary_index", 0);
                    o.text("text", &Text::Json(&self.words));
                });
                let name = "response.reasoning_summary_part.done";
                self.summary_event(name, &self.words, events, out);
            }
            Open::Thoughts { .. } => {}
            Open::Call { name, .. } => {
                if self.words.is_empty() {
                    self.words.extend_from_slice(b"{}");
                }
                let done = "response.function_call_arguments.done";
                events.write(out, done, EventKind::Other, |o| {
                    self.place.write(o);
                    o.text("name", name);
                    o.text("arguments", &Text::Json(&self.words));
                });
            }
        }
        let mut item = Vec::with_capacity(self.held() + 160);
        object(&mut item, |o| self.whole(o, status));
        events.write(out, "response.output_item.done", EventKind::Other, |o| {
            o.u64("output_index", self.place.index);
            o.raw("item", &item);
        });
        if !output.is_empty() {
            output.push(b',');
        }
        output.extend_from_slice(&item);
        self.signature
            .filter(|_| matches!(self.open, Open::Call { .. }))
    }

    /// The members of the item as it is in the end.
    fn whole(&self, o: &mut Object<'_>, status: &str) {
        let id = &self.place.id;
        match &self.open {
            Open::Words { .. } => message(o, id, status, &self.parts),
            Open::Thoughts { redacted } => {
                let one = Reasoning {
                    text: Some(Text::Json(&self.words)),
                    signature: self.signature.clone(),
                    redacted: *redacted && self.words.is_empty(),
                    id: None,
                };
                output::reasoning(o, &one, Some(&id.as_str().into()), Some("completed"));
            }
            Open::Call { id: call_id, name } => {
                call(o, id, call_id, name, &self.words, "completed");
            }
        }
    }
}

fn part(o: &mut Object<'_>, refusal: bool, words: &[u8]) {
    match refusal {
        false => words_of(o, &Text::Json(words)),
        true => refusal_of(o, &Text::Json(words)),
    }
}

fn message(o: &mut Object<'_>, id: &str, status: &str, parts: &[u8]) {
    o.str("type", "message");
    o.str("id", id);
    o.str("status", status);
    o.str("role", "assistant");
    let content = o.key("content");
    content.push(b'[');
    content.extend_from_slice(parts);
    content.push(b']');
}

fn call(
    o: &mut Object<'_>,
    id: &str,
    call_id: &Text<'_>,
    name: &Text<'_>,
    arguments: &[u8],
    status: &str,
) {
    o.str("type", "function_call");
    o.str("id", id);
    o.text("call_id", call_id);
    o.text("name", name);
    o.text("arguments", &Text::Json(arguments));
    o.str("status", status);
}
