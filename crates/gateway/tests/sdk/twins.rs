//! Upstreams behind the gateway and their twins beside it, and what both saw.

use std::collections::BTreeMap;
use std::fmt;

use bytes::Bytes;
use portcullis_testkit::{Ended, Seen, Upstream};
use serde_json::Value;

/// The key the OpenAI upstream demands.
pub(crate) const OPENAI_KEY: &str = "sk-openai";
/// The key the Anthropic upstream demands.
pub(crate) const ANTHROPIC_KEY: &str = "sk-anthropic";
/// The key callers show the gateway, which is for nobody else.
const CALLER_KEY: &[u8] = b"sk-caller";
/// More words than all replies have that are read to their end.
const LONG_REPLY: u64 = 5000;

/// The headers that may differ: those of one connection, of a framing, and for the gateway. Credentials,
/// which Anthropic's SDK presents in another header than the gateway, are checked by the upstreams.
const NOT_COMPARED: [&str; 9] = [
    "accept-encoding",
    "authorization",
    "connection",
    "content-length",
    "host",
    "transfer-encoding",
    "x-api-key",
    "x-portcullis-model",
    "x-request-id",
];

/// One upstream of each vendor.
pub(crate) struct Upstreams {
    pub(crate) openai: Upstream,
    pub(crate) anthropic: Upstream,
}

impl Upstreams {
    pub(crate) async fn start() -> Self {
        let openai = Upstream::start().await.expect("a free port is bound");
        let anthropic = Upstream::start().await.expect("a free port is bound");
        openai.require_key(OPENAI_KEY);
        openai.models(&["gpt-test", "gpt-test-mini", "embed-test"]);
        anthropic.require_key(ANTHROPIC_KEY);
        anthropic.models(&["claude-test"]);
        Self { openai, anthropic }
    }

    fn both(&self) -> [&Upstream; 2] {
        [&self.openai, &self.anthropic]
    }

    /// The upstream that a case has called.
    pub(crate) fn of(&self, name: &str) -> Option<&Upstream> {
        let called =
            |upstream: &&Upstream| upstream.seen().iter().any(|seen| case(seen) == Some(name));
        self.both().into_iter().find(called)
    }
}

/// The case a call belongs to.
pub(crate) fn case(seen: &Seen) -> Option<&str> {
    seen.header("x-case")
}

/// Demands that what was called both ways arrived alike: all of it, nothing else, byte for byte but for
/// the question for usage. Calls that were left are not counted.
pub(crate) fn compare(behind: &Upstreams, beside: &Upstreams) {
    for (behind, beside) in behind.both().into_iter().zip(beside.both()) {
        let (mut got, wanted) = (arrived(behind), arrived(beside));
        for (case, wanted) in wanted {
            let mut got = got.remove(&case).unwrap_or_default();
            for call in wanted {
                let same = got.iter().position(|arrived| arrived.is_as_meant(&call));
                let same =
                    same.unwrap_or_else(|| panic!("{case}\n   got {got:?}\nwanted {call:?}"));
                got.swap_remove(same);
            }
            assert!(got.is_empty(), "{case} arrived more often: {got:?}");
        }
    }
}

/// Demands that no upstream was called, or billed, for what it had no part in.
pub(crate) fn check_calls(behind: &Upstreams) {
    for upstream in behind.both() {
        for seen in upstream.seen() {
            let Some(case) = case(&seen) else {
                // What a list of several backends is made of, the gateway asks for by itself.
                assert_eq!(seen.path(), "/v1/models", "a call nobody made");
                continue;
            };
            assert!(!case.starts_with("echo_"), "{case} reached an upstream");
            assert!(!case.contains("_refused_"), "{case} reached an upstream");
            let shown = seen
                .headers
                .iter()
                .any(|(_, value)| find(value, CALLER_KEY).is_some());
            assert!(!shown, "{case}: the caller's key went on");
            let ours = seen.header("x-portcullis-model");
            assert_eq!(ours, None, "{case}: a header for the gateway went on");
        }
        let billed = upstream.meter().output_tokens;
        assert!(billed < LONG_REPLY, "a reply nobody waited for was billed");
    }
}

/// A call as far as the gateway must pass it on.
struct Arrived {
    line: String,
    headers: BTreeMap<String, Bytes>,
    body: Bytes,
}

fn arrived(upstream: &Upstream) -> BTreeMap<String, Vec<Arrived>> {
    let mut cases = BTreeMap::<_, Vec<_>>::new();
    for seen in upstream.seen() {
        let case = case(&seen).map(str::to_owned);
        if let Some(case) = case.filter(|_| seen.ended != Ended::Cancelled) {
            cases.entry(case).or_default().push(Arrived::of(seen));
        }
    }
    cases
}

impl Arrived {
    fn of(seen: Seen) -> Self {
        let mut body = seen.body.clone();
        let mut headers: BTreeMap<_, _> = seen
            .headers
            .into_iter()
            .map(|(name, value)| (name.to_ascii_lowercase(), value))
            .filter(|(name, _)| !NOT_COMPARED.contains(&name.as_str()))
            .collect();
        let kind = headers.entry("content-type".to_owned()).or_default();
        if let Some(at) = find(kind, b"boundary=") {
            // The SDK makes up another one for every call, of the same length.
            let boundary = kind.split_off(at + b"boundary=".len());
            body = erase(&body, &boundary);
        }
        Self {
            line: format!("{} {}", seen.method, seen.target),
            headers,
            body,
        }
    }

    /// Whether this is what a caller meant who sent `wanted`.
    fn is_as_meant(&self, wanted: &Self) -> bool {
        let head = self.line == wanted.line && self.headers == wanted.headers;
        head && (self.body == wanted.body || self.asks_usage_beside(wanted))
    }

    /// Whether this is a streamed chat that, other than `wanted`, asks for usage.
    fn asks_usage_beside(&self, wanted: &Self) -> bool {
        let json = |body| serde_json::from_slice::<Value>(body).unwrap_or_default();
        let mut wanted_json = json(&wanted.body);
        if !wanted.line.ends_with("/chat/completions") || wanted_json["stream"] != true {
            return false;
        }
        wanted_json["stream_options"]["include_usage"] = Value::Bool(true);
        json(&self.body) == wanted_json
    }
}

impl fmt::Debug for Arrived {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let beginning = &self.body[..self.body.len().min(300)];
        let size = self.body.len();
        write!(f, "\n  {} {:?}", self.line, self.headers)?;
        write!(
            f,
            "\n  {size} bytes: {}",
            String::from_utf8_lossy(beginning)
        )
    }
}

fn find(text: &[u8], word: &[u8]) -> Option<usize> {
    text.windows(word.len()).position(|window| window == word)
}

/// The text without this word.
fn erase(mut text: &[u8], word: &[u8]) -> Bytes {
    let mut rest = Vec::with_capacity(text.len());
    while let Some(at) = find(text, word) {
        rest.extend_from_slice(&text[..at]);
        text = &text[at + word.len()..];
    }
    rest.extend_from_slice(text);
    rest.into()
}
