//! Where translations to and from Gemini go wrong, case by case.

use http::{Request, StatusCode};
use portcullis_core::error::{Error, codes};
use serde_json::{Value, json};

use super::super::Generate;
use super::json;
use crate::codes::UNTRANSLATABLE;
use crate::dialect::openai::ChatWire;
use crate::translate::fold::Fold;
use crate::translate::testing::asked;
use crate::translate::{Losses, Target, TroubleKind, Wire, tools};

/// A chat completion's request, as it is asked of `model`.
fn to_gemini(model: &str, chat: &Value) -> (Result<Value, Error>, Vec<String>) {
    let head = Request::new(()).into_parts().0;
    let (body, mut losses) = (chat.to_string(), Losses::default());
    let written = ChatWire
        .read_request(&head, body.as_bytes(), &mut losses)
        .and_then(|mut conversation| {
            tools::settle(&mut conversation)?;
            Generate.write_request(&conversation, &Target::new(model), &mut losses)
        });
    let lost = losses.iter().map(|loss| loss.field.to_string()).collect();
    (written.map(|written| json(&written.body)), lost)
}

/// A request for content, as it is asked of OpenAI.
fn to_openai(content: &Value) -> (Result<Value, Error>, Vec<String>) {
    let head = Request::post("/v1beta/models/m:generateContent");
    let head = head.body(()).unwrap().into_parts().0;
    let (body, mut losses) = (content.to_string(), Losses::default());
    let body = Generate.prepared(body.as_bytes());
    let written = Generate
        .read_request(&head, &body, &mut losses)
        .and_then(|mut conversation| {
            tools::settle(&mut conversation)?;
            ChatWire.write_request(&conversation, &Target::new("m"), &mut losses)
        });
    let lost = losses.iter().map(|loss| loss.field.to_string()).collect();
    (written.map(|written| json(&written.body)), lost)
}

fn chat(messages: &Value) -> Value {
    json!({"model": "m", "messages": messages})
}

/// A reply of Gemini's, as a chat completion.
fn answered(reply: &Value) -> Value {
    let (body, mut losses) = (reply.to_string(), Losses::default());
    let reply = Generate.read_reply(body.as_bytes(), &mut losses).unwrap();
    json(
        &ChatWire
            .write_reply(&reply, &asked(false), &mut losses)
            .unwrap(),
    )
}

#[test]
fn leading_system_texts_become_the_instruction_and_later_ones_stay_in_their_place() {
    let (written, lost) = to_gemini(
        "gemini-2.5-pro",
        &chat(&json!([
            {"role": "system", "content": "a"}, {"role": "developer", "content": "b"},
            {"role": "user", "content": "c"}, {"role": "system", "content": "d"},
            {"role": "user", "content": "e"},
        ])),
    );
    let written = written.unwrap();
    assert_eq!(
        written["systemInstruction"],
        json!({"parts": [{"text": "a"}, {"text": "b"}]})
    );
    assert_eq!(
        written["contents"],
        json!([{"role": "user", "parts": [
            {"text": "c"}, {"text": "<system>\nd\n</system>"}, {"text": "e"},
        ]}])
    );
    assert_eq!(lost, ["messages[3].role"]);
}

#[test]
fn results_are_named_after_their_calls_and_are_objects() {
    let call = |id: &str, name: &str, arguments: &str| json!({"id": id, "type": "function", "function": {"name": name, "arguments": arguments}});
    let (written, _) = to_gemini(
        "gemini-3-pro",
        &chat(&json!([
            {"role": "user", "content": "?"},
            {"role": "assistant", "tool_calls": [call("1", "a", ""), call("2", "b", "{\"n\":1.0}")]},
            {"role": "tool", "tool_call_id": "2", "content": "{\"ok\":12345678901234567890}"},
            {"role": "tool", "tool_call_id": "1", "content": "plain"},
        ])),
    );
    let contents = written.unwrap()["contents"].take();
    let none = "skip_thought_signature_validator";
    assert_eq!(
        contents[1]["parts"],
        json!([
            {"functionCall": {"id": "1", "name": "a", "args": {}}, "thoughtSignature": none},
            {"functionCall": {"id": "2", "name": "b", "args": {"n": 1.0}}},
        ])
    );
    assert_eq!(
        contents[2],
        json!({"role": "user", "parts": [
            {"functionResponse": {"id": "1", "name": "a", "response": {"output": "plain"}}},
            {"functionResponse": {"id": "2", "name": "b", "response": {"ok": 12345678901234567890_u64}}},
        ]})
    );
}

