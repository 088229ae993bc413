//! What the fake hosts say when nothing is wrong.

use std::io;

use http::Method;
use portcullis_testkit::{Client, Meter, Outgoing, Reply, Upstream};
use serde_json::{Value, json};

const VERSION: (&str, &str) = ("anthropic-version", "2023-06-01");

async fn post(upstream: &Upstream, path: &str, body: impl Into<Value>) -> io::Result<Reply> {
    let url = format!("{}{path}", upstream.url());
    let headers = [VERSION, ("content-type", "application/json")];
    Client::new()
        .send(Method::POST, &url, &headers, body.into().to_string())
        .await
}

fn chat(more: &Value) -> Value {
    let mut body = json!({"model": "gpt-test", "messages": [{"role": "user", "content": "hi"}]});
    for (key, value) in more.as_object().into_iter().flatten() {
        body[key] = value.clone();
    }
    body
}

fn message(more: &Value) -> Value {
    let mut body = chat(more);
    body["max_tokens"] = json!(99);
    body
}

/// The JSON of each `data:` line.
fn data(reply: &Reply) -> Vec<Value> {
    let text = reply.text();
    let lines = text.lines().filter_map(|line| line.strip_prefix("data: "));
    lines
        .filter_map(|data| serde_json::from_str(data).ok())
        .collect()
}

#[tokio::test]
async fn chat_streams_the_words_of_the_whole_reply() {
    let upstream = Upstream::start().await.unwrap();
    upstream.say("one two three");
    let whole = post(&upstream, "/v1/chat/completions", chat(&json!({})))
        .await
        .unwrap();
    assert_eq!(
        whole.json()["choices"][0]["message"]["content"],
        "one two three"
    );
    assert_eq!(whole.json()["usage"]["completion_tokens"], 3);

    let streamed = post(
        &upstream,
        "/chat/completions",
        chat(&json!({"stream": true})),
    )
    .await
    .unwrap();
    let chunks = data(&streamed);
    let words = chunks
        .iter()
        .filter_map(|chunk| chunk["choices"][0]["delta"]["content"].as_str());
    assert_eq!(words.collect::<String>(), "one two three");
    assert!(streamed.text().ends_with("data: [DONE]\n\n"));
    assert!(chunks.iter().all(|chunk| chunk.get("usage").is_none()));
}

#[tokio::test]
async fn chat_sends_usage_only_when_asked_in_a_chunk_of_its_own() {
    let upstream = Upstream::start().await.unwrap();
    let ask = chat(&json!({"stream": true, "stream_options": {"include_usage": true}}));
    let chunks = data(&post(&upstream, "/v1/chat/completions", ask).await.unwrap());
    let (last, earlier) = chunks.split_last().unwrap();
    assert_eq!(last["choices"], json!([]));
    let meter = upstream.meter();
    assert_eq!(last["usage"]["prompt_tokens"], meter.input_tokens);
    assert_eq!(last["usage"]["completion_tokens"], meter.output_tokens);
    assert!(
        earlier
            .iter()
            .all(|chunk| chunk["usage"].is_null() && chunk.get("usage").is_some())
    );
}

