//! The way back: a streamed response written piece by piece.

use portcullis_core::context::Tokens;
use portcullis_core::error::{Error, codes};
use portcullis_core::llm::EventKind;

use super::open::{Item, Open, Place};
use super::output::{self, Response};
use super::reply::item_id;
use crate::dialect::openai::trouble;
use crate::translate::write::{Object, object};
use crate::translate::{Asked, Delta, EventWriter, Out, Piece, Signature, Stop, Text, Trouble};

/// The most bytes of an answer: the last event repeats all of it, so it is held.
const HELD: usize = 64 << 20;

/// Writes the events of one stream.
#[derive(Debug)]
pub(super) struct Writer {
    asked: Asked,
    events: Events,
    started: bool,
    id: Option<Text<'static>>,
    model: Option<Text<'static>>,
    created: Option<u64>,
    /// The items that have ended.
    output: Vec<u8>,
    /// How many items there were.
    items: u64,
    open: Option<Item>,
    refused: bool,
    usage: Option<Tokens>,
    stop: Option<Stop>,
    over: bool,
}

/// Numbers events.
#[derive(Debug, Default)]
pub(super) struct Events(u64);

impl Events {
    /// Writes an event.
    pub(super) fn write(
        &mut self,
        out: &mut Out,
        name: &str,
        kind: EventKind,
        write: impl FnOnce(&mut Object<'_>),
    ) {
        let number = self.0;
        self.0 += 1;
        out.sse(Some(name), kind, |raw| {
            object(raw, |o| {
                o.str("type", name);
                o.u64("sequence_number", number);
                write(o);
            });
        });
    }
}

impl Writer {
    /// For this caller.
    pub(super) fn new(asked: &Asked) -> Self {
        Self {
            asked: asked.clone(),
            events: Events::default(),
            started: false,
            id: None,
            model: None,
            created: None,
            output: Vec::new(),
            items: 0,
            open: None,
            refused: false,
            usage: None,
            stop: None,
            over: false,
        }
    }

    fn start(&mut self, out: &mut Out) {
        if std::mem::replace(&mut self.started, true) {
            return;
        }
        for name in ["response.created", "response.in_progress"] {
            self.response(out, name, EventKind::Other);
        }
    }

    /// An event with the response as it is now.
    fn response(&mut self, out: &mut Out, name: &str, kind: EventKind) {
        let response = Response {
            id: self.id.as_ref(),
            model: self.model.as_ref(),
            created: self.created,
            output: &self.output,
            stop: self.stop.filter(|_| kind == EventKind::Done),
            usage: self.usage.filter(|_| kind == EventKind::Done),
        };
        let asked = &self.asked;
        self.events.write(out, name, kind, |o| {
            o.object("response", |o| response.write(o, asked));
        });
    }

    fn open(&mut self, piece: Piece<'_>, out: &mut Out) {
        let refusal = match &piece {
            Piece::Text => Some(false),
            Piece::Refusal => Some(true),
            _ => None,
        };
        if let (Some(refusal), Some(item)) = (refusal, &mut self.open)
            && item.next_part(refusal, &mut self.events, out)
        {
            self.refused |= refusal;
            return;
        }
        self.close(None, out);
        let index = self.items;
        self.items += 1;
        let (prefix, open) = match piece {
            Piece::Text => ("msg", Open::Words { refusal: false }),
            Piece::Refusal => {
                self.refused = true;
                ("msg", Open::Words { refusal: true })
            }
            Piece::Reasoning => ("rs", Open::Thoughts { redacted: false }),
            Piece::Redacted => ("rs", Open::Thoughts { redacted: true }),
            Piece::ToolCall { id, name } => {
                let id = id.map(Text::into_owned);
                let call = Open::Call {
                    id: id.unwrap_or_else(|| item_id("call", &self.asked, index).into()),
                    name: name.into_owned(),
                };
                ("fc", call)
            }
        };
        let place = Place {
            id: item_id(prefix, &self.asked, index),
            index,
        };
        let mut item = Item::new(place, open);
        item.begin(&mut self.events, out);
        self.open = Some(item);
    }

