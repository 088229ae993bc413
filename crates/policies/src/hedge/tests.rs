//! Claims about what is refused; that the engine is told is claimed with `retry`.

use portcullis_core::config::PolicyEntry;
use portcullis_core::llm::Llm;
use serde_json::{Value, json};

use crate::testing::built;

#[test]
fn it_says_when_once_and_within_bounds() {
    let at = |body: Value| {
        let built = built::<Llm>(vec![PolicyEntry::new("hedge", body)]);
        built.err().map(|e| e.at.to_string())
    };
    assert_eq!(at(json!({"after": "2s"})), None);
    assert_eq!(at(json!({"quantile": 0.95, "maxPercent": 2})), None);
    assert_eq!(at(json!({})).as_deref(), Some("/p0/after"));
    assert_eq!(
        at(json!({"after": "2s", "quantile": 0.9})).as_deref(),
        Some("/p0/after")
    );
    assert_eq!(at(json!({"quantile": 95})).as_deref(), Some("/p0/quantile"));
    assert_eq!(
        at(json!({"after": "2s", "maxPercent": 200})).as_deref(),
        Some("/p0/maxPercent")
    );
}
