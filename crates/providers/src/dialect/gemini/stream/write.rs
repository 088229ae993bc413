//! The way back: a stream of content written piece by piece.

use portcullis_core::context::Tokens;
use portcullis_core::error::Error;
use portcullis_core::llm::EventKind;

use super::super::array::END;
use super::super::say::{Say, Voice};
use super::super::{reply, signature, stop, trouble, url};
use crate::translate::write::{Object, object};
use crate::translate::{
    Arguments, Asked, Delta, EventWriter, Names, Out, Part, Piece, Signature, Stop, Text, ToolCall,
};

/// Writes the chunks of one stream. Calls of tools go out whole, as Gemini's do, and the ends of the answers with
/// the usage, when all is over.
#[derive(Debug)]
pub(in crate::dialect::gemini) struct Writer {
    asked: Asked,
    sse: bool,
    begun: bool,
    id: Option<Text<'static>>,
    model: Option<Text<'static>>,
    choices: Vec<State>,
    usage: Option<Tokens>,
}

#[derive(Debug, Default)]
struct State {
    index: u32,
    open: Open,
    calls: u32,
    finish: Option<Stop>,
}

#[derive(Debug, Default)]
enum Open {
    #[default]
    Text,
    /// Whether any words of it have gone out.
    Reasoning {
        said: bool,
    },
    Redacted,
    Call(Box<Call>),
}

/// A call under way.
#[derive(Debug)]
struct Call {
    id: Option<Text<'static>>,
    name: Text<'static>,
    arguments: String,
    signature: Option<Signature<'static>>,
}

impl Writer {
    pub(in crate::dialect::gemini) fn new(asked: &Asked) -> Self {
        Self {
            sse: url::wants_sse(&asked.head),
            asked: asked.clone(),
            begun: false,
            id: None,
            model: None,
            choices: Vec::new(),
            usage: None,
        }
    }

    fn state(&mut self, index: u32) -> &mut State {
        let found = self.choices.iter().position(|state| state.index == index);
        let at = found.unwrap_or_else(|| {
            self.choices.push(State {
                index,
                ..State::default()
            });
            self.choices.len() - 1
        });
        &mut self.choices[at]
    }

    /// An event in the framing the caller asked for.
    fn event(&mut self, out: &mut Out, kind: EventKind, write: impl FnOnce(&mut Vec<u8>)) {
        if self.sse {
            out.sse(None, kind, write);
            return;
        }
        let before: &[u8] = if std::mem::replace(&mut self.begun, true) {
            b",\r\n"
        } else {
            b"["
        };
        out.frame(kind, |raw| {
            raw.extend_from_slice(before);
            write(raw);
        });
    }

