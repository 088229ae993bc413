//! Beside the line: a call as one line for people: when, status, how long, what, and then names and values.

use std::time::Duration;

use portcullis_core::context::{AttemptRecord, Exchange};

use super::field::{millis, number, outcome, quoted, time, without_query};

/// The width of the column of durations: up to 9,999 seconds stay aligned.
const DURATION: usize = 11;

/// Writes the line of `exchange`, its end included. What is not known is left out.
pub(super) fn line(out: &mut Vec<u8>, exchange: &Exchange) {
    time(out, exchange.started);
    out.push(b' ');
    match exchange.status {
        Some(status) => out.extend_from_slice(status.as_str().as_bytes()),
        None => out.extend_from_slice(b"---"),
    }
    out.push(b' ');
    aligned(out, exchange.duration);
    out.extend_from_slice(b"ms ");
    word(out, exchange.method.as_str());
    out.push(b' ');
    word(out, without_query(&exchange.path));
    served(out, exchange);
    ended(out, exchange);
    out.push(b'\n');
}

/// By whom, for whom, how much.
fn served(out: &mut Vec<u8>, exchange: &Exchange) {
    if let Some(model) = &exchange.model {
        name(out, "model");
        word(out, model);
    }
    if let Some(served) = &exchange.served_model
        && exchange.served_model != exchange.model
    {
        name(out, "served");
        word(out, served);
    }
    if let Some(usage) = exchange.usage() {
        name(out, if usage.estimated { "tokens~" } else { "tokens" });
        number(out, usage.input);
        out.push(b'+');
        number(out, usage.output);
    }
    if let Some(cost) = exchange.cost() {
        name(out, "usd");
        out.extend_from_slice(cost.to_string().as_bytes());
    }
    if let Some(first) = exchange.first_token() {
        name(out, "first");
        millis(out, first);
        out.extend_from_slice(b"ms");
    }
    if let Some(principal) = &exchange.principal {
        name(out, "by");
        word(out, principal);
    }
    for attempt in &exchange.attempts {
        name(out, "via");
        tried(out, attempt);
    }
}

/// How it ended, where that is not just "well".
fn ended(out: &mut Vec<u8>, exchange: &Exchange) {
    match outcome(exchange.outcome) {
        ("completed", _) => {}
        (how, code) => {
            name(out, "end");
            word(out, code.unwrap_or(how));
        }
    }
    let mut errors = exchange.attempts.iter().filter_map(|a| a.error.as_deref());
    if let Some(error) = errors.next_back() {
        name(out, "error");
        quoted(out, error);
    }
    name(out, "id");
    word(out, exchange.id.as_str());
}

fn tried(out: &mut Vec<u8>, attempt: &AttemptRecord) {
    word(out, &attempt.endpoint);
    if let Some(destination) = &attempt.destination {
        out.push(b'>');
        word(out, destination);
    }
    out.push(b':');
    match (attempt.status, outcome(attempt.outcome)) {
        (Some(status), _) => out.extend_from_slice(status.as_str().as_bytes()),
        (None, (how, code)) => word(out, code.unwrap_or(how)),
    }
}

fn name(out: &mut Vec<u8>, name: &str) {
    out.push(b' ');
    out.extend_from_slice(name.as_bytes());
    out.push(b'=');
}

/// Text as it is if it cannot be taken for anything else, otherwise in quotes.
fn word(out: &mut Vec<u8>, text: &str) {
    let plain = |b: u8| b.is_ascii_graphic() && !matches!(b, b'"' | b'\\' | b'=');
    if !text.is_empty() && text.len() <= 256 && text.bytes().all(plain) {
        out.extend_from_slice(text.as_bytes());
    } else {
        quoted(out, text);
    }
}

fn aligned(out: &mut Vec<u8>, span: Duration) {
    let start = out.len();
    out.resize(start + DURATION, b' ');
    let written = out.len();
    millis(out, span);
    // As many of the spaces as the digits take up are given back.
    let digits = (out.len() - written).min(DURATION);
    out.drain(start..start + digits);
}

#[cfg(test)]
mod tests {
    use portcullis_core::context::Outcome;
    use portcullis_core::error::codes;

    use super::*;
    use crate::telemetry::sample;

    fn written(exchange: &Exchange) -> String {
        let mut out = Vec::new();
        line(&mut out, exchange);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_whole_record_is_one_aligned_line() {
        assert_eq!(
            written(&sample::chat()),
            "2026-01-02T03:04:05.678Z 200     812.345ms POST /v1/chat/completions model=fast \
             served=gpt-5-mini tokens=12+34 first=210.100ms by=alice via=fast/a:503 via=fast/b:200 \
             error=\"overloaded\" id=id-1\n"
        );
    }

    #[test]
    fn what_a_caller_sent_cannot_begin_a_new_name_or_line() {
        let record = sample::exchange(|x| {
            x.path = "/x?key=secret".into();
            x.model = Some("a by=root\n2026".into());
            x.duration = Duration::from_secs(123_456);
            x.outcome = Outcome::Failed(&codes::MODEL_NOT_FOUND);
        });
        assert_eq!(
            written(&record),
            "2026-01-02T03:04:05.678Z --- 123456000.000ms GET /x model=\"a by=root\\n2026\" \
             end=model_not_found id=id-1\n"
        );
    }
}
