//! The way back: a streamed response read piece by piece.

use portcullis_core::context::Tokens;
use portcullis_core::error::{Error, codes};
use portcullis_core::json::{Cursor, Raw};

use super::event::Event;
use super::items::{self, Item, Place};
use super::reply::ended;
use crate::dialect::openai::trouble;
use crate::dialect::openai::usage::{RESPONSES, note_usage};
use crate::translate::read::broken;
use crate::translate::{Delta, EventReader, Losses, Piece, Reasoning, Text};

/// Reads the events of one stream.
#[derive(Debug, Default)]
pub(super) struct Reader {
    started: bool,
    done: bool,
    open: Open,
    /// The item under way, by its place in the output.
    at: u64,
    /// Whether words of the open piece have come.
    worded: bool,
    called: bool,
    refused: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Open {
    #[default]
    Nothing,
    Text,
    Refusal,
    Summary,
    Thought,
    Call,
}

type Take<'t> = &'t mut dyn FnMut(Delta<'_>) -> Result<(), Error>;

impl EventReader for Reader {
    fn read<'a>(&mut self, name: &'a [u8], data: &'a [u8], take: Take<'_>) -> Result<(), Error> {
        // Some hosts close with it.
        if self.done || data.trim_ascii() == b"[DONE]" {
            return Ok(());
        }
        let event = Event::read(data).map_err(broken)?;
        let kind = match &event.kind {
            Some(kind) => kind.plain(),
            None => String::from_utf8_lossy(name),
        };
        let kind = kind.strip_prefix("response.").unwrap_or(&kind).to_owned();
        self.event(&kind, event, data, take)
    }

    fn is_whole(&self) -> bool {
        self.done
    }
}

impl Reader {
    fn event(
        &mut self,
        kind: &str,
        event: Event<'_>,
        data: &[u8],
        take: Take<'_>,
    ) -> Result<(), Error> {
        match kind {
            "output_text.delta" => self.words(Open::Text, &event, take),
            "refusal.delta" => self.words(Open::Refusal, &event, take),
            "function_call_arguments.delta" => self.words(Open::Call, &event, take),
            "reasoning_summary_text.delta" => self.words(Open::Summary, &event, take),
            "reasoning_text.delta" => self.words(Open::Thought, &event, take),
            "output_text.done" => self.whole(Open::Text, event, take),
            "refusal.done" => self.whole(Open::Refusal, event, take),
            "function_call_arguments.done" => self.whole(Open::Call, event, take),
            "created" | "in_progress" | "queued" => self.start(event.response, take),
            "output_item.added" => self.item(&event, take),
            "output_item.done" => self.item_done(&event, take),
            "content_part.added" => self.part(&event, take),
            "reasoning_summary_part.added" => self.summary_part(&event, take),
            "output_text.annotation.added" => match event.annotation {
                Some(raw) => take(Delta::Citation { choice: 0, raw }),
                None => Ok(()),
            },
            "completed" | "incomplete" => self.end(event.response, take),
            "failed" => {
                let error = event.response.and_then(|response| response.get("error"));
                failed(error.filter(|error| !error.is_null()), data, take)
            }
            "error" => failed(event.error, data, take),
            // New ones come monthly. Those that carry words of the answer are named above.
            _ => Ok(()),
        }
    }

    fn start(&mut self, response: Option<Raw<'_>>, take: Take<'_>) -> Result<(), Error> {
        if std::mem::replace(&mut self.started, true) {
            return Ok(());
        }
        let (mut id, mut model, mut created) = (None, None, None);
        for member in response.into_iter().flat_map(Raw::members).flatten() {
            if member.key == "id" {
                id = Text::of(member.value);
            } else if member.key == "model" {
                model = Text::of(member.value);
            } else if member.key == "created_at" {
                created = member.value.as_f64().map(|seconds| seconds as u64);
            }
        }
        take(Delta::Start { id, model, created })
    }

    fn open(&mut self, open: Open, event: &Event<'_>, take: Take<'_>) -> Result<(), Error> {
        let at = event.output_index.unwrap_or(self.at);
        if self.open == open && self.at == at {
            return Ok(());
        }
        let choice = 0;
        let piece = match open {
            Open::Text => Piece::Text,
            Open::Refusal => {
                self.refused = true;
                Piece::Refusal
            }
            Open::Summary | Open::Thought => Piece::Reasoning,
            Open::Nothing => return Ok(()),
            Open::Call => return Err(odd("arguments of no call came")),
        };
        self.start(None, take)?;
        (self.open, self.at, self.worded) = (open, at, false);
        take(Delta::Open { choice, piece })
    }

    fn words(&mut self, open: Open, event: &Event<'_>, take: Take<'_>) -> Result<(), Error> {
        let text = event.delta.clone();
        let text = text.ok_or_else(|| odd("a delta has no text"))?;
        // Thoughts are told once, though both they and their summary may be shown.
        let thinks = [Open::Summary, Open::Thought];
        if thinks.contains(&open) && thinks.contains(&self.open) && self.open != open {
            return Ok(());
        }
        self.open(open, event, take)?;
        if text.is_empty() {
            return Ok(());
        }
        self.worded = true;
        take(Delta::Words { choice: 0, text })
    }

