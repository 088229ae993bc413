//! What people see of bad files, to the letter.

use super::*;
use crate::source::join;

/// Everything wrong with a file, rendered, one after the other.
pub(super) fn rendered(text: &str) -> String {
    let variables = |name: &str| (name == "SET").then(|| "sk-from-the-environment".to_owned());
    let loaded = join::load(
        [("gateway.yaml".to_owned(), Ok(text.to_owned()))],
        &variables,
    );
    let unread = loaded.unread.iter().map(|one| render(&one.error, &one.map));
    let refused = loaded.projects.iter().flat_map(|project| {
        project
            .refused
            .iter()
            .map(|one| render(&one.error, &project.map))
    });
    unread.chain(refused).collect::<Vec<_>>().join("\n")
}

fn assert_renders(text: &str, expected: &str) {
    let shown = rendered(text);
    assert_eq!(
        shown,
        expected.trim_matches('\n'),
        "\n--- shown:\n{shown}\n--- of:\n{text}"
    );
}

#[test]
fn an_unknown_key_is_underlined_with_what_was_meant() {
    assert_renders(
        r##"schemaVersion: 1
routes:
- name: web
  match: {path: {prefix: /}}
  backnd: models
"##,
        r##"
error: unknown key `backnd`
 --> gateway.yaml:5:3
  |
5 |   backnd: models
  |   ^^^^^^
  |
  = help: did you mean `backend`?
"##,
    );
}

#[test]
fn a_bad_value_is_underlined_not_its_key() {
    assert_renders(
        r##"schemaVersion: 1
listeners:
- name: web
  address: 127.0.0.1:80
  limits: {headerReadTimeout: 5}
"##,
        r##"
error: a duration needs a unit
 --> gateway.yaml:5:31
  |
5 |   limits: {headerReadTimeout: 5}
  |                               ^
  |
  = help: for 5 seconds write `5s`
"##,
    );
}

#[test]
fn json_is_shown_like_yaml() {
    assert_renders(
        r##"{
  "schemaVersion": 1,
  "admin": {"adress": "[::1]:1"}
}
"##,
        r##"
error: unknown key `adress`
 --> gateway.yaml:3:13
  |
3 |   "admin": {"adress": "[::1]:1"}
  |             ^^^^^^^^
  |
  = help: did you mean `address`?
"##,
    );
}

#[test]
fn a_missing_key_is_told_at_its_mapping() {
    assert_renders(
        r##"schemaVersion: 1
backends:
- llm: {}
"##,
        r##"
error: missing key `name`
 --> gateway.yaml:3:3
  |
3 | - llm: {}
  |   ^
"##,
    );
}

#[test]
fn a_name_given_twice_shows_both_places() {
    assert_renders(
        r##"schemaVersion: 1
backends:
- {name: a, llm: {}}
- {name: a, llm: {}}
"##,
        r##"
error: the name `a` is taken
 --> gateway.yaml:4:10
  |
4 | - {name: a, llm: {}}
  |          ^
  |
note: the other one is here
 --> gateway.yaml:3:3
  |
3 | - {name: a, llm: {}}
  |   -
"##,
    );
}

#[test]
fn two_kinds_in_one_backend_are_refused() {
    assert_renders(
        r##"schemaVersion: 1
backends:
- name: a
  llm: {}
  models: []
"##,
        r##"
error: a backend has one kind, found `llm` and `models`
 --> gateway.yaml:3:3
  |
3 | - name: a
  |   ^
"##,
    );
}

#[test]
fn an_unset_variable_is_shown_where_it_is_used() {
    assert_renders(
        r##"schemaVersion: 1
backends:
- name: a
  llm: {region: "x-${UNSET}"}
"##,
        r##"
error: environment variable `UNSET` is not set
 --> gateway.yaml:4:17
  |
4 |   llm: {region: "x-${UNSET}"}
  |                 ^^^^^^^^^^^^
"##,
    );
}

#[test]
fn an_apikey_on_the_line_is_hidden_and_the_column_stays() {
    assert_renders(
        r##"schemaVersion: 1
routes:
- {backend: {llm: {apiKey: sk-live-123, token: 'a b'}}, nam: x}
"##,
        r##"
error: unknown key `nam`
 --> gateway.yaml:3:57
  |
3 | - {backend: {llm: {apiKey: [secret], token: [secret]}}, nam: x}
  |                                                         ^^^
  |
  = help: did you mean `name`?
"##,
    );
}