#[test]
fn arguments_that_are_no_json_are_refused() {
    let call = json!({"id": "1", "type": "function", "function": {"name": "a", "arguments": "{"}});
    let (written, _) = to_gemini(
        "g",
        &chat(&json!([
            {"role": "assistant", "tool_calls": [call]},
            {"role": "tool", "tool_call_id": "1", "content": "x"},
        ])),
    );
    assert_eq!(*written.unwrap_err().code(), codes::INVALID_FIELD);
}

#[test]
fn choices_of_tools_have_modes() {
    let function = json!({"type": "function", "function": {"name": "a"}});
    for (choice, expected) in [
        (json!("auto"), json!({"mode": "AUTO"})),
        (json!("none"), json!({"mode": "NONE"})),
        (json!("required"), json!({"mode": "ANY"})),
        (
            json!({"type": "function", "function": {"name": "a"}}),
            json!({"mode": "ANY", "allowedFunctionNames": ["a"]}),
        ),
    ] {
        let mut call = chat(&json!([{"role": "user", "content": "?"}]));
        call["tools"] = json!([function]);
        call["tool_choice"] = choice;
        call["parallel_tool_calls"] = json!(false);
        let (written, lost) = to_gemini("g", &call);
        let config = &written.unwrap()["toolConfig"]["functionCallingConfig"];
        assert_eq!(config, &expected);
        assert_eq!(lost, ["parallel_tool_calls"]);
        let content = json!({
            "contents": [{"parts": [{"text": "?"}]}],
            "tools": [{"functionDeclarations": [{"name": "a"}]}],
            "toolConfig": {"functionCallingConfig": expected},
        });
        let (back, lost) = to_openai(&content);
        assert_eq!(back.unwrap()["tool_choice"], call["tool_choice"]);
        assert!(lost.is_empty(), "{lost:?}");
    }
}

#[test]
fn a_picture_goes_as_bytes_and_a_url_is_refused() {
    let picture = |url: &str| {
        let part = json!({"type": "image_url", "image_url": {"url": url}});
        to_gemini("g", &chat(&json!([{"role": "user", "content": [part]}])))
    };
    let (written, _) = picture("data:image/png;base64,iVBORw0KGgo=");
    assert_eq!(
        written.unwrap()["contents"][0]["parts"][0],
        json!({"inlineData": {"mimeType": "image/png", "data": "iVBORw0KGgo="}})
    );
    let (refused, _) = picture("https://a.example/b.png");
    assert_eq!(*refused.unwrap_err().code(), UNTRANSLATABLE);
}

#[test]
fn settings_have_their_place() {
    let mut call = chat(&json!([{"role": "user", "content": "?"}]));
    let settings = json!({
        "max_completion_tokens": 9, "temperature": 0.5, "top_p": 1.0, "n": 2, "seed": 3,
        "stop": "x", "presence_penalty": 0, "reasoning_effort": "low", "logit_bias": {"1": 2},
        "response_format": {"type": "json_schema", "json_schema":
            {"name": "a", "schema": {"type": "object", "$defs": {}}}},
    });
    call.as_object_mut()
        .unwrap()
        .extend(settings.as_object().unwrap().clone());
    let (written, lost) = to_gemini("gemini-2.5-flash", &call);
    assert_eq!(
        written.unwrap()["generationConfig"],
        json!({
            "maxOutputTokens": 9, "temperature": 0.5, "topP": 1.0, "candidateCount": 2, "seed": 3,
            "presencePenalty": 0, "stopSequences": ["x"], "responseMimeType": "application/json",
            "responseJsonSchema": {"type": "object", "$defs": {}},
            "thinkingConfig": {"thinkingBudget": 1024},
        })
    );
    assert_eq!(lost, ["logit_bias"]);
    let (later, _) = to_gemini("gemini-3-pro", &call);
    let thinking = &later.unwrap()["generationConfig"]["thinkingConfig"];
    assert_eq!(thinking, &json!({"thinkingLevel": "LOW"}));
}

