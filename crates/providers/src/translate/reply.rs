//! Encode: a whole reply in no dialect's own form.

use portcullis_core::context::Tokens;
use portcullis_core::json::Raw;

use super::{Part, Text};

/// What a model answered.
#[derive(Clone, Debug, Default)]
pub struct Reply<'a> {
    /// The provider's id of it; made up by the writer where there is none.
    pub id: Option<Text<'a>>,
    /// The model that answered, by its own account.
    pub model: Option<Text<'a>>,
    /// When, in seconds since 1970.
    pub created: Option<u64>,
    /// The answers: one, unless more were asked for.
    pub choices: Vec<Choice<'a>>,
    /// What it used, as it was reported.
    pub usage: Option<Tokens>,
    /// The queue that served it.
    pub tier: Option<Text<'a>>,
}

/// One answer.
#[derive(Clone, Debug, Default)]
pub struct Choice<'a> {
    /// Its number, from 0.
    pub index: u32,
    /// What it consists of, in order.
    pub parts: Vec<Part<'a>>,
    /// Why it ended.
    pub stop: Stop,
    /// The text it ended at, where that is told.
    pub stop_sequence: Option<Text<'a>>,
    /// Why it was refused, in the provider's words.
    pub stop_details: Option<Text<'a>>,
    /// Probabilities of its tokens, in OpenAI's form.
    pub logprobs: Option<Raw<'a>>,
}

/// Why an answer ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Stop {
    /// It was complete.
    #[default]
    End,
    /// It came to a text that ends it.
    Sequence,
    /// It came to the most tokens asked for.
    Length,
    /// The model's window is full.
    Window,
    /// It calls tools.
    ToolUse,
    /// The model does not want to answer.
    Refusal,
    /// The provider withheld it.
    Filter,
    /// The provider paused a long turn; it goes on when it is sent back.
    Pause,
    /// The model wrote what the provider could not read.
    Malformed,
    /// Another reason, of which only its own dialect knows.
    Other,
}
