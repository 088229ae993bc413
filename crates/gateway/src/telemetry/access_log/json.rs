//! Beside the line: a call as one JSON object on one line.

use std::time::Duration;

use portcullis_core::context::{
    AttemptRecord, Decision, Exchange, Money, Outcome, PolicyRecord, Reason, Tokens,
};

use super::field::{address, millis, number, outcome, quoted, time, without_query};

/// A key as it stands in the line, quoted.
macro_rules! key {
    ($name:literal) => {
        concat!("\"", $name, "\":")
    };
}

/// Writes the line of `exchange`, its end included. What is not known is left out.
pub(super) fn line(out: &mut Vec<u8>, exchange: &Exchange) {
    let mut object = Object::begin(out);
    object.value(key!("time"), |out| {
        out.push(b'"');
        time(out, exchange.started);
        out.push(b'"');
    });
    object.text(key!("id"), exchange.id.as_str());
    asked(&mut object, exchange);
    answered(&mut object, exchange);
    list(&mut object, key!("attempts"), &exchange.attempts, attempt);
    list(&mut object, key!("policies"), &exchange.policies, policy);
    list(
        &mut object,
        key!("losses"),
        &exchange.losses,
        |out, loss| {
            quoted(out, loss);
        },
    );
    object.outcome(exchange.outcome);
    match (&exchange.error, exchange.outcome) {
        (Some(error), _) => object.text(key!("error"), error),
        (None, Outcome::Failed(code)) => object.text(key!("error"), code.about),
        _ => {}
    }
    object.end();
    out.push(b'\n');
}

/// Who asked for what.
fn asked(object: &mut Object<'_>, exchange: &Exchange) {
    if let Some(client) = exchange.client {
        object.value(key!("client"), |out| {
            out.push(b'"');
            address(out, client);
            out.push(b'"');
        });
    }
    object.maybe(key!("traceparent"), exchange.traceparent.as_deref());
    object.maybe(key!("listener"), exchange.listener.as_deref());
    object.maybe(key!("project"), exchange.project.as_deref());
    object.maybe(key!("route"), exchange.route.as_deref());
    object.maybe(key!("principal"), exchange.principal.as_deref());
    object.text(key!("protocol"), exchange.protocol);
    object.maybe(key!("dialect"), exchange.dialect);
    object.maybe(key!("operation"), exchange.operation);
    object.text(key!("method"), exchange.method.as_str());
    object.text(key!("path"), without_query(&exchange.path));
    object.maybe(key!("model"), exchange.model.as_deref());
    object.maybe(key!("servedModel"), exchange.served_model.as_deref());
    object.flag(key!("stream"), exchange.stream);
}

/// What came of it.
fn answered(object: &mut Object<'_>, exchange: &Exchange) {
    if let Some(status) = exchange.status {
        object.number(key!("status"), status.as_u16().into());
    }
    object.millis(key!("durationMs"), Some(exchange.duration));
    object.millis(key!("firstTokenMs"), exchange.first_token());
    object.number(key!("bytesIn"), exchange.bytes_in);
    object.number(key!("bytesOut"), exchange.bytes_out);
    object.usage(exchange.usage());
    object.cost(exchange.cost());
}

fn attempt(out: &mut Vec<u8>, attempt: &AttemptRecord) {
    let mut object = Object::begin(out);
    object.text(key!("endpoint"), &attempt.endpoint);
    object.maybe(key!("destination"), attempt.destination.as_deref());
    if attempt.reason != Reason::First {
        object.text(key!("reason"), attempt.reason.name());
    }
    if let Some(status) = attempt.status {
        object.number(key!("status"), status.as_u16().into());
    }
    object.millis(key!("offsetMs"), Some(attempt.offset));
    object.millis(key!("durationMs"), Some(attempt.duration));
    object.millis(key!("firstByteMs"), attempt.first_byte);
    object.millis(key!("firstTokenMs"), attempt.first_token);
    object.maybe(key!("model"), attempt.model.as_deref());
    object.usage(attempt.usage);
    object.cost(attempt.cost);
    object.maybe(key!("upstreamId"), attempt.upstream_id.as_deref());
    object.outcome(attempt.outcome);
    object.maybe(key!("error"), attempt.error.as_deref());
    object.end();
}

fn policy(out: &mut Vec<u8>, record: &PolicyRecord) {
    let mut object = Object::begin(out);
    object.text(key!("policy"), record.policy);
    let decision = match record.decision {
        Decision::Allowed => "allowed",
        Decision::Refused => "refused",
        Decision::Changed => "changed",
        _ => "other",
    };
    object.text(key!("decision"), decision);
    object.end();
}

fn list<T>(
    object: &mut Object<'_>,
    key: &'static str,
    items: &[T],
    write: impl Fn(&mut Vec<u8>, &T),
) {
    if items.is_empty() {
        return;
    }
    object.value(key, |out| {
        for (n, item) in items.iter().enumerate() {
            out.push(if n == 0 { b'[' } else { b',' });
            write(out, item);
        }
        out.push(b']');
    });
}

/// A JSON object under way.
struct Object<'a> {
    out: &'a mut Vec<u8>,
    next: u8,
}

impl<'a> Object<'a> {
    fn begin(out: &'a mut Vec<u8>) -> Self {
        Self { out, next: b'{' }
    }

    /// Ends an object that has at least one key.
    fn end(self) {
        self.out.push(b'}');
    }

