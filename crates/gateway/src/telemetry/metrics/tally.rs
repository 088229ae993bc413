//! Beside the line: counting records, with the handles of what was counted before kept at hand.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use foldhash::fast::RandomState;
use portcullis_core::context::{AttemptRecord, Exchange, Money, Tokens};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::histogram::Histogram;

use super::labels::{
    AttemptLabels, CallLabels, CostLabels, FirstTokenLabels, OTHER, OperationLabels, RequestLabels,
    TokenLabels, UsageLabels, method, model, outcome,
};
use super::{Families, MAX_LABEL_SETS, Metrics};

/// Counts records. There is one, on the recorder's thread.
pub(in crate::telemetry) struct Tally {
    metrics: Metrics,
    families: Families,
    calls: Bounded<CallKey, (Counter, Histogram)>,
    attempts: Bounded<AttemptKey, AttemptHandles>,
    first_token: Bounded<FirstTokenLabels, Histogram>,
    none: Arc<str>,
}

impl Tally {
    pub(in crate::telemetry) fn new(metrics: Metrics) -> Self {
        let families = metrics.0.families.clone();
        Self {
            metrics,
            families,
            calls: Bounded::default(),
            attempts: Bounded::default(),
            first_token: Bounded::default(),
            none: "".into(),
        }
    }

    /// Counts a failure to write the access log.
    pub(in crate::telemetry) fn log_failed(&self) {
        self.metrics.0.log_failures.inc();
    }

    /// Counts a call and its attempts.
    pub(in crate::telemetry) fn count(&mut self, exchange: &Exchange) {
        let key = CallKey {
            project: self.name(exchange.project.as_ref()),
            route: self.name(exchange.route.as_ref()),
            method: method(&exchange.method),
            status: exchange.status.map(|s| s.as_u16()),
            outcome: outcome(exchange.outcome),
        };
        let families = &self.families;
        let (calls, requests) = self.calls.get(key, |key| key.handles(families));
        calls.inc();
        requests.observe(exchange.duration.as_secs_f64());
        for attempt in &exchange.attempts {
            self.count_attempt(exchange, attempt);
        }
        self.count_first_token(exchange);
    }

    fn count_attempt(&mut self, exchange: &Exchange, attempt: &AttemptRecord) {
        let key = AttemptKey {
            project: self.name(exchange.project.as_ref()),
            route: self.name(exchange.route.as_ref()),
            operation: exchange.operation.unwrap_or_default(),
            endpoint: attempt.endpoint.clone(),
            model: model(attempt.model.as_ref(), attempt.status),
            status: attempt.status.map(|s| s.as_u16()),
            outcome: outcome(attempt.outcome),
        };
        let families = &self.families;
        let handles = self
            .attempts
            .get(key, |key| AttemptHandles::new(key, families));
        handles.attempts.inc();
        if exchange.operation.is_some() {
            let seconds = attempt.duration.as_secs_f64();
            handles.duration(families).observe(seconds);
        }
        if let Some(tokens) = attempt.usage {
            handles.tokens(families).count(tokens, attempt.cost);
        }
    }

    fn count_first_token(&mut self, exchange: &Exchange) {
        let (Some(first), Some(operation)) = (exchange.first_token(), exchange.operation) else {
            return;
        };
        let key = FirstTokenLabels {
            gen_ai_operation_name: operation,
            gen_ai_request_model: model(exchange.served_model.as_ref(), exchange.status),
        };
        let families = &self.families;
        let handle = |key: &_| families.first_token.get_or_create_owned(key);
        let histogram = self.first_token.get(key, handle);
        histogram.observe(first.as_secs_f64());
    }

    fn name(&self, name: Option<&Arc<str>>) -> Arc<str> {
        name.unwrap_or(&self.none).clone()
    }
}

/// What has been counted so far: at most [`MAX_LABEL_SETS`] keys, and one for all others.
struct Bounded<K, H>(HashMap<K, H, RandomState>);

impl<K: Key, H> Bounded<K, H> {
    fn get(&mut self, key: K, make: impl FnOnce(&K) -> H) -> &mut H {
        let full = self.0.len() >= MAX_LABEL_SETS;
        let key = if full && !self.0.contains_key(&key) {
            K::other()
        } else {
            key
        };
        self.0.entry(key).or_insert_with_key(make)
    }
}

impl<K, H> Default for Bounded<K, H> {
    fn default() -> Self {
        Self(HashMap::default())
    }
}

/// A key with one value that stands for all that are not told apart.
trait Key: Hash + Eq {
    fn other() -> Self;
}