#[test]
fn a_request_of_an_sdk_is_read_with_types_in_capitals_and_calls_without_ids() {
    let (written, lost) = to_openai(&json!({
        "system_instruction": {"parts": [{"text": "brief"}]},
        "contents": [
            {"role": "user", "parts": [{"text": "?"}]},
            {"role": "model", "parts": [{"functionCall": {"name": "f", "args": {"a": 1.0}}}]},
            {"role": "user", "parts": [{"functionResponse": {"name": "f", "response": {"result": "r"}}}]},
        ],
        "tools": [{"functionDeclarations": [{"name": "f", "description": "d",
            "parameters": {"type": "OBJECT", "properties": {"a": {"type": "NUMBER"}}}}]}],
        "generationConfig": {"responseMimeType": "application/json", "responseSchema":
            {"type": "OBJECT", "properties": {"a": {"type": "STRING"}}}, "topK": 3},
        "safetySettings": [{"category": "x", "threshold": "y"}],
    }));
    let written = written.unwrap();
    assert_eq!(written["messages"][0]["content"], "brief");
    let call = &written["messages"][2]["tool_calls"][0];
    assert_eq!(
        call["function"],
        json!({"name": "f", "arguments": "{\"a\":1.0}"})
    );
    assert_eq!(written["messages"][3]["tool_call_id"], call["id"]);
    assert_eq!(written["messages"][3]["content"], "r");
    assert_eq!(
        written["tools"][0]["function"]["parameters"],
        json!({"type": "object", "properties": {"a": {"type": "number"}}})
    );
    let schema = &written["response_format"]["json_schema"]["schema"];
    assert_eq!(schema["properties"]["a"]["type"], "string");
    assert!(lost.contains(&"safetySettings".to_owned()), "{lost:?}");
}

#[test]
fn tools_of_googles_own_and_cached_prompts_are_refused_by_name() {
    for (name, value, field) in [
        (
            "tools",
            json!([{"googleSearch": {}}]),
            "tools[0].googleSearch",
        ),
        ("cachedContent", json!("cachedContents/x"), "cachedContent"),
        (
            "generationConfig",
            json!({"responseModalities": ["IMAGE"]}),
            "generationConfig.responseModalities",
        ),
    ] {
        let mut call = json!({"contents": [{"parts": [{"text": "?"}]}]});
        call[name] = value;
        let e = to_openai(&call).0.unwrap_err();
        assert_eq!(*e.code(), UNTRANSLATABLE);
        assert_eq!(e.at_param(), Some(field));
    }
}

#[test]
fn what_is_malformed_is_refused_with_its_field() {
    for (call, field) in [
        (json!([]), "body"),
        (json!({"contents": 1}), "contents"),
        (
            json!({"contents": [{"role": "x", "parts": []}]}),
            "contents[0].role",
        ),
        (
            json!({"contents": [{"parts": [1]}]}),
            "contents[0].parts[0]",
        ),
        (
            json!({"contents": [{"parts": [{"text": 1}]}]}),
            "contents[0].parts[0].text",
        ),
        (
            json!({"contents": [{"parts": [{"functionCall": {"name": "f", "args": 1}}]}]}),
            "contents[0].parts[0].functionCall.args",
        ),
        (
            json!({"generationConfig": {"topP": "x"}}),
            "generationConfig.topP",
        ),
    ] {
        let e = to_openai(&call).0.unwrap_err();
        assert_eq!(*e.code(), codes::INVALID_FIELD, "{call}");
        assert_eq!(e.at_param(), Some(field));
    }
}

#[test]
fn stop_means_tool_calls_where_functions_are_called() {
    let reply = |parts: Value, reason: &str| {
        answered(&json!({"candidates": [{"content": {"parts": parts}, "finishReason": reason}]}))
    };
    let call = json!([{"functionCall": {"name": "f", "args": {}}}]);
    let called = reply(call, "STOP");
    assert_eq!(called["choices"][0]["finish_reason"], "tool_calls");
    let calls = &called["choices"][0]["message"]["tool_calls"];
    assert!(calls[0]["id"].as_str().is_some_and(|id| !id.is_empty()));
    let text = json!([{"text": "a"}]);
    for (reason, expected) in [
        ("STOP", "stop"),
        ("MAX_TOKENS", "length"),
        ("SAFETY", "content_filter"),
        ("RECITATION", "content_filter"),
    ] {
        let reply = reply(text.clone(), reason);
        assert_eq!(reply["choices"][0]["finish_reason"], expected);
    }
}

