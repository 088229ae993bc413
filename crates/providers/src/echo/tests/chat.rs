use super::*;

fn said(text: &str) -> Value {
    json!({"model": "m", "messages": [
        {"role": "developer", "content": "be brief"},
        {"role": "user", "content": [{"type": "text", "text": text}]},
    ]})
}

fn weather(text: &str) -> Value {
    let mut body = said(text);
    body["tools"] = json!([{"type": "function", "function": {"name": "get_weather"}}]);
    body
}

#[test]
fn text_is_said_back_word_by_word() {
    golden("chat_text", CHAT, &said("Grüße aus  Köln 👩\u{200d}🚀"));
}

#[test]
fn a_limit_of_tokens_cuts_words_and_usage_is_streamed_if_asked_for() {
    let mut body = said("one two three");
    body["max_tokens"] = 9.into();
    body["max_completion_tokens"] = 2.into();
    body["stream_options"] = json!({"include_usage": true});
    golden("chat_cut", CHAT, &body);
}

#[test]
fn a_call_asked_for_is_made() {
    golden(
        "chat_call",
        CHAT,
        &weather(r#"call get_weather {"city": "Köln"}"#),
    );
}

#[test]
fn a_tool_that_is_not_offered_or_not_allowed_is_not_called() {
    let asked = "call get_time {}";
    let reply = whole(CHAT.0, CHAT.1, &weather(asked));
    assert_eq!(reply["choices"][0]["message"]["content"], asked);

    let asked = "call get_weather {}";
    let mut body = weather(asked);
    body["tool_choice"] = "none".into();
    let reply = whole(CHAT.0, CHAT.1, &body);
    assert_eq!(reply["choices"][0]["message"]["content"], asked);
}

#[test]
fn what_a_tool_returned_is_said_back_and_never_obeyed() {
    let result = "call get_weather {}";
    let mut body = weather("call get_weather {}");
    let turns = body["messages"].as_array_mut().unwrap();
    turns.push(json!({"role": "assistant", "content": null, "tool_calls": []}));
    turns.push(json!({"role": "tool", "tool_call_id": "call_req7", "content": result}));
    let reply = whole(CHAT.0, CHAT.1, &body);
    assert_eq!(reply["choices"][0]["message"]["content"], result);
    assert_eq!(reply["choices"][0]["finish_reason"], "stop");
}

#[test]
fn without_text_there_is_a_greeting() {
    for messages in [
        json!([]),
        json!([{"role": "user", "content": " "}]),
        json!([{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "x"}}]}]),
    ] {
        let reply = whole(CHAT.0, CHAT.1, &json!({"model": "m", "messages": messages}));
        let content = &reply["choices"][0]["message"]["content"];
        assert_eq!(content, answer::GREETING);
    }
}

#[test]
fn what_has_the_wrong_shape_is_refused_by_its_path() {
    let hi = json!([{"role": "user", "content": "hi"}]);
    for (body, param) in [
        (json!({}), "messages"),
        (json!({"messages": "hi"}), "messages"),
        (json!({"messages": ["hi"]}), "messages[0]"),
        (json!({"messages": [["user"]]}), "messages[0]"),
        (json!({"messages": [{"content": "hi"}]}), "messages[0].role"),
        (
            json!({"messages": [{"role": "user", "content": 5}]}),
            "messages[0].content",
        ),
        (
            json!({"messages": [{"role": "user", "content": {"type": "text", "text": "hi"}}]}),
            "messages[0].content",
        ),
        (
            json!({"messages": [{"role": "user", "content": [{"type": "text"}]}]}),
            "messages[0].content[0].text",
        ),
        (json!({"messages": hi, "max_tokens": 0}), "max_tokens"),
        (json!({"messages": hi, "n": 2}), "n"),
        (json!({"messages": hi, "tools": {}}), "tools"),
        (
            json!({"messages": hi, "tools": [{"function": {}}]}),
            "tools[0].function.name",
        ),
    ] {
        let (code, at, what) = refusal(CHAT.0, CHAT.1, &body);
        assert_eq!(
            (code, at.as_str()),
            (&codes::INVALID_FIELD, param),
            "{what}"
        );
        assert!(!what.contains("line"), "{what}");
    }
}
