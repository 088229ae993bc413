//! The way back: events of an answer, as deltas.

use portcullis_core::context::Tokens;
use portcullis_core::error::{Error, codes};
use portcullis_core::json::{Member, Raw};

use crate::dialect::cohere::{content, stop, trouble, usage};
use crate::dialect::fields::{Fields, field, given, members};
use crate::translate::{Delta, EventReader, Piece, Text, read as reading};

/// Where deltas go.
type Take<'t> = dyn FnMut(Delta<'_>) -> Result<(), Error> + 't;

/// Reads the events of one answer.
#[derive(Debug, Default)]
pub(crate) struct Reader {
    begun: bool,
    open: Option<Open>,
    finished: bool,
    over: bool,
}

/// A piece under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Open {
    Text,
    Thinking,
    /// What the model is about to do.
    Plan,
    /// A call, and whether anything of its arguments was sent.
    Call {
        worded: bool,
    },
}

impl EventReader for Reader {
    fn read<'a>(
        &mut self,
        name: &'a [u8],
        data: &'a [u8],
        take: &mut Take<'_>,
    ) -> Result<(), Error> {
        if data == b"[DONE]" {
            return match (self.finished, std::mem::replace(&mut self.over, true)) {
                (true, false) => take(Delta::Done),
                _ => Ok(()),
            };
        }
        let event = read_event(data)?;
        let kind = field(&event, "type").and_then(Raw::str_bytes);
        let kind = kind.unwrap_or(name);
        let delta = field(&event, "delta").map(members).unwrap_or_default();
        let message = field(&delta, "message").map(members).unwrap_or_default();
        if kind == b"message-start" {
            return self.start(&event, take);
        }
        let known: [&[u8]; 8] = [
            b"content-start",
            b"content-delta",
            b"content-end",
            b"tool-plan-delta",
            b"tool-call-start",
            b"tool-call-delta",
            b"tool-call-end",
            b"citation-start",
        ];
        if known.contains(&kind) && (!self.begun || self.finished) {
            return Err(broken("words out of their place"));
        }
        let inner = |name| field(&message, name).map(members).unwrap_or_default();
        match kind {
            b"content-delta" | b"content-start" => self.content(kind, &inner("content"), take),
            b"content-end" => {
                self.open = None;
                Ok(())
            }
            b"tool-plan-delta" => self.plan(field(&message, "tool_plan"), take),
            b"tool-call-start" => self.start_call(&inner("tool_calls"), take),
            b"tool-call-delta" => self.call(&inner("tool_calls"), take),
            b"tool-call-end" => self.end_call(take),
            b"citation-start" => match field(&message, "citations").and_then(given) {
                Some(raw) => take(Delta::Citation { choice: 0, raw }),
                None => Ok(()),
            },
            b"message-end" => self.end(&delta, take),
            // New kinds of events may come, and `debug` and `citation-end` say nothing of the answer.
            _ => Ok(()),
        }
    }

    fn is_whole(&self) -> bool {
        self.finished
    }
}

/// The members of an event, all of which was checked.
fn read_event(data: &[u8]) -> Result<Fields<'_>, Error> {
    let mut fields = Fields::new();
    let is_object = reading::document(data, |at| {
        reading::object(at, |key, at| {
            let value = reading::value(at)?;
            fields.push(Member { key, value });
            Ok(())
        })
    });
    match is_object.map_err(reading::broken)? {
        true => Ok(fields),
        false => Err(broken("an event that is no object")),
    }
}

fn broken(what: &str) -> Error {
    let what = format!("the upstream's stream has {what}, which its dialect does not write");
    Error::new(&codes::UPSTREAM_BROKEN, what)
}

impl Reader {
    fn start(&mut self, event: &Fields<'_>, take: &mut Take<'_>) -> Result<(), Error> {
        if std::mem::replace(&mut self.begun, true) {
            return Err(broken("a second beginning"));
        }
        take(Delta::Start {
            id: field(event, "id").and_then(Text::of),
            model: None,
            created: None,
        })
    }

