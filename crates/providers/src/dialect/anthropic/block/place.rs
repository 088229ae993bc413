//! Encode: where a block of content stands in its document.

use std::fmt;

/// A block of content: `messages[2].content[1]`, and in a tool's result `messages[2].content[1].content[0]`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    /// The turn it is in; none in a reply.
    pub(crate) turn: Option<u32>,
    /// The list of the document it is in, where that is not of turns: `system`.
    pub(crate) list: &'static str,
    /// Its number in there; none where a text stands for the whole list.
    pub(crate) block: Option<u32>,
    /// Its number in a tool's result.
    pub(crate) inner: Option<u32>,
}

impl Place {
    /// A turn.
    pub(crate) fn turn(turn: u32) -> Self {
        Self {
            turn: Some(turn),
            list: "content",
            block: None,
            inner: None,
        }
    }

    /// A list on top of the document.
    pub(crate) fn list(list: &'static str) -> Self {
        Self {
            turn: None,
            list,
            block: None,
            inner: None,
        }
    }

    /// A block of it.
    pub(crate) fn block(self, block: u32) -> Self {
        Self {
            block: Some(block),
            ..self
        }
    }

    /// A block of the result that is here.
    pub(crate) fn inner(self, inner: u32) -> Self {
        Self {
            inner: Some(inner),
            ..self
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(turn) = self.turn {
            write!(f, "messages[{turn}].")?;
        }
        f.write_str(self.list)?;
        if let Some(block) = self.block {
            write!(f, "[{block}]")?;
        }
        if let Some(inner) = self.inner {
            write!(f, ".content[{inner}]")?;
        }
        Ok(())
    }
}