#[test]
fn norway_stays_a_string() {
    assert_renders(
        r##"schemaVersion: 1
listeners:
- {name: web, address: "[::]:1", export: no}
"##,
        r##"
error: expected a boolean, found a string
 --> gateway.yaml:3:42
  |
3 | - {name: web, address: "[::]:1", export: no}
  |                                          ^^
  |
  = help: write `true` or `false`, without quotes
"##,
    );
}

#[test]
fn an_octal_looking_number_is_no_number() {
    assert_renders(
        r##"schemaVersion: 1
listeners:
- {name: web, address: "[::]:1", limits: {maxHeaders: 017}}
"##,
        r##"
error: expected a whole number, not negative, found a string
 --> gateway.yaml:3:55
  |
3 | - {name: web, address: "[::]:1", limits: {maxHeaders: 017}}
  |                                                       ^^^
"##,
    );
}

#[test]
fn a_number_too_big_is_not_rounded() {
    assert_renders(
        r##"schemaVersion: 1
backends:
- {name: a, llm: {account: 123456789012345678901}}
"##,
        r##"
error: a number too large to keep all its digits
 --> gateway.yaml:3:28
  |
3 | - {name: a, llm: {account: 123456789012345678901}}
  |                            ^^^^^^^^^^^^^^^^^^^^^
  |
  = help: put quotes around it if it is a name
"##,
    );
}

#[test]
fn a_key_given_twice_is_refused() {
    assert_renders(
        r##"schemaVersion: 1
project: a
project: b
"##,
        r##"
error: key `project` is given twice
 --> gateway.yaml:3:1
  |
3 | project: b
  | ^^^^^^^
"##,
    );
}

#[test]
fn a_tab_is_no_indentation() {
    assert_renders(
        r##"schemaVersion: 1
admin:
	address: x
"##,
        r##"
error: tabs disallowed within this context (block indentation)
 --> gateway.yaml:3:2
  |
3 |     address: x
  |     ^
"##,
    );
}

#[test]
fn an_unclosed_bracket_is_pointed_at() {
    assert_renders(
        r##"schemaVersion: 1
listeners: [
"##,
        r##"
error: unclosed bracket '['
 --> gateway.yaml:2:12
  |
2 | listeners: [
  |            ^
"##,
    );
}

#[test]
fn a_second_document_is_refused() {
    assert_renders(
        r##"schemaVersion: 1
---
schemaVersion: 1
"##,
        r##"
error: a file has one document
 --> gateway.yaml:3:1
  |
3 | schemaVersion: 1
  | ^
"##,
    );
}

#[test]
fn an_empty_file_is_refused() {
    assert_renders(
        r##"# nothing
"##,
        r##"
error: the file is empty
 --> gateway.yaml:1:1
  |
1 | # nothing
  | ^
"##,
    );
}

#[test]
fn an_unknown_anchor_is_refused() {
    assert_renders(
        r##"schemaVersion: 1
admin: *a
"##,
        r##"
error: alias references unknown anchor
 --> gateway.yaml:2:8
  |
2 | admin: *a
  |        ^
"##,
    );
}

#[test]
fn a_merge_key_is_refused() {
    assert_renders(
        r##"a: &a {}
b:
  <<: *a
"##,
        r##"
error: merge keys (`<<`) are not supported
 --> gateway.yaml:3:3
  |
3 |   <<: *a
  |   ^^
"##,
    );
}

#[test]
fn a_list_is_no_configuration() {
    assert_renders(
        r##"- a
"##,
        r##"
error: a configuration is a mapping
 --> gateway.yaml:1:1
  |
1 | - a
  | ^
"##,
    );
}

#[test]
fn broken_yaml_does_not_show_its_secrets() {
    assert_renders(
        r##"backends:
- name: a
  llm: {apiKey: "sk-live", : : }
  tokens: [
"##,
        r##"
error: a key is a string
 --> gateway.yaml:3:28
  |
3 |   llm: {apiKey: [secret]
  |                         ^
"##,
    );
}

#[test]
fn a_broken_block_inside_a_secret_is_hidden() {
    assert_renders(
        r##"backends:
- name: a
  privateKey:
    begin: x
      sk-live: : y
"##,
        r##"
error: mapping values are not allowed in this context
 --> gateway.yaml:5:14
  |
5 | [secret]
  |         ^
"##,
    );
}