    /// What came in pieces, whole; of hosts that send no pieces, it is all there is.
    fn whole(&mut self, open: Open, event: Event<'_>, take: Take<'_>) -> Result<(), Error> {
        let at = event.output_index.unwrap_or(self.at);
        let told = self.open == open && self.at == at && self.worded;
        match &event.whole {
            Some(text) if !told && !text.is_empty() => {
                let delta = Some(text.clone());
                self.words(open, &Event { delta, ..event }, take)
            }
            _ => Ok(()),
        }
    }

    fn item(&mut self, event: &Event<'_>, take: Take<'_>) -> Result<(), Error> {
        self.start(None, take)?;
        let item = event.item.ok_or_else(|| odd("an item is not there"))?;
        let kind = item.get("type").and_then(Text::of);
        let kind = kind.ok_or_else(|| odd("an item has no type"))?;
        self.at = event.output_index.unwrap_or(self.at + 1);
        if kind.is("message") || kind.is("reasoning") {
            if self.open != Open::Call {
                self.open = Open::Nothing;
            }
            return Ok(());
        }
        if !kind.is("function_call") {
            return Err(odd("the response has an item that no other dialect has"));
        }
        let text = |key| {
            item.get(key)
                .and_then(Text::of)
                .filter(|text| !text.is_empty())
        };
        let name = text("name").ok_or_else(|| odd("a call of a tool has no name"))?;
        (self.open, self.worded, self.called) = (Open::Call, false, true);
        let id = text("call_id");
        let piece = Piece::ToolCall { id, name };
        take(Delta::Open { choice: 0, piece })
    }

    /// Takes what is known only at the end of an item: what is sealed.
    fn item_done(&mut self, event: &Event<'_>, take: Take<'_>) -> Result<(), Error> {
        let item = event.item.ok_or_else(|| odd("an item is not there"))?;
        if !item
            .get("type")
            .and_then(Text::of)
            .is_some_and(|kind| kind.is("reasoning"))
        {
            return Ok(());
        }
        let place = Place {
            list: "output",
            index: 0,
        };
        let mut cursor = Cursor::new(item.bytes()).map_err(|_| odd("an item is too large"))?;
        let read = items::read(&mut cursor, place, &mut Losses::default());
        let Item::Reasoning(one) = read.map_err(broken)? else {
            return Ok(());
        };
        self.sealed(one, take)
    }

    fn sealed(&mut self, one: Reasoning<'_>, take: Take<'_>) -> Result<(), Error> {
        let choice = 0;
        let of_call = self.open == Open::Call && items::is_of_call(&one);
        let open = matches!(self.open, Open::Summary | Open::Thought);
        if !of_call && !open {
            let piece = if one.redacted {
                Piece::Redacted
            } else {
                Piece::Reasoning
            };
            take(Delta::Open { choice, piece })?;
            if let Some(text) = one.text {
                take(Delta::Words { choice, text })?;
            }
        }
        if !of_call {
            self.open = Open::Nothing;
        }
        match one.signature {
            Some(signature) => take(Delta::Signature { choice, signature }),
            None => Ok(()),
        }
    }

    fn part(&mut self, event: &Event<'_>, take: Take<'_>) -> Result<(), Error> {
        let kind = event
            .part
            .and_then(|part| part.get("type"))
            .and_then(Text::of);
        let open = match kind.as_ref().map(Text::plain).as_deref() {
            Some("output_text") => Open::Text,
            Some("refusal") => Open::Refusal,
            Some("reasoning_text") => return Ok(()),
            _ => return Err(odd("the response has a part that no other dialect has")),
        };
        // Each part is a piece.
        self.open = Open::Nothing;
        self.open(open, event, take)
    }

    /// Parts of a summary are paragraphs of one text.
    fn summary_part(&mut self, event: &Event<'_>, take: Take<'_>) -> Result<(), Error> {
        let same = event.output_index.is_none_or(|at| at == self.at);
        if self.open != Open::Summary || !same {
            return Ok(());
        }
        let text = "\n\n".into();
        take(Delta::Words { choice: 0, text })
    }

    fn end(&mut self, response: Option<Raw<'_>>, take: Take<'_>) -> Result<(), Error> {
        self.start(response, take)?;
        let response = response.ok_or_else(|| odd("the response is not there"))?;
        let (mut status, mut reason) = (None, None);
        let mut tokens = Tokens::default();
        let mut used = false;
        for member in response.members().flatten() {
            if member.key == "status" {
                status = Text::of(member.value);
            } else if member.key == "incomplete_details" {
                reason = member.value.get("reason").and_then(Text::of);
            } else if member.key == "usage" {
                used = note_usage(&RESPONSES, member.value, &mut tokens);
            }
        }
        let stop = ended(status.as_ref(), reason.as_ref(), self.called, self.refused);
        let stop = stop.ok_or_else(|| odd("the response ended without having done so"))?;
        if used {
            take(Delta::Usage(tokens))?;
        }
        take(Delta::Finish {
            choice: 0,
            stop,
            sequence: None,
        })?;
        self.done = true;
        take(Delta::Done)
    }
}

fn failed(error: Option<Raw<'_>>, data: &[u8], take: Take<'_>) -> Result<(), Error> {
    let error = match error {
        Some(error) => error,
        None => Raw::parse(data).map_err(|_| odd("an error is not JSON"))?,
    };
    let status = trouble::status_of(error);
    take(Delta::Failed(trouble::of_error(status, error)))
}

/// The stream is not what the dialect writes.
fn odd(what: &'static str) -> Error {
    Error::new(&codes::UPSTREAM_BROKEN, what)
}