    /// `key` is made by `key!`.
    fn value(&mut self, key: &'static str, write: impl FnOnce(&mut Vec<u8>)) {
        self.out.push(self.next);
        self.out.extend_from_slice(key.as_bytes());
        self.next = b',';
        write(self.out);
    }

    fn text(&mut self, key: &'static str, text: &str) {
        self.value(key, |out| quoted(out, text));
    }

    fn maybe(&mut self, key: &'static str, text: Option<&str>) {
        if let Some(text) = text {
            self.text(key, text);
        }
    }

    fn number(&mut self, key: &'static str, n: u64) {
        self.value(key, |out| number(out, n));
    }

    fn flag(&mut self, key: &'static str, is: bool) {
        let text: &[u8] = if is { b"true" } else { b"false" };
        self.value(key, |out| out.extend_from_slice(text));
    }

    fn millis(&mut self, key: &'static str, span: Option<Duration>) {
        if let Some(span) = span {
            self.value(key, |out| millis(out, span));
        }
    }

    fn usage(&mut self, usage: Option<Tokens>) {
        let Some(tokens) = usage else {
            return;
        };
        self.value(key!("usage"), |out| {
            let mut object = Object::begin(out);
            object.number(key!("input"), tokens.input);
            object.number(key!("output"), tokens.output);
            object.number(key!("cacheRead"), tokens.cache_read);
            object.number(key!("cacheWrite"), tokens.cache_write);
            object.number(key!("reasoning"), tokens.reasoning);
            object.flag(key!("estimated"), tokens.estimated);
            object.end();
        });
    }

    /// US dollars, as a number with all its digits.
    fn cost(&mut self, cost: Option<Money>) {
        if let Some(cost) = cost {
            self.value(key!("costUsd"), |out| {
                out.extend_from_slice(cost.to_string().as_bytes());
            });
        }
    }

    fn outcome(&mut self, how: Outcome) {
        let (name, code) = outcome(how);
        self.text(key!("outcome"), name);
        self.maybe(key!("code"), code);
    }
}

#[cfg(test)]
mod tests {
    use portcullis_core::error::codes;

    use super::*;
    use crate::telemetry::sample;

    fn written(exchange: &Exchange) -> String {
        let mut out = Vec::new();
        line(&mut out, exchange);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_whole_record_is_written_key_by_key() {
        let expected = concat!(
            r#"{"time":"2026-01-02T03:04:05.678Z","id":"id-1","client":"203.0.113.9:4711","#,
            r#""traceparent":"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01","#,
            r#""listener":"web","project":"team-a","route":"chat","principal":"alice","#,
            r#""protocol":"llm","dialect":"openai","operation":"chat","method":"POST","#,
            r#""path":"/v1/chat/completions","model":"fast","servedModel":"gpt-5-mini","stream":true,"#,
            r#""status":200,"durationMs":812.345,"firstTokenMs":210.100,"bytesIn":123,"bytesOut":4567,"#,
            r#""usage":{"input":12,"output":34,"cacheRead":0,"cacheWrite":0,"reasoning":5,"estimated":false},"#,
            r#""attempts":[{"endpoint":"fast/a","status":503,"offsetMs":1.000,"durationMs":20.000,"#,
            r#""firstByteMs":19.000,"model":"gpt-5","outcome":"failed","code":"upstream_broken","#,
            r#""error":"overloaded"},{"endpoint":"fast/b","status":200,"offsetMs":25.000,"#,
            r#""durationMs":787.000,"firstByteMs":90.000,"firstTokenMs":185.100,"model":"gpt-5-mini","#,
            r#""usage":{"input":12,"output":34,"cacheRead":0,"cacheWrite":0,"reasoning":5,"estimated":false},"#,
            r#""upstreamId":"req-7","outcome":"completed"}],"#,
            r#""policies":[{"policy":"rateLimit","decision":"allowed"}],"losses":["top_k"],"#,
            r#""outcome":"completed"}"#,
            "\n"
        );
        assert_eq!(written(&sample::chat()), expected);
    }

    #[test]
    fn what_a_call_cost_is_a_number_and_what_nobody_knows_is_not_there() {
        let mut record = sample::chat();
        assert!(!written(&record).contains("costUsd"));
        record.attempts[1].cost = Some(Money::from_picodollars(71_000_000));
        let line: serde_json::Value = serde_json::from_str(&written(&record)).unwrap();
        assert_eq!(line["costUsd"], 0.000_071);
        assert_eq!(line["attempts"][1]["costUsd"], 0.000_071);
    }

    #[test]
    fn a_record_that_knows_little_says_only_that() {
        let record = sample::exchange(|x| {
            x.path = "/x?key=secret\"}\n{".into();
            x.principal = Some("eve\r\n{\"id\":1}".into());
            x.outcome = Outcome::Failed(&codes::ROUTE_NOT_FOUND);
        });
        let expected = concat!(
            r#"{"time":"2026-01-02T03:04:05.678Z","id":"id-1","principal":"eve\u000d\n{\"id\":1}","#,
            r#""protocol":"http","method":"GET","path":"/x","stream":false,"durationMs":0.000,"#,
            r#""bytesIn":0,"bytesOut":0,"outcome":"failed","code":"route_not_found","#,
            r#""error":"no route matches the request"}"#,
            "\n"
        );
        assert_eq!(written(&record), expected);
        serde_json::from_str::<serde_json::Value>(expected).unwrap();
    }
}
