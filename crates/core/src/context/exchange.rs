//! The record of one call: every attempt, every decision, what it used and how it ended.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use http::{Method, StatusCode};
use smallvec::SmallVec;

use super::{Context, Hold, Money, Reason, RequestId};
use crate::error::Code;

/// Where finished records go: the access log, metrics, an embedder's own store.
///
/// It is called once for each call, on the task that ended it: hand the record on, do not wait.
pub trait ExchangeSink: Send + Sync + 'static {
    /// Takes the record of a call whose reply and attempts have all ended.
    fn record(&self, exchange: Box<Exchange>);
}

/// How a call, or an attempt, ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Outcome {
    /// The reply was delivered whole. An error reply of an upstream, delivered whole, is completed too.
    #[default]
    Completed,
    /// The gateway refused or failed, with this code.
    Failed(&'static Code),
    /// The caller left before the end.
    ClientLeft,
}

/// Tokens, as the upstream reported them or as the gateway estimated them.
///
/// Field names follow OpenTelemetry's `gen_ai.usage.*`. Cached and reasoning tokens are parts of `input`
/// and `output`, whichever way the dialect reports them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Tokens {
    /// All input tokens, cached ones included.
    pub input: u64,
    /// All output tokens, reasoning included.
    pub output: u64,
    /// Input tokens read from the provider's cache.
    pub cache_read: u64,
    /// Input tokens written to the provider's cache.
    pub cache_write: u64,
    /// Output tokens spent on reasoning.
    pub reasoning: u64,
    /// Whether the upstream did not say and this is the gateway's estimate.
    pub estimated: bool,
}

impl Tokens {
    /// Counts `input` and `output`, and none of the finer parts.
    pub fn new(input: u64, output: u64) -> Self {
        Self {
            input,
            output,
            ..Self::default()
        }
    }

    /// The sum of two counts; an estimate in either makes the sum an estimate.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self {
            input: self.input + other.input,
            output: self.output + other.output,
            cache_read: self.cache_read + other.cache_read,
            cache_write: self.cache_write + other.cache_write,
            reasoning: self.reasoning + other.reasoning,
            estimated: self.estimated || other.estimated,
        }
    }
}

/// What a policy decided about a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Decision {
    /// It let the call pass.
    Allowed,
    /// It refused the call.
    Refused,
    /// It changed the call or its reply.
    Changed,
}

/// A policy's entry in the record.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct PolicyRecord {
    /// The policy's registered name.
    pub policy: &'static str,
    /// What it decided.
    pub decision: Decision,
}

impl PolicyRecord {
    /// The entry of `policy`.
    pub fn new(policy: &'static str, decision: Decision) -> Self {
        Self { policy, decision }
    }
}

/// The record of one attempt at one endpoint.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct AttemptRecord {
    /// The endpoint, as `backend` or `backend/provider`.
    pub endpoint: Arc<str>,
    /// Why it was made.
    pub reason: Reason,
    /// The host and port it went to, where the caller decides that.
    pub destination: Option<Box<str>>,
    /// From the call's start to the attempt's.
    pub offset: Duration,
    /// How long it took.
    pub duration: Duration,
    /// The status the upstream answered with, if it answered.
    pub status: Option<StatusCode>,
    /// From the attempt's start to the reply's head.
    pub first_byte: Option<Duration>,
    /// From the attempt's start to the first content.
    pub first_token: Option<Duration>,
    /// The provider the endpoint belongs to, by the name of its vendor.
    pub provider: Option<&'static str>,
    /// The model the endpoint was asked for.
    pub model: Option<Arc<str>>,
    /// Tokens used.
    pub usage: Option<Tokens>,
    /// What they cost; `None` when nothing was used, and when the price is not known.
    pub cost: Option<Money>,
    /// The upstream's own id of the request.
    pub upstream_id: Option<Box<str>>,
    /// How it ended.
    pub outcome: Outcome,
    /// What went wrong, for the log: causes included, never shown to callers.
    pub error: Option<Box<str>>,
}

