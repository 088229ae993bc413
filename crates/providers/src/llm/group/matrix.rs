//! What becomes of a call when the first of two providers fails, for every way it can: `docs/failover.md`.
//!
//! The providers are functions in the place of the HTTP client, on a paused clock. What the client itself says
//! of a connection that fails is in their answers; that it says so is shown by the client's own tests.

use std::fmt::Write as _;
use std::future::pending;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use http_body::Frame;
use http_body_util::StreamBody;
use portcullis_core::attempt::{Again, Learnt, TABLE};
use portcullis_core::body::Body;
use portcullis_core::context::Exchange;
use portcullis_core::error::{Code, Error, codes};
use portcullis_core::protocol::ArcService;
use serde_json::json;
use tokio::time::{Instant, sleep};

use super::tests::{ROLE, STOP, TEXT};
use crate::fake::{Fake, reply, request};

/// How the first provider fails.
#[derive(Clone, Copy, Debug)]
enum Fault {
    None,
    Client(&'static Code, u64),
    Silent,
    HeadThenSilent,
    SlowFirstToken,
    Status(u16, &'static str, &'static str),
    Once(u16),
    ErrorFirst,
    Malformed,
    CutFirst,
    CutLater,
    StallLater,
    ErrorLater,
    NoSentinel,
}

/// A vendor that speaks the caller's dialect.
const SAME: &str = "openai-compatible";

impl Fault {
    /// Whether it can only happen to a stream.
    fn is_of_streams(self) -> bool {
        matches!(
            self,
            Self::SlowFirstToken | Self::ErrorFirst | Self::ErrorLater | Self::NoSentinel
        )
    }
}

const LONG: &str = r#"{"error":{"code":"context_length_exceeded","message":"too long"}}"#;
const FILTER: &str = r#"{"error":{"code":"content_filter","message":"filtered"}}"#;
const OTHER: &str = r#"{"error":{"message":"it says so"}}"#;
const ERROR: &str = "data: {\"error\":{\"message\":\"it failed\",\"type\":\"server_error\"}}\n\n";
const GARBAGE: &str = "data: {\"not\": json,,\n\n";

const FAULTS: &[(&str, Fault)] = &[
    ("none", Fault::None),
    (
        "connection refused",
        Fault::Client(&codes::UPSTREAM_UNREACHABLE, 0),
    ),
    (
        "host name unknown",
        Fault::Client(&codes::UPSTREAM_UNREACHABLE, 0),
    ),
    ("TLS fails", Fault::Client(&codes::UPSTREAM_UNREACHABLE, 0)),
    (
        "no connection in time",
        Fault::Client(&codes::UPSTREAM_TIMEOUT, 10),
    ),
    (
        "reset before the head",
        Fault::Client(&codes::UPSTREAM_BROKEN, 0),
    ),
    ("silent", Fault::Silent),
    ("head, then silent", Fault::HeadThenSilent),
    ("first token after 20 s", Fault::SlowFirstToken),
    ("429 with `retry-after: 2`", Fault::Status(429, "2", OTHER)),
    ("429 without", Fault::Status(429, "", OTHER)),
    ("500 once", Fault::Once(500)),
    ("500", Fault::Status(500, "", OTHER)),
    ("503", Fault::Status(503, "", OTHER)),
    ("529", Fault::Status(529, "", OTHER)),
    ("401", Fault::Status(401, "", OTHER)),
    ("404", Fault::Status(404, "", OTHER)),
    ("context length", Fault::Status(400, "", LONG)),
    ("content filter", Fault::Status(400, "", FILTER)),
    ("other 400", Fault::Status(400, "", OTHER)),
    ("error event first, in a 200", Fault::ErrorFirst),
    ("malformed event first", Fault::Malformed),
    ("cut before the first content", Fault::CutFirst),
    ("cut after it", Fault::CutLater),
    ("stalled after it", Fault::StallLater),
    ("error event after it", Fault::ErrorLater),
    ("no sentinel", Fault::NoSentinel),
];

/// What a provider has billed, and how often it was asked.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Meter {
    asked: usize,
    input: u64,
    output: u64,
}

