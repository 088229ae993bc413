//! Wire formats: what stands where in a request, a reply and an event. Pure functions over bytes.

pub mod anthropic;
pub mod bedrock;
pub mod cohere;
pub mod gemini;
pub mod openai;

mod count;
mod event;
mod fields;
mod models;
mod segment;

pub(crate) mod head;

use std::sync::Arc;

use portcullis_core::llm::Dialect;

use crate::translate::Wire;

pub(crate) use models::is_anthropic;
pub use models::{ModelEntry, list_models, render_model, render_models};
pub use segment::segment;

/// Every dialect of this crate, in the order in which they are asked whether a call is theirs: OpenAI's
/// chat dialect takes what no other claims.
pub fn all() -> Vec<Arc<dyn Dialect>> {
    vec![
        Arc::new(bedrock::Invoke),
        Arc::new(bedrock::Converse),
        Arc::new(gemini::Generate),
        Arc::new(openai::Responses),
        Arc::new(anthropic::Messages),
        Arc::new(cohere::Chat),
        Arc::new(openai::Chat),
    ]
}

/// The wires of the dialects that can be translated.
pub fn wires() -> Vec<Arc<dyn Wire>> {
    vec![
        Arc::new(anthropic::MessagesWire),
        Arc::new(bedrock::ConverseWire),
        Arc::new(cohere::ChatWire),
        Arc::new(gemini::Generate),
        Arc::new(openai::ChatWire),
        Arc::new(openai::ResponsesWire),
    ]
}
