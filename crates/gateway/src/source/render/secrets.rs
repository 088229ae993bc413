//! Where secrets must not show.

use portcullis_core::config::{Place, Pointer, Secret, decode};

use super::tests::rendered;
use super::*;
use crate::source::ValueSource;

#[test]
fn secrets_show_nowhere() {
    let lines = [
        "apiKey: hunter2",
        "apiKey: {vaule: hunter2}",
        "keys: [{keyHash: hunter2}]",
        "headers: [{name: authorization, value: hunter2}]",
        "headers: {x-api-key: hunter2}",
        "shared: &s hunter2, apiKey: *s",
        "region: ${UNSET}, password: hunter2",
        "token: \"hunter2 ${UNSET}\"",
        "baseUrl: \"https://user:hunter2@host/v1\"",
        "proxy: {url: http://user:hunter2@proxy}",
        "password: 'hunter2', : : broken",
        "secret: [hunter2, {",
    ];
    for line in lines {
        let text = format!(
            "schemaVersion: 1\nbackends:\n- {{name: a, {line}, kinds: {{}}, more: {{}}}}\n"
        );
        let shown = rendered(&text);
        assert!(shown.contains("gateway.yaml:3"), "{shown}");
        assert!(!shown.contains("hunter2"), "{shown}");
    }
}

#[test]
fn what_was_expanded_is_shown_as_it_was_written() {
    let shown = rendered("schemaVersion: 1\nlisteners:\n- {name: a, address: \"${SET}\"}\n");
    assert!(shown.contains("address: \"${SET}\""), "{shown}");
    assert!(!shown.contains("sk-from"), "{shown}");
}

#[test]
fn an_error_about_a_secret_hides_it_whatever_its_key() {
    let mut map = SourceMap::new();
    let file = map.add_file("a.yaml", "adminLogin: 12345");
    let at = Pointer::root().key("adminLogin");
    map.insert(
        at.clone(),
        Place {
            file,
            key: Some(0..10),
            value: 12..17,
        },
    );
    let error = decode::<Secret>(&12345.into(), &at).unwrap_err();
    let shown = render(&error, &map);
    assert!(
        shown.contains("adminLogin: [secret]") && !shown.contains("12345"),
        "{shown}"
    );
}

#[test]
fn debug_output_shows_no_texts_and_no_bodies() {
    let text = "schemaVersion: 1\nbackends:\n- {name: a, llm: {apiKey: hunter2}, policies: [{p: {k: hunter2}}]}\nroutes:\n- {backend: {llm: hunter2}}\n";
    let source = ValueSource::text(text);
    let loaded = source.read();
    assert!(loaded.projects[0].refused.is_empty());
    let shown = format!("{source:?} {loaded:#?}");
    assert!(!shown.contains("hunter2"), "{shown}");
}
