use super::*;

fn said(text: &str) -> Value {
    json!({"model": "m", "max_tokens": 100, "system": [{"type": "text", "text": "be brief"}],
        "messages": [{"role": "user", "content": text}]})
}

#[test]
fn text_is_said_back_word_by_word() {
    golden(
        "messages_text",
        MESSAGES,
        &said("Grüße aus  Köln 👩\u{200d}🚀"),
    );
}

#[test]
fn a_limit_of_tokens_cuts_words() {
    let mut body = said("one two three");
    body["max_tokens"] = 2.into();
    golden("messages_cut", MESSAGES, &body);
}

#[test]
fn a_limit_of_nought_gets_no_content() {
    let mut body = said("one two three");
    body["max_tokens"] = 0.into();
    golden("messages_nothing", MESSAGES, &body);
}

#[test]
fn a_call_asked_for_is_made() {
    let mut body = said(r#"call get_weather {"city": "Köln"}"#);
    body["tools"] = json!([{"name": "get_weather", "input_schema": {"type": "object"}}]);
    golden("messages_call", MESSAGES, &body);

    body["tool_choice"] = json!({"type": "none"});
    let reply = whole(MESSAGES.0, MESSAGES.1, &body);
    assert_eq!(reply["stop_reason"], "end_turn");
}

#[test]
fn a_tool_result_is_said_back_unless_the_user_says_something_too() {
    let mut body = said("");
    let result = json!({"type": "tool_result", "tool_use_id": "toolu_req7", "content": [
        {"type": "text", "text": "12 degrees"},
    ]});
    body["messages"][0]["content"] = json!([result]);
    let reply = whole(MESSAGES.0, MESSAGES.1, &body);
    assert_eq!(reply["content"][0]["text"], "12 degrees");

    body["messages"][0]["content"] = json!([result, {"type": "text", "text": "so?"}]);
    let reply = whole(MESSAGES.0, MESSAGES.1, &body);
    assert_eq!(reply["content"][0]["text"], "so?");
}

#[test]
fn tokens_are_counted_as_words_without_a_limit() {
    let mut body = said("one two three");
    body.as_object_mut().unwrap().remove("max_tokens");
    let reply = whole(MESSAGES.0, "/v1/messages/count_tokens", &body);
    assert_eq!(reply, json!({"input_tokens": 5}));

    let (code, param, _) = refusal(MESSAGES.0, MESSAGES.1, &body);
    assert_eq!(
        (code, param.as_str()),
        (&codes::INVALID_FIELD, "max_tokens")
    );
}

#[test]
fn parts_of_kinds_unknown_to_echo_are_passed_over() {
    let mut body = said("");
    body["messages"][0]["content"] = json!([
        {"type": "web_fetch_tool_result", "content": {"type": "web_fetch_result"}},
        {"type": "text", "text": "one"},
        {"type": "document", "source": {"type": "text", "data": "no"}, "content": null},
        {"type": "text", "text": "two"},
    ]);
    let reply = whole(MESSAGES.0, MESSAGES.1, &body);
    assert_eq!(reply["content"][0]["text"], "one\ntwo");
}
