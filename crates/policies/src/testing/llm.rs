//! LLM calls for the policies' tests: a dialect that reads what they need, and an upstream that counts.

use std::sync::Arc;

use http::{Response, StatusCode, request};
use portcullis_core::body::Body;
use portcullis_core::context::{Context, Outcome, Tokens};
use portcullis_core::error::{Error, codes};
use portcullis_core::llm::{
    Dialect, EventKind, Head, Llm, LlmCodec, LlmOutput, LlmRequest, LlmResponse, Operation,
};
use portcullis_core::payload::{Doc, Payload};
use portcullis_core::protocol::{ArcService, Reply};
use portcullis_core::respond::{Problem, Render};
use serde_json::Value;

#[derive(Debug)]
pub(crate) struct Plain;

impl Dialect for Plain {
    fn name(&self) -> &'static str {
        "plain"
    }

    fn claim(&self, _: &request::Parts, path: &str) -> Option<Operation> {
        Some(match path {
            "/chat" => Operation::Chat,
            "/models" => Operation::ListModels,
            _ => Operation::Other,
        })
    }

    fn head(&self, _: Operation, _: &request::Parts, body: &[u8]) -> Result<Head, Error> {
        let body: Value = serde_json::from_slice(body).unwrap();
        Ok(Head {
            model: body["model"].as_str().unwrap_or_default().to_owned(),
            ..Head::default()
        })
    }

    fn set_model(
        &self,
        _: &mut Arc<request::Parts>,
        _: &mut Payload<Doc>,
        _: &str,
    ) -> Result<(), Error> {
        unreachable!("no policy here edits")
    }

    fn classify(&self, _: &[u8], _: &[u8]) -> EventKind {
        EventKind::Other
    }

    fn usage(&self, _: &[u8], _: &mut Tokens) -> bool {
        false
    }

    fn render(&self) -> Arc<dyn Render> {
        Arc::new(Problem)
    }
}

/// The call this document makes at this path.
pub(crate) async fn call(path: &str, body: &Value, context: &Context) -> LlmRequest {
    let request = http::Request::post(path).extension(context.clone());
    let request = request.body(Body::from(body.to_string())).unwrap();
    let dialects: Vec<Arc<dyn Dialect>> = vec![Arc::new(Plain)];
    LlmCodec::new(dialects).decode(request).await.unwrap()
}

/// A chat of about 25 tokens that wants so many more.
pub(crate) async fn chat(model: &str, max_tokens: u64, context: &Context) -> LlmRequest {
    let mut body = serde_json::json!({"model": model, "max_tokens": max_tokens, "text": ""});
    let missing = 100 - body.to_string().len();
    body["text"] = "x".repeat(missing).into();
    call("/chat", &body, context).await
}

/// An upstream whose every reply uses these tokens, which are known when the reply has been read.
pub(crate) fn upstream(used: u64) -> ArcService<Llm> {
    ArcService::from_fn(move |request: LlmRequest| async move {
        let mut attempt = request.context.attempt("upstream".into());
        attempt.record().usage = Some(Tokens::new(used, 0));
        attempt.record().model = Some(request.model.clone());
        if &*request.model == "broken" {
            attempt.finish(Outcome::Failed(&codes::UPSTREAM_BROKEN));
            return Err(Error::new(&codes::UPSTREAM_BROKEN, "broken"));
        }
        if &*request.model == "hanging" {
            std::future::pending::<()>().await;
        }
        let (mut head, ()) = Response::new(()).into_parts();
        head.status = StatusCode::OK;
        let body = LlmOutput::Opaque(Body::from("hello"));
        let reply = LlmResponse::new(head, Arc::new(Plain), body);
        Ok(reply.on_end(move |end| attempt.finish(end.how.into())))
    })
}
