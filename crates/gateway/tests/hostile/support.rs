//! Around the line: a gateway between raw bytes and a recording upstream.

use std::net::SocketAddr;
use std::time::Duration;

use portcullis::source::ValueSource;
use portcullis::{Gateway, Running};
use portcullis_testkit::{Closed, raw_exchange};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::recorder::Recorder;

/// How long anything that must happen may take. Nothing waits that long unless it fails.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// The least of a chat call.
pub(crate) const CHAT: &str = r#"{"model":"m","messages":[]}"#;

/// A gateway with short patience in front of a recording upstream.
pub(crate) struct Line {
    pub(crate) recorder: Recorder,
    pub(crate) addr: SocketAddr,
    pub(crate) _running: Option<Running>,
}

/// What a listener allows here.
pub(crate) const MAX_HEAD: usize = 16 << 10;
pub(crate) const MAX_HEADERS: usize = 40;

impl Line {
    /// A `Line` with the usual limits.
    pub(crate) async fn start() -> Self {
        Self::with("").await
    }

    /// The same with further policies on its route.
    pub(crate) async fn with(policies: &str) -> Self {
        let recorder = Recorder::start().await;
        let running = gateway(recorder.addr, policies).await;
        Self {
            recorder,
            addr: running.addresses()[0].1,
            _running: Some(running),
        }
    }

    /// Sends bytes and reads what comes until the gateway closes.
    pub(crate) async fn talk(&self, bytes: impl AsRef<[u8]>) -> Answer {
        let reply = raw_exchange(self.addr, bytes.as_ref(), PATIENCE)
            .await
            .unwrap();
        Answer::read(&reply.bytes, reply.closed)
    }

    /// The same, but the client says that it will send no more.
    pub(crate) async fn talk_and_finish(&self, bytes: impl AsRef<[u8]>) -> Answer {
        let mut socket = TcpStream::connect(self.addr).await.unwrap();
        socket.write_all(bytes.as_ref()).await.unwrap();
        socket.shutdown().await.unwrap();
        read_all(&mut socket).await
    }

    /// A call that must go well, whatever was done before.
    pub(crate) async fn is_well(&self) {
        self.recorder.take();
        let call = post("connection: close\r\n", CHAT);
        let answer = self.talk(call).await;
        assert_eq!(answer.statuses(), [200], "{answer:?}");
        // Calls of clients that have left may still be on their way.
        assert_eq!(self.recorder.take().pop(), Some(self.chat(CHAT)));
    }

    /// The bytes the upstream sees of a chat call with this body and no headers of its own.
    pub(crate) fn chat(&self, body: &str) -> String {
        self.seen("POST /v1/chat/completions", "x-request-id: t\r\n", body)
    }

    /// The bytes the upstream sees of a call.
    pub(crate) fn seen(&self, line: &str, headers: &str, body: &str) -> String {
        let (length, host) = (body.len(), self.recorder.addr);
        format!(
            "{line} HTTP/1.1\r\n{headers}authorization: Bearer sk-ours\r\nhost: {host}\r\n\
             content-length: {length}\r\n\r\n{body}"
        )
    }

    /// Runs a table: each case on a connection of its own, its answers and what went upstream compared.
    pub(crate) async fn run(&self, cases: Vec<Case>) {
        for case in cases {
            self.recorder.take();
            let answer = self.talk(&case.send).await;
            let name = case.name;
            let got: Vec<_> = answer.replies.iter().map(Reply::verdict).collect();
            let wanted: Vec<_> = case.client.iter().map(|(s, c)| (*s, *c)).collect();
            assert_eq!(got, wanted, "{name}: the client saw {answer:?}");
            assert_ne!(answer.closed, Closed::Open, "{name}: left open");
            assert_eq!(answer.rest, "", "{name}: more than replies");
            assert_eq!(
                self.recorder.take(),
                case.upstream,
                "{name}: the upstream saw"
            );
        }
        self.is_well().await;
    }
}

/// The gateway itself.
pub(crate) async fn gateway(upstream: SocketAddr, policies: &str) -> Running {
    let config = format!(
        r#"
schemaVersion: 1
listeners:
- name: web
  address: "127.0.0.1:0"
  limits: {{headerReadTimeout: 400ms, idleTimeout: 800ms, halfClosedTimeout: 5s, maxHeaderBytes: 16KiB, maxHeaders: {MAX_HEADERS}}}
routes:
- {{name: echo, match: {{headers: [{{name: x-route, value: echo}}]}}, backend: {{echo: {{}}}}}}
- {{name: other, match: {{host: other.test}}, backend: {{directResponse: {{status: 418}}}}}}
- name: rest
  policies: [{policies}]
  backend: {{llm: {{provider: openai-compatible, baseUrl: "http://{upstream}/v1", apiKey: sk-ours, maxReplyBytes: 1MiB}}}}
"#
    );
    let builder = Gateway::builder().source(ValueSource::text(&config));
    let gateway = builder.build().await.unwrap_or_else(|e| panic!("{e}"));
    gateway.run().await.unwrap()
}

