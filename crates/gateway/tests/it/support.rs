//! Around the line: a gateway in front of a fake provider, and what it recorded.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Method};
use portcullis::core::context::{Exchange, ExchangeSink};
use portcullis::source::ValueSource;
use portcullis::{Gateway, GatewayBuilder, Running};
use portcullis_testkit::{Client, Outgoing, Reply, Seen, Shape, Streaming, Upstream};
use tokio::sync::{Mutex, mpsc};

/// How long anything that must happen may take. Nothing waits that long unless it fails.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// The key the gateway has for the provider.
pub(crate) const KEY: &str = "sk-of-the-gateway";

/// A gateway in front of one fake provider.
pub(crate) struct Line {
    pub(crate) upstream: Upstream,
    pub(crate) gateway: Gateway,
    pub(crate) running: Running,
    pub(crate) records: Records,
}

impl Line {
    /// Anthropic's calls go to one backend, all others to another, as they are.
    pub(crate) async fn start() -> Self {
        Self::with("", |builder| builder).await
    }

    /// The same with further settings in the body of both backends, and of the builder.
    pub(crate) async fn with(
        llm: &str,
        change: impl FnOnce(GatewayBuilder) -> GatewayBuilder,
    ) -> Self {
        let upstream = Upstream::start().await.unwrap();
        let config = config(&upstream, llm);
        Self::configured(upstream, &config, change).await
    }

    /// A gateway of any configuration.
    pub(crate) async fn configured(
        upstream: Upstream,
        config: &str,
        change: impl FnOnce(GatewayBuilder) -> GatewayBuilder,
    ) -> Self {
        let (sink, records) = records();
        let builder = Gateway::builder()
            .source(ValueSource::text(config))
            .sink(sink);
        let gateway = change(builder)
            .build()
            .await
            .unwrap_or_else(|e| panic!("{e}"));
        let running = gateway.run().await.unwrap();
        Self {
            upstream,
            gateway,
            running,
            records,
        }
    }

    /// A URL of the gateway's first listener.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.running.addresses()[0].1)
    }

    /// A URL of the provider.
    pub(crate) fn direct(&self, path: &str) -> String {
        format!("{}{path}", self.upstream.url())
    }

    /// Asks for a stream of chat completions; `headers` say how the provider behaves.
    pub(crate) async fn chat(&self, headers: &[(&str, &str)]) -> Streaming {
        let url = self.url("/v1/chat/completions");
        let client = Client::new();
        client
            .stream(Method::POST, &url, headers, CHAT)
            .await
            .unwrap()
    }
}

/// A streamed call of each dialect that streams.
pub(crate) const CHAT: &str = r#"{"model":"gpt-test","stream":true,"stream_options":{"include_usage":true},"messages":[{"role":"user","content":"Name three rivers."}]}"#;
pub(crate) const MESSAGES: &str = r#"{"model":"claude-test","max_tokens":64,"stream":true,"messages":[{"role":"user","content":"Name three rivers."}]}"#;
pub(crate) const RESPONSES: &str =
    r#"{"model":"gpt-test","stream":true,"input":"Name three rivers."}"#;

/// The streamed calls by path, with the header that tells whose they are.
pub(crate) const STREAMS: [(&str, &str, (&str, &str)); 3] = [
    ("/v1/chat/completions", CHAT, ("x-none", "")),
    ("/v1/responses", RESPONSES, ("x-none", "")),
    (
        "/v1/messages",
        MESSAGES,
        ("anthropic-version", "2023-06-01"),
    ),
];

/// Calls with `anthropic-version` go to one backend, all others to the other.
pub(crate) fn config(upstream: &Upstream, llm: &str) -> String {
    let url = upstream.url();
    format!(
        r#"
schemaVersion: 1
listeners: [{{name: web, address: "127.0.0.1:0"}}]
routes:
- match: {{headers: [{{name: anthropic-version, regex: ".*"}}]}}
  backend: anthropic
- {{name: rest, backend: openai}}
backends:
- {{name: openai, llm: {{provider: openai, baseUrl: "{url}/v1", apiKey: {KEY}, {llm}}}}}
- {{name: anthropic, llm: {{provider: anthropic, baseUrl: "{url}", apiKey: {KEY}, {llm}}}}}
"#
    )
}

/// Sends one request and reads the whole reply.
pub(crate) async fn send(
    method: Method,
    url: impl AsRef<str>,
    headers: &[(&str, &str)],
    body: impl Into<Outgoing>,
) -> Reply {
    let url = url.as_ref();
    let sent = Client::new().send(method, url, headers, body).await;
    sent.unwrap_or_else(|e| panic!("{url}: {e}"))
}

