//! Backend: the built-in model `echo`, which answers by itself in every dialect the gateway speaks.
//!
//! It says back the text of the last user message, so that a gateway can be tried, and an application
//! tested, without a key and without a network:
//!
//! * The text parts of the message are joined by line ends. Without any text there is a friendly line.
//! * A reply ends with the conversation's last tool result instead, where that is what came last.
//! * `call NAME {"some": "json"}`, with a tool of that name among those offered, is answered by that
//!   tool call.
//! * A word counts as a token: in the usage reported, against the limit of output tokens (which cuts
//!   text, never a tool call), and as the piece of a stream.
//! * It goes by any model name, and lists itself as `echo`.
//! * Embeddings are unit vectors derived from a hash of the text: the same for equal texts, and unrelated
//!   otherwise.
//!
//! Everything else in a request, such as `temperature` or `stop`, is ignored. Replies are made piece by
//! piece as they are read; a request costs memory in proportion to its own size.

mod answer;
mod chat;
mod embeddings;
mod messages;
mod models;
mod paced;
mod read;
mod responses;
mod service;
mod turns;
mod words;

#[cfg(test)]
mod tests;

use portcullis_core::assemble::{Backend, BuildContext};
use portcullis_core::config::{ConfigError, Duration};
use portcullis_core::llm::{Llm, Metered};
use portcullis_core::protocol::ArcService;
use schemars::JsonSchema;
use serde::Deserialize;

pub use service::Echo;

/// The model's own name: under which it is listed, and its attempts are recorded.
pub const MODEL: &str = "echo";

/// The backend `echo`: [`Echo`], with its calls recorded as attempts at the endpoint `echo`.
#[derive(Clone, Copy, Debug, Default)]
pub struct EchoBackend;

/// How `echo` behaves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
#[non_exhaustive]
pub struct EchoConfig {
    /// The time between two pieces of a streamed reply, to watch one being streamed. Default: none.
    pub delay: Duration,
}

impl Backend<Llm> for EchoBackend {
    const NAME: &'static str = "echo";
    type Config = EchoConfig;

    fn service(
        &self,
        config: EchoConfig,
        cx: &BuildContext<'_>,
    ) -> Result<ArcService<Llm>, ConfigError> {
        let echo = ArcService::new(Echo::new(config.delay.get()));
        cx.local(ArcService::new(Metered::new(echo, MODEL.into())))
    }
}
