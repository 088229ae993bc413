//! The way back: events of a message, as deltas.

use http::StatusCode;
use portcullis_core::context::Tokens;
use portcullis_core::error::{Error, codes};
use portcullis_core::json::{Cursor, Kind, Raw};

use crate::dialect::anthropic::block::FAMILY;
use crate::dialect::anthropic::{stop, trouble, usage};
use crate::dialect::fields::{Fields, field, fields, given, members};
use crate::translate::{Delta, EventReader, Piece, Signature, Text, Trouble, read as reading};

/// Where deltas go.
type Take<'t> = dyn FnMut(Delta<'_>) -> Result<(), Error> + 't;

/// Reads the events of one message.
#[derive(Debug, Default)]
pub(crate) struct Reader {
    begun: bool,
    open: Option<Open>,
    usage: Tokens,
    finished: bool,
    over: bool,
}

/// A block under way.
#[derive(Debug)]
struct Open {
    index: u64,
    kind: Block,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Block {
    Text,
    Thinking,
    Redacted,
    /// A call, and whether anything of its arguments was sent.
    Call {
        worded: bool,
    },
}

/// What an event has on top.
#[derive(Default)]
struct Event<'a> {
    kind: Option<Raw<'a>>,
    index: Option<u64>,
    delta: Fields<'a>,
    block: Fields<'a>,
    message: Option<Raw<'a>>,
    usage: Option<Raw<'a>>,
}

impl<'a> Event<'a> {
    fn read(data: &'a [u8]) -> Result<Self, Error> {
        let mut event = Self::default();
        let is_object = reading::document(data, |at| {
            reading::object(at, |key, at| {
                if key == "delta" {
                    event.delta = inner(at)?;
                } else if key == "content_block" {
                    event.block = inner(at)?;
                } else {
                    let value = reading::value(at)?;
                    if key == "type" {
                        event.kind = Some(value);
                    } else if key == "index" {
                        event.index = value.as_u64();
                    } else if key == "message" {
                        event.message = Some(value);
                    } else if key == "usage" {
                        event.usage = Some(value);
                    }
                }
                Ok(())
            })
        });
        match is_object.map_err(reading::broken)? {
            true => Ok(event),
            false => Err(broken("an event that is no object")),
        }
    }
}

fn inner<'a>(at: &mut Cursor<'a>) -> Result<Fields<'a>, Error> {
    Ok(fields(at)?.unwrap_or_default())
}

fn broken(what: &str) -> Error {
    let what = format!("the upstream's stream has {what}, which its dialect does not write");
    Error::new(&codes::UPSTREAM_BROKEN, what)
}

impl EventReader for Reader {
    fn read<'a>(
        &mut self,
        name: &'a [u8],
        data: &'a [u8],
        take: &mut Take<'_>,
    ) -> Result<(), Error> {
        let event = Event::read(data)?;
        let found = event.kind.and_then(Raw::str_bytes).unwrap_or_default();
        // Readers go by the name where there is one.
        let kind = if name.is_empty() { found } else { name };
        match kind {
            b"content_block_delta" => self.delta(&event, take),
            b"content_block_start" => self.start_block(&event, take),
            b"content_block_stop" => self.stop_block(&event, take),
            b"ping" => take(Delta::KeepAlive),
            b"message_start" => self.start(&event, take),
            b"message_delta" => self.message_delta(&event, take),
            b"message_stop" => self.stop(take),
            b"error" => take(Delta::Failed(failed(data))),
            // New kinds of events may come at any time, says the reference, and carry no content.
            _ => Ok(()),
        }
    }

    fn is_whole(&self) -> bool {
        self.finished || self.over
    }
}

impl Reader {
    fn start(&mut self, event: &Event<'_>, take: &mut Take<'_>) -> Result<(), Error> {
        if std::mem::replace(&mut self.begun, true) {
            return Err(broken("a second beginning"));
        }
        let message = event.message.map(members).unwrap_or_default();
        let text = |name| field(&message, name).and_then(Text::of);
        take(Delta::Start {
            id: text("id"),
            model: text("model"),
            created: None,
        })?;
        self.usage(field(&message, "usage"), take)
    }

    fn start_block(&mut self, event: &Event<'_>, take: &mut Take<'_>) -> Result<(), Error> {
        if !self.begun || self.finished || self.open.is_some() {
            return Err(broken("a block out of its place"));
        }
        let block = &event.block;
        let text = |name| field(block, name).and_then(Text::of);
        let kind = field(block, "type").and_then(Raw::as_str);
        let (kind, piece, words) = match kind.as_deref() {
            Some("text") => (Block::Text, Piece::Text, text("text")),
            Some("thinking") => (Block::Thinking, Piece::Reasoning, text("thinking")),
            Some("redacted_thinking") => (Block::Redacted, Piece::Redacted, None),
            Some("tool_use") => {
                let Some(name) = text("name") else {
                    return Err(broken("a call of no tool"));
                };
                let id = text("id");
                let call = Piece::ToolCall { id, name };
                (Block::Call { worded: false }, call, None)
            }
            kind => {
                let what = format!("a block of the kind `{}`", kind.unwrap_or_default());
                let what = format!("the upstream's stream has {what}, which is not translated");
                return Err(Error::new(&codes::UPSTREAM_BROKEN, what));
            }
        };
        let index = event
            .index
            .ok_or_else(|| broken("a block without its number"))?;
        self.open = Some(Open { index, kind });
        take(Delta::Open { choice: 0, piece })?;
        self.words(words, take)?;
        let input = field(block, "input").filter(|input| kind_of_call(kind) && is_filled(*input));
        self.words(
            input.map(|input| Text::Plain(String::from_utf8_lossy(input.bytes()))),
            take,
        )?;
        let seal = match kind {
            Block::Redacted => text("data"),
            _ => text("signature"),
        };
        self.seal(seal, take)
    }

