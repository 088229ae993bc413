//! Encode: a call of one dialect, asked of an upstream that speaks another.
//!
//! Each dialect is written once, against a neutral form: a [`Wire`] reads its requests, replies, streams and
//! errors into [`Conversation`], [`Reply`], [`Delta`] and [`Trouble`], and writes them from there. Six wires
//! so make thirty-six pairs. The neutral form borrows from the bytes received: texts stay JSON strings as
//! they were written ([`Text`]), numbers, schemas and arguments stay raw, and nothing becomes a tree.
//!
//! What a reader cannot say in the neutral form, and what a writer cannot say in its dialect, goes into
//! [`Losses`], never away in silence.

pub mod media;
pub mod read;
pub mod tools;
pub mod turns;
pub mod write;

mod call;
mod choose;
mod conversation;
mod count;
mod delta;
mod embed;
#[cfg(test)]
pub(crate) mod fold;
#[cfg(test)]
mod laws;
mod loss;
mod names;
mod reply;
mod stream;
#[cfg(test)]
pub(crate) mod testing;
mod text;
mod trouble;
mod wire;

pub(crate) use call::Translation;
pub use call::{ESTIMATE_HEADER, Kept, LOSS_HEADER};
pub(crate) use choose::{Spoken, Way};
pub use conversation::{
    Arguments, CacheMark, Conversation, Effort, Extra, Format, Media, MediaKind, Metadata, Part,
    Reasoning, Role, Sampling, Schema, Signature, Source, Thinking, Tool, ToolCall, ToolChoice,
    ToolResult, Turn,
};
pub use count::{CountWire, estimate};
pub use delta::{Delta, EventReader, EventWriter, Out, Piece};
pub use embed::{EmbedAsk, EmbedWire, Embedded, Purpose, Vector, VectorForm};
pub use loss::{Loss, Losses};
pub use names::{Charset, Names};
pub use reply::{Choice, Reply, Stop};
pub use text::Text;
pub use trouble::{Trouble, TroubleKind};
pub use wire::{Asked, Target, Wire, Wires, Written};
