use super::*;

#[test]
fn text_is_said_back_word_by_word() {
    let body = json!({
        "model": "m", "instructions": "be brief", "input": "Grüße aus  Köln 👩\u{200d}🚀",
    });
    golden("responses_text", RESPONSES, &body);
}

#[test]
fn a_limit_of_tokens_cuts_words_and_settings_are_repeated() {
    let body = json!({
        "model": "m", "max_output_tokens": 2, "temperature": 0.5, "metadata": {"a": "b"},
        "parallel_tool_calls": false, "tools": null,
        "input": [{"role": "user", "content": [{"type": "input_text", "text": "one two three"}]}],
    });
    golden("responses_cut", RESPONSES, &body);
}

fn weather() -> Value {
    json!({
        "model": "m",
        "input": [{
            "type": "message",
            "role": "user",
            "content": r#"call get_weather {"city": "Köln"}"#,
        }],
        "tools": [{"type": "function", "name": "get_weather", "parameters": null, "strict": true}],
    })
}

#[test]
fn a_call_asked_for_is_made() {
    golden("responses_call", RESPONSES, &weather());
}

#[test]
fn a_request_written_over_several_lines_gives_events_of_one_line() {
    let mut body = weather();
    body["stream"] = true.into();
    let lines = Body::from(
        serde_json::to_string_pretty(&body)
            .unwrap()
            .replace('\n', "\r\n"),
    );
    let sent = send(RESPONSES.0, "POST", RESPONSES.1, lines, Duration::ZERO);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    let (_, text) = runtime.block_on(sent).unwrap();
    assert!(!text.contains('\r'));
    for event in text.split_terminator("\n\n") {
        assert_eq!(event.lines().count(), 2, "{event}");
    }
}

#[test]
fn what_a_tool_returned_is_said_back() {
    let mut body = weather();
    for (output, said) in [
        (json!("12 degrees"), "12 degrees"),
        (json!([{"type": "input_text", "text": "12"}]), "12"),
    ] {
        let result = json!({"type": "function_call_output", "call_id": "c", "output": output});
        body["input"].as_array_mut().unwrap().push(result);
        let reply = whole(RESPONSES.0, RESPONSES.1, &body);
        assert_eq!(reply["output"][0]["content"][0]["text"], said);
    }
}

#[test]
fn items_of_kinds_unknown_to_echo_are_passed_over() {
    let input = json!([
        {"role": "user", "content": "hi"},
        {"type": "reasoning", "summary": [], "content": [{"type": "reasoning_text", "text": "x"}]},
        {"type": "computer_call_output", "output": {"type": "computer_screenshot"}},
        {"type": "shell_call_output", "output": [{"stdout": "x", "stderr": ""}]},
    ]);
    let reply = whole(
        RESPONSES.0,
        RESPONSES.1,
        &json!({"model": "m", "input": input}),
    );
    assert_eq!(reply["output"][0]["content"][0]["text"], "hi");
}

#[test]
fn what_has_the_wrong_shape_is_refused_by_its_path() {
    for (body, param) in [
        (json!({}), "input"),
        (json!({"input": 5}), "input"),
        (
            json!({"input": [{"role": "user", "content": true}]}),
            "input[0].content",
        ),
        (
            json!({"input": "hi", "max_output_tokens": -1}),
            "max_output_tokens",
        ),
        (json!({"input": "hi", "tools": [5]}), "tools[0]"),
    ] {
        let (code, at, what) = refusal(RESPONSES.0, RESPONSES.1, &body);
        assert_eq!(
            (code, at.as_str()),
            (&codes::INVALID_FIELD, param),
            "{what}"
        );
    }
}
