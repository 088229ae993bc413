//! What the fake hosts answer: OpenAI, Anthropic, Gemini, Bedrock and Cohere, as their own SDKs want it.

mod anthropic;
mod ask;
mod bedrock;
mod checksum;
mod cohere;
mod gemini;
mod multipart;
mod openai;
mod route;

use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use serde_json::json;

use self::ask::Ask;
pub(crate) use self::route::Route;
use crate::plan::Answer;

/// Whose wire format a reply follows.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Dialect {
    /// OpenAI: chat completions, responses, embeddings, models, files, audio.
    OpenAi,
    /// Anthropic: messages, token counts, models.
    Anthropic,
    /// Bedrock: converse, token counts.
    Bedrock,
    /// Cohere: chat, version 2.
    Cohere,
    /// Gemini: content generated, tokens counted.
    Gemini,
}

/// What a request asks for.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Operation {
    /// `POST chat/completions`.
    Chat,
    /// `POST responses`.
    Responses,
    /// `POST messages`.
    Messages,
    /// `POST messages/count_tokens`.
    CountTokens,
    /// `POST model/{modelId}/converse`.
    Converse,
    /// `POST model/{modelId}/converse-stream`.
    ConverseStream,
    /// `POST model/{modelId}/count-tokens`.
    ConverseTokens,
    /// `POST /v2/chat`.
    CohereChat,
    /// `POST models/{model}:generateContent`.
    Generate,
    /// `POST models/{model}:streamGenerateContent?alt=sse`.
    GenerateEvents,
    /// `POST models/{model}:streamGenerateContent`.
    GenerateArray,
    /// `POST models/{model}:countTokens`.
    GenerateTokens,
    /// `POST embeddings`.
    Embeddings,
    /// `GET models`, `GET models/{id}`.
    Models(Dialect),
    /// `POST files`.
    Files,
    /// `GET files/{id}/content`.
    FileContent,
    /// `POST audio/transcriptions`.
    Transcriptions,
    /// Anything else: 404.
    Other(Dialect),
}

impl Operation {
    /// The dialect the operation belongs to.
    pub fn dialect(self) -> Dialect {
        match self {
            Self::Messages | Self::CountTokens => Dialect::Anthropic,
            Self::Converse | Self::ConverseStream | Self::ConverseTokens => Dialect::Bedrock,
            Self::CohereChat => Dialect::Cohere,
            Self::Generate | Self::GenerateEvents | Self::GenerateArray | Self::GenerateTokens => {
                Dialect::Gemini
            }
            Self::Models(dialect) | Self::Other(dialect) => dialect,
            _ => Dialect::OpenAi,
        }
    }
}

/// What one host has to offer.
#[derive(Clone, Debug)]
pub(crate) struct Offer {
    pub(crate) key: Option<String>,
    pub(crate) models: Vec<String>,
    /// What every text reply says, word by word.
    pub(crate) text: String,
}

/// A correct answer, or the refusal the vendor would give.
pub(crate) fn answer(route: &Route, headers: &HeaderMap, body: &Bytes, offer: &Offer) -> Answer {
    match try_answer(route, headers, body, offer) {
        Ok(answer) => answer,
        Err((status, message)) => error(route.operation.dialect(), status, &message),
    }
}

/// A status and the words beside it.
type Refusal = (u16, String);

fn try_answer(
    route: &Route,
    headers: &HeaderMap,
    body: &Bytes,
    offer: &Offer,
) -> Result<Answer, Refusal> {
    admit(route.operation.dialect(), headers, offer)?;
    let anthropic_version = headers.get("anthropic-version");
    let ask = || Ask::parse(body, offer);
    let model = route.id.as_deref().unwrap_or_default();
    let named = || Ask::of(body, offer, model);
    match route.operation {
        Operation::Chat => openai::chat(&ask()?),
        Operation::Responses => openai::responses(&ask()?),
        Operation::Embeddings => openai::embeddings(&ask()?),
        Operation::Messages => anthropic::messages(&ask()?, anthropic_version),
        Operation::CohereChat => cohere::chat(&ask()?),
        Operation::Generate => gemini::generate(&named()?, model, None),
        Operation::GenerateEvents => gemini::generate(&named()?, model, Some(true)),
        Operation::GenerateArray => gemini::generate(&named()?, model, Some(false)),
        Operation::GenerateTokens => gemini::count_tokens(&named()?),
        Operation::Converse => bedrock::converse(named()?, false),
        Operation::ConverseStream => bedrock::converse(named()?, true),
        Operation::ConverseTokens => bedrock::count_tokens(&named()?),
        Operation::CountTokens => anthropic::count_tokens(&ask()?),
        Operation::Models(
            Dialect::OpenAi | Dialect::Bedrock | Dialect::Cohere | Dialect::Gemini,
        ) => openai::models(offer, route.id.as_deref()),
        Operation::Models(Dialect::Anthropic) => anthropic::models(offer, route.id.as_deref()),
        Operation::Files => openai::file(headers, body),
        Operation::FileContent => Ok(openai::file_content(route.id.as_deref())),
        Operation::Transcriptions => openai::transcription(headers, body),
        Operation::Other(_) => Err((404, format!("no such endpoint: {}", route.path))),
    }
}