#[derive(PartialEq, Eq, Hash)]
struct CallKey {
    project: Arc<str>,
    route: Arc<str>,
    method: &'static str,
    status: Option<u16>,
    outcome: &'static str,
}

impl Key for CallKey {
    fn other() -> Self {
        Self {
            project: OTHER.into(),
            route: OTHER.into(),
            method: OTHER,
            status: None,
            outcome: OTHER,
        }
    }
}

impl CallKey {
    fn handles(&self, families: &Families) -> (Counter, Histogram) {
        let calls = families.calls.get_or_create_owned(&CallLabels {
            project: self.project.clone(),
            route: self.route.clone(),
            status: self.status,
            outcome: self.outcome,
        });
        let requests = families.requests.get_or_create_owned(&RequestLabels {
            http_request_method: self.method,
            http_route: self.route.clone(),
            http_response_status_code: self.status,
        });
        (calls, requests)
    }
}

#[derive(Clone, PartialEq, Eq, Hash)]
struct AttemptKey {
    project: Arc<str>,
    route: Arc<str>,
    operation: &'static str,
    endpoint: Arc<str>,
    model: Arc<str>,
    status: Option<u16>,
    outcome: &'static str,
}

impl Key for AttemptKey {
    fn other() -> Self {
        Self {
            project: OTHER.into(),
            route: OTHER.into(),
            operation: OTHER,
            endpoint: OTHER.into(),
            model: OTHER.into(),
            status: None,
            outcome: OTHER,
        }
    }
}

impl Key for FirstTokenLabels {
    fn other() -> Self {
        Self {
            gen_ai_operation_name: OTHER,
            gen_ai_request_model: OTHER.into(),
        }
    }
}

struct AttemptHandles {
    key: AttemptKey,
    attempts: Counter,
    duration: Option<Histogram>,
    tokens: Option<TokenHandles>,
}

impl AttemptHandles {
    fn new(key: &AttemptKey, families: &Families) -> Self {
        let attempts = families.attempts.get_or_create_owned(&AttemptLabels {
            endpoint: key.endpoint.clone(),
            status: key.status,
            outcome: key.outcome,
        });
        Self {
            key: key.clone(),
            attempts,
            duration: None,
            tokens: None,
        }
    }

    fn duration(&mut self, families: &Families) -> &Histogram {
        let key = &self.key;
        self.duration.get_or_insert_with(|| {
            families.operations.get_or_create_owned(&OperationLabels {
                gen_ai_operation_name: key.operation,
                gen_ai_request_model: key.model.clone(),
                endpoint: key.endpoint.clone(),
                error_type: key.error_type(),
            })
        })
    }

    fn tokens(&mut self, families: &Families) -> &TokenHandles {
        let key = &self.key;
        self.tokens
            .get_or_insert_with(|| TokenHandles::new(key, families))
    }
}

impl AttemptKey {
    /// The code of a failure, and nothing for what went well.
    fn error_type(&self) -> &'static str {
        match self.outcome {
            "completed" if self.status.is_some_and(|s| s >= 500) => "upstream_5xx",
            "completed" if self.status.is_some_and(|s| s >= 400) => "upstream_4xx",
            "completed" => "",
            code => code,
        }
    }
}

struct TokenHandles {
    /// Dollars paid.
    cost: Counter<f64, AtomicU64>,
    /// Attempts of which nobody knows what they cost.
    unpriced: Counter,
    /// Distributions of input and output.
    usage: [Histogram; 2],
    /// Sums of input, output, cache reads, cache writes and reasoning.
    sums: [Counter; 5],
}

impl TokenHandles {
    fn new(key: &AttemptKey, families: &Families) -> Self {
        let usage = |token_type| {
            families.usage.get_or_create_owned(&UsageLabels {
                gen_ai_operation_name: key.operation,
                gen_ai_request_model: key.model.clone(),
                endpoint: key.endpoint.clone(),
                gen_ai_token_type: token_type,
            })
        };
        let sum = |token_type| {
            families.tokens.get_or_create_owned(&TokenLabels {
                project: key.project.clone(),
                route: key.route.clone(),
                endpoint: key.endpoint.clone(),
                model: key.model.clone(),
                r#type: token_type,
            })
        };
        let labels = CostLabels {
            project: key.project.clone(),
            route: key.route.clone(),
            endpoint: key.endpoint.clone(),
            model: key.model.clone(),
        };
        Self {
            cost: families.cost.get_or_create_owned(&labels),
            unpriced: families.unpriced.get_or_create_owned(&labels),
            usage: ["input", "output"].map(usage),
            sums: ["input", "output", "cache_read", "cache_write", "reasoning"].map(sum),
        }
    }