/// The record of one call.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Exchange {
    /// The call's id.
    pub id: RequestId,
    /// When it began.
    pub started: SystemTime,
    /// From its start to the end of its reply and of every attempt.
    pub duration: Duration,
    /// The caller's address.
    pub client: Option<std::net::SocketAddr>,
    /// The caller's W3C `traceparent`.
    pub traceparent: Option<Box<str>>,
    /// The listener it came in by.
    pub listener: Option<Arc<str>>,
    /// The project of its route.
    pub project: Option<Arc<str>>,
    /// Its route.
    pub route: Option<Arc<str>>,
    /// Who called.
    pub principal: Option<Arc<str>>,
    /// The protocol of its route: `http`, `llm`.
    pub protocol: &'static str,
    /// The dialect it was written in.
    pub dialect: Option<&'static str>,
    /// The operation, as OpenTelemetry's `gen_ai.operation.name` where it names one.
    pub operation: Option<&'static str>,
    /// The HTTP method.
    pub method: Method,
    /// The path as asked for, without the query.
    pub path: Box<str>,
    /// The model the caller asked for.
    pub model: Option<Arc<str>>,
    /// The model that served, as the upstream was asked for it.
    pub served_model: Option<Arc<str>>,
    /// Whether the caller asked for a stream.
    pub stream: bool,
    /// The status the caller got.
    pub status: Option<StatusCode>,
    /// Bytes of the request body.
    pub bytes_in: u64,
    /// Bytes of the reply body.
    pub bytes_out: u64,
    /// Every attempt, in the order they ended.
    pub attempts: SmallVec<[AttemptRecord; 1]>,
    /// Every policy that decided something.
    pub policies: SmallVec<[PolicyRecord; 2]>,
    /// What was lost on the way and is not in the reply.
    pub losses: Vec<Cow<'static, str>>,
    /// How it ended.
    pub outcome: Outcome,
    /// What the gateway itself refused or failed with, for the log: causes included.
    pub error: Option<Box<str>>,
}

impl Exchange {
    pub(super) fn begin(id: RequestId, started: SystemTime) -> Self {
        Self {
            id,
            started,
            duration: Duration::ZERO,
            client: None,
            traceparent: None,
            listener: None,
            project: None,
            route: None,
            principal: None,
            protocol: "http",
            dialect: None,
            operation: None,
            method: Method::GET,
            path: Box::default(),
            model: None,
            served_model: None,
            stream: false,
            status: None,
            bytes_in: 0,
            bytes_out: 0,
            attempts: SmallVec::new(),
            policies: SmallVec::new(),
            losses: Vec::new(),
            outcome: Outcome::Completed,
            error: None,
        }
    }

    /// Tokens of all attempts together; `None` when no attempt used any.
    pub fn usage(&self) -> Option<Tokens> {
        self.attempts
            .iter()
            .filter_map(|a| a.usage)
            .reduce(Tokens::plus)
    }

    /// What all attempts together cost; `None` when none used anything, and when the price of one that did is
    /// not known.
    pub fn cost(&self) -> Option<Money> {
        let mut used = self
            .attempts
            .iter()
            .filter(|a| a.usage.is_some())
            .peekable();
        used.peek()?;
        used.map(|attempt| attempt.cost).sum()
    }

    /// From the call's start to the first content of the attempt that gave one first.
    pub fn first_token(&self) -> Option<Duration> {
        self.attempts
            .iter()
            .filter_map(|a| Some(a.offset + a.first_token?))
            .min()
    }
}

/// An attempt under way. Its record joins the call's when it [finishes](Self::finish); dropped before
/// that, because the future waiting for the reply was dropped, it says that the client left.
#[derive(Debug)]
pub struct Attempt {
    context: Context,
    started: Instant,
    record: Option<AttemptRecord>,
    _hold: Hold,
}

impl Attempt {
    pub(super) fn begin(context: Context, hold: Hold, endpoint: Arc<str>) -> Self {
        let started = Instant::now();
        let record = AttemptRecord {
            endpoint,
            reason: context.turn().map(|turn| turn.reason()).unwrap_or_default(),
            destination: None,
            offset: started.duration_since(context.started()),
            duration: Duration::ZERO,
            status: None,
            first_byte: None,
            first_token: None,
            provider: None,
            model: None,
            usage: None,
            cost: None,
            upstream_id: None,
            outcome: Outcome::ClientLeft,
            error: None,
        };
        Self {
            context,
            started,
            record: Some(record),
            _hold: hold,
        }
    }

    /// The record so far.
    pub fn record(&mut self) -> &mut AttemptRecord {
        self.record
            .as_mut()
            .expect("the record leaves with the attempt")
    }

    /// Notes the reply's head.
    pub fn answered(&mut self, status: StatusCode) {
        let elapsed = self.started.elapsed();
        let record = self.record();
        record.status = Some(status);
        record.first_byte = Some(elapsed);
    }

    /// Notes the first content; later calls change nothing.
    pub fn content(&mut self) {
        let started = self.started;
        self.record()
            .first_token
            .get_or_insert_with(|| started.elapsed());
    }

    /// Ends the attempt and files its record.
    pub fn finish(mut self, outcome: Outcome) {
        self.record().outcome = outcome;
    }
}

impl Drop for Attempt {
    fn drop(&mut self) {
        if let Some(mut record) = self.record.take() {
            record.duration = self.started.elapsed();
            if let (Outcome::ClientLeft, Some(turn)) = (record.outcome, self.context.turn())
                && let Some(code) = turn.ended()
            {
                record.outcome = Outcome::Failed(code);
            }
            self.context
                .record(|exchange| exchange.attempts.push(record));
        }
    }
}