#[tokio::test]
async fn tools_are_called_with_arguments_their_schema_accepts_until_answered() {
    let upstream = Upstream::start().await.unwrap();
    let schema = json!({"type": "object", "properties": {"city": {"type": "string"}}});
    let tools = json!([{"type": "function", "function": {"name": "look", "parameters": schema}}]);
    for stream in [false, true] {
        let ask = chat(&json!({"tools": tools, "stream": stream}));
        let reply = post(&upstream, "/v1/chat/completions", ask).await.unwrap();
        let arguments = match stream {
            false => {
                reply.json()["choices"][0]["message"]["tool_calls"][0]["function"]["arguments"]
                    .as_str()
                    .unwrap()
                    .to_owned()
            }
            true => data(&reply)
                .iter()
                .filter_map(|chunk| {
                    chunk["choices"][0]["delta"]["tool_calls"][0]["function"]["arguments"].as_str()
                })
                .collect(),
        };
        assert_eq!(arguments, r#"{"city":"test"}"#);
    }
    let mut answered = chat(&json!({"tools": tools}));
    let call =
        json!({"id": "x", "type": "function", "function": {"name": "look", "arguments": "{}"}});
    let call = json!({"role": "assistant", "content": null, "tool_calls": [call]});
    let result = json!({"role": "tool", "tool_call_id": "x", "content": "rain"});
    let messages = answered["messages"].as_array_mut().unwrap();
    messages.extend([call, result]);
    let reply = post(&upstream, "/v1/chat/completions", answered)
        .await
        .unwrap();
    assert_eq!(reply.json()["choices"][0]["finish_reason"], "stop");

    let ask = message(&json!({"tools": [{"name": "look", "input_schema": schema}]}));
    let reply = post(&upstream, "/v1/messages", ask).await.unwrap().json();
    assert_eq!(reply["content"][0]["input"], json!({"city": "test"}));
    assert_eq!(reply["stop_reason"], "tool_use");
}

#[tokio::test]
async fn messages_stream_named_events_and_cumulative_usage() {
    let upstream = Upstream::start().await.unwrap();
    let ask = message(&json!({"stream": true, "thinking": {"type": "adaptive"}}));
    let reply = post(&upstream, "/v1/messages", ask).await.unwrap();
    let (text, events) = (reply.text(), data(&reply));
    let names: Vec<_> = text
        .lines()
        .filter_map(|line| line.strip_prefix("event: "))
        .collect();
    assert!(
        names
            .iter()
            .zip(&events)
            .all(|(name, event)| event["type"] == **name)
    );
    assert_eq!((names[0], names[1]), ("message_start", "ping"));
    assert_eq!(names[names.len() - 2..], ["message_delta", "message_stop"]);
    let meter = upstream.meter();
    assert_eq!(
        events[0]["message"]["usage"]["input_tokens"],
        meter.input_tokens
    );
    assert_eq!(
        events[events.len() - 2]["usage"]["output_tokens"],
        meter.output_tokens
    );
}

#[tokio::test]
async fn responses_stream_numbered_events_that_end_in_the_whole_response() {
    let upstream = Upstream::start().await.unwrap();
    let ask = json!({"model": "gpt-test", "input": "hi"});
    let whole = post(&upstream, "/v1/responses", ask.clone())
        .await
        .unwrap()
        .json();
    let mut ask = ask;
    ask["stream"] = json!(true);
    let events = data(&post(&upstream, "/v1/responses", ask).await.unwrap());
    let numbers = events
        .iter()
        .map(|event| event["sequence_number"].as_u64().unwrap());
    assert!(numbers.eq(0..events.len() as u64));
    let last = events.last().unwrap();
    assert_eq!(last["type"], "response.completed");
    let text = |response: &Value| response["output"][0]["content"][0]["text"].clone();
    assert_eq!(text(&last["response"]), text(&whole));
    assert!(last["response"]["usage"]["total_tokens"].as_u64() > Some(0));
}

#[tokio::test]
async fn embeddings_are_the_same_vector_in_both_forms() {
    let upstream = Upstream::start().await.unwrap();
    let mut ask = json!({"model": "embed-test", "input": ["a", "b"], "dimensions": 3});
    let floats = post(&upstream, "/v1/embeddings", ask.clone())
        .await
        .unwrap()
        .json();
    ask["encoding_format"] = json!("base64");
    let coded = post(&upstream, "/v1/embeddings", ask).await.unwrap().json();
    assert_eq!(floats["data"][1]["embedding"].as_array().unwrap().len(), 3);
    assert_eq!(coded["data"][1]["embedding"].as_str().unwrap().len(), 16);
    assert_ne!(coded["data"][0]["embedding"], coded["data"][1]["embedding"]);
}

#[tokio::test]
async fn models_have_the_shape_of_the_callers_vendor() {
    let upstream = Upstream::start().await.unwrap();
    upstream.models(&["a", "b"]);
    let url = format!("{}/v1/models", upstream.url());
    let openai = Client::new().get(&url).await.unwrap().json();
    assert_eq!(
        (&openai["object"], &openai["data"][1]["id"]),
        (&json!("list"), &json!("b"))
    );
    let anthropic = Client::new()
        .send(Method::GET, &url, &[VERSION], Outgoing::empty())
        .await;
    assert_eq!(anthropic.unwrap().json()["last_id"], "b");
    assert_eq!(
        Client::new().get(&format!("{url}/c")).await.unwrap().status,
        404
    );
}

#[tokio::test]
async fn an_upload_is_answered_with_its_byte_count_and_checksum() {
    let upstream = Upstream::start().await.unwrap();
    let file = vec![0_u8, 13, 10, 255, 45, 45, 7];
    let mut form = b"--XX\r\nContent-Disposition: form-data; name=\"model\"\r\n\r\nw\r\n--XX\r\n\
        Content-Disposition: form-data; name=\"file\"; filename=\"a.bin\"\r\n\r\n"
        .to_vec();
    form.extend_from_slice(&file);
    form.extend_from_slice(b"\r\n--XX--\r\n");
    let kind = [("content-type", "multipart/form-data; boundary=XX")];
    for path in ["files", "audio/transcriptions"] {
        let url = format!("{}/v1/{path}", upstream.url());
        let reply = Client::new()
            .send(Method::POST, &url, &kind, form.clone())
            .await
            .unwrap();
        assert_eq!(reply.json()["bytes"], 7, "{path}: {}", reply.text());
        assert!(
            reply.json()["checksum"]
                .as_str()
                .unwrap()
                .starts_with("fnv1a64:")
        );
    }
    let url = format!("{}/v1/files/file-300/content", upstream.url());
    let content = Client::new().get(&url).await.unwrap();
    assert_eq!((content.body.len(), content.body[299]), (300, 43));
}

#[tokio::test]
async fn refusals_are_in_the_callers_dialect() {
    let upstream = Upstream::start().await.unwrap();
    let reply = post(&upstream, "/v1/messages", chat(&json!({})))
        .await
        .unwrap();
    assert_eq!(reply.status, 400);
    assert_eq!(reply.json()["error"]["type"], "invalid_request_error");
    let nowhere = Client::new()
        .get(&format!("{}/v1/nowhere", upstream.url()))
        .await
        .unwrap();
    assert_eq!(nowhere.status, 404);
    assert!(nowhere.json()["error"].get("param").is_some());
    let count = post(&upstream, "/v1/messages/count_tokens", chat(&json!({})))
        .await
        .unwrap();
    assert!(count.json()["input_tokens"].as_u64() > Some(0));
    assert_eq!(
        upstream.meter(),
        Meter {
            requests: 3,
            ..Meter::default()
        }
    );
}

#[tokio::test]
async fn a_required_key_is_taken_where_the_vendor_takes_it() {
    let upstream = Upstream::start().await.unwrap();
    upstream.require_key("sk-1");
    let cases = [
        (
            "/v1/chat/completions",
            ("authorization", "Bearer sk-1"),
            200,
        ),
        (
            "/v1/chat/completions",
            ("authorization", "Bearer sk-2"),
            401,
        ),
        ("/v1/chat/completions", ("x-api-key", "sk-1"), 401),
        ("/v1/messages", ("x-api-key", "sk-1"), 200),
        ("/v1/messages", ("authorization", "Bearer sk-1"), 200),
        ("/v1/messages", ("x-other", "sk-1"), 401),
    ];
    for (path, header, status) in cases {
        let url = format!("{}{path}", upstream.url());
        let body = message(&json!({})).to_string();
        let reply = Client::new()
            .send(Method::POST, &url, &[VERSION, header], body)
            .await
            .unwrap();
        assert_eq!(reply.status, status, "{path} {header:?}");
    }
}

#[tokio::test]
async fn cohere_chat_streams_the_words_of_the_whole_reply_and_calls_tools() {
    let upstream = Upstream::start().await.unwrap();
    upstream.say("one two three");
    let whole = post(&upstream, "/v2/chat", chat(&json!({}))).await.unwrap();
    let text = &whole.json()["message"]["content"][0]["text"];
    assert_eq!(text, "one two three");
    let streamed = post(&upstream, "/v2/chat", chat(&json!({"stream": true})))
        .await
        .unwrap();
    let events = data(&streamed);
    let words = events.iter().filter_map(|event| {
        let said = event["type"] == "content-delta";
        event["delta"]["message"]["content"]["text"]
            .as_str()
            .filter(|_| said)
    });
    assert_eq!(words.collect::<String>(), "one two three");
    assert!(streamed.text().ends_with("data: [DONE]\n\n"));

    let schema = json!({"type": "object", "properties": {"city": {"type": "string"}}});
    let tools = json!([{"type": "function", "function": {"name": "look", "parameters": schema}}]);
    let ask = chat(&json!({"tools": tools, "tool_choice": "REQUIRED"}));
    let reply = post(&upstream, "/v2/chat", ask).await.unwrap().json();
    assert_eq!(reply["finish_reason"], "TOOL_CALL");
    let arguments = &reply["message"]["tool_calls"][0]["function"]["arguments"];
    assert_eq!(arguments, r#"{"city":"test"}"#);
}

#[tokio::test]
async fn cohere_chat_refuses_what_the_reference_does_not_allow() {
    let upstream = Upstream::start().await.unwrap();
    for more in [
        json!({"messages": []}),
        json!({"top_p": 0.5}),
        json!({"p": 1}),
        json!({"tool_choice": "AUTO"}),
        json!({"messages": [{"role": "tool", "tool_call_id": "a", "content": "1"}]}),
        json!({"messages": [{"role": "user", "content": [{"type": "document"}]}]}),
        json!({"messages": [{"role": "assistant"}]}),
    ] {
        let reply = post(&upstream, "/v2/chat", chat(&more)).await.unwrap();
        assert_eq!(reply.status, 400, "{more}");
        assert!(reply.json()["message"].is_string());
    }
}