    #[expect(clippy::cast_precision_loss, reason = "nobody counts 2^52 tokens")]
    fn count(&self, tokens: Tokens, cost: Option<Money>) {
        match cost {
            Some(cost) => {
                self.cost.inc_by(cost.dollars());
            }
            None => {
                self.unpriced.inc();
            }
        }
        let [input, output] = &self.usage;
        input.observe(tokens.input as f64);
        output.observe(tokens.output as f64);
        let counts = [
            tokens.input,
            tokens.output,
            tokens.cache_read,
            tokens.cache_write,
            tokens.reasoning,
        ];
        for (sum, count) in self.sums.iter().zip(counts) {
            sum.inc_by(count);
        }
    }
}

#[cfg(test)]
mod tests {
    use http::StatusCode;

    use super::*;
    use crate::telemetry::sample;

    fn counted(exchanges: impl IntoIterator<Item = Box<Exchange>>) -> String {
        let metrics = Metrics::default();
        let mut tally = Tally::new(metrics.clone());
        for exchange in exchanges {
            tally.count(&exchange);
        }
        metrics.encode()
    }

    #[track_caller]
    fn has(page: &str, line: &str) {
        assert!(page.lines().any(|l| l == line), "no {line} in\n{page}");
    }

    #[test]
    fn a_call_is_counted_with_its_attempts_tokens_and_times() {
        let page = counted([sample::chat(), sample::chat()]);
        let chat = r#"gen_ai_operation_name="chat",gen_ai_request_model="gpt-5-mini""#;
        let other = r#"gen_ai_operation_name="chat",gen_ai_request_model="unknown""#;
        let used = r#"project="team-a",route="chat",endpoint="fast/b",model="gpt-5-mini""#;
        for line in [
            r#"portcullis_calls_total{project="team-a",route="chat",status="200",outcome="completed"} 2"#.into(),
            r#"portcullis_attempts_total{endpoint="fast/a",status="503",outcome="upstream_broken"} 2"#.into(),
            r#"portcullis_attempts_total{endpoint="fast/b",status="200",outcome="completed"} 2"#.into(),
            r#"http_server_request_duration_seconds_bucket{le="0.75",http_request_method="POST",http_route="chat",http_response_status_code="200"} 0"#.into(),
            r#"http_server_request_duration_seconds_bucket{le="1.0",http_request_method="POST",http_route="chat",http_response_status_code="200"} 2"#.into(),
            format!(r#"gen_ai_client_operation_duration_seconds_count{{{chat},endpoint="fast/b",error_type=""}} 2"#),
            format!(r#"gen_ai_client_operation_duration_seconds_count{{{other},endpoint="fast/a",error_type="upstream_broken"}} 2"#),
            format!(r#"gen_ai_server_time_to_first_token_seconds_bucket{{le="0.1",{chat}}} 0"#),
            format!(r#"gen_ai_server_time_to_first_token_seconds_bucket{{le="0.25",{chat}}} 2"#),
            format!(r#"gen_ai_client_token_usage_sum{{{chat},endpoint="fast/b",gen_ai_token_type="output"}} 68.0"#),
            format!(r#"portcullis_tokens_total{{{used},type="input"}} 24"#),
            format!(r#"portcullis_tokens_total{{{used},type="reasoning"}} 10"#),
            format!(r#"portcullis_unpriced_attempts_total{{{used}}} 2"#),
        ] {
            has(&page, &line);
        }
    }

    #[test]
    fn a_model_that_did_not_serve_is_not_named() {
        let page = counted([sample::exchange(|x| {
            x.operation = Some("chat");
            x.model = Some("no-such-model".into());
            x.served_model = x.model.clone();
            x.status = Some(StatusCode::NOT_FOUND);
        })]);
        assert!(!page.contains("no-such-model"), "{page}");
    }

    #[test]
    fn what_is_beyond_the_bound_is_counted_together() {
        let many = (0..MAX_LABEL_SETS + 20)
            .map(|n| sample::exchange(|x| x.route = Some(format!("route-{n}").into())));
        let page = counted(many);
        let lines = page.lines();
        let calls: Vec<_> = lines
            .filter(|l| l.starts_with("portcullis_calls_total"))
            .collect();
        assert_eq!(calls.len(), MAX_LABEL_SETS + 1);
        has(
            &page,
            r#"portcullis_calls_total{project="other",route="other",status="",outcome="other"} 20"#,
        );
    }

    #[test]
    fn a_label_cannot_break_out_of_its_line() {
        let page = counted([sample::exchange(|x| x.route = Some("a\"} 1\nb".into()))]);
        assert!(page.contains(r#"route="a\"} 1\nb""#), "{page}");
    }
}
