//! The way back: a streamed chat completion read piece by piece.

use http::StatusCode;
use portcullis_core::error::{Error, codes};
use portcullis_core::json::Raw;
use smallvec::SmallVec;

use super::calls::Calls;
use super::chunk::{ChoiceDelta, Chunk};
use super::{reasoning, reply};
use crate::dialect::openai::trouble;
use crate::translate::read::broken;
use crate::translate::{Delta, EventReader, Piece, Stop, Text};

/// The most choices of one reply.
const CHOICES: usize = 256;

/// Reads the chunks of one stream.
#[derive(Debug, Default)]
pub(super) struct Reader {
    started: bool,
    done: bool,
    choices: SmallVec<[State; 1]>,
}

/// What takes the deltas.
pub(super) type Take<'t> = &'t mut dyn FnMut(Delta<'_>) -> Result<(), Error>;

/// What is under way in a choice.
#[derive(Debug, Default)]
struct State {
    index: u32,
    open: Open,
    /// Which of the details of its reasoning is open.
    detail: Option<u64>,
    calls: Calls,
    refused: bool,
    finished: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Open {
    #[default]
    Nothing,
    Text,
    Reasoning,
    Refusal,
    Calls,
}

impl EventReader for Reader {
    fn read<'a>(&mut self, name: &'a [u8], data: &'a [u8], take: Take<'_>) -> Result<(), Error> {
        if self.done {
            return Ok(());
        }
        if data.trim_ascii() == b"[DONE]" {
            self.done = true;
            for state in &mut self.choices {
                state.finish(None, take)?;
            }
            return take(Delta::Done);
        }
        if name == b"error"
            && let Ok(error) = Raw::parse(data)
        {
            return failed(error.get("error").unwrap_or(error), take);
        }
        self.chunk(Chunk::read(data).map_err(broken)?, take)
    }

    fn is_whole(&self) -> bool {
        let mut choices = self.choices.iter();
        self.done || !self.choices.is_empty() && choices.all(|state| state.finished)
    }
}

impl Reader {
    fn chunk(&mut self, chunk: Chunk<'_>, take: Take<'_>) -> Result<(), Error> {
        if let Some(error) = chunk.error {
            return failed(error, take);
        }
        // Azure sends one before the reply that says what became of the prompt, and nothing else.
        if chunk.choices.is_empty() && chunk.usage.is_none() {
            return take(Delta::KeepAlive);
        }
        if !self.started {
            self.started = true;
            let (id, model, created) = (chunk.id, chunk.model, chunk.created);
            take(Delta::Start { id, model, created })?;
        }
        for choice in chunk.choices {
            self.state(choice.index)?.take(choice, take)?;
        }
        match chunk.usage {
            Some(tokens) => take(Delta::Usage(tokens)),
            None => Ok(()),
        }
    }

    fn state(&mut self, index: u32) -> Result<&mut State, Error> {
        let found = self.choices.iter().position(|state| state.index == index);
        let at = match found {
            Some(at) => at,
            None if self.choices.len() == CHOICES => return Err(odd("there are too many choices")),
            None => {
                let state = State {
                    index,
                    ..State::default()
                };
                self.choices.push(state);
                self.choices.len() - 1
            }
        };
        Ok(&mut self.choices[at])
    }
}

impl State {
    fn take(&mut self, delta: ChoiceDelta<'_>, take: Take<'_>) -> Result<(), Error> {
        let choice = self.index;
        if self.finished {
            return match delta.says() {
                true => Err(odd("a choice goes on after its finish reason")),
                false => Ok(()),
            };
        }
        if delta.details.is_some() || delta.reasoning.is_some() {
            self.reasoning(delta.details, delta.reasoning, take)?;
        }
        if let Some(text) = delta.content {
            self.open(Open::Text, take)?;
            take(Delta::Words { choice, text })?;
        }
        if let Some(text) = delta.refusal {
            self.refused = true;
            self.open(Open::Refusal, take)?;
            take(Delta::Words { choice, text })?;
        }
        for call in delta.calls {
            self.open = Open::Calls;
            self.calls.take(choice, call, take)?;
        }
        if let Some(raw) = delta.logprobs {
            take(Delta::Logprobs { choice, raw })?;
        }
        match delta.finish {
            Some(why) => self.finish(Some(&why), take),
            None => Ok(()),
        }
    }

    /// Opens a piece, if it is not open.
    fn open(&mut self, open: Open, take: Take<'_>) -> Result<(), Error> {
        if self.open == open {
            return Ok(());
        }
        let choice = self.index;
        if self.open == Open::Calls {
            self.calls.end(choice, take)?;
        }
        self.open = open;
        let piece = match open {
            Open::Text => Piece::Text,
            Open::Reasoning => Piece::Reasoning,
            Open::Refusal => Piece::Refusal,
            Open::Nothing | Open::Calls => return Ok(()),
        };
        take(Delta::Open { choice, piece })
    }

    /// Takes thoughts: their words, which the details may repeat, and what is sealed.
    fn reasoning(
        &mut self,
        details: Option<Raw<'_>>,
        words: Option<Text<'_>>,
        take: Take<'_>,
    ) -> Result<(), Error> {
        let choice = self.index;
        let told = words.is_some();
        let details = details.map(reasoning::details).unwrap_or_default();
        let next = details
            .iter()
            .find_map(|(index, one)| index.filter(|_| !one.redacted));
        // Words without a number are the first's.
        if next.is_some() && next != Some(self.detail.unwrap_or(0)) && self.open == Open::Reasoning
        {
            self.open = Open::Nothing;
        }
        if let Some(text) = words {
            self.open(Open::Reasoning, take)?;
            take(Delta::Words { choice, text })?;
        }
        for (index, one) in details {
            if one.redacted {
                self.open(Open::Nothing, take)?;
                let piece = Piece::Redacted;
                take(Delta::Open { choice, piece })?;
            } else {
                self.detail = index.or(self.detail);
                self.open(Open::Reasoning, take)?;
                if let Some(text) = one.text.filter(|_| !told) {
                    take(Delta::Words { choice, text })?;
                }
            }
            if let Some(signature) = one.signature {
                take(Delta::Signature { choice, signature })?;
            }
        }
        Ok(())
    }

    fn finish(&mut self, why: Option<&Text<'_>>, take: Take<'_>) -> Result<(), Error> {
        if std::mem::replace(&mut self.finished, true) {
            return Ok(());
        }
        let choice = self.index;
        self.calls.end(choice, take)?;
        let stop: Stop = reply::stop(why, self.refused, self.calls.any());
        take(Delta::Finish {
            choice,
            stop,
            sequence: None,
        })
    }
}

fn failed(error: Raw<'_>, take: Take<'_>) -> Result<(), Error> {
    let status: StatusCode = trouble::status_of(error);
    take(Delta::Failed(trouble::of_error(status, error)))
}

/// The stream is not what the dialect writes.
pub(super) fn odd(what: &'static str) -> Error {
    Error::new(&codes::UPSTREAM_BROKEN, what)
}
