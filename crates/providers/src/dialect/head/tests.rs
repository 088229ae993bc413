use std::sync::Arc;

use bytes::Bytes;
use portcullis_core::error::Code;
use portcullis_core::llm::{Dialect, Operation};
use proptest::prelude::*;
use serde_json::Value;

use super::*;
use crate::dialect::{all, anthropic::Messages, openai::Chat};

/// The head of a call whose own head says nothing.
fn parts() -> http::request::Parts {
    http::Request::new(()).into_parts().0
}

fn read(dialect: &dyn Dialect, body: &[u8]) -> Result<Head, Error> {
    dialect.head(Operation::Chat, &parts(), body)
}

fn rename(dialect: &dyn Dialect, body: &mut Payload<Doc>, model: &str) -> Result<(), Error> {
    dialect.set_model(&mut Arc::new(parts()), body, model)
}

fn refusal(body: &str) -> (&'static Code, String, Option<String>) {
    let e = read(&Chat, body.as_bytes()).unwrap_err();
    (e.code(), e.to_string(), e.at_param().map(Into::into))
}

fn model(body: &str) -> String {
    read(&Chat, body.as_bytes()).unwrap().model
}

#[test]
fn a_key_that_stands_twice_is_refused_however_it_is_written() {
    for body in [
        r#"{"model":"a","model":"b"}"#,
        r#"{"model":"a","mod\u0065l":"b"}"#,
        r#"{"model":"a","Model":"b"}"#,
        r#"{"MODEL":"a","model":"b"}"#,
        r#"{"model":"a","stream":true,"\u0053tream":false}"#,
        r#"{"model":"a","messages":[],"messages":[]}"#,
    ] {
        assert_eq!(refusal(body).0, &codes::DUPLICATE_KEY, "{body}");
    }
    let (_, words, param) = refusal(r#"{"model":"a","mod\u0065l":"b"}"#);
    assert_eq!(words, "the key `model` stands twice");
    assert_eq!(param.as_deref(), Some("model"));
}

#[test]
fn keys_inside_of_values_are_nobodys_business() {
    assert_eq!(
        model(r#"{"metadata":{"model":"x","model":"y"},"model":"a"}"#),
        "a"
    );
}

#[test]
fn an_escaped_model_is_read_as_what_it_stands_for() {
    assert_eq!(model(r#"{"mod\u0065l":"gpt\u002d5"}"#), "gpt-5");
    assert_eq!(model(r#"{"model":"a\/b \"c\""}"#), "a/b \"c\"");
}

#[test]
fn a_model_in_another_case_is_no_model() {
    let (code, _, param) = refusal(r#"{"Model":"a"}"#);
    assert_eq!(
        (code, param.as_deref()),
        (&codes::INVALID_FIELD, Some("model"))
    );
}

#[test]
fn a_missing_empty_or_untextual_model_is_refused_by_name() {
    for body in [
        "{}",
        r#"{"model":""}"#,
        r#"{"model":null}"#,
        r#"{"model":5}"#,
        r#"{"model":["a"]}"#,
        r#"{"model":{"name":"a"}}"#,
        r#"{"model":"\ud800"}"#,
    ] {
        let (code, words, param) = refusal(body);
        assert_eq!(code, &codes::INVALID_FIELD, "{body}");
        assert!(words.starts_with("`model` must be "), "{words}");
        assert_eq!(param.as_deref(), Some("model"));
    }
}

#[test]
fn only_true_streams_and_only_null_and_false_do_not() {
    let stream = |value: &str| {
        let body = format!(r#"{{"model":"a","stream":{value}}}"#);
        read(&Chat, body.as_bytes())
    };
    assert!(stream("true").unwrap().stream);
    assert!(!stream("false").unwrap().stream);
    assert!(!stream("null").unwrap().stream);
    for value in [r#""yes""#, "1", "[]", "{}"] {
        let e = stream(value).unwrap_err();
        assert_eq!(e.code(), &codes::INVALID_FIELD, "{value}");
        assert_eq!(e.at_param(), Some("stream"));
    }
}

#[test]
fn what_is_not_one_json_object_is_refused_with_the_place() {
    for body in [
        "",
        "null",
        "[]",
        r#""model""#,
        r#"{"model":"a""#,
        r#"{"model":"a"} x"#,
        r#"{"model":"a"}{"model":"b"}"#,
        r#"{"model":"a",}"#,
        r#"{model:"a"}"#,
    ] {
        let (code, words, _) = refusal(body);
        assert_eq!(code, &codes::BODY_NOT_JSON, "{body}");
        assert!(words.contains(" at byte "), "{words}");
    }
}

#[test]
fn nesting_is_bounded_and_no_deep_document_overflows_the_stack() {
    let nested = |depth: usize| {
        let (open, close) = ("[".repeat(depth), "]".repeat(depth));
        format!(r#"{{"messages":{open}{close},"model":"a"}}"#)
    };
    assert_eq!(model(&nested(100)), "a");
    assert_eq!(refusal(&nested(100_000)).0, &codes::BODY_NOT_JSON);
}

#[test]
fn a_model_behind_a_megabyte_of_messages_is_found_and_replaced() {
    let messages = r#"{"role":"user","content":"\"}],\"model\":\"no\""},"#.repeat(25_000);
    let before = format!(r#"{{"messages":[{messages}null],"stream":true, "model" : "#);
    let body = format!(r#"{before}"last"}} "#);
    assert!(body.len() > 1 << 20);
    let head = read(&Chat, body.as_bytes()).unwrap();
    assert_eq!((head.model.as_str(), head.stream), ("last", true));

    let mut payload = Payload::<Doc>::from(Bytes::from(body));
    rename(&Chat, &mut payload, "new").unwrap();
    assert_eq!(payload.raw(), format!(r#"{before}"new"}} "#).as_bytes());
}

#[test]
fn a_model_cannot_be_set_where_there_is_none() {
    let mut payload = Payload::<Doc>::from(Bytes::from_static(b"{}"));
    let e = rename(&Chat, &mut payload, "new").unwrap_err();
    assert_eq!(e.code(), &codes::INVALID_FIELD);
    assert_eq!(payload.raw(), "{}");
}

#[test]
fn in_a_dialect_whose_streams_report_usage_unasked_it_counts_as_asked_for() {
    let body = br#"{"model":"a","stream":true}"#;
    assert!(read(&Messages, body).unwrap().usage_asked);
    assert!(!read(&Chat, body).unwrap().usage_asked);
}

fn json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        ".*".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 32, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec((".{0,6}", inner), 0..4)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

/// Documents with a model at any place among other members, blanks in between, and maybe stream options.
fn documents() -> impl Strategy<Value = String> {
    let others = prop::collection::vec(("[a-z_]{1,8}", json()), 0..6);
    let blanks = "[ \n\t]{0,3}";
    (others, any::<prop::sample::Index>(), blanks, ".+").prop_map(
        |(mut others, at, blank, model)| {
            others.sort_by(|a, b| a.0.cmp(&b.0));
            others.dedup_by(|a, b| a.0 == b.0);
            others.retain(|(key, _)| !matches!(key.as_str(), "model" | "stream"));
            others.insert(at.index(others.len() + 1), ("model".into(), model.into()));
            let members = others.iter().map(|(key, value)| {
                format!("{blank}{}{blank}:{blank}{value}", Value::from(key.as_str()))
            });
            let members: Vec<_> = members.collect();
            format!("{blank}{{{}{blank}}}{blank}", members.join(","))
        },
    )
}

proptest! {
    #[test]
    fn setting_the_model_changes_nothing_else(document in documents(), name in ".+") {
        // The others name the model in the URL.
        let in_body = ["anthropic-messages", "cohere-chat", "openai-chat", "openai-responses"];
        for dialect in all().into_iter().filter(|d| in_body.contains(&d.name())) {
            let mut payload = Payload::<Doc>::from(Bytes::from(document.clone()));
            let before = read(&*dialect, document.as_bytes()).unwrap();
            rename(&*dialect, &mut payload, &name).unwrap();
            let after = read(&*dialect, payload.raw()).unwrap();
            prop_assert_eq!(&after.model, &name);

            let written = String::from_utf8(payload.raw().to_vec()).unwrap();
            let old = Value::from(before.model.as_str()).to_string();
            let new = String::from_utf8(quote(&name).to_vec()).unwrap();
            let at = document.bytes().zip(written.bytes()).take_while(|(a, b)| a == b).count();
            let rest = document.len() - document.bytes().rev().zip(written.bytes().rev())
                .take_while(|(a, b)| a == b).count();
            prop_assert_eq!(written.len() + old.len(), document.len() + new.len());
            // All that differs lies within the old name.
            let value = Members::of_document(document.as_bytes())
                .flatten().find(|member| member.key == "model").unwrap().value.span();
            if written != document {
                prop_assert!(value.start as usize <= at && rest <= value.end as usize);
            }
        }
    }

    #[test]
    fn asking_for_usage_adds_one_member_and_nothing_else(document in documents()) {
        let body = Bytes::from(document.clone());
        let mut payload = Payload::<Doc>::from(body.clone());
        let mut request = crate::dialect::openai::tests::chat_request(&document);
        request.stream = true;
        prop_assert!(Chat.ask_usage(&request, &mut payload).unwrap());
        let written = String::from_utf8(payload.raw().to_vec()).unwrap();
        let added = r#""stream_options":{"include_usage":true},"#;
        prop_assert_eq!(written.replacen(added, "", 1), document);
        prop_assert!(read(&Chat, written.as_bytes()).unwrap().usage_asked);
    }
}
