//! The way back: deltas, as events of an answer.

use std::sync::Arc;

use portcullis_core::context::Tokens;
use portcullis_core::error::Error;
use portcullis_core::llm::EventKind;

use crate::dialect::cohere::content::cites;
use crate::dialect::cohere::{FAMILY, stop, usage};
use crate::translate::write::{Object, object};
use crate::translate::{Asked, Delta, EventWriter, Out, Piece, Signature, Stop, Text};

/// Writes the events of one answer.
#[derive(Debug)]
pub(crate) struct Writer {
    call: Arc<str>,
    begun: bool,
    open: Option<Open>,
    /// The numbers of the next block of content, call and citation.
    contents: u64,
    calls: u64,
    citations: u64,
    usage: Tokens,
    stop: Stop,
    over: bool,
}

/// A piece under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Open {
    Text,
    Thinking,
    /// A call, and whether it has arguments yet.
    Call {
        worded: bool,
    },
}

impl Writer {
    pub(crate) fn new(asked: &Asked) -> Self {
        Self {
            call: asked.call.clone(),
            begun: false,
            open: None,
            contents: 0,
            calls: 0,
            citations: 0,
            usage: Tokens::default(),
            stop: Stop::End,
            over: false,
        }
    }

    fn begin(&mut self, id: Option<&Text<'_>>, out: &mut Out) {
        if std::mem::replace(&mut self.begun, true) {
            return;
        }
        event(out, "message-start", EventKind::Other, |o| {
            match id {
                Some(id) => o.text("id", id),
                None => o.str("id", &self.call),
            }
            message(o, |o| {
                o.str("role", "assistant");
                o.raw("content", b"[]");
                o.str("tool_plan", "");
                o.raw("tool_calls", b"[]");
                o.raw("citations", b"[]");
            });
        });
    }

    fn open(&mut self, piece: &Piece<'_>, out: &mut Out) {
        self.begin(None, out);
        self.close(out);
        self.open = Some(match piece {
            Piece::Text | Piece::Refusal => {
                self.start_content("text", false, out);
                Open::Text
            }
            Piece::Reasoning | Piece::Redacted => {
                self.start_content("thinking", matches!(piece, Piece::Redacted), out);
                Open::Thinking
            }
            Piece::ToolCall { id, name } => {
                let number = self.calls;
                let minted = || Text::from(format!("call_{}_{number}", self.call));
                let id = id.clone().unwrap_or_else(minted);
                event(out, "tool-call-start", EventKind::Content, |o| {
                    o.u64("index", number);
                    calls(o, |o| {
                        o.text("id", &id);
                        o.str("type", "function");
                        o.object("function", |o| {
                            o.text("name", name);
                            o.str("arguments", "");
                        });
                    });
                });
                Open::Call { worded: false }
            }
        });
    }

    fn start_content(&self, kind: &str, redacted: bool, out: &mut Out) {
        event(out, "content-start", EventKind::Other, |o| {
            o.u64("index", self.contents);
            contents(o, |o| {
                o.str("type", kind);
                o.str(kind, "");
                if redacted {
                    o.bool("redacted", true);
                }
            });
        });
    }

    /// Ends the piece that is open. Arguments are never nothing.
    fn close(&mut self, out: &mut Out) {
        match self.open {
            None => return,
            Some(Open::Call { worded }) => {
                if !worded {
                    self.words(&"{}".into(), out);
                }
                event(out, "tool-call-end", EventKind::Other, |o| {
                    o.u64("index", self.calls);
                });
                self.calls += 1;
            }
            Some(Open::Text | Open::Thinking) => {
                event(out, "content-end", EventKind::Other, |o| {
                    o.u64("index", self.contents);
                });
                self.contents += 1;
            }
        }
        self.open = None;
    }

    fn words(&mut self, text: &Text<'_>, out: &mut Out) {
        match &mut self.open {
            Some(Open::Text) => self.content_delta(out, |o| o.text("text", text)),
            Some(Open::Thinking) => self.content_delta(out, |o| o.text("thinking", text)),
            Some(Open::Call { worded }) => {
                *worded = true;
                self.call_delta(out, |o| o.object("function", |o| o.text("arguments", text)));
            }
            None => out.losses.add("content", "words of no piece"),
        }
    }