#[derive(Clone, Default)]
struct Hosts(Arc<Mutex<[Meter; 2]>>);

impl Hosts {
    fn bill(&self, host: usize, input: u64, output: u64) {
        let mut meters = self.0.lock().unwrap();
        meters[host].input += input;
        meters[host].output += output;
    }

    async fn answer(
        self,
        fault: Fault,
        call: http::Request<Body>,
    ) -> Result<http::Response<Body>, Error> {
        let host = usize::from(call.uri().host() == Some("b"));
        let anthropic = call.uri().path().ends_with("/messages");
        let body = call.into_body().collect(64 << 20).await?;
        let input = (body.len() as u64).div_ceil(4);
        let asked = {
            let mut meters = self.0.lock().unwrap();
            meters[host].asked += 1;
            meters[host].asked
        };
        let streams = memchr::memmem::find(&body, br#""stream":true"#).is_some();
        let fault = match fault {
            _ if host == 1 => Fault::None,
            Fault::Once(_) if asked > 1 => Fault::None,
            fault => fault,
        };
        match fault {
            Fault::Client(code, seconds) => {
                sleep(Duration::from_secs(seconds)).await;
                return Err(Error::new(code, code.about));
            }
            Fault::Silent => {
                // Whoever waits for a stream leaves before; else the client does, by its `firstByte`.
                sleep(Duration::from_secs(600)).await;
                return Err(Error::new(&codes::UPSTREAM_TIMEOUT, "no first byte"));
            }
            Fault::Once(status) | Fault::Status(status, ..) => {
                let (after, words) = match fault {
                    Fault::Status(_, after, words) => (after, words),
                    _ => ("", OTHER),
                };
                let mut reply = reply(status, &[("content-type", "application/json")], words);
                if !after.is_empty() {
                    reply
                        .headers_mut()
                        .insert("retry-after", after.parse().unwrap());
                }
                return Ok(reply);
            }
            _ => {}
        }
        if anthropic {
            self.bill(host, input, 2);
            return Ok(anthropic_reply(input, streams));
        }
        self.bill(host, input, 0);
        Ok(match streams {
            true => self.events(host, fault, input),
            false => self.whole(host, fault, input),
        })
    }

    fn whole(&self, host: usize, fault: Fault, input: u64) -> http::Response<Body> {
        let text = format!(
            r#"{{"choices":[{{"message":{{"content":"yes yes"}},"finish_reason":"stop"}}],"usage":{{"prompt_tokens":{input},"completion_tokens":2}}}}"#
        );
        let broken = || Err(Error::new(&codes::UPSTREAM_BROKEN, "it broke"));
        let half = Bytes::from(text[..20].to_owned());
        let body = match fault {
            Fault::HeadThenSilent | Fault::StallLater => {
                let late = async {
                    sleep(Duration::from_secs(300)).await;
                    Err(Error::new(&codes::UPSTREAM_TIMEOUT, "idle"))
                };
                streamed(stream::once(late))
            }
            Fault::CutFirst | Fault::CutLater => {
                streamed(stream::iter([Ok(Frame::data(half)), broken()]))
            }
            Fault::Malformed => Body::from("<html>{\"not\": json,,"),
            _ => {
                self.bill(host, 0, 2);
                Body::from(text)
            }
        };
        reply(200, &[("content-type", "application/json")], body)
    }

    fn events(&self, host: usize, fault: Fault, input: u64) -> http::Response<Body> {
        let usage = format!(
            "data: {{\"choices\":[],\"usage\":{{\"prompt_tokens\":{input},\"completion_tokens\":2}}}}\n\n"
        );
        let (finish, done) = STOP.split_once("\n\n").unwrap();
        let finish = format!("{finish}\n\n");
        let good = [ROLE, TEXT, TEXT, &finish, &usage, done];
        let parts: Vec<&str> = match fault {
            Fault::HeadThenSilent => vec![ROLE],
            Fault::ErrorFirst => vec![ROLE, ERROR],
            Fault::Malformed => vec![GARBAGE, ROLE, TEXT],
            Fault::CutFirst => vec![ROLE],
            Fault::CutLater | Fault::StallLater => vec![ROLE, TEXT],
            Fault::ErrorLater => vec![ROLE, TEXT, ERROR],
            Fault::NoSentinel => good[..5].to_vec(),
            _ => good.to_vec(),
        };
        let parts: Vec<String> = parts.into_iter().map(str::to_owned).collect();
        let hosts = self.clone();
        let slow = matches!(fault, Fault::SlowFirstToken);
        let events = stream::iter(parts).then(move |part| {
            let hosts = hosts.clone();
            async move {
                let says = part == TEXT;
                if says && slow && hosts.0.lock().unwrap()[host].output == 0 {
                    sleep(Duration::from_secs(20)).await;
                }
                hosts.bill(host, 0, u64::from(says));
                Ok(Frame::data(Bytes::from(part)))
            }
        });
        let body = match fault {
            Fault::HeadThenSilent | Fault::StallLater => {
                streamed(events.chain(stream::once(pending())))
            }
            Fault::CutFirst | Fault::CutLater => {
                let broken = Error::new(&codes::UPSTREAM_BROKEN, "it broke");
                streamed(events.chain(stream::iter([Err(broken)])))
            }
            _ => streamed(events),
        };
        reply(200, &[("content-type", "text/event-stream")], body)
    }
}

/// The same words by another dialect.
fn anthropic_reply(input: u64, streams: bool) -> http::Response<Body> {
    if !streams {
        let whole = format!(
            r#"{{"id":"msg_1","type":"message","role":"assistant","model":"m","content":[{{"type":"text","text":"yes yes"}}],"stop_reason":"end_turn","stop_sequence":null,"usage":{{"input_tokens":{input},"output_tokens":2}}}}"#
        );
        return reply(200, &[("content-type", "application/json")], whole);
    }
    let delta =
        r#"{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"yes"}}"#;
    let events = [
        format!(
            r#"{{"type":"message_start","message":{{"id":"msg_1","type":"message","role":"assistant","model":"m","content":[],"stop_reason":null,"stop_sequence":null,"usage":{{"input_tokens":{input},"output_tokens":1}}}}}}"#
        ),
        r#"{"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}"#.into(),
        delta.into(),
        delta.into(),
        r#"{"type":"content_block_stop","index":0}"#.into(),
        r#"{"type":"message_delta","delta":{"stop_reason":"end_turn","stop_sequence":null},"usage":{"output_tokens":2}}"#.into(),
        r#"{"type":"message_stop"}"#.into(),
    ];
    let mut stream = String::new();
    for event in events {
        let kind = event[9..].split('"').next().unwrap();
        write!(stream, "event: {kind}\ndata: {event}\n\n").unwrap();
    }
    reply(200, &[("content-type", "text/event-stream")], stream)
}

fn streamed(
    frames: impl futures_util::Stream<Item = Result<Frame<Bytes>, Error>> + Send + 'static,
) -> Body {
    Body::new(StreamBody::new(frames))
}

/// What became of a call.
#[derive(Clone, Debug, PartialEq)]
struct Cell {
    caller: String,
    after: String,
    asked: [usize; 2],
}

fn config(second: &str) -> serde_json::Value {
    let provider = |name: &str, vendor: &str, window: u64| {
        json!({"name": name, "provider": vendor, "baseUrl": format!("http://{name}/v1"),
            "apiKey": format!("key-{name}"), "contextWindow": window})
    };
    json!({
        "groups": [{"providers": [provider("a", "openai-compatible", 1000)]}, {"providers": [provider("b", second, 2000)]}],
        "firstTokenTimeout": "30s", "streamIdleTimeout": "30s",
    })
}

async fn cell(fault: Fault, size: usize, streams: bool, second: &str) -> Cell {
    let hosts = Hosts::default();
    let answering = hosts.clone();
    let fake = Fake::reached_by(ArcService::from_fn(move |call| {
        answering.clone().answer(fault, call)
    }));
    let service = fake.backend("llm", config(second)).unwrap();
    let prompt = "x".repeat(size);
    let messages = format!(r#""model":"m","messages":[{{"role":"user","content":"{prompt}"}}]"#);
    let body = match streams {
        true => {
            format!(r#"{{"stream":true,"stream_options":{{"include_usage":true}},{messages}}}"#)
        }
        false => format!("{{{messages}}}"),
    };
    let began = Instant::now();
    let call = request("POST /v1/chat/completions", &[], body);
    let (reply, record) = fake.call_by_parts(&service, call).await;
    let after = began.elapsed();
    let meters = *hosts.0.lock().unwrap();
    ledger_balances(fault, &record, meters);
    let caller = match reply {
        Ok((status, body, None)) => told(status, &body, streams),
        Ok((status, body, Some(e))) => {
            assert!(
                !complete(&body, streams),
                "an error behind a complete reply"
            );
            format!(
                "{}, then the error `{}`",
                told(status, &body, streams),
                e.code().name
            )
        }
        Err(e) => format!("{} `{}`", e.status().as_u16(), e.code().name),
    };
    let after = match after.as_secs_f64() {
        secs if secs < 1.0 => "at once".to_owned(),
        secs => format!("{secs:.0} s"),
    };
    Cell {
        caller,
        after,
        asked: meters.map(|meter| meter.asked),
    }
}

/// Whether this is all of a reply.
fn complete(body: &str, streams: bool) -> bool {
    match streams {
        true => {
            body.matches(r#""content":"yes""#).count() == 2
                && body.contains("\"finish_reason\":\"stop\"")
        }
        false => body.contains("yes yes") && body.ends_with('}'),
    }
}

fn told(status: u16, body: &str, streams: bool) -> String {
    let held = if body.starts_with(": ") {
        "a keep-alive, then "
    } else {
        ""
    };
    if status != 200 {
        return format!("the {status} of the provider");
    }
    if complete(body, streams) {
        assert!(!body.contains("error"), "success with an error in it");
        return format!("{held}the whole reply");
    }
    assert!(
        !body.contains("[DONE]"),
        "a part of a reply that looks whole: {body}"
    );
    if body.contains("it failed") {
        return format!("{held}a part of the reply, then the provider's error event");
    }
    format!("{held}a part of the reply")
}

/// The record has what the providers billed, to the token.
fn ledger_balances(fault: Fault, record: &Exchange, meters: [Meter; 2]) {
    for (at, meter) in meters.iter().enumerate() {
        let name = ["main/a", "main/b"][at];
        let attempts = record.attempts.iter().filter(|a| *a.endpoint == *name);
        assert_eq!(attempts.clone().count(), meter.asked, "{fault:?}");
        let mut sum = [0, 0];
        for usage in attempts.filter_map(|attempt| attempt.usage) {
            sum = [sum[0] + usage.input, sum[1] + usage.output];
        }
        assert_eq!(sum, [meter.input, meter.output], "{fault:?} at {name}");
    }
}

#[tokio::test(start_paused = true)]
async fn failover_of_every_fault_is_answered_as_the_page_says() {
    let mut page = String::from(HEAD);
    for rule in TABLE {
        let (again, learnt) = (again(rule.again), learnt(rule.learnt));
        writeln!(page, "| {} | {again} | {learnt} |", rule.seen).unwrap();
    }
    page.push_str(MATRIX);
    for (name, fault) in FAULTS {
        for streams in [false, true] {
            if !streams && fault.is_of_streams() {
                continue;
            }
            let first = cell(*fault, 1 << 10, streams, SAME).await;
            for size in [1 << 10, 100 << 10, 5 << 20] {
                for second in [SAME, "anthropic"] {
                    let other = cell(*fault, size, streams, second).await;
                    assert_eq!(other, first, "{name} at {size} bytes, then {second}");
                }
            }
            let Cell {
                caller,
                after,
                asked,
            } = first;
            let kind = if streams { "stream" } else { "plain" };
            writeln!(
                page,
                "| {name} | {kind} | {caller} | {after} | {} | {} |",
                asked[0], asked[1]
            )
            .unwrap();
        }
    }
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/failover.md");
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(path, &page).unwrap();
    }
    let committed = std::fs::read_to_string(path).unwrap_or_default();
    assert!(
        committed == page,
        "docs/failover.md is not what happens: run with UPDATE=1 and look"
    );
}

fn again(again: Again) -> &'static str {
    match again {
        Again::Never => "nowhere",
        Again::Elsewhere => "to another provider",
        Again::Anywhere => "to another provider; where there is none, to this one after a pause",
        Again::OtherCredential => "to a provider with another credential",
        Again::Larger => "to a provider whose `contextWindow` is larger",
    }
}

fn learnt(learnt: Learnt) -> &'static str {
    match learnt {
        Learnt::Fit => "it works",
        Learnt::Nothing => "nothing",
        Learnt::Failed => "it failed; with `retry-after`, it is left out until then",
        Learnt::Wait => "the credential is left out until the time it says, else for 1 s",
        Learnt::Credential => "the credential is left out, longer each time",
    }
}

const HEAD: &str = r##"# Failover

Generated by a test that makes every one of these calls; `UPDATE=1 cargo test -p portcullis-providers failover` writes it
anew.

```yaml
- name: fast
  llm:
    groups:                                  # order is priority
    - providers:                             # weights inside a group
      - {name: a, provider: openai, apiKey: "${OPENAI_API_KEY}", model: gpt-5-mini, weight: 3}
      - {name: b, provider: openai-compatible, baseUrl: "https://llm.internal/v1", model: m, weight: 1, maxConcurrent: 8}
      balance: powerOfTwoChoices             # roundRobin, leastRequests, {hash: {header: x-user}}
    - providers: [{name: c, provider: openai, apiKey: "${SECOND_KEY}", model: gpt-5, contextWindow: 400000}]
    retry: {attempts: 2, backoff: 100ms}     # those after the first
    hedge: {quantile: 0.95, maxPercent: 5}   # a second attempt beside a slow one; default: none
    health: {consecutiveFailures: 5, ejectFor: 10s, maxEjectFor: 5m}
    firstTokenTimeout: 30s
    holdBack: 15s                            # then the caller gets the head, and a comment every 15 s
```

A call goes to the first group that has a fit provider with room. A provider that fails is left out, a credential that is not
accepted with all who use it, and each comes back by one probe at a time. When all are out, those that fail are used all the same,
and the log says so. Every attempt is on the record of the call; the reply names who served it in `portcullis-served-by` and how
many attempts there were in `portcullis-attempts` (`servedBy: false` switches both off). The policies `retry` and `hedge` on a
route set these for its calls. A bound of `maxConcurrent` calls is waited for in a `queue`, then answered 503 with `retry-after`.

Another fit provider is asked at once and costs no budget; asking the same again waits for a jittered pause and is bounded by
`retry.budget` (20 % of the calls and 10 a second). A body the gateway does not read, an upload for one, is sent once.

An attempt is decided at its commit point, the first content of the reply: text, reasoning, a refusal, a piece of a
tool call, or the end of a reply without any. Nothing of the reply goes to the caller before. What an attempt that
fails before came to, where the call may go, and what is learnt of the provider:

| seen | the call goes on | learnt of the provider |
|---|---|---|
"##;

const MATRIX: &str = "
When nothing is left to try the caller is told what one of the providers said, in its own bytes: of several the one
that says most to a caller (a refusal, a context length, a rate limit, an overload, a failure, a credential, in this order).

## Every fault, and what comes of it

Two providers in two groups. The first fails as named and the second works; the second has the larger context window. `firstTokenTimeout` and `streamIdleTimeout` are 30 s, the rest is as by default: so a
silent provider is left after the client's `firstByte` of 10 min where the reply is no stream, after its `idle` of 5 min where
only the head came. Each line was the same for prompts of 1 kB, 100 kB and 5 MB, whether the second speaks the caller's dialect (OpenAI's
chat completions) or the call is translated for it (to Anthropic's messages), and the tokens on the record of every attempt
were those the providers had billed.

| fault of the first | reply | the caller gets | after | asked: first | second |
|---|---|---|---|---|---|
";
