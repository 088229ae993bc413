//! `portcullis diff` as its users meet it.
#![expect(
    clippy::unwrap_used,
    reason = "what drives the program fails a test as an assertion does"
)]

use std::fs;
use std::process::Command;

const GOOD: &str = r#"
schemaVersion: 1
listeners: [{name: web, address: "127.0.0.1:0"}]
routes:
- name: v1
  match: {path: {prefix: /v1}}
  policies: [{apiKeyAuthentication: {keys: [{key: sk-of-alice, id: alice}]}}]
  backend: models
backends:
- {name: models, models: [{match: fast, backend: openai, rewrite: gpt-5-mini}]}
- {name: openai, llm: {provider: openai, apiKey: sk-never-shown}}
"#;

/// Runs to the end: exit code, standard output, standard error.
fn run(arguments: &[&str]) -> (i32, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_portcullis"));
    let output = command.args(arguments).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    let code = output.status.code().unwrap();
    (code, text(output.stdout), text(output.stderr))
}

/// A configuration file that lasts as long as its folder.
fn file(text: &str) -> (tempfile::TempDir, String) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("gateway.yaml");
    fs::write(&path, text).unwrap();
    let path = path.to_str().unwrap().to_owned();
    (dir, path)
}

#[test]
fn a_difference_is_told_with_the_exit_codes_of_diff() {
    let (_old, old) = file(GOOD);
    let (_new, new) = file(
        &GOOD
            .replace("gpt-5-mini", "gpt-5")
            .replace("never-shown", "not-shown"),
    );
    let (code, out, err) = run(&["diff", &old, &old]);
    assert_eq!((code, &*out, &*err), (0, "5 kept; nothing restarts\n", ""));
    let (code, out, _) = run(&["diff", &old, &new]);
    assert_eq!(code, 1);
    assert!(
        out.contains("/models/fast/rewrite: \"gpt-5-mini\" -> \"gpt-5\""),
        "{out}"
    );
    assert!(out.contains("* default/route/v1"), "{out}");
    assert!(!out.contains("shown"), "{out}");
    let (code, json, _) = run(&["diff", "--format", "json", &old, &new]);
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!((code, &json["kept"]), (1, &2.into()));
    let (_bad, bad) = file(&GOOD.replace("backend: models", "backend: modles"));
    let (code, out, _) = run(&["diff", &old, &bad]);
    assert_eq!(code, 2);
    assert!(out.contains(&format!("{bad}:8:12")), "{out}");
    assert!(out.contains("! default/route/v1: refused"), "{out}");
    assert_eq!(run(&["diff", &old, "/nowhere/at-all.yaml"]).0, 2);
}