    /// One part of an answer as a chunk.
    fn part(&mut self, choice: u32, out: &mut Out, write: impl FnOnce(&mut Object<'_>)) {
        let mut part = Vec::with_capacity(128);
        object(&mut part, write);
        self.chunk(choice, &part, out);
    }

    fn chunk(&mut self, choice: u32, part: &[u8], out: &mut Out) {
        let facts = self.facts();
        self.event(out, EventKind::Content, |raw| {
            object(raw, |o| {
                o.array("candidates", |a| {
                    a.object(|o| {
                        content(o, |a| a.extend_from_slice(part));
                        o.u64("index", choice.into());
                    });
                });
                o.key("modelVersion").extend_from_slice(&facts);
            });
        });
    }

    /// The end of every chunk, from behind the first key on.
    fn facts(&self) -> Vec<u8> {
        let mut facts = Vec::with_capacity(96);
        object(&mut facts, |o| {
            reply::facts(o, self.model.as_ref(), self.id.as_ref(), &self.asked);
        });
        // `{"modelVersion":…,"responseId":…}` without the brackets and the first key.
        facts.pop();
        facts.split_off("{\"modelVersion\":".len())
    }

    /// The piece that is open ends.
    fn close(&mut self, choice: u32, out: &mut Out) -> Result<(), Error> {
        let minted = |asked: &Asked, number| reply::minted(asked, choice, number);
        let state = self.state(choice);
        let Open::Call(call) = std::mem::take(&mut state.open) else {
            return Ok(());
        };
        let (number, first) = (state.calls, state.calls == 0);
        state.calls += 1;
        let id = call.id.unwrap_or_else(|| minted(&self.asked, number));
        let call = Part::ToolCall(ToolCall {
            id: Some(id),
            name: call.name,
            arguments: Arguments::String(call.arguments.into()),
            signature: call.signature,
            cache: None,
        });
        let mut part = Vec::with_capacity(128);
        let place = || format!("choices[{choice}]");
        let mut say = Say {
            voice: Voice::Caller,
            place: &place,
            names: &mut Names::default(),
            losses: &mut out.losses,
            first_call: first,
        };
        crate::translate::write::array(&mut part, |a| say.part(a, &call, None))?;
        self.chunk(choice, &part[1..part.len() - 1], out);
        Ok(())
    }

    fn open(&mut self, choice: u32, piece: Piece<'_>, out: &mut Out) -> Result<(), Error> {
        self.close(choice, out)?;
        self.state(choice).open = match piece {
            Piece::Text | Piece::Refusal => Open::Text,
            Piece::Reasoning => Open::Reasoning { said: false },
            Piece::Redacted => Open::Redacted,
            Piece::ToolCall { id, name } => Open::Call(Box::new(Call {
                id: id.map(Text::into_owned),
                name: name.into_owned(),
                arguments: String::new(),
                signature: None,
            })),
        };
        Ok(())
    }

    fn words(&mut self, choice: u32, text: &Text<'_>, out: &mut Out) {
        if text.is_empty() {
            return;
        }
        let thought = match &mut self.state(choice).open {
            Open::Call(call) => {
                call.arguments.push_str(&text.plain());
                return;
            }
            Open::Text => false,
            Open::Reasoning { said } => {
                *said = true;
                true
            }
            Open::Redacted => true,
        };
        self.part(choice, out, |o| {
            o.text("text", text);
            if thought {
                o.bool("thought", true);
            }
        });
    }

    fn seal(&mut self, choice: u32, signature: &Signature<'_>, out: &mut Out) {
        let (text, thought) = match &mut self.state(choice).open {
            Open::Call(call) => {
                call.signature = Some(Signature {
                    family: signature.family,
                    data: signature.data.clone().into_owned(),
                });
                return;
            }
            Open::Text => (true, false),
            Open::Reasoning { said } => (true, *said),
            Open::Redacted => (false, true),
        };
        self.part(choice, out, |o| {
            if text {
                o.str("text", "");
            }
            if thought {
                o.bool("thought", true);
            }
            o.text("thoughtSignature", &signature::written(signature));
        });
    }
}

/// A `content` of the model with one part, or none.
fn content(o: &mut Object<'_>, part: impl FnOnce(&mut Vec<u8>)) {
    o.object("content", |o| {
        let list = o.key("parts");
        list.push(b'[');
        part(list);
        list.push(b']');
        o.str("role", "model");
    });
}

impl EventWriter for Writer {
    fn write(&mut self, delta: Delta<'_>, out: &mut Out) -> Result<(), Error> {
        match delta {
            Delta::Start { id, model, .. } => {
                self.id = id.map(Text::into_owned);
                self.model = model.map(Text::into_owned);
            }
            Delta::Open { choice, piece } => return self.open(choice, piece, out),
            Delta::Words { choice, text } => self.words(choice, &text, out),
            Delta::Signature { choice, signature } => self.seal(choice, &signature, out),
            Delta::Citation { choice, .. } => {
                let field = format!("choices[{choice}].citations");
                out.losses
                    .add(field, "Gemini has no place for what a text cites");
            }
            Delta::Logprobs { choice, .. } => {
                let field = format!("choices[{choice}].logprobs");
                let why = "probabilities of tokens are not put in Gemini's form";
                out.losses.add(field, why);
            }
            Delta::Finish { choice, stop, .. } => {
                self.close(choice, out)?;
                self.state(choice).finish = Some(stop);
            }
            Delta::Usage(tokens) => self.usage = Some(tokens),
            Delta::Failed(trouble) => {
                self.event(out, EventKind::Error, |raw| {
                    trouble::document(raw, &trouble);
                });
                if !self.sse {
                    out.frame(EventKind::Other, |raw| raw.extend_from_slice(END));
                }
            }
            // The dialect has no sign of life: its readers take every line for a chunk.
            Delta::KeepAlive | Delta::Done => {}
        }
        Ok(())
    }

    fn finish(&mut self, out: &mut Out) -> Result<(), Error> {
        let (facts, choices) = (self.facts(), std::mem::take(&mut self.choices));
        let usage = self.usage;
        self.event(out, EventKind::Finish, |raw| {
            object(raw, |o| {
                o.array("candidates", |a| {
                    for state in &choices {
                        a.object(|o| {
                            content(o, |a| a.extend_from_slice(b"{\"text\":\"\"}"));
                            let stop = state.finish.unwrap_or(Stop::Other);
                            o.str("finishReason", stop::written(stop));
                            o.u64("index", state.index.into());
                        });
                    }
                });
                if let Some(tokens) = usage {
                    reply::usage(o, tokens);
                }
                o.key("modelVersion").extend_from_slice(&facts);
            });
        });
        if !self.sse {
            out.frame(EventKind::Done, |raw| raw.extend_from_slice(END));
        }
        Ok(())
    }
}
