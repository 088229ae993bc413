//! What is said of one change after another.

use super::*;
use crate::source::ValueSource;

const TEXT: &str = r#"
schemaVersion: 1
listeners: [{name: web, address: "127.0.0.1:1"}]
routes:
- name: v1
  match: {path: {prefix: /v1}}
  policies: [{bodyLimit: {request: 1MiB}}, {timeouts: {request: 1m}}]
  backend: models
backends:
- {name: models, models: [{match: "*", backend: openai}]}
- {name: openai, llm: {provider: openai, apiKey: sk-very-secret}}
"#;

fn between(old: &str, new: &str) -> Diff {
    let read = |text: &str| ValueSource::text(text).read();
    diff(&crate::registry(), &read(old), &read(new))
}

/// What changes, a line each, when `from` in the text becomes `to`.
fn lines(from: &str, to: &str) -> Vec<String> {
    assert!(TEXT.contains(from), "{from}");
    let diff = between(TEXT, &TEXT.replace(from, to));
    assert!(!diff.is_refused(), "{diff}");
    let text = diff.to_string();
    text.lines().map(|line| line.trim().to_owned()).collect()
}

#[test]
fn the_same_is_no_difference_wherever_it_stands() {
    let diff = between(TEXT, &format!("# moved down\n\n{TEXT}"));
    assert!(diff.is_empty() && !diff.is_refused(), "{diff}");
    assert_eq!(diff.to_string(), "5 kept; nothing restarts\n");
}

#[test]
fn a_field_is_told_with_what_it_was_and_would_be() {
    assert_eq!(
        lines("1MiB", "2MiB"),
        [
            "~ default/route/v1: changed",
            "/policies/bodyLimit/bodyLimit/request: \"1MiB\" -> \"2MiB\"",
            "1 changed, 4 kept; nothing restarts",
        ]
    );
}

#[test]
fn policies_come_and_go_by_name() {
    assert_eq!(
        lines("{bodyLimit: {request: 1MiB}}, ", "{headerModifiers: {}}, ")[1..3],
        [
            "- /policies/bodyLimit: {\"bodyLimit\":{\"request\":\"1MiB\"}}",
            "+ /policies/headerModifiers: {\"headerModifiers\":{}}",
        ]
    );
    let swapped = lines(
        "{bodyLimit: {request: 1MiB}}, {timeouts: {request: 1m}}",
        "{timeouts: {request: 1m}}, {bodyLimit: {request: 1MiB}}",
    );
    assert_eq!(swapped[1], "- /policies: the same in another order");
}

#[test]
fn what_refers_to_something_changed_is_told_and_a_secret_is_not() {
    let lines = lines("sk-very-secret", "sk-even-more");
    assert_eq!(
        lines,
        [
            "* default/route/v1: made anew for what it refers to",
            "* default/backend/models: made anew for what it refers to",
            "~ default/backend/openai: changed",
            "/llm/apiKey: \"[secret]\" -> \"[secret]\"",
            "1 changed, 2 made anew for what it refers to, 2 kept; nothing restarts",
        ]
    );
}

#[test]
fn secrets_stay_hidden_in_what_is_added_and_beside_names_that_sound_so() {
    for (from, to) in [
        (
            "backend: models\n",
            "backend: {llm: {provider: openai, apiKey: sk-hidden}}\n",
        ),
        (
            "{timeouts: {request: 1m}}",
            "{headerModifiers: {request: {set: [{name: x-api-key, value: sk-hidden}]}}}",
        ),
        (
            "{timeouts: {request: 1m}}",
            "{apiKeyAuthentication: {keys: [{key: sk-hidden, id: a}]}}",
        ),
        (
            "apiKey: sk-very-secret",
            "apiKey: sk-very-secret, baseUrl: \"https://me:sk-hidden@example.com/v1\"",
        ),
    ] {
        let diff = between(TEXT, &TEXT.replace(from, to));
        let told = format!("{diff}{}", diff.to_json());
        assert!(!told.contains("hidden") && !told.contains("very"), "{told}");
        assert!(told.contains("[secret]"), "{told}");
    }
}

#[test]
fn listeners_and_settings_are_told_with_what_it_means() {
    assert_eq!(
        lines("127.0.0.1:1", "127.0.0.1:2")[0],
        "~ default/listener/web: changed (opened at the new address; calls at the old one finish)"
    );
    assert_eq!(
        lines(
            "schemaVersion: 1",
            "schemaVersion: 1\nshutdown: {delay: 5s}"
        )[..2],
        [
            "~ default/project/default: changed",
            "+ /shutdown: {\"delay\":\"5s\"}"
        ]
    );
}

#[test]
fn what_would_be_refused_is_told_in_its_place_and_not_as_removed() {
    for (mistake, place) in [
        (
            TEXT.replace("backend: models", "backend: modles"),
            "<text>:8:12",
        ),
        (TEXT.replace("1MiB", "1MiBs"), "<text>:7:36"),
        (
            TEXT.replace("name: v1\n", "name: v1\n  nmae: x\n"),
            "<text>:6:3",
        ),
    ] {
        let diff = between(TEXT, &mistake);
        assert!(diff.is_refused());
        assert!(diff.faults.contains(place), "{place}: {}", diff.faults);
        let route = diff.objects.iter().find(|o| o.object == "default/route/v1");
        assert_eq!(route.map(|o| o.change), Some(Change::Refused), "{diff}");
    }
}

#[test]
fn json_has_the_same_to_say() {
    let diff = between(TEXT, &TEXT.replace("1MiB", "2MiB"));
    let json: Value = serde_json::from_str(&diff.to_json()).unwrap();
    assert_eq!(json["objects"][0]["change"], "changed");
    assert_eq!(json["objects"][0]["fields"][0]["new"], "\"2MiB\"");
    assert_eq!(json["kept"], 4);
}
