//! The way back: calls of tools in a stream, of which several may be under way at once.

use portcullis_core::error::{Error, codes};

use super::chunk::CallDelta;
use super::reader::{Take, odd};
use crate::translate::{Delta, Piece, Signature, Text};

/// The most calls of one choice.
const CALLS: usize = 1024;

/// The most bytes held of calls that wait for their turn.
const HELD: usize = 16 << 20;

/// The calls of a choice. The first goes on as it comes; pieces of others wait until it has ended, since
/// elsewhere one ends before the next begins.
#[derive(Debug, Default)]
pub(super) struct Calls {
    calls: Vec<Call>,
    held: usize,
}

#[derive(Debug)]
struct Call {
    index: u32,
    id: Option<String>,
    name: Option<String>,
    arguments: String,
    signature: Option<Signature<'static>>,
    stage: Stage,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Held,
    Open,
    Ended,
}

impl Calls {
    /// Whether there were any.
    pub(super) fn any(&self) -> bool {
        !self.calls.is_empty()
    }

    /// Takes a piece.
    pub(super) fn take(
        &mut self,
        choice: u32,
        delta: CallDelta<'_>,
        take: Take<'_>,
    ) -> Result<(), Error> {
        let at = self.find(&delta)?;
        let waits = self.calls.iter().any(|call| call.stage == Stage::Open);
        let call = &mut self.calls[at];
        match call.stage {
            Stage::Open => {
                return follow(choice, delta.arguments, delta.signature, take);
            }
            Stage::Ended if delta.arguments.is_none() => return Ok(()),
            Stage::Ended => return Err(odd("a call of a tool goes on after it ended")),
            Stage::Held => {}
        }
        if call.id.is_none() {
            call.id = delta.id.as_ref().map(|id| id.plain().into_owned());
        }
        if call.name.is_none() {
            call.name = delta.name.as_ref().map(|name| name.plain().into_owned());
        }
        if let Some(signature) = delta.signature {
            let (family, data) = (signature.family, signature.data.into_owned());
            self.held += data.plain().len();
            call.signature = Some(Signature { family, data });
        }
        if let Some(arguments) = delta.arguments {
            let before = call.arguments.len();
            call.arguments.push_str(&arguments.plain());
            self.held += call.arguments.len() - before;
        }
        if self.held > HELD {
            let what = "the upstream's reply has more calls of tools at once than can be held";
            return Err(Error::new(&codes::UPSTREAM_TOO_LARGE, what));
        }
        if waits || call.name.is_none() {
            return Ok(());
        }
        self.open(at, choice, take)
    }

    /// The call a piece belongs to: by its number, and by its id where hosts number all of them alike or none.
    fn find(&mut self, delta: &CallDelta<'_>) -> Result<usize, Error> {
        let index = match delta.index {
            Some(index) => index,
            None => {
                let last = self.calls.last().map(|call| call.index);
                let begins = delta.id.is_some() && delta.name.is_some();
                match last {
                    Some(last) if begins => last.saturating_add(1),
                    last => last.unwrap_or(0),
                }
            }
        };
        let found = self.calls.iter().rposition(|call| call.index == index);
        let another = |at: usize| {
            let known = self.calls[at].id.as_deref();
            let given = delta.id.as_ref();
            delta.name.is_some() && given.is_some_and(|id| known.is_some_and(|known| !id.is(known)))
        };
        match found {
            Some(at) if !another(at) => return Ok(at),
            _ if self.calls.len() == CALLS => return Err(odd("there are too many calls of tools")),
            _ => {}
        }
        self.calls.push(Call {
            index,
            id: None,
            name: None,
            arguments: String::new(),
            signature: None,
            stage: Stage::Held,
        });
        Ok(self.calls.len() - 1)
    }

    /// Begins a call, with what was held of it.
    fn open(&mut self, at: usize, choice: u32, take: Take<'_>) -> Result<(), Error> {
        let call = &mut self.calls[at];
        call.stage = Stage::Open;
        let name = call.name.clone();
        let name = name.ok_or_else(|| odd("a call of a tool has no name"))?;
        let (id, name) = (call.id.as_deref().map(Text::from), Text::from(name));
        let arguments = std::mem::take(&mut call.arguments);
        let signature = call.signature.take();
        self.held = self.held.saturating_sub(arguments.len());
        let piece = Piece::ToolCall { id, name };
        take(Delta::Open { choice, piece })?;
        let arguments = Some(arguments).filter(|arguments| !arguments.is_empty());
        follow(choice, arguments.map(Text::from), signature, take)
    }

    /// Ends the open call, and goes through those that waited.
    pub(super) fn end(&mut self, choice: u32, take: Take<'_>) -> Result<(), Error> {
        for at in 0..self.calls.len() {
            if self.calls[at].stage == Stage::Held {
                self.open(at, choice, take)?;
            }
            self.calls[at].stage = Stage::Ended;
        }
        Ok(())
    }
}

/// What follows in a call that is open.
fn follow(
    choice: u32,
    arguments: Option<Text<'_>>,
    signature: Option<Signature<'_>>,
    take: Take<'_>,
) -> Result<(), Error> {
    if let Some(signature) = signature {
        take(Delta::Signature { choice, signature })?;
    }
    match arguments {
        Some(text) => take(Delta::Words { choice, text }),
        None => Ok(()),
    }
}
