//! The way back: deltas, as events of a message.

use std::sync::Arc;

use portcullis_core::context::Tokens;
use portcullis_core::error::Error;
use portcullis_core::llm::EventKind;

use crate::dialect::anthropic::block::{CALL_SEAL, FAMILY, cites};
use crate::dialect::anthropic::{stop, trouble, usage};
use crate::translate::write::{Object, object};
use crate::translate::{Asked, Delta, EventWriter, Out, Piece, Signature, Stop, Text};

/// Writes the events of one message.
#[derive(Debug)]
pub(crate) struct Writer {
    model: Arc<str>,
    call: Arc<str>,
    begun: bool,
    /// The number of the block that is open, or else of the next.
    index: u64,
    open: Option<Open>,
    refused: bool,
    usage: Tokens,
    stop: Option<(Stop, Option<Text<'static>>)>,
    over: bool,
}

/// A block under way.
#[derive(Debug)]
enum Open {
    Text,
    Thinking,
    /// Redacted thinking, whose block is written when its data has come.
    Redacted,
    /// A call of a tool, whether it has arguments yet, and what seals it.
    Call {
        worded: bool,
        seal: Option<Signature<'static>>,
    },
}

impl Writer {
    pub(crate) fn new(asked: &Asked) -> Self {
        Self {
            model: asked.model.clone(),
            call: asked.call.clone(),
            begun: false,
            index: 0,
            open: None,
            refused: false,
            usage: Tokens::default(),
            stop: None,
            over: false,
        }
    }

    fn begin(&mut self, id: Option<&Text<'_>>, model: Option<&Text<'_>>, out: &mut Out) {
        if std::mem::replace(&mut self.begun, true) {
            return;
        }
        event(out, "message_start", EventKind::Other, |o| {
            o.object("message", |o| {
                match id {
                    Some(id) => o.text("id", id),
                    None => o.str("id", &format!("msg_{}", self.call)),
                }
                o.str("type", "message");
                o.str("role", "assistant");
                match model {
                    Some(model) => o.text("model", model),
                    None => o.str("model", &self.model),
                }
                o.raw("content", b"[]");
                o.null("stop_reason");
                o.null("stop_sequence");
                o.object("usage", |o| usage::write(&self.usage, o));
            });
        });
    }

    fn open(&mut self, piece: &Piece<'_>, out: &mut Out) {
        self.begin(None, None, out);
        self.close(out);
        self.open = Some(match piece {
            Piece::Redacted => Open::Redacted,
            Piece::Text | Piece::Refusal => {
                self.refused |= matches!(piece, Piece::Refusal);
                self.start_block(out, |block| {
                    block.str("type", "text");
                    block.str("text", "");
                });
                Open::Text
            }
            Piece::Reasoning => {
                self.start_block(out, |block| {
                    block.str("type", "thinking");
                    block.str("thinking", "");
                    block.str("signature", "");
                });
                Open::Thinking
            }
            Piece::ToolCall { id, name } => {
                let index = self.index;
                let minted = || Text::from(format!("toolu_{}_{index}", self.call));
                let id = id.clone().unwrap_or_else(minted);
                self.start_block(out, |block| {
                    block.str("type", "tool_use");
                    block.text("id", &id);
                    block.text("name", name);
                    block.raw("input", b"{}");
                });
                let (worded, seal) = (false, None);
                Open::Call { worded, seal }
            }
        });
    }

