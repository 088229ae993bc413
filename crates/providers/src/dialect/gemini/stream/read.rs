//! The way back: a stream of content read piece by piece.

use http::StatusCode;
use portcullis_core::error::{Error, codes};
use portcullis_core::json::{Kind, Raw};
use smallvec::SmallVec;

use super::super::array::END;
use super::super::key::{camel, field, get};
use super::super::place::Place;
use super::super::{part, reply, stop, trouble};
use crate::dialect::fields::{Fields, members};
use crate::translate::read::{self, broken, wrong};
use crate::translate::{
    Arguments, Delta, EventReader, Losses, Part, Piece, Reasoning, Stop, Text, ToolCall,
};

/// The most answers of one reply.
const CHOICES: usize = 256;

type Take<'t> = &'t mut dyn FnMut(Delta<'_>) -> Result<(), Error>;

/// Reads the chunks of one stream, each of which is a reply of its own with a part of each answer.
#[derive(Debug, Default)]
pub(in crate::dialect::gemini) struct Reader {
    started: bool,
    done: bool,
    choices: SmallVec<[State; 1]>,
}

#[derive(Debug, Default)]
struct State {
    index: u32,
    open: Open,
    calls: bool,
    finished: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Open {
    #[default]
    Nothing,
    Text,
    Reasoning,
}

impl EventReader for Reader {
    fn read<'a>(&mut self, _: &'a [u8], data: &'a [u8], take: Take<'_>) -> Result<(), Error> {
        if data.is_empty() {
            return take(Delta::KeepAlive);
        }
        if self.done {
            return Ok(());
        }
        if data == END {
            self.done = true;
            return take(Delta::Done);
        }
        let chunk = read::document(data, read::value).map_err(broken)?;
        if chunk.kind() != Kind::Object {
            return Err(broken(wrong("chunk", "an object")));
        }
        self.chunk(&members(chunk), take)
    }

    fn is_whole(&self) -> bool {
        !self.choices.is_empty() && self.choices.iter().all(|state| state.finished)
    }
}

impl Reader {
    fn chunk(&mut self, chunk: &Fields<'_>, take: Take<'_>) -> Result<(), Error> {
        if let Some(error) = field(chunk, "error") {
            return take(Delta::Failed(trouble::of(StatusCode::OK, error)));
        }
        if !self.started {
            self.started = true;
            take(Delta::Start {
                id: field(chunk, "responseId").and_then(Text::of),
                model: field(chunk, "modelVersion").and_then(Text::of),
                created: field(chunk, "createTime").and_then(reply::created),
            })?;
        }
        if let Some(candidates) = field(chunk, "candidates") {
            for (number, one) in candidates.elements().enumerate() {
                let one = one.map_err(|_| broken(wrong("candidates", "a list")))?;
                self.candidate(one, number, take)?;
            }
        }
        let blocked = field(chunk, "promptFeedback").and_then(reply::block);
        if blocked.is_some() && self.choices.is_empty() {
            self.choices.push(State {
                finished: true,
                ..State::default()
            });
            take(Delta::Finish {
                choice: 0,
                stop: Stop::Filter,
                sequence: None,
            })?;
        }
        match field(chunk, "usageMetadata").and_then(reply::tokens) {
            Some(tokens) => take(Delta::Usage(tokens)),
            None => Ok(()),
        }
    }

    fn candidate(&mut self, one: Raw<'_>, number: usize, take: Take<'_>) -> Result<(), Error> {
        let fields = members(one);
        let index = field(&fields, "index").and_then(Raw::as_u64);
        let index = index.unwrap_or(number as u64);
        let index = u32::try_from(index).map_err(|_| broken(wrong("index", "a small number")))?;
        let state = self.state(index)?;
        let parts = field(&fields, "content").and_then(|content| get(content, "parts"));
        for (number, one) in parts.into_iter().flat_map(Raw::elements).enumerate() {
            let place = Place::Answer(index, number as u32);
            let one = one.map_err(|_| broken(wrong(&place.to_string(), "an object")))?;
            let one = members(one);
            // Ratings and the like of single parts are told of with whole replies only.
            let parts = part::read(&one, place, &mut Losses::default()).map_err(broken)?;
            if state.finished && !parts.is_empty() {
                return Err(broken(wrong(
                    &place.to_string(),
                    "before the end of its answer",
                )));
            }
            refuse_halves(&one)?;
            for part in parts {
                state.part(part, take)?;
            }
        }
        let reason = field(&fields, "finishReason").and_then(Raw::as_str);
        let reason = reason.filter(|reason| reason != "FINISH_REASON_UNSPECIFIED");
        if let Some(reason) = reason.filter(|_| !state.finished) {
            state.finished = true;
            take(Delta::Finish {
                choice: index,
                stop: stop::read(&reason, state.calls),
                sequence: None,
            })?;
        }
        Ok(())
    }

    fn state(&mut self, index: u32) -> Result<&mut State, Error> {
        let found = self.choices.iter().position(|state| state.index == index);
        if found.is_none() && self.choices.len() == CHOICES {
            let what = "the upstream's stream has too many answers";
            return Err(Error::new(&codes::UPSTREAM_BROKEN, what));
        }
        let at = found.unwrap_or_else(|| {
            self.choices.push(State {
                index,
                ..State::default()
            });
            self.choices.len() - 1
        });
        Ok(&mut self.choices[at])
    }
}

/// Vertex sends arguments in pieces to those who ask for it, which translation does not.
fn refuse_halves(part: &Fields<'_>) -> Result<(), Error> {
    let halves = field(part, "functionCall").is_some_and(|call| {
        let names = members(call);
        let mut names = names.iter().map(|member| camel(&member.key));
        names.any(|name| name == "partialArgs")
    });
    match halves {
        false => Ok(()),
        true => Err(broken(wrong("functionCall", "whole"))),
    }
}

impl State {
    fn part(&mut self, part: Part<'_>, take: Take<'_>) -> Result<(), Error> {
        let choice = self.index;
        match part {
            Part::Text { text, .. } => {
                self.open(Open::Text, Piece::Text, take)?;
                take(Delta::Words { choice, text })
            }
            Part::Reasoning(thought) => self.thought(thought, take),
            Part::ToolCall(call) => self.call(call, take),
            Part::Media(_) => Err(unsaid("pictures")),
            Part::Foreign { kind, .. } => Err(unsaid(&kind)),
            Part::Refusal(_) | Part::ToolResult(_) => Err(unsaid("results of tools")),
        }
    }

    fn thought(&mut self, thought: Reasoning<'_>, take: Take<'_>) -> Result<(), Error> {
        let choice = self.index;
        if thought.redacted {
            self.open = Open::Nothing;
            take(Delta::Open {
                choice,
                piece: Piece::Redacted,
            })?;
        } else {
            // A seal on a text is a piece of its own.
            if thought.text.is_none() {
                self.open = Open::Nothing;
            }
            self.open(Open::Reasoning, Piece::Reasoning, take)?;
        }
        if let Some(text) = thought.text.filter(|text| !text.is_empty()) {
            take(Delta::Words { choice, text })?;
        }
        if let Some(signature) = thought.signature {
            take(Delta::Signature { choice, signature })?;
            // Whatever follows is not under this seal.
            self.open = Open::Nothing;
        }
        Ok(())
    }

    fn call(&mut self, call: ToolCall<'_>, take: Take<'_>) -> Result<(), Error> {
        let choice = self.index;
        self.open = Open::Nothing;
        self.calls = true;
        let (id, name) = (call.id, call.name);
        take(Delta::Open {
            choice,
            piece: Piece::ToolCall { id, name },
        })?;
        let text = match call.arguments {
            Arguments::Object(json) => String::from_utf8_lossy(&json).into_owned().into(),
            Arguments::String(text) => text,
        };
        take(Delta::Words { choice, text })?;
        match call.signature {
            Some(signature) => take(Delta::Signature { choice, signature }),
            None => Ok(()),
        }
    }

    fn open(&mut self, open: Open, piece: Piece<'_>, take: Take<'_>) -> Result<(), Error> {
        if self.open == open {
            return Ok(());
        }
        self.open = open;
        take(Delta::Open {
            choice: self.index,
            piece,
        })
    }
}

/// A stream is not translated in parts.
fn unsaid(what: &str) -> Error {
    let what =
        format!("the upstream's stream has {what}, which streams of other dialects have not");
    Error::new(&codes::UPSTREAM_BROKEN, what)
}
