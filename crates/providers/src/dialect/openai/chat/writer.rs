//! The way back: a streamed chat completion written piece by piece.

use portcullis_core::context::Tokens;
use portcullis_core::error::Error;
use portcullis_core::llm::EventKind;
use smallvec::SmallVec;

use super::chunks::Chunks;
use super::reasoning;
use super::reply::{finish_reason, minted, note_stop, write_signature};
use crate::dialect::openai::trouble;
use crate::translate::write::{Object, object};
use crate::translate::{
    Asked, Delta, EventWriter, Out, Piece, Reasoning, Signature, Stop, Text, Trouble,
};

/// Writes the chunks of one stream.
#[derive(Debug)]
pub(super) struct Writer {
    asked: Asked,
    chunks: Chunks,
    choices: SmallVec<[State; 1]>,
    usage: Option<Tokens>,
    over: bool,
}

/// What is under way in a choice.
#[derive(Debug)]
struct State {
    index: u32,
    open: Open,
    calls: u32,
    /// Whether the open call has arguments yet.
    arguments: bool,
    /// How many thoughts there were, and whether those before the open one are sealed.
    thoughts: u64,
    refused: bool,
    finished: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Open {
    Nothing,
    Text,
    Reasoning,
    Redacted,
    Refusal,
    Call,
    /// A call nobody is told of.
    Untold,
}

impl Writer {
    /// For this caller.
    pub(super) fn new(asked: &Asked) -> Self {
        Self {
            asked: asked.clone(),
            chunks: Chunks::new(asked),
            choices: SmallVec::new(),
            usage: None,
            over: false,
        }
    }

    fn state(&mut self, choice: u32, out: &mut Out) -> usize {
        if let Some(at) = self.choices.iter().position(|state| state.index == choice) {
            return at;
        }
        self.choices.push(State {
            index: choice,
            open: Open::Nothing,
            calls: 0,
            arguments: false,
            thoughts: 0,
            refused: false,
            finished: false,
        });
        self.chunks.delta(choice, EventKind::Other, out, |o| {
            o.str("role", "assistant");
            o.str("content", "");
        });
        self.choices.len() - 1
    }

    /// Ends the open piece: a call without arguments is one with none in it.
    fn close(&mut self, at: usize, out: &mut Out) {
        let state = &self.choices[at];
        let empty = state.open == Open::Call && !state.arguments;
        if empty {
            self.call_delta(at, EventKind::Content, out, |o| o.str("arguments", "{}"));
        }
        self.choices[at].open = Open::Nothing;
    }

    fn open(&mut self, at: usize, piece: Piece<'_>, out: &mut Out) {
        self.close(at, out);
        let state = &mut self.choices[at];
        let choice = state.index;
        state.open = match piece {
            Piece::Text => Open::Text,
            Piece::Reasoning => {
                state.thoughts += 1;
                Open::Reasoning
            }
            Piece::Redacted => {
                state.thoughts += 1;
                Open::Redacted
            }
            Piece::Refusal => {
                state.refused = true;
                Open::Refusal
            }
            Piece::ToolCall { id, name } => {
                let number = state.calls;
                state.calls += 1;
                state.arguments = false;
                if self.asked.functions && number > 0 {
                    state.open = Open::Untold;
                    let why = "who speaks of functions is told of one call";
                    out.losses.add("tool_calls", why);
                    return;
                }
                state.open = Open::Call;
                self.begin_call(choice, number, id.as_ref(), &name, out);
                return;
            }
        };
    }

    fn begin_call(
        &self,
        choice: u32,
        number: u32,
        id: Option<&Text<'_>>,
        name: &Text<'_>,
        out: &mut Out,
    ) {
        let function = |o: &mut Object<'_>| {
            o.text("name", name);
            o.str("arguments", "");
        };
        self.chunks.delta(choice, EventKind::Content, out, |o| {
            if self.asked.functions {
                o.object("function_call", function);
                return;
            }
            o.array("tool_calls", |a| {
                a.object(|o| {
                    o.u64("index", number.into());
                    match id {
                        Some(id) => o.text("id", id),
                        None => o.str("id", &minted(&self.asked, choice, number)),
                    }
                    o.str("type", "function");
                    o.object("function", function);
                });
            });
        });
    }

