//! Calls over the `llm` backend: callers of Gemini's dialect and upstreams that speak it.

use bytes::Bytes;
use portcullis_core::context::Tokens;
use serde_json::{Value, json};

use super::json;
use crate::fake::{Fake, reply, request};

const JSON: &[(&str, &str)] = &[("content-type", "application/json; charset=UTF-8")];
const SSE: &[(&str, &str)] = &[("content-type", "text/event-stream")];
const ANSWER: &str = r#"{"candidates":[{"content":{"parts":[{"text":"Hi"}],"role":"model"},
    "finishReason":"STOP","index":0}],"usageMetadata":{"promptTokenCount":3,
    "candidatesTokenCount":1,"thoughtsTokenCount":2},"modelVersion":"g-1","responseId":"r"}"#;
const CHUNKS: [&str; 2] = [
    r#"{"candidates":[{"content":{"parts":[{"text":"H"}],"role":"model"},"index":0}],"responseId":"r"}"#,
    r#"{"candidates":[{"content":{"parts":[{"text":"i"}],"role":"model"},"finishReason":"STOP","index":0}],"usageMetadata":{"promptTokenCount":3,"candidatesTokenCount":2},"responseId":"r"}"#,
];
const ASK: &str = r#"{"contents":[{"role":"user","parts":[{"text":"Hello"}]}]}"#;
const CHAT: &str = r#"{"model":"gemini-x","messages":[{"role":"user","content":"Hello"}]}"#;
const STREAMED: &str =
    r#"{"model":"gemini-x","stream":true,"messages":[{"role":"user","content":"Hello"}]}"#;

fn gemini() -> Value {
    json!({"provider": "gemini", "apiKey": "secret"})
}

fn openai() -> Value {
    json!({"provider": "openai", "apiKey": "secret"})
}

fn answering(headers: &'static [(&'static str, &'static str)], body: impl Into<Bytes>) -> Fake {
    let body = body.into();
    Fake::new(move |_| Ok(reply(200, headers, body.clone())))
}

fn sse(chunks: &[&str]) -> String {
    chunks
        .iter()
        .map(|chunk| format!("data: {chunk}\r\n\r\n"))
        .collect()
}

fn array(chunks: &[&str]) -> String {
    format!("[{}\n]\n", chunks.join("\n,\r\n"))
}

#[tokio::test]
async fn a_call_of_geminis_own_passes_as_it_is_but_for_the_callers_key() {
    let fake = answering(JSON, ANSWER);
    let service = fake.backend("llm", gemini()).unwrap();
    let line = "POST /v1/models/gemini-x:generateContent?key=callers&a=b";
    let call = request(line, &[("x-goog-api-key", "callers")], ASK);
    let (replied, record) = fake.call(&service, call).await;
    let seen = fake.only();
    assert_eq!(
        seen.uri,
        "https://generativelanguage.googleapis.com/v1beta/models/gemini-x:generateContent?a=b"
    );
    assert_eq!(seen.headers["x-goog-api-key"], "secret");
    assert_eq!(seen.body, ASK);
    assert_eq!(replied.unwrap().body(), ANSWER);
    let mut tokens = Tokens::new(3, 3);
    tokens.reasoning = 2;
    assert_eq!(record.usage(), Some(tokens));
}

#[tokio::test]
async fn streams_pass_byte_for_byte_in_either_framing_and_are_counted() {
    for (headers, body, query) in [(SSE, sse(&CHUNKS), "?alt=sse"), (JSON, array(&CHUNKS), "")] {
        let fake = answering(headers, body.clone());
        let service = fake.backend("llm", gemini()).unwrap();
        let line = format!("POST /v1beta/models/gemini-x:streamGenerateContent{query}");
        let (replied, record) = fake.call(&service, request(&line, &[], ASK)).await;
        assert_eq!(replied.unwrap().body(), body.as_bytes());
        assert_eq!(record.usage(), Some(Tokens::new(3, 2)));
        assert!(record.stream);
    }
}

#[tokio::test]
async fn another_model_is_asked_for_in_the_url() {
    let fake = answering(JSON, ANSWER);
    let mut config = gemini();
    config["model"] = "gemini-y".into();
    let service = fake.backend("llm", config).unwrap();
    let line = "POST /v1beta/models/gemini-x:generateContent";
    fake.call(&service, request(line, &[], ASK))
        .await
        .0
        .unwrap();
    assert!(
        fake.only()
            .uri
            .path()
            .ends_with("/models/gemini-y:generateContent")
    );
}

#[tokio::test]
async fn a_chat_completion_is_answered_by_gemini() {
    let fake = answering(JSON, ANSWER);
    let service = fake.backend("llm", gemini()).unwrap();
    let call = request("POST /v1/chat/completions", &[], CHAT);
    let (replied, _) = fake.call(&service, call).await;
    let seen = fake.only();
    assert_eq!(seen.uri.path(), "/v1beta/models/gemini-x:generateContent");
    assert_eq!(
        json(&seen.body)["contents"],
        json(ASK.as_bytes())["contents"]
    );
    let reply = json(replied.unwrap().body());
    assert_eq!(reply["choices"][0]["message"]["content"], "Hi");
    assert_eq!(reply["choices"][0]["finish_reason"], "stop");
    assert_eq!(reply["usage"]["completion_tokens"], 3);
    assert_eq!(
        reply["usage"]["completion_tokens_details"]["reasoning_tokens"],
        2
    );
}