/// Sends the request of a recorded exchange, answered by the provider with its recorded reply.
pub(crate) async fn replay(url: &str, shape: &Shape, further: &[(&str, &str)]) -> Reply {
    let mut headers = shape.request_headers.clone();
    headers.push(("x-shape", shape.name));
    let headers: Vec<_> = headers.iter().chain(further).copied().collect();
    let body = match shape.request_body.is_empty() {
        true => Outgoing::empty(),
        false => shape.request_body.into(),
    };
    let url = format!("{url}{}", shape.path);
    send(shape.method.clone(), url, &headers, body).await
}

/// A request as the provider saw it, without what belongs to one connection, to one body, or to whoever
/// calls.
#[derive(Debug, PartialEq)]
pub(crate) struct Received {
    pub(crate) method: Method,
    pub(crate) target: String,
    pub(crate) headers: Vec<(String, Bytes)>,
    pub(crate) body: Bytes,
}

impl From<&Seen> for Received {
    fn from(seen: &Seen) -> Self {
        const APART: [&str; 6] = [
            "host",
            "content-length",
            "authorization",
            "x-api-key",
            "accept-encoding",
            "x-request-id",
        ];
        let names = seen
            .headers
            .iter()
            .map(|(n, v)| (n.to_lowercase(), v.clone()));
        let mut headers: Vec<_> = names
            .filter(|(name, _)| !APART.contains(&&**name))
            .collect();
        headers.sort();
        Self {
            method: seen.method.clone(),
            target: seen.target.clone(),
            headers,
            body: seen.body.clone(),
        }
    }
}

/// The headers of a reply without those of the connection, the date, and the ids.
pub(crate) fn passed_on(headers: &HeaderMap) -> Vec<(String, Bytes)> {
    const APART: [&str; 6] = [
        "x-request-id",
        "x-upstream-request-id",
        "date",
        "connection",
        "transfer-encoding",
        "content-length",
    ];
    let pairs = headers
        .iter()
        .map(|(n, v)| (n.to_string(), Bytes::copy_from_slice(v.as_bytes())));
    let mut kept: Vec<_> = pairs
        .filter(|(name, _)| !APART.contains(&&**name))
        .collect();
    kept.sort();
    kept
}

/// A stream cut behind each blank line, every byte kept.
pub(crate) fn events(mut body: &[u8]) -> Vec<&[u8]> {
    let mut events = Vec::new();
    while !body.is_empty() {
        let ends = [&b"\n\n"[..], b"\r\n\r\n"].map(|blank| {
            let at = body.windows(blank.len()).position(|w| w == blank)?;
            Some(at + blank.len())
        });
        let end = ends.into_iter().flatten().min().unwrap_or(body.len());
        let (event, rest) = body.split_at(end);
        events.push(event);
        body = rest;
    }
    events
}

/// What the gateway recorded.
pub(crate) struct Records(Mutex<mpsc::UnboundedReceiver<Box<Exchange>>>);

/// A sink and what goes into it.
pub(crate) fn records() -> (impl ExchangeSink, Records) {
    struct Sink(mpsc::UnboundedSender<Box<Exchange>>);
    impl ExchangeSink for Sink {
        fn record(&self, exchange: Box<Exchange>) {
            // The test may have ended.
            self.0.send(exchange).ok();
        }
    }
    let (send, receive) = mpsc::unbounded_channel();
    (Sink(send), Records(Mutex::new(receive)))
}

impl Records {
    /// The next record.
    pub(crate) async fn next(&self) -> Box<Exchange> {
        let mut receive = self.0.lock().await;
        let next = tokio::time::timeout(PATIENCE, receive.recv()).await;
        next.expect("a call has ended, so its record comes")
            .expect("the gateway lives")
    }

    /// The record of the only call there was.
    pub(crate) async fn only(&self) -> Box<Exchange> {
        let record = self.next().await;
        self.none().await;
        record
    }

    /// There is no further record at hand.
    pub(crate) async fn none(&self) {
        let further = self.0.lock().await.try_recv().ok();
        assert!(further.is_none(), "one record too many: {further:?}");
    }
}

/// Waits for what must become true.
pub(crate) async fn eventually(what: &str, mut is: impl FnMut() -> bool) {
    let mut often = tokio::time::interval(Duration::from_millis(2));
    let wait = async {
        while !is() {
            often.tick().await;
        }
    };
    let came = tokio::time::timeout(PATIENCE, wait).await;
    assert!(came.is_ok(), "never came: {what}");
}

/// Runs something that must end.
pub(crate) async fn soon<F: Future>(what: &str, f: F) -> F::Output {
    let ended = tokio::time::timeout(PATIENCE, f).await;
    ended.unwrap_or_else(|_| panic!("never ended: {what}"))
}