/// One row of a table.
pub(crate) struct Case {
    pub(crate) name: &'static str,
    /// The bytes the client sends, all at once.
    pub(crate) send: Vec<u8>,
    /// Status and error code of each reply, in order.
    pub(crate) client: Vec<(u16, &'static str)>,
    /// The requests the upstream sees, byte for byte.
    pub(crate) upstream: Vec<String>,
}

impl Case {
    /// Answered with an error, and nothing goes upstream. An empty code is the HTTP parser's own answer,
    /// which has no body and closes the connection.
    pub(crate) fn refused(
        name: &'static str,
        status: u16,
        code: &'static str,
        send: impl Into<Vec<u8>>,
    ) -> Self {
        Self {
            name,
            send: send.into(),
            client: vec![(status, code)],
            upstream: Vec::new(),
        }
    }

    /// Answered by the upstream, which saw exactly this.
    pub(crate) fn passed(name: &'static str, send: impl Into<Vec<u8>>, upstream: String) -> Self {
        Self {
            name,
            send: send.into(),
            client: vec![(200, "")],
            upstream: vec![upstream],
        }
    }

    /// The same, but `100 Continue` is said first.
    pub(crate) fn interim(mut self) -> Self {
        self.client.insert(0, (100, ""));
        self
    }
}

/// A chat call with further header lines and a `content-length`.
pub(crate) fn post(headers: &str, body: &str) -> String {
    post_raw(
        &format!("{headers}content-length: {}\r\n", body.len()),
        body,
    )
}

/// A chat call with exactly these header lines besides the host and an id, and these bytes behind them.
pub(crate) fn post_raw(headers: &str, rest: &str) -> String {
    format!(
        "POST /v1/chat/completions HTTP/1.1\r\nhost: gateway.test\r\nx-request-id: t\r\n{headers}\r\n{rest}"
    )
}

/// One reply as it came.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Reply {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let lines = self.head.lines().filter_map(|l| l.split_once(": "));
        let mut found = lines.filter(|(n, _)| n.eq_ignore_ascii_case(name));
        found.next().map(|(_, value)| value)
    }

    /// Status and error code. A code has to come in the caller's dialect, which is OpenAI's or none.
    fn verdict(&self) -> (u16, &str) {
        let code = self.header("portcullis-error").unwrap_or_default();
        if !code.is_empty() {
            assert!(self.body.contains(code), "no code in the body: {self:?}");
        }
        (self.status, code)
    }
}

/// All that came back on a connection.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) replies: Vec<Reply>,
    /// What is no whole reply.
    pub(crate) rest: String,
    pub(crate) closed: Closed,
}

impl Answer {
    pub(crate) fn statuses(&self) -> Vec<u16> {
        self.replies.iter().map(|r| r.status).collect()
    }

    pub(crate) fn read(bytes: &[u8], closed: Closed) -> Self {
        let mut text = String::from_utf8_lossy(bytes).into_owned();
        let mut replies = Vec::new();
        while let Some((reply, length)) = reply(&text) {
            replies.push(reply);
            text.drain(..length);
        }
        Self {
            replies,
            rest: text,
            closed,
        }
    }
}

fn reply(text: &str) -> Option<(Reply, usize)> {
    let (head, after) = text.split_once("\r\n\r\n")?;
    let mut reply = Reply {
        status: head.strip_prefix("HTTP/1.")?.get(2..5)?.parse().ok()?,
        head: head.to_owned(),
        body: String::new(),
    };
    let begin = head.len() + 4;
    let length = match reply.header("content-length") {
        Some(length) => length.parse().unwrap(),
        None if reply.header("transfer-encoding").is_some() => after.find("0\r\n\r\n")? + 5,
        None => 0,
    };
    reply.body = after.get(..length)?.to_owned();
    Some((reply, begin + length))
}

/// Reads to the end of a connection.
pub(crate) async fn read_all(socket: &mut TcpStream) -> Answer {
    let mut bytes = Vec::new();
    let read = socket.read_to_end(&mut bytes);
    let closed = match tokio::time::timeout(PATIENCE, read).await {
        Ok(Ok(_)) => Closed::Fin,
        Ok(Err(_)) => Closed::Reset,
        Err(_) => Closed::Open,
    };
    Answer::read(&bytes, closed)
}

/// Runs something that must end.
pub(crate) async fn soon<F: Future>(what: &str, f: F) -> F::Output {
    let ended = tokio::time::timeout(PATIENCE, f).await;
    ended.unwrap_or_else(|_| panic!("never ended: {what}"))
}
