//! What an upstream does wrong, when, and how fast it speaks.

mod behaviour;
mod fault;
mod pacing;
mod play;

pub(crate) use self::play::play;
pub use self::{
    behaviour::{Behaviour, Script},
    fault::{Fault, UnknownFault},
    pacing::{Chunking, Pacing},
};
