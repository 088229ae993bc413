//! Records for tests.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use http::{HeaderValue, StatusCode};
use parking_lot::Mutex;
use portcullis_core::context::{
    Context, Decision, Exchange, ExchangeSink, Outcome, PolicyRecord, RequestId, Tokens,
};
use portcullis_core::error::codes;

struct Last(Mutex<Option<Box<Exchange>>>);

impl ExchangeSink for Last {
    fn record(&self, exchange: Box<Exchange>) {
        *self.0.lock() = Some(exchange);
    }
}

/// A record of nothing but an id, a time and what `write` says.
pub(crate) fn exchange(write: impl FnOnce(&mut Exchange)) -> Box<Exchange> {
    call(|_| {}, write)
}

/// A record of a streamed chat that failed over from one endpoint to another.
pub(crate) fn chat() -> Box<Exchange> {
    call(attempts, |x| {
        x.client = Some("203.0.113.9:4711".parse().unwrap());
        x.traceparent = Some("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01".into());
        x.listener = Some("web".into());
        x.project = Some("team-a".into());
        x.route = Some("chat".into());
        x.principal = Some("alice".into());
        x.protocol = "llm";
        x.dialect = Some("openai");
        x.operation = Some("chat");
        x.method = http::Method::POST;
        x.path = "/v1/chat/completions".into();
        x.model = Some("fast".into());
        x.served_model = Some("gpt-5-mini".into());
        x.stream = true;
        x.status = Some(StatusCode::OK);
        x.duration = Duration::from_micros(812_345);
        (x.bytes_in, x.bytes_out) = (123, 4567);
        x.policies
            .push(PolicyRecord::new("rateLimit", Decision::Allowed));
        x.losses.push("top_k".into());
        let [one, two] = &mut x.attempts[..] else {
            panic!("two attempts")
        };
        (one.offset, one.duration) = (Duration::from_millis(1), Duration::from_millis(20));
        one.first_byte = Some(Duration::from_millis(19));
        (two.offset, two.duration) = (Duration::from_millis(25), Duration::from_millis(787));
        two.first_byte = Some(Duration::from_millis(90));
        two.first_token = Some(Duration::from_micros(185_100));
    })
}

fn attempts(context: &Context) {
    let mut one = context.attempt("fast/a".into());
    one.answered(StatusCode::SERVICE_UNAVAILABLE);
    one.record().model = Some("gpt-5".into());
    one.record().error = Some("overloaded".into());
    one.finish(Outcome::Failed(&codes::UPSTREAM_BROKEN));
    let mut two = context.attempt("fast/b".into());
    two.answered(StatusCode::OK);
    let record = two.record();
    record.model = Some("gpt-5-mini".into());
    record.upstream_id = Some("req-7".into());
    let mut usage = Tokens::new(12, 34);
    usage.reasoning = 5;
    record.usage = Some(usage);
    record.provider = Some("openai");
    two.finish(Outcome::Completed);
}

fn call(attempt: impl FnOnce(&Context), write: impl FnOnce(&mut Exchange)) -> Box<Exchange> {
    let last = Arc::new(Last(Mutex::default()));
    let id = RequestId::accept(&HeaderValue::from_static("id-1")).unwrap();
    let context = Context::new(id, Some(last.clone()));
    let hold = context.hold();
    attempt(&context);
    drop(hold);
    let mut exchange = last.0.lock().take().unwrap();
    // 2026-01-02T03:04:05.678Z
    exchange.started = SystemTime::UNIX_EPOCH + Duration::from_millis(1_767_323_045_678);
    exchange.duration = Duration::ZERO;
    write(&mut exchange);
    exchange
}
