//! The page for operators about listeners: its examples are configurations.

use std::path::Path;

use portcullis::Gateway;
use portcullis::core::config::ListenerLimits;
use portcullis::source::ValueSource;

use crate::door::Authority;

const PAGE: &str = include_str!("../../../../docs/listeners.md");

/// The blocks of YAML on the page, with the files they name in `directory`.
fn examples(directory: &Path) -> Vec<String> {
    let blocks = PAGE.split("```yaml\n").skip(1);
    let blocks = blocks.map(|rest| rest.split("```").next().unwrap());
    blocks
        .map(|block| block.replace("file: ", &format!("file: {}/", directory.display())))
        .collect()
}

#[tokio::test]
async fn every_example_is_a_configuration() {
    let directory = tempfile::tempdir().unwrap();
    let authority = Authority::new();
    let file = |name: &str, text: &str| std::fs::write(directory.path().join(name), text).unwrap();
    file("ca.crt", &authority.pem());
    for name in ["a", "b"] {
        let pems = authority.certify(&["a.example.com"]);
        file(&format!("{name}.crt"), &pems.certificate);
        file(&format!("{name}.key"), &pems.key);
    }
    let examples = examples(directory.path());
    assert_eq!(examples.len(), 6);
    for example in examples {
        let source = ValueSource::text(example);
        let built = Gateway::builder().source(source).build().await;
        let gateway = built.unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(gateway.status().last.findings, "");
    }
}

#[tokio::test]
async fn the_limits_on_the_page_are_the_defaults() {
    let example = examples(Path::new("")).pop().unwrap();
    let source = ValueSource::text(example);
    let gateway = Gateway::builder().source(source).build().await.unwrap();
    let mut usual = ListenerLimits::default();
    usual.max_requests_per_connection = Some(100_000);
    assert_eq!(gateway.listeners()[0].1.limits, usual);
}