#[tokio::test]
async fn a_streamed_chat_completion_is_answered_by_gemini() {
    let fake = answering(SSE, sse(&CHUNKS));
    let service = fake.backend("llm", gemini()).unwrap();
    let call = request("POST /v1/chat/completions", &[], STREAMED);
    let (replied, record) = fake.call(&service, call).await;
    let seen = fake.only();
    assert_eq!(
        seen.uri.path_and_query().unwrap(),
        "/v1beta/models/gemini-x:streamGenerateContent?alt=sse"
    );
    let body = replied.unwrap().into_body();
    let text = std::str::from_utf8(&body).unwrap();
    assert!(text.contains(r#""content":"H""#), "{text}");
    assert!(text.ends_with("data: [DONE]\n\n"), "{text}");
    assert_eq!(text.matches("finish_reason\":\"stop").count(), 1);
    assert_eq!(record.usage(), Some(Tokens::new(3, 2)));
}

#[tokio::test]
async fn a_stream_of_geminis_that_is_cut_is_not_taken_for_a_whole_one() {
    let fake = answering(SSE, sse(&CHUNKS[..1]));
    let service = fake.backend("llm", gemini()).unwrap();
    let call = request("POST /v1/chat/completions", &[], STREAMED);
    let e = fake.call(&service, call).await.0.unwrap_err();
    assert_eq!(e.code().name, "upstream_cut");
}

#[tokio::test]
async fn a_caller_of_gemini_is_answered_by_openai_in_the_framing_it_asked_for() {
    let chunks = concat!(
        r#"data: {"id":"c","object":"chat.completion.chunk","created":1,"model":"gpt-x","choices":[{"index":0,"delta":{"role":"assistant","content":"Hi"},"finish_reason":null}]}"#,
        "\n\n",
        r#"data: {"id":"c","object":"chat.completion.chunk","created":1,"model":"gpt-x","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}"#,
        "\n\n",
        r#"data: {"id":"c","object":"chat.completion.chunk","created":1,"model":"gpt-x","choices":[],"usage":{"prompt_tokens":3,"completion_tokens":1,"total_tokens":4}}"#,
        "\n\ndata: [DONE]\n\n",
    );
    for (query, kind) in [("", "application/json"), ("?alt=sse", "text/event-stream")] {
        let fake = answering(SSE, chunks);
        let service = fake.backend("llm", openai()).unwrap();
        let line = format!("POST /v1beta/models/gpt-x:streamGenerateContent{query}");
        let (replied, record) = fake.call(&service, request(&line, &[], ASK)).await;
        let asked = json(&fake.only().body);
        assert_eq!(asked["model"], "gpt-x");
        assert_eq!(asked["messages"][0]["content"], "Hello");
        let replied = replied.unwrap();
        let said = replied.headers()["content-type"].to_str().unwrap();
        assert!(said.starts_with(kind), "{said}");
        let body = std::str::from_utf8(replied.body()).unwrap().to_owned();
        let chunks: Vec<Value> = if query.is_empty() {
            serde_json::from_str(&body).unwrap()
        } else {
            let events = body.split_terminator("\n\n");
            let data = events.map(|event| event.strip_prefix("data: ").unwrap());
            data.map(|data| serde_json::from_str(data).unwrap())
                .collect()
        };
        assert_eq!(
            chunks[0]["candidates"][0]["content"]["parts"][0]["text"],
            "Hi"
        );
        let last = chunks.last().unwrap();
        assert_eq!(last["candidates"][0]["finishReason"], "STOP");
        assert_eq!(last["usageMetadata"]["totalTokenCount"], 4);
        assert_eq!(record.usage(), Some(Tokens::new(3, 1)));
    }
}

#[tokio::test]
async fn errors_of_gemini_reach_a_caller_of_openai_with_status_and_patience() {
    let body = r#"[{"error":{"code":429,"message":"slow down","status":"RESOURCE_EXHAUSTED",
        "details":[{"@type":"type.googleapis.com/google.rpc.RetryInfo","retryDelay":"34.5s"}]}}]"#;
    let fake = Fake::new(move |_| Ok(reply(429, JSON, body)));
    let service = fake.backend("llm", gemini()).unwrap();
    let call = request("POST /v1/chat/completions", &[], STREAMED);
    let replied = fake.call(&service, call).await.0.unwrap();
    assert_eq!(replied.status(), 429);
    let error = &json(replied.body())["error"];
    assert_eq!(error["message"], "slow down");
    assert_eq!(replied.headers()["retry-after"], "35");
}

#[tokio::test]
async fn errors_of_openai_reach_a_caller_of_gemini_in_googles_words() {
    let body = r#"{"error":{"message":"bad key","type":"authentication_error","param":null,"code":"invalid_api_key"}}"#;
    let fake = Fake::new(move |_| Ok(reply(401, JSON, body)));
    let service = fake.backend("llm", openai()).unwrap();
    let call = request("POST /v1beta/models/gpt-x:generateContent", &[], ASK);
    let replied = fake.call(&service, call).await.0.unwrap();
    assert_eq!(replied.status(), 401);
    let error = &json(replied.body())["error"];
    assert_eq!(error["status"], "UNAUTHENTICATED");
    assert_eq!(error["message"], "bad key");
    assert_eq!(error["code"], 401);
}