/// Demands credentials as the vendor does.
fn admit(dialect: Dialect, headers: &HeaderMap, offer: &Offer) -> Result<(), Refusal> {
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    if dialect == Dialect::Anthropic && header("anthropic-version").is_none() {
        return Err((400, "anthropic-version: header is required".to_owned()));
    }
    let Some(key) = &offer.key else { return Ok(()) };
    let bearer = header("authorization").and_then(|value| value.strip_prefix("Bearer "));
    let shown = match dialect {
        Dialect::OpenAi | Dialect::Cohere => bearer,
        Dialect::Anthropic => header("x-api-key").or(bearer),
        Dialect::Gemini => header("x-goog-api-key").or(bearer),
        Dialect::Bedrock => bearer.or_else(|| access_key(header("authorization")?)),
    };
    match shown {
        Some(shown) if shown == key => Ok(()),
        Some(_) => Err((401, "the API key is not known".to_owned())),
        None => Err((401, "an API key is required".to_owned())),
    }
}

/// The id of the key a request was signed with. That the signature is right is not checked.
fn access_key(authorization: &str) -> Option<&str> {
    let signed = authorization.strip_prefix("AWS4-HMAC-SHA256 Credential=")?;
    Some(signed.split_once('/')?.0)
}

/// An error in the dialect's shape.
pub(crate) fn error(dialect: Dialect, status: u16, message: &str) -> Answer {
    let code = StatusCode::from_u16(status).expect("statuses are checked where they are read");
    match dialect {
        Dialect::OpenAi => {
            let body = json!({"error": {
                "message": message,
                "type": openai::error_type(status),
                "param": null,
                "code": openai::error_code(status),
            }});
            Answer::json(code, &body).with("x-request-id", "req_testkit")
        }
        Dialect::Cohere => {
            let body = json!({"id": "req_testkit", "message": message});
            Answer::json(code, &body)
        }
        Dialect::Anthropic => {
            let body = json!({
                "type": "error",
                "error": {"type": anthropic::error_type(status), "message": message},
                "request_id": "req_testkit",
            });
            Answer::json(code, &body).with("request-id", "req_testkit")
        }
        Dialect::Gemini => {
            let body = json!({"error": {
                "code": status, "message": message, "status": gemini::status_name(status),
            }});
            Answer::json(code, &body)
        }
        Dialect::Bedrock => Answer::json(code, &json!({"message": message}))
            .with("x-amzn-errortype", bedrock::error_type(status))
            .with("x-amzn-requestid", "req_testkit"),
    }
}

/// An error event for a stream that has begun.
pub(crate) fn error_event(operation: Operation) -> Bytes {
    let message = "the script says so";
    match operation {
        Operation::Messages => {
            let data = json!({
                "type": "error",
                "error": {"type": "overloaded_error", "message": message},
            });
            format!("event: error\ndata: {data}\n\n").into()
        }
        Operation::CohereChat => {
            let data = json!({
                "type": "message-end",
                "delta": {"finish_reason": "ERROR", "error": message},
            });
            format!("event: message-end\ndata: {data}\n\n").into()
        }
        Operation::GenerateEvents | Operation::GenerateArray => {
            let data = json!({"error": {"code": 503, "message": message, "status": "UNAVAILABLE"}});
            match operation {
                Operation::GenerateEvents => format!("data: {data}\r\n\r\n").into(),
                _ => format!(",\r\n{data}").into(),
            }
        }
        Operation::ConverseStream => {
            let data = json!({"message": message});
            bedrock::exception("serviceUnavailableException", &data)
        }
        Operation::Responses => {
            let data = json!({
                "type": "error", "sequence_number": 99, "code": "server_error",
                "message": message, "param": null,
            });
            format!("event: error\ndata: {data}\n\n").into()
        }
        _ => {
            let data = json!({"error": {
                "message": message, "type": "server_error", "param": null, "code": null,
            }});
            format!("data: {data}\n\n").into()
        }
    }
}