    /// Ends the open item: with this, if the response ends with it.
    fn close(&mut self, stop: Option<Stop>, out: &mut Out) {
        let Some(item) = self.open.take() else { return };
        let status = stop.map_or("completed", |stop| output::status(Some(stop)));
        let sealed = item.end(status, &mut self.events, &mut self.output, out);
        if let Some(signature) = sealed {
            self.sealed(&signature, out);
        }
    }

    /// What must be given back with a call follows it as an item of its own.
    fn sealed(&mut self, signature: &Signature<'_>, out: &mut Out) {
        let open = Open::Thoughts { redacted: true };
        let place = Place {
            id: item_id("rs", &self.asked, self.items),
            index: self.items,
        };
        self.items += 1;
        let mut item = Item::new(place, open);
        item.begin(&mut self.events, out);
        item.seal(signature.clone());
        item.end("completed", &mut self.events, &mut self.output, out);
    }

    fn held(&self) -> usize {
        self.output.len() + self.open.as_ref().map_or(0, Item::held)
    }

    fn words(&mut self, text: &Text<'_>, out: &mut Out) -> Result<(), Error> {
        if text.is_empty() {
            return Ok(());
        }
        if self.open.is_none() {
            self.open(Piece::Text, out);
        }
        if let Some(item) = &mut self.open {
            item.words(text, &mut self.events, out);
        }
        if self.held() > HELD {
            let what = "the upstream's reply is larger than a streamed response can repeat";
            return Err(Error::new(&codes::UPSTREAM_TOO_LARGE, what));
        }
        Ok(())
    }

    fn fail(&mut self, trouble: &Trouble<'_>, out: &mut Out) {
        self.over = true;
        self.events.write(out, "error", EventKind::Error, |o| {
            match trouble::code(trouble) {
                Some(code) => o.text("code", &code),
                None => o.null("code"),
            }
            o.text("message", &trouble.message);
            match &trouble.param {
                Some(param) => o.text("param", param),
                None => o.null("param"),
            }
        });
    }

    fn end(&mut self, out: &mut Out) {
        if std::mem::replace(&mut self.over, true) {
            return;
        }
        self.start(out);
        let stop = *self.stop.get_or_insert(Stop::End);
        self.close(Some(stop), out);
        output::note_stop(stop, self.refused, &mut out.losses);
        let name = match output::status(Some(stop)) {
            "incomplete" => "response.incomplete",
            _ => "response.completed",
        };
        self.response(out, name, EventKind::Done);
    }
}

impl EventWriter for Writer {
    fn write(&mut self, delta: Delta<'_>, out: &mut Out) -> Result<(), Error> {
        if self.over {
            return Ok(());
        }
        let choice = match &delta {
            Delta::Open { choice, .. }
            | Delta::Words { choice, .. }
            | Delta::Signature { choice, .. }
            | Delta::Citation { choice, .. }
            | Delta::Logprobs { choice, .. }
            | Delta::Finish { choice, .. } => Some(*choice),
            _ => None,
        };
        if choice.is_some() {
            self.start(out);
        }
        if choice.is_some_and(|choice| choice > 0) {
            out.losses.add("choices", "a response is one answer");
            return Ok(());
        }
        match delta {
            Delta::Start { id, model, created } => {
                self.id = id.map(Text::into_owned);
                self.model = model.map(Text::into_owned);
                self.created = created;
                self.start(out);
            }
            Delta::Open { piece, .. } => self.open(piece, out),
            Delta::Words { text, .. } => return self.words(&text, out),
            Delta::Signature { signature, .. } => match &mut self.open {
                Some(item) if item.takes_seal() => item.seal(signature),
                _ => {
                    self.close(None, out);
                    self.sealed(&signature, out);
                }
            },
            Delta::Citation { .. } => {
                out.losses
                    .add("citations", "their form is the provider's own");
            }
            Delta::Logprobs { .. } => out.losses.add("logprobs", "their form is another"),
            Delta::Finish { stop, sequence, .. } => {
                if sequence.is_some() {
                    let why = "responses do not tell which it was";
                    out.losses.add("stop_sequence", why);
                }
                self.stop = Some(stop);
                self.close(Some(stop), out);
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
