//! A target becomes an operation.

use http::{HeaderMap, Method, Uri};

use crate::dialect::{Dialect, Operation};

/// What a request line asks for.
#[derive(Clone, Debug)]
pub(crate) struct Route {
    pub(crate) operation: Operation,
    pub(crate) path: String,
    /// The model or file named by the path.
    pub(crate) id: Option<String>,
}

impl Route {
    /// Reads the path, with or without `/v1`. `anthropic-version` decides what paths mean that both
    /// vendors have, and in whose shape an unknown one is refused.
    pub(crate) fn new(method: &Method, uri: &Uri, headers: &HeaderMap) -> Self {
        let dialect = match headers.contains_key("anthropic-version") {
            true => Dialect::Anthropic,
            false => Dialect::OpenAi,
        };
        let path = uri.path();
        let bare = path
            .strip_prefix("/v1/")
            .or(path.strip_prefix('/'))
            .unwrap_or(path);
        let parts: Vec<&str> = bare.split('/').collect();
        let (operation, id) = match (method.as_str(), parts.as_slice()) {
            ("POST", ["chat", "completions"]) => (Operation::Chat, None),
            ("POST", ["responses"]) => (Operation::Responses, None),
            ("POST", ["v2", "chat"]) => (Operation::CohereChat, None),
            (_, ["v2", ..]) => (Operation::Other(Dialect::Cohere), None),
            ("POST", ["models", call] | ["v1beta", "models", call]) => {
                let (model, method) = call.split_once(':').unwrap_or((call, ""));
                let sse = uri
                    .query()
                    .is_some_and(|q| q.split('&').any(|p| p == "alt=sse"));
                let operation = match method {
                    "generateContent" => Operation::Generate,
                    "streamGenerateContent" if sse => Operation::GenerateEvents,
                    "streamGenerateContent" => Operation::GenerateArray,
                    "countTokens" => Operation::GenerateTokens,
                    _ => Operation::Other(Dialect::Gemini),
                };
                (operation, Some(model))
            }
            ("POST", ["messages"]) => (Operation::Messages, None),
            ("POST", ["messages", "count_tokens"]) => (Operation::CountTokens, None),
            ("POST", ["model", id, "converse"]) => (Operation::Converse, Some(*id)),
            ("POST", ["model", id, "converse-stream"]) => (Operation::ConverseStream, Some(*id)),
            ("POST", ["model", id, "count-tokens"]) => (Operation::ConverseTokens, Some(*id)),
            (_, ["model", id, ..]) => (Operation::Other(Dialect::Bedrock), Some(*id)),
            ("POST", ["embeddings"]) => (Operation::Embeddings, None),
            ("GET", ["models"]) => (Operation::Models(dialect), None),
            ("GET", ["models", id]) => (Operation::Models(dialect), Some(*id)),
            ("POST", ["files"]) => (Operation::Files, None),
            ("GET", ["files", id, "content"]) => (Operation::FileContent, Some(*id)),
            ("POST", ["audio", "transcriptions"]) => (Operation::Transcriptions, None),
            _ => (Operation::Other(dialect), None),
        };
        Self {
            operation,
            path: path.to_owned(),
            id: id.map(str::to_owned),
        }
    }
}