    fn delta(&mut self, event: &Event<'_>, take: &mut Take<'_>) -> Result<(), Error> {
        let Some(open) = self
            .open
            .as_ref()
            .filter(|open| event.index == Some(open.index))
        else {
            return Err(broken("words of no block"));
        };
        let delta = &event.delta;
        let text = |name| field(delta, name).and_then(Text::of);
        let kind = field(delta, "type").and_then(Raw::str_bytes);
        let words = match (kind.unwrap_or_default(), open.kind) {
            (b"text_delta", Block::Text) => text("text"),
            (b"thinking_delta", Block::Thinking) => text("thinking"),
            (b"input_json_delta", Block::Call { .. }) => text("partial_json"),
            (b"signature_delta", Block::Thinking) => return self.seal(text("signature"), take),
            (b"citations_delta", Block::Text) => {
                let Some(raw) = field(delta, "citation") else {
                    return Err(broken("a citation of nothing"));
                };
                return take(Delta::Citation { choice: 0, raw });
            }
            _ => return Err(broken("a change that does not fit its block")),
        };
        if words.is_none() {
            return Err(broken("a change without words"));
        }
        self.words(words, take)
    }

    fn words(&mut self, words: Option<Text<'_>>, take: &mut Take<'_>) -> Result<(), Error> {
        let Some(text) = words.filter(|words| !words.is_empty()) else {
            return Ok(());
        };
        if let Some(Open {
            kind: Block::Call { worded },
            ..
        }) = &mut self.open
        {
            *worded = true;
        }
        take(Delta::Words { choice: 0, text })
    }

    fn seal(&self, data: Option<Text<'_>>, take: &mut Take<'_>) -> Result<(), Error> {
        let Some(data) = data.filter(|data| !data.is_empty()) else {
            return Ok(());
        };
        let signature = Signature::read(FAMILY, data);
        take(Delta::Signature {
            choice: 0,
            signature,
        })
    }

    fn stop_block(&mut self, event: &Event<'_>, take: &mut Take<'_>) -> Result<(), Error> {
        let open = self.open.take();
        let Some(open) = open.filter(|open| event.index == Some(open.index)) else {
            return Err(broken("an end of no block"));
        };
        if open.kind == (Block::Call { worded: false }) {
            // The arguments of a tool that takes none.
            let text = Text::from("{}");
            return take(Delta::Words { choice: 0, text });
        }
        Ok(())
    }

    fn message_delta(&mut self, event: &Event<'_>, take: &mut Take<'_>) -> Result<(), Error> {
        if !self.begun || self.open.is_some() {
            return Err(broken("an end of a message out of its place"));
        }
        self.usage(event.usage, take)?;
        let Some(reason) = field(&event.delta, "stop_reason").and_then(given) else {
            return Ok(());
        };
        if std::mem::replace(&mut self.finished, true) {
            return Ok(());
        }
        take(Delta::Finish {
            choice: 0,
            stop: stop::read(reason),
            sequence: field(&event.delta, "stop_sequence").and_then(Text::of),
        })
    }

    fn stop(&mut self, take: &mut Take<'_>) -> Result<(), Error> {
        if !self.begun || self.open.is_some() {
            return Err(broken("an end out of its place"));
        }
        if std::mem::replace(&mut self.over, true) {
            return Ok(());
        }
        take(Delta::Done)
    }

    fn usage(&mut self, usage: Option<Raw<'_>>, take: &mut Take<'_>) -> Result<(), Error> {
        match usage {
            Some(usage) if usage::note(usage, &mut self.usage) => take(Delta::Usage(self.usage)),
            _ => Ok(()),
        }
    }
}

fn kind_of_call(kind: Block) -> bool {
    matches!(kind, Block::Call { .. })
}

/// Whether an object has members.
fn is_filled(value: Raw<'_>) -> bool {
    value.kind() == Kind::Object && value.members().next().is_some()
}

fn failed(data: &[u8]) -> Trouble<'_> {
    let read = Raw::parse(data).ok();
    let read = read.and_then(|raw| trouble::read_document(raw, None));
    read.unwrap_or_else(|| trouble::unknown(StatusCode::INTERNAL_SERVER_ERROR, data))
}