    /// A piece of content, which begins by its first words where its beginning was not told.
    fn content(
        &mut self,
        kind: &[u8],
        content: &Fields<'_>,
        take: &mut Take<'_>,
    ) -> Result<(), Error> {
        let text = |name| field(content, name).and_then(Text::of);
        let starts = kind == b"content-start";
        let (words, thoughts) = (text("text"), text("thinking"));
        let seal = content::seal(content);
        let told = field(content, "type").and_then(Raw::as_str);
        let open = match (told.as_deref(), &thoughts) {
            (Some("thinking"), _) | (None, Some(_)) => Open::Thinking,
            (Some("text"), _) => Open::Text,
            (None, None) if words.is_some() => Open::Text,
            (None, None) if seal.is_some() => Open::Thinking,
            _ => return Err(broken("content of a kind that is not translated")),
        };
        if starts || self.open != Some(open) {
            let redacted = field(content, "redacted").and_then(Raw::as_bool) == Some(true);
            let piece = match open {
                Open::Thinking if redacted => Piece::Redacted,
                Open::Thinking => Piece::Reasoning,
                _ => Piece::Text,
            };
            self.open(open, piece, take)?;
        }
        self.words(thoughts.or(words), take)?;
        match seal {
            Some(signature) => take(Delta::Signature {
                choice: 0,
                signature,
            }),
            None => Ok(()),
        }
    }

    fn plan(&mut self, plan: Option<Raw<'_>>, take: &mut Take<'_>) -> Result<(), Error> {
        let Some(plan) = plan.and_then(Text::of) else {
            return Err(broken("a plan without words"));
        };
        if self.open != Some(Open::Plan) {
            self.open(Open::Plan, Piece::Text, take)?;
        }
        self.words(Some(plan), take)
    }

    fn start_call(&mut self, call: &Fields<'_>, take: &mut Take<'_>) -> Result<(), Error> {
        let function = field(call, "function").map(members).unwrap_or_default();
        let Some(name) = field(&function, "name").and_then(Text::of) else {
            return Err(broken("a call of no tool"));
        };
        let id = field(call, "id").and_then(Text::of);
        let piece = Piece::ToolCall { id, name };
        self.open(Open::Call { worded: false }, piece, take)?;
        if let Some(signature) = content::seal(call) {
            take(Delta::Signature {
                choice: 0,
                signature,
            })?;
        }
        self.words(field(&function, "arguments").and_then(Text::of), take)
    }

    fn call(&mut self, call: &Fields<'_>, take: &mut Take<'_>) -> Result<(), Error> {
        if !matches!(self.open, Some(Open::Call { .. })) {
            return Err(broken("arguments of no call"));
        }
        if let Some(signature) = content::seal(call) {
            take(Delta::Signature {
                choice: 0,
                signature,
            })?;
        }
        let function = field(call, "function").map(members).unwrap_or_default();
        self.words(field(&function, "arguments").and_then(Text::of), take)
    }

    fn end_call(&mut self, take: &mut Take<'_>) -> Result<(), Error> {
        match self.open.take() {
            // The arguments of a tool that takes none.
            Some(Open::Call { worded: false }) => take(Delta::Words {
                choice: 0,
                text: "{}".into(),
            }),
            Some(Open::Call { worded: true }) => Ok(()),
            _ => Err(broken("an end of no call")),
        }
    }

    fn open(&mut self, open: Open, piece: Piece<'_>, take: &mut Take<'_>) -> Result<(), Error> {
        self.open = Some(open);
        take(Delta::Open { choice: 0, piece })
    }

    fn words(&mut self, words: Option<Text<'_>>, take: &mut Take<'_>) -> Result<(), Error> {
        let Some(text) = words.filter(|words| !words.is_empty()) else {
            return Ok(());
        };
        if let Some(Open::Call { worded }) = &mut self.open {
            *worded = true;
        }
        take(Delta::Words { choice: 0, text })
    }

    fn end(&mut self, delta: &Fields<'_>, take: &mut Take<'_>) -> Result<(), Error> {
        if std::mem::replace(&mut self.finished, true) {
            return Err(broken("a second end"));
        }
        let reason = field(delta, "finish_reason").and_then(given);
        let words = field(delta, "error").and_then(Text::of);
        let has_words = words.as_ref().is_some_and(|words| !words.is_empty());
        if has_words || reason.is_some_and(stop::has_failed) {
            self.finished = false;
            return take(Delta::Failed(trouble::in_stream(words)));
        }
        let Some(reason) = reason.filter(|_| self.begun) else {
            return Err(broken("an end without a reason"));
        };
        let mut tokens = Tokens::default();
        if let Some(usage) = field(delta, "usage")
            && usage::note(usage, &mut tokens)
        {
            take(Delta::Usage(tokens))?;
        }
        take(Delta::Finish {
            choice: 0,
            stop: stop::read(reason),
            sequence: None,
        })
    }
}
