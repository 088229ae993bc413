//! The way back: the events of a stream, written.

use std::sync::Arc;

use portcullis_core::context::Tokens;
use portcullis_core::error::Error;
use portcullis_core::llm::EventKind;

use crate::dialect::bedrock::content::written_redacted;
use crate::dialect::bedrock::frames::write_event;
use crate::dialect::bedrock::reply::{minted, write_metrics};
use crate::dialect::bedrock::{FAMILY, stop, trouble, usage};
use crate::translate::write::{Object, object};
use crate::translate::{Asked, Delta, EventWriter, Out, Piece, Signature, Text};

/// Writes the events of one stream. `metadata`, with the usage, is the last of them: usage may come after the reason
/// why the answer ended.
#[derive(Debug)]
pub(in crate::dialect::bedrock) struct Writer {
    call: Arc<str>,
    started: bool,
    /// The number of the next block.
    next: u32,
    /// How many tools have been called.
    calls: usize,
    open: Option<Open>,
    /// What must be given back with a block that has no place for it, until that has ended.
    signature: Option<Signature<'static>>,
    usage: Tokens,
}

/// The block that is open.
#[derive(Debug)]
struct Open {
    kind: Kind,
    /// Whether anything of it was written. A call is announced, the others begin with their first delta.
    written: bool,
    /// Whether it has words.
    worded: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Text,
    Reasoning,
    Redacted,
    Tool,
}

impl Writer {
    pub(in crate::dialect::bedrock) fn new(asked: &Asked) -> Self {
        Self {
            call: asked.call.clone(),
            started: false,
            next: 0,
            calls: 0,
            open: None,
            signature: None,
            usage: Tokens::default(),
        }
    }

    fn start(&mut self, out: &mut Out) {
        if !std::mem::replace(&mut self.started, true) {
            event(out, EventKind::Other, "messageStart", |o| {
                o.str("role", "assistant");
            });
        }
    }

    fn open(&mut self, piece: Piece<'_>, out: &mut Out) {
        self.close(out);
        let kind = match piece {
            Piece::Text | Piece::Refusal => Kind::Text,
            Piece::Reasoning => Kind::Reasoning,
            Piece::Redacted => Kind::Redacted,
            Piece::ToolCall { id, name } => {
                let id = id.unwrap_or_else(|| minted(&self.call, self.calls));
                self.calls += 1;
                let index = self.next;
                event(out, EventKind::Other, "contentBlockStart", |o| {
                    o.u64("contentBlockIndex", index.into());
                    o.object("start", |o| {
                        o.object("toolUse", |o| {
                            o.text("toolUseId", &id);
                            o.text("name", &name);
                        });
                    });
                });
                Kind::Tool
            }
        };
        self.open = Some(Open {
            kind,
            written: kind == Kind::Tool,
            worded: false,
        });
    }

    fn words(&mut self, text: &Text<'_>, out: &mut Out) {
        if text.is_empty() {
            return;
        }
        if self.open.is_none() {
            self.open(Piece::Text, out);
        }
        let Some(open) = &mut self.open else { return };
        (open.written, open.worded) = (true, true);
        let kind = open.kind;
        self.delta(out, |o| match kind {
            Kind::Text => o.text("text", text),
            Kind::Tool => o.object("toolUse", |o| o.text("input", text)),
            Kind::Reasoning | Kind::Redacted => {
                o.object("reasoningContent", |o| o.text("text", text));
            }
        });
    }

    fn signature(&mut self, signature: Signature<'_>, out: &mut Out) {
        match &mut self.open {
            Some(open) if open.kind == Kind::Reasoning => {
                open.written = true;
                let text = signature.written(FAMILY);
                self.delta(out, |o| {
                    o.object("reasoningContent", |o| o.text("signature", &text));
                });
            }
            Some(open) if open.kind == Kind::Redacted => {
                open.written = true;
                let text = written_redacted(&signature);
                self.delta(out, |o| {
                    o.object("reasoningContent", |o| o.text("redactedContent", &text));
                });
            }
            // Elsewhere there is no place for it: it follows as a block of its own.
            _ => {
                self.signature = Some(Signature {
                    family: signature.family,
                    data: signature.data.into_owned(),
                });
            }
        }
    }

    fn delta(&self, out: &mut Out, write: impl FnOnce(&mut Object<'_>)) {
        let index = self.next;
        event(out, EventKind::Content, "contentBlockDelta", |o| {
            o.u64("contentBlockIndex", index.into());
            o.object("delta", write);
        });
    }

    /// Ends the open block, and writes what could not be written in it.
    fn close(&mut self, out: &mut Out) {
        if let Some(open) = &self.open {
            if open.kind == Kind::Tool && !open.worded {
                self.delta(out, |o| o.object("toolUse", |o| o.str("input", "{}")));
            }
            if open.written {
                self.stop_block(out);
            }
            self.open = None;
        }
        if let Some(signature) = self.signature.take() {
            let text = signature.written(FAMILY);
            self.delta(out, |o| {
                o.object("reasoningContent", |o| o.text("signature", &text));
            });
            self.stop_block(out);
        }
    }

    fn stop_block(&mut self, out: &mut Out) {
        let index = self.next;
        event(out, EventKind::Other, "contentBlockStop", |o| {
            o.u64("contentBlockIndex", index.into());
        });
        self.next += 1;
    }
}

impl EventWriter for Writer {
    fn write(&mut self, delta: Delta<'_>, out: &mut Out) -> Result<(), Error> {
        match delta {
            Delta::Open { choice, .. }
            | Delta::Words { choice, .. }
            | Delta::Signature { choice, .. }
            | Delta::Finish { choice, .. }
                if choice > 0 =>
            {
                out.losses.add("choices[1]", "Bedrock has one answer only");
                return Ok(());
            }
            Delta::KeepAlive | Delta::Done => return Ok(()),
            Delta::Failed(trouble) => {
                out.frame(EventKind::Error, |raw| trouble::write_event(&trouble, raw));
                return Ok(());
            }
            _ => self.start(out),
        }
        match delta {
            Delta::Open { piece, .. } => self.open(piece, out),
            Delta::Words { text, .. } => self.words(&text, out),
            Delta::Signature { signature, .. } => self.signature(signature, out),
            Delta::Citation { .. } => {
                let why = "what other dialects cite has another form";
                out.losses.add("citations", why);
            }
            Delta::Logprobs { .. } => out.losses.add("logprobs", "Bedrock has no such field"),
            Delta::Finish { stop, sequence, .. } => {
                self.close(out);
                event(out, EventKind::Finish, "messageStop", |o| {
                    o.str("stopReason", stop::word(stop));
                    if let Some(sequence) = sequence {
                        o.object("additionalModelResponseFields", |o| {
                            o.text("stop_sequence", &sequence);
                        });
                    }
                });
            }
            Delta::Usage(tokens) => self.usage = tokens,
            Delta::Start { .. } | Delta::KeepAlive | Delta::Failed(_) | Delta::Done => {}
        }
        Ok(())
    }

    fn finish(&mut self, out: &mut Out) -> Result<(), Error> {
        event(out, EventKind::Done, "metadata", |o| {
            usage::write(self.usage, o);
            write_metrics(o);
        });
        Ok(())
    }
}

fn event(out: &mut Out, kind: EventKind, name: &'static str, write: impl FnOnce(&mut Object<'_>)) {
    let mut document = Vec::with_capacity(128);
    object(&mut document, write);
    out.frame(kind, |raw| write_event(name, document, raw));
}
