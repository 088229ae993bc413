//! Encode: requests for an answer.

mod message;
mod read;
mod settings;
mod write;

pub(super) use read::add_plan_and_calls;
pub(super) use read::request as read;
pub(super) use write::request as write;