    fn start_block(&self, out: &mut Out, write: impl FnOnce(&mut Object<'_>)) {
        event(out, "content_block_start", EventKind::Other, |o| {
            o.u64("index", self.index);
            o.object("content_block", write);
        });
    }

    fn stop_block(&mut self, out: &mut Out) {
        event(out, "content_block_stop", EventKind::Other, |o| {
            o.u64("index", self.index);
        });
        self.index += 1;
    }

    fn block_delta(&self, out: &mut Out, kind: &str, write: impl FnOnce(&mut Object<'_>)) {
        event(out, "content_block_delta", EventKind::Content, |o| {
            o.u64("index", self.index);
            o.object("delta", |o| {
                o.str("type", kind);
                write(o);
            });
        });
    }

    /// Ends the block that is open. Arguments are never nothing, and what seals a call comes behind it.
    fn close(&mut self, out: &mut Out) {
        match self.open.take() {
            None => {}
            Some(Open::Redacted) => self.redacted("", out),
            Some(Open::Text | Open::Thinking) => self.stop_block(out),
            Some(Open::Call { worded, seal }) => {
                if !worded {
                    self.block_delta(out, "input_json_delta", |o| o.str("partial_json", "{}"));
                }
                self.stop_block(out);
                if let Some(seal) = seal {
                    let data = format!("{CALL_SEAL}{}", seal.written(FAMILY).plain());
                    self.redacted(&data, out);
                }
            }
        }
    }

    fn redacted(&mut self, data: &str, out: &mut Out) {
        self.start_block(out, |block| {
            block.str("type", "redacted_thinking");
            block.str("data", data);
        });
        self.stop_block(out);
    }

    fn words(&mut self, text: &Text<'_>, out: &mut Out) {
        let (kind, key) = match &mut self.open {
            Some(Open::Text) => ("text_delta", "text"),
            Some(Open::Thinking) => ("thinking_delta", "thinking"),
            Some(Open::Call { worded, .. }) => {
                *worded = true;
                ("input_json_delta", "partial_json")
            }
            Some(Open::Redacted) | None => {
                out.losses.add("content", "words of no block");
                return;
            }
        };
        self.block_delta(out, kind, |o| o.text(key, text));
    }

    fn signature(&mut self, signature: Signature<'_>, out: &mut Out) {
        match &mut self.open {
            Some(Open::Thinking) => {
                let seal = signature.written(FAMILY);
                self.block_delta(out, "signature_delta", |o| o.text("signature", &seal));
            }
            Some(Open::Redacted) => {
                self.open = None;
                let data = signature.written(FAMILY);
                self.redacted(&data.plain(), out);
            }
            Some(Open::Call { seal, .. }) => {
                *seal = Some(Signature {
                    family: signature.family,
                    data: signature.data.into_owned(),
                });
            }
            Some(Open::Text) | None => {
                out.losses
                    .add("signature", "texts are not sealed in messages");
            }
        }
    }

    fn end(&mut self, out: &mut Out) {
        if std::mem::replace(&mut self.over, true) {
            return;
        }
        self.begin(None, None, out);
        self.close(out);
        let (stop, sequence) = self.stop.take().unwrap_or_default();
        event(out, "message_delta", EventKind::Finish, |o| {
            o.object("delta", |o| {
                let shown = stop::shown(stop, self.refused);
                stop::write(o, shown, sequence.as_ref(), None);
            });
            o.object("usage", |o| usage::write(&self.usage, o));
        });
        event(out, "message_stop", EventKind::Done, |_| {});
    }

    /// Whether a delta is of the one answer a message has.
    fn is_ours(choice: u32, out: &mut Out) -> bool {
        if choice != 0 {
            out.losses
                .add(format!("choices[{choice}]"), "a message is one answer");
        }
        choice == 0
    }
}

impl EventWriter for Writer {
    fn write(&mut self, delta: Delta<'_>, out: &mut Out) -> Result<(), Error> {
        match delta {
            Delta::Words { choice, text } if Self::is_ours(choice, out) => self.words(&text, out),
            Delta::Start { id, model, .. } => self.begin(id.as_ref(), model.as_ref(), out),
            Delta::Open { choice, piece } if Self::is_ours(choice, out) => self.open(&piece, out),
            Delta::Signature { choice, signature } if Self::is_ours(choice, out) => {
                self.signature(signature, out);
            }
            Delta::Citation { choice, raw } if Self::is_ours(choice, out) => {
                if matches!(self.open, Some(Open::Text)) && cites(raw) {
                    self.block_delta(out, "citations_delta", |o| o.raw("citation", raw.bytes()));
                } else {
                    out.losses
                        .add("citations", "Anthropic cites in another form");
                }
            }
            Delta::Logprobs { .. } => out.losses.add("logprobs", "messages have no probabilities"),
            Delta::Finish {
                choice,
                stop,
                sequence,
            } if Self::is_ours(choice, out) => {
                self.begin(None, None, out);
                self.close(out);
                if matches!(stop, Stop::Malformed | Stop::Other) {
                    out.losses
                        .add("stop_reason", "messages have no word for it");
                }
                self.stop = Some((stop, sequence.map(Text::into_owned)));
            }
            Delta::Usage(tokens) => self.usage = tokens,
            Delta::KeepAlive => event(out, "ping", EventKind::KeepAlive, |_| {}),
            Delta::Failed(trouble) => {
                let write = |raw: &mut Vec<u8>| trouble::write_document(&trouble, raw);
                out.sse(Some("error"), EventKind::Error, write);
            }
            Delta::Done => self.end(out),
            Delta::Words { .. }
            | Delta::Open { .. }
            | Delta::Signature { .. }
            | Delta::Citation { .. }
            | Delta::Finish { .. } => {}
        }
        Ok(())
    }

    fn finish(&mut self, out: &mut Out) -> Result<(), Error> {
        self.end(out);
        Ok(())
    }
}

/// An event: its name, which stands in its data too, and its other members.
fn event(out: &mut Out, name: &str, kind: EventKind, write: impl FnOnce(&mut Object<'_>)) {
    out.sse(Some(name), kind, |raw| {
        object(raw, |o| {
            o.str("type", name);
            write(o);
        });
    });
}
