//! Encode: where a part of a content stands in its document.

use std::fmt;

/// A part: `contents[2].parts[1]`, `systemInstruction.parts[0]`, `candidates[0].content.parts[1]`.
#[derive(Clone, Copy, Debug)]
pub(super) enum Place {
    /// In a turn.
    Turn(u32, u32),
    /// In what sets the model up.
    System(u32),
    /// In an answer.
    Answer(u32, u32),
}

impl Place {
    /// The part of that number in the same content.
    pub(super) fn part(self, part: u32) -> Self {
        match self {
            Self::Turn(turn, _) => Self::Turn(turn, part),
            Self::System(_) => Self::System(part),
            Self::Answer(choice, _) => Self::Answer(choice, part),
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Turn(turn, part) => write!(f, "contents[{turn}].parts[{part}]"),
            Self::System(part) => write!(f, "systemInstruction.parts[{part}]"),
            Self::Answer(choice, part) => write!(f, "candidates[{choice}].content.parts[{part}]"),
        }
    }
}