    /// A chunk with more of the open call.
    fn call_delta(
        &self,
        at: usize,
        kind: EventKind,
        out: &mut Out,
        write: impl FnOnce(&mut Object<'_>),
    ) {
        let state = &self.choices[at];
        let number = u64::from(state.calls.saturating_sub(1));
        self.chunks.delta(state.index, kind, out, |o| {
            if self.asked.functions {
                o.object("function_call", write);
                return;
            }
            o.array("tool_calls", |a| {
                a.object(|o| {
                    o.u64("index", number);
                    o.object("function", write);
                });
            });
        });
    }

    fn words(&mut self, at: usize, text: &Text<'_>, out: &mut Out) {
        if text.is_empty() {
            return;
        }
        let state = &mut self.choices[at];
        let (choice, thought) = (state.index, state.thoughts.saturating_sub(1));
        let key = match state.open {
            Open::Text | Open::Nothing => "content",
            Open::Refusal => "refusal",
            Open::Reasoning if thought > 0 => {
                let words = Reasoning {
                    text: Some(text.clone()),
                    ..Reasoning::default()
                };
                self.chunks.delta(choice, EventKind::Content, out, |o| {
                    o.text("reasoning_content", text);
                    o.array("reasoning_details", |a| {
                        reasoning::write_detail(a, thought, &words);
                    });
                });
                return;
            }
            Open::Reasoning | Open::Redacted => "reasoning_content",
            Open::Call => {
                state.arguments = true;
                self.call_delta(at, EventKind::Content, out, |o| o.text("arguments", text));
                return;
            }
            Open::Untold => return,
        };
        self.chunks
            .delta(choice, EventKind::Content, out, |o| o.text(key, text));
    }

    fn signature(&mut self, at: usize, signature: Signature<'_>, out: &mut Out) {
        let state = &mut self.choices[at];
        let (choice, open, calls) = (state.index, state.open, state.calls);
        if open == Open::Call {
            if self.asked.functions {
                out.losses
                    .add("extra_content", "calls of functions have no place for it");
                return;
            }
            self.chunks.delta(choice, EventKind::Other, out, |o| {
                o.array("tool_calls", |a| {
                    a.object(|o| {
                        o.u64("index", u64::from(calls.saturating_sub(1)));
                        write_signature(o, &signature.written("google"));
                    });
                });
            });
            return;
        }
        if !matches!(open, Open::Reasoning | Open::Redacted) {
            state.thoughts += 1;
        }
        let index = state.thoughts.saturating_sub(1);
        let sealed = Reasoning {
            redacted: open != Open::Reasoning,
            signature: Some(signature),
            ..Reasoning::default()
        };
        self.chunks.delta(choice, EventKind::Other, out, |o| {
            o.array("reasoning_details", |a| {
                reasoning::write_detail(a, index, &sealed);
            });
        });
    }

    fn finish_choice(&mut self, at: usize, stop: Stop, out: &mut Out) {
        self.close(at, out);
        let state = &mut self.choices[at];
        if std::mem::replace(&mut state.finished, true) {
            return;
        }
        let (choice, calls) = (state.index, state.calls > 0);
        let reason = finish_reason(stop, state.refused, calls, self.asked.functions);
        note_stop(stop, &mut out.losses);
        self.chunks
            .chunk(choice, EventKind::Finish, Some(reason), None, out, |_| {});
    }

    fn fail(&mut self, trouble: &Trouble<'_>, out: &mut Out) {
        self.over = true;
        out.sse(None, EventKind::Error, |raw| {
            object(raw, |o| o.object("error", |o| trouble::error(o, trouble)));
        });
    }

    /// Usage, if it was asked for, and the sentinel.
    fn end(&mut self, out: &mut Out) {
        if std::mem::replace(&mut self.over, true) {
            return;
        }
        if let Some(tokens) = self.usage.filter(|_| self.asked.usage) {
            self.chunks.usage(&tokens, out);
        }
        out.sse(None, EventKind::Done, |raw| {
            raw.extend_from_slice(b"[DONE]");
        });
    }
}

impl EventWriter for Writer {
    fn write(&mut self, delta: Delta<'_>, out: &mut Out) -> Result<(), Error> {
        if self.over {
            return Ok(());
        }
        match delta {
            Delta::Start { id, model, created } => {
                self.chunks.start(id.as_ref(), model.as_ref(), created);
            }
            Delta::Open { choice, piece } => {
                let at = self.state(choice, out);
                self.open(at, piece, out);
            }
            Delta::Words { choice, text } => {
                let at = self.state(choice, out);
                self.words(at, &text, out);
            }
            Delta::Signature { choice, signature } => {
                let at = self.state(choice, out);
                self.signature(at, signature, out);
            }
            Delta::Citation { .. } => {
                out.losses
                    .add("citations", "their form is the provider's own");
            }
            Delta::Logprobs { choice, raw } => {
                self.state(choice, out);
                let logprobs = Some(raw.bytes());
                self.chunks
                    .chunk(choice, EventKind::Other, None, logprobs, out, |_| {});
            }
            Delta::Finish {
                choice,
                stop,
                sequence,
            } => {
                if sequence.is_some() {
                    let why = "chat completions do not tell which it was";
                    out.losses.add("stop_sequence", why);
                }
                let at = self.state(choice, out);
                self.finish_choice(at, stop, out);
            }
            Delta::Usage(tokens) => self.usage = Some(tokens),
            Delta::KeepAlive => {
                out.frame(EventKind::KeepAlive, |raw| {
                    raw.extend_from_slice(b": keep-alive\n\n");
                });
            }
            Delta::Failed(trouble) => self.fail(&trouble, out),
            Delta::Done => self.end(out),
        }
        Ok(())
    }

    fn finish(&mut self, out: &mut Out) -> Result<(), Error> {
        self.end(out);
        Ok(())
    }
}
