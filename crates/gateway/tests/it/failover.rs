//! Calls over real connections when the first of two providers fails.

use http::Method;
use portcullis::Gateway;
use portcullis::source::ValueSource;
use portcullis_testkit::{Client, Fault, Script, Upstream};

use crate::support::{CHAT, Records, records, send};

const PLAIN: &str =
    r#"{"model":"gpt-test","messages":[{"role":"user","content":"Name three rivers."}]}"#;

struct Pair {
    first: Upstream,
    second: Upstream,
    running: portcullis::Running,
    records: Records,
    _gateway: Gateway,
}

impl Pair {
    async fn start() -> Self {
        let (first, second) = (
            Upstream::start().await.unwrap(),
            Upstream::start().await.unwrap(),
        );
        let (sink, records) = records();
        let (a, b) = (first.url(), second.url());
        let config = format!(
            r#"
schemaVersion: 1
listeners: [{{name: web, address: "127.0.0.1:0"}}]
routes: [{{backend: pair}}]
backends:
- name: pair
  llm:
    groups:
    - providers: [{{name: a, provider: openai, baseUrl: "{a}/v1", apiKey: k}}]
    - providers: [{{name: b, provider: openai, baseUrl: "{b}/v1", apiKey: k}}]
    firstTokenTimeout: 200ms
"#
        );
        let source = ValueSource::text(&config);
        let gateway = Gateway::builder().source(source).sink(sink).build().await;
        let gateway = gateway.unwrap_or_else(|e| panic!("{e}"));
        let running = gateway.run().await.unwrap();
        Self {
            first,
            second,
            running,
            records,
            _gateway: gateway,
        }
    }

    fn url(&self) -> String {
        format!(
            "http://{}/v1/chat/completions",
            self.running.addresses()[0].1
        )
    }
}

#[tokio::test]
async fn whatever_the_first_does_before_its_first_content_the_second_serves() {
    for fault in [
        "reset",
        "garbage",
        "status-429-retry-30",
        "status-500",
        "status-529",
        "status-401",
        "reset-after-0",
        "cut-after-0",
        "garbage-event-0",
        "error-event-after-1",
        "silent",
        "headers-then-silent",
    ] {
        let pair = Pair::start().await;
        let fault: Fault = fault.parse().unwrap();
        pair.first.script(Script::new().always(fault.clone()));
        let reply = Client::new()
            .stream(Method::POST, &pair.url(), &[], CHAT)
            .await
            .unwrap();
        assert_eq!(reply.status, 200, "{fault}");
        assert_eq!(reply.headers["portcullis-served-by"], "pair/b", "{fault}");
        let body = reply.collect().await.unwrap().body;
        assert!(body.ends_with(b"data: [DONE]\n\n"), "{fault}");
        let record = pair.records.only().await;
        assert_eq!(record.attempts.len(), 2, "{fault}");
        let [a, b] = [&pair.first, &pair.second].map(Upstream::meter);
        let used = record.usage().unwrap();
        let billed = (
            a.input_tokens + b.input_tokens,
            a.output_tokens + b.output_tokens,
        );
        assert_eq!((used.input, used.output), billed, "{fault}");
    }
}

#[tokio::test]
async fn a_whole_reply_that_breaks_is_asked_for_elsewhere() {
    for fault in ["reset-after-1", "cut-after-bytes-40", "garbage-event-0"] {
        let pair = Pair::start().await;
        let fault: Fault = fault.parse().unwrap();
        pair.first.script(Script::new().always(fault.clone()));
        let reply = send(Method::POST, pair.url(), &[], PLAIN).await;
        assert_eq!(reply.headers["portcullis-served-by"], "pair/b", "{fault}");
        assert_eq!(pair.records.only().await.attempts.len(), 2, "{fault}");
    }
}

#[tokio::test]
async fn a_provider_that_is_not_there_is_left_out_after_some_calls() {
    let mut pair = Pair::start().await;
    let gone = std::mem::replace(&mut pair.first, Upstream::start().await.unwrap());
    drop(gone);
    for call in 0..7 {
        let reply = send(Method::POST, pair.url(), &[], PLAIN).await;
        assert_eq!(reply.status, 200);
        let expected = if call < 5 { 2 } else { 1 };
        assert_eq!(
            pair.records.next().await.attempts.len(),
            expected,
            "call {call}"
        );
    }
}
