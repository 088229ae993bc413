//! Two toy wire formats with the same meaning and different words.
//!
//! ```text
//!            plain                                         terse
//! request    {"model":"m","stream":true,"prompt":"…"}      {"m":"m","s":true,"p":"…"}
//! whole      {"text":"…","usage":[3,5]}                    {"t":"…","u":[3,5]}
//! events     {"text":"…"} {"usage":[3,5]} {"finish":"…"} [DONE] {"error":"…"}, and so in terse
//! ```

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderValue, request};
use portcullis_core::context::Tokens;
use portcullis_core::error::{Error, codes};
use portcullis_core::llm::{Dialect, EventKind, Head, Operation};
use portcullis_core::payload::{Doc, Payload, replace};
use portcullis_core::respond::Render;
use portcullis_core::wire::sse;
use serde_json::{Value, json};

/// A toy dialect: the words of its fields.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Toy {
    name: &'static str,
    path: &'static str,
    pub(crate) model: &'static str,
    stream: &'static str,
    pub(crate) prompt: &'static str,
    text: &'static str,
    usage: &'static str,
    finish: &'static str,
}

pub(crate) const PLAIN: Toy = Toy {
    name: "plain",
    path: "/plain",
    model: "model",
    stream: "stream",
    prompt: "prompt",
    text: "text",
    usage: "usage",
    finish: "finish",
};

pub(crate) const TERSE: Toy = Toy {
    name: "terse",
    path: "/terse",
    model: "m",
    stream: "s",
    prompt: "p",
    text: "t",
    usage: "u",
    finish: "f",
};

/// The terminal event of both.
pub(crate) const DONE: &str = "data: [DONE]\n\n";

impl Toy {
    pub(crate) fn request(self, model: &str, stream: bool, prompt: &str) -> Bytes {
        let body = json!({self.model: model, self.stream: stream, self.prompt: prompt});
        body.to_string().into()
    }

    pub(crate) fn whole(self, text: &str, usage: [u64; 2]) -> Bytes {
        json!({self.text: text, self.usage: usage})
            .to_string()
            .into()
    }

    pub(crate) fn text(self, text: &str) -> Bytes {
        event(&json!({self.text: text}))
    }

    pub(crate) fn usage(self, usage: [u64; 2]) -> Bytes {
        event(&json!({self.usage: usage}))
    }

    pub(crate) fn finish(self) -> Bytes {
        event(&json!({self.finish: "stop"}))
    }

    /// The text a whole reply or one event carries.
    pub(crate) fn text_of(self, json: &[u8]) -> Option<String> {
        let json: Value = serde_json::from_slice(json).ok()?;
        Some(json.get(self.text)?.as_str()?.to_owned())
    }
}

/// The toy of that name.
pub(crate) fn named(name: &str) -> Toy {
    *[PLAIN, TERSE].iter().find(|toy| toy.name == name).unwrap()
}

pub(crate) fn failure(what: &str) -> Bytes {
    event(&json!({"error": what}))
}

fn event(data: &Value) -> Bytes {
    sse::encode(None, data.to_string().as_bytes())
}

impl Dialect for Toy {
    fn name(&self) -> &'static str {
        self.name
    }

    fn claim(&self, _: &request::Parts, path: &str) -> Option<Operation> {
        match path.strip_prefix(self.path)? {
            "" => Some(Operation::Chat),
            _ => Some(Operation::Other),
        }
    }

    fn head(&self, _: Operation, _: &request::Parts, body: &[u8]) -> Result<Head, Error> {
        let body: Value = serde_json::from_slice(body)
            .map_err(|e| Error::new(&codes::BODY_NOT_JSON, "not JSON").because(e))?;
        let model = body[self.model].as_str().ok_or_else(|| {
            Error::new(&codes::INVALID_FIELD, "no model is named").param(self.model)
        })?;
        Ok(Head {
            model: model.to_owned(),
            stream: body[self.stream] == true,
            usage_asked: false,
        })
    }

    fn set_model(
        &self,
        _: &mut Arc<request::Parts>,
        body: &mut Payload<Doc>,
        model: &str,
    ) -> Result<(), Error> {
        let missing = || Error::new(&codes::INVALID_FIELD, "no model is named");
        let view = body.view().map_err(|_| missing())?;
        let named = view.get(body.raw(), self.model).ok_or_else(missing)?;
        let edit = replace(named, json!(model).to_string());
        body.splice(&mut [edit]).map_err(|e| missing().because(e))
    }

    fn classify(&self, name: &[u8], data: &[u8]) -> EventKind {
        if name == b"ping" {
            return EventKind::KeepAlive;
        }
        if data == b"[DONE]" {
            return EventKind::Done;
        }
        let Ok(Value::Object(event)) = serde_json::from_slice(data) else {
            return EventKind::Unparsable;
        };
        match event.keys().next().map(String::as_str) {
            Some(key) if key == self.text => EventKind::Content,
            Some(key) if key == self.usage => EventKind::Usage,
            Some(key) if key == self.finish => EventKind::Finish,
            Some("error") => EventKind::Error,
            _ => EventKind::Other,
        }
    }

    fn usage(&self, json: &[u8], tokens: &mut Tokens) -> bool {
        let json: Value = serde_json::from_slice(json).unwrap_or_default();
        let Some([input, output]) = json[self.usage].as_array().map(Vec::as_slice) else {
            return false;
        };
        let count = |n: &Value| n.as_u64().unwrap_or_default();
        (tokens.input, tokens.output) = (count(input), count(output));
        true
    }

    fn render(&self) -> Arc<dyn Render> {
        Arc::new(ToyError(self.name))
    }
}

/// Errors in a toy dialect; they name it, so that a test sees in whose words it was told.
struct ToyError(&'static str);

impl Render for ToyError {
    fn body(&self, error: &Error) -> (Bytes, HeaderValue) {
        let body = json!({"error": error.code().name, "in": self.0});
        let json = HeaderValue::from_static("application/json");
        (body.to_string().into(), json)
    }

    fn in_stream(&self, error: &Error) -> Option<Bytes> {
        Some(failure(error.code().name))
    }
}
