//! The way back: chunks of a streamed chat completion, as they are written.

use portcullis_core::context::Tokens;
use portcullis_core::llm::EventKind;

use crate::dialect::openai::usage::{CHAT, write_usage};
use crate::translate::write::{Object, object};
use crate::translate::{Asked, Out, Text};

/// Writes chunks, which all begin alike.
#[derive(Debug)]
pub(super) struct Chunks {
    asked: Asked,
    /// What every chunk begins with, up to its choices.
    head: Vec<u8>,
}

impl Chunks {
    /// For this caller.
    pub(super) fn new(asked: &Asked) -> Self {
        let asked = asked.clone();
        let mut chunks = Self {
            asked,
            head: Vec::new(),
        };
        chunks.start(None, None, None);
        chunks
    }

    /// Says whose chunks they are. Before, it is not known.
    pub(super) fn start(
        &mut self,
        id: Option<&Text<'_>>,
        model: Option<&Text<'_>>,
        created: Option<u64>,
    ) {
        let mut head = Vec::with_capacity(160);
        object(&mut head, |o| {
            match id {
                Some(id) => o.text("id", id),
                None => o.str("id", &format!("chatcmpl-{}", self.asked.call)),
            }
            o.str("object", "chat.completion.chunk");
            o.u64("created", created.unwrap_or(self.asked.created));
            match model {
                Some(model) => o.text("model", model),
                None => o.str("model", &self.asked.model),
            }
        });
        head.pop();
        head.extend_from_slice(b",\"choices\":[");
        self.head = head;
    }

    /// A chunk of one choice.
    pub(super) fn chunk(
        &self,
        choice: u32,
        kind: EventKind,
        reason: Option<&str>,
        logprobs: Option<&[u8]>,
        out: &mut Out,
        write: impl FnOnce(&mut Object<'_>),
    ) {
        out.sse(None, kind, |raw| {
            raw.extend_from_slice(&self.head);
            object(raw, |o| {
                o.u64("index", choice.into());
                o.object("delta", write);
                match logprobs {
                    Some(raw) => o
                        .key("logprobs")
                        .extend(raw.iter().filter(|b| !ends_line(**b))),
                    None => o.null("logprobs"),
                }
                match reason {
                    Some(reason) => o.str("finish_reason", reason),
                    None => o.null("finish_reason"),
                }
            });
            let end: &[u8] = if self.asked.usage {
                b"],\"usage\":null}"
            } else {
                b"]}"
            };
            raw.extend_from_slice(end);
        });
    }

    /// A chunk of one choice that says something.
    pub(super) fn delta(
        &self,
        choice: u32,
        kind: EventKind,
        out: &mut Out,
        write: impl FnOnce(&mut Object<'_>),
    ) {
        self.chunk(choice, kind, None, None, out, write);
    }

    /// The chunk without choices that tells what was used.
    pub(super) fn usage(&self, tokens: &Tokens, out: &mut Out) {
        out.sse(None, EventKind::Usage, |raw| {
            raw.extend_from_slice(&self.head);
            raw.extend_from_slice(b"],\"usage\":");
            object(raw, |o| write_usage(&CHAT, o, tokens));
            raw.push(b'}');
        });
    }
}

/// A line end among white space would end the data of an event.
fn ends_line(byte: u8) -> bool {
    matches!(byte, b'\n' | b'\r')
}
