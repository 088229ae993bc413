//! Encode: a streamed reply, piece by piece, in no dialect's own form.

use portcullis_core::context::Tokens;
use portcullis_core::error::Error;
use portcullis_core::json::Raw;
use portcullis_core::llm::EventKind;
use smallvec::SmallVec;

use super::{Losses, Signature, Stop, Text, Trouble};

/// What one event of a stream says. The pieces of one choice come in order, and a new piece ends the one
/// before it.
#[derive(Clone, Debug)]
pub enum Delta<'a> {
    /// The reply begins. Comes once, first.
    Start {
        /// The provider's id of it.
        id: Option<Text<'a>>,
        /// The model that answers, by its own account.
        model: Option<Text<'a>>,
        /// When, in seconds since 1970.
        created: Option<u64>,
    },
    /// A piece of a choice begins. Readers send it before the first words of a piece.
    Open {
        /// The choice, from 0.
        choice: u32,
        /// What begins.
        piece: Piece<'a>,
    },
    /// More words of the open piece: text, reasoning, a refusal, or JSON of a tool's arguments.
    Words {
        /// The choice.
        choice: u32,
        /// The words.
        text: Text<'a>,
    },
    /// What the provider must be given back with the open piece.
    Signature {
        /// The choice.
        choice: u32,
        /// It.
        signature: Signature<'a>,
    },
    /// What the open piece cites, as it was written.
    Citation {
        /// The choice.
        choice: u32,
        /// It.
        raw: Raw<'a>,
    },
    /// Probabilities of tokens just sent, in OpenAI's form.
    Logprobs {
        /// The choice.
        choice: u32,
        /// They.
        raw: Raw<'a>,
    },
    /// A choice has ended. Comes once for each.
    Finish {
        /// The choice.
        choice: u32,
        /// Why.
        stop: Stop,
        /// The text it ended at, where that is told.
        sequence: Option<Text<'a>>,
    },
    /// What the reply used so far: a total that replaces earlier ones.
    Usage(Tokens),
    /// Nothing but a sign of life.
    KeepAlive,
    /// The upstream says that it failed.
    Failed(Trouble<'a>),
    /// The stream is over by its own account. Comes at most once, last.
    Done,
}

/// A piece of a choice in a stream.
#[derive(Clone, Debug)]
pub enum Piece<'a> {
    /// Words.
    Text,
    /// What the model thinks.
    Reasoning,
    /// Thoughts of which only the signature is left.
    Redacted,
    /// Why it does not answer.
    Refusal,
    /// A call of a tool; its arguments follow as words.
    ToolCall {
        /// What its result will name.
        id: Option<Text<'a>>,
        /// The tool.
        name: Text<'a>,
    },
}

/// Reads the events of one stream of a dialect. Made anew for each stream.
pub trait EventReader: Send {
    /// Reads one event: its name, empty where there is none, and its data.
    ///
    /// # Errors
    ///
    /// `upstream_broken` when it is not what the dialect writes: a stream is not translated in parts.
    fn read<'a>(
        &mut self,
        name: &'a [u8],
        data: &'a [u8],
        take: &mut dyn FnMut(Delta<'_>) -> Result<(), Error>,
    ) -> Result<(), Error>;

    /// The body has ended: whether the reply was whole. Only then the stream is finished in the caller's
    /// dialect. A finish reason, or the dialect's last event, makes it whole.
    fn is_whole(&self) -> bool;
}

/// Writes the events of one stream of a dialect. Made anew for each stream.
pub trait EventWriter: Send {
    /// Writes what a delta becomes: no event, one or several.
    ///
    /// # Errors
    ///
    /// When the dialect cannot go on from here.
    fn write(&mut self, delta: Delta<'_>, out: &mut Out) -> Result<(), Error>;

    /// Writes what is still held when a whole reply has ended, and what its dialect ends streams with. Not
    /// called for a stream that was cut or failed.
    ///
    /// # Errors
    ///
    /// When what is held cannot be written.
    fn finish(&mut self, out: &mut Out) -> Result<(), Error>;
}

/// Where a writer puts events.
#[derive(Debug, Default)]
pub struct Out {
    /// The bytes of the events.
    pub(super) raw: Vec<u8>,
    /// Where each ends and what it is.
    pub(super) events: SmallVec<[(u32, EventKind); 4]>,
    /// What the stream used so far.
    pub(super) usage: Option<Tokens>,
    /// What the dialect could not say.
    pub losses: Losses,
}

impl Out {
    /// A server-sent event: its name, if it has one, and what `write` makes its data, which has no line ends.
    pub fn sse(&mut self, name: Option<&str>, kind: EventKind, write: impl FnOnce(&mut Vec<u8>)) {
        if let Some(name) = name {
            self.raw.extend_from_slice(b"event: ");
            self.raw.extend_from_slice(name.as_bytes());
            self.raw.push(b'\n');
        }
        self.raw.extend_from_slice(b"data: ");
        write(&mut self.raw);
        self.raw.extend_from_slice(b"\n\n");
        self.end(kind);
    }

    /// An event in a framing of the dialect's own.
    pub fn frame(&mut self, kind: EventKind, write: impl FnOnce(&mut Vec<u8>)) {
        write(&mut self.raw);
        self.end(kind);
    }

    /// Notes what the reply used, for the record; what the caller is shown is the writer's to decide.
    pub fn usage(&mut self, tokens: Tokens) {
        self.usage = Some(tokens);
    }

    fn end(&mut self, kind: EventKind) {
        let end = u32::try_from(self.raw.len()).unwrap_or(u32::MAX);
        self.events.push((end, kind));
    }
}