    fn content_delta(&self, out: &mut Out, write: impl FnOnce(&mut Object<'_>)) {
        event(out, "content-delta", EventKind::Content, |o| {
            o.u64("index", self.contents);
            contents(o, write);
        });
    }

    fn call_delta(&self, out: &mut Out, write: impl FnOnce(&mut Object<'_>)) {
        event(out, "tool-call-delta", EventKind::Content, |o| {
            o.u64("index", self.calls);
            calls(o, write);
        });
    }

    fn signature(&self, signature: &Signature<'_>, out: &mut Out) {
        let seal = signature.written(FAMILY);
        match self.open {
            Some(Open::Thinking) => self.content_delta(out, |o| o.text("signature", &seal)),
            Some(Open::Call { .. }) => self.call_delta(out, |o| o.text("signature", &seal)),
            Some(Open::Text) | None => out.losses.add("signature", "texts are not sealed there"),
        }
    }

    fn end(&mut self, out: &mut Out) {
        if std::mem::replace(&mut self.over, true) {
            return;
        }
        self.begin(None, out);
        self.close(out);
        let reason = stop::word(self.stop, &mut out.losses);
        event(out, "message-end", EventKind::Finish, |o| {
            o.object("delta", |o| {
                o.str("finish_reason", reason);
                o.object("usage", |o| usage::write(&self.usage, o));
            });
        });
        out.sse(None, EventKind::Done, |raw| {
            raw.extend_from_slice(b"[DONE]");
        });
    }

    /// Whether a delta is of the one answer there is.
    fn is_ours(choice: u32, out: &mut Out) -> bool {
        if choice != 0 {
            out.losses
                .add(format!("choices[{choice}]"), "a reply is one answer");
        }
        choice == 0
    }
}

impl EventWriter for Writer {
    fn write(&mut self, delta: Delta<'_>, out: &mut Out) -> Result<(), Error> {
        match delta {
            Delta::Words { choice, text } if Self::is_ours(choice, out) => self.words(&text, out),
            Delta::Start { id, .. } => self.begin(id.as_ref(), out),
            Delta::Open { choice, piece } if Self::is_ours(choice, out) => self.open(&piece, out),
            Delta::Signature { choice, signature } if Self::is_ours(choice, out) => {
                self.signature(&signature, out);
            }
            Delta::Citation { choice, raw } if Self::is_ours(choice, out) => {
                if !cites(raw) {
                    out.losses.add("citations", "Cohere cites in another form");
                    return Ok(());
                }
                let index = self.citations;
                self.citations += 1;
                event(out, "citation-start", EventKind::Content, |o| {
                    o.u64("index", index);
                    message(o, |o| o.raw("citations", raw.bytes()));
                });
                event(out, "citation-end", EventKind::Other, |o| {
                    o.u64("index", index);
                });
            }
            Delta::Logprobs { .. } => {
                out.losses
                    .add("logprobs", "Cohere tells probabilities in another form");
            }
            Delta::Finish { choice, stop, .. } if Self::is_ours(choice, out) => {
                self.begin(None, out);
                self.close(out);
                self.stop = stop;
            }
            Delta::Usage(tokens) => self.usage = tokens,
            Delta::KeepAlive => {
                out.frame(EventKind::KeepAlive, |raw| {
                    raw.extend_from_slice(b": ping\n\n");
                });
            }
            Delta::Failed(trouble) => event(out, "message-end", EventKind::Error, |o| {
                o.object("delta", |o| {
                    o.str("finish_reason", "ERROR");
                    o.text("error", &trouble.message);
                });
            }),
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

fn message(o: &mut Object<'_>, write: impl FnOnce(&mut Object<'_>)) {
    o.object("delta", |o| o.object("message", write));
}

fn contents(o: &mut Object<'_>, write: impl FnOnce(&mut Object<'_>)) {
    message(o, |o| o.object("content", write));
}

fn calls(o: &mut Object<'_>, write: impl FnOnce(&mut Object<'_>)) {
    message(o, |o| o.object("tool_calls", write));
}