#[test]
fn a_blocked_prompt_is_a_choice_that_was_filtered_whole_and_streamed() {
    let blocked = json!({"promptFeedback": {"blockReason": "SAFETY"},
        "usageMetadata": {"promptTokenCount": 4}});
    let reply = answered(&blocked);
    assert_eq!(reply["choices"][0]["finish_reason"], "content_filter");
    assert_eq!(reply["usage"]["prompt_tokens"], 4);
    let mut reader = Generate.reader();
    let events = [(String::new(), blocked.to_string())];
    let fold = Fold::read(&mut *reader, &events).unwrap();
    assert!(reader.is_whole());
    let streamed = fold.reply();
    assert_eq!(streamed.choices[0].stop, crate::translate::Stop::Filter);
}

#[test]
fn a_signature_survives_a_caller_who_speaks_openai() {
    let reply = json!({"candidates": [{"content": {"parts": [
        {"text": "hm", "thought": true},
        {"functionCall": {"name": "f", "args": {}}, "thoughtSignature": "c2ln"},
    ]}, "finishReason": "STOP"}]});
    let message = answered(&reply)["choices"][0]["message"].take();
    let id = message["tool_calls"][0]["id"].clone();
    let (written, _) = to_gemini(
        "gemini-3-pro",
        &chat(&json!([
            {"role": "user", "content": "?"}, message,
            {"role": "tool", "tool_call_id": id, "content": "x"},
        ])),
    );
    let written = written.unwrap();
    let parts = written["contents"][1]["parts"].as_array().unwrap();
    let call = parts
        .iter()
        .find(|part| part.get("functionCall").is_some())
        .unwrap();
    assert_eq!(call["thoughtSignature"], "c2ln");
}

#[test]
fn errors_are_told_by_their_status_and_details() {
    let read = |status: u16, body: &'static str| {
        Generate.read_trouble(
            StatusCode::from_u16(status).unwrap(),
            Box::leak(Box::default()),
            body.as_bytes(),
        )
    };
    let long = read(
        400,
        r#"{"error":{"code":400,"status":"INVALID_ARGUMENT",
        "message":"The input token count (9) exceeds the maximum number of tokens allowed (8)."}}"#,
    );
    assert_eq!(long.kind, TroubleKind::ContextLength);
    let key = read(
        400,
        r#"{"error":{"code":400,"status":"INVALID_ARGUMENT","message":"bad",
        "details":[{"@type":"type.googleapis.com/google.rpc.ErrorInfo","reason":"API_KEY_INVALID"}]}}"#,
    );
    assert_eq!(key.kind, TroubleKind::Authentication);
    let html = read(502, "<html>");
    assert_eq!(
        (html.kind, &*html.message.plain()),
        (TroubleKind::Server, "<html>")
    );
    let odd = read(
        429,
        r#"{"error":{"details":[{"@type":"x/google.rpc.RetryInfo","retryDelay":"-1s"}]}}"#,
    );
    assert_eq!((odd.kind, odd.retry_after), (TroubleKind::RateLimit, None));
}

#[test]
fn what_gemini_does_not_write_breaks_a_stream() {
    for data in [
        "nonsense",
        "[]",
        r#"{"candidates":[{"content":{"parts":[{"functionCall":{"name":"f","partialArgs":[]}}]}}]}"#,
        r#"{"candidates":[{"content":{"parts":[{"executableCode":{}}]}}]}"#,
        r#"{"candidates":[{"content":{"parts":[{"text":1}]}}]}"#,
    ] {
        let e = Generate
            .reader()
            .read(b"", data.as_bytes(), &mut |_| Ok(()));
        assert_eq!(*e.unwrap_err().code(), codes::UPSTREAM_BROKEN, "{data}");
    }
}
