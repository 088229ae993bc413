//! Beside the line: what counts are told apart by. No value comes from a caller unless an upstream took it.

use std::sync::Arc;

use http::{Method, StatusCode};
use portcullis_core::context::Outcome;
use prometheus_client::encoding::EncodeLabelSet;

/// What stands for everything beyond the bound.
pub(super) const OTHER: &str = "other";

/// What stands for a model that did not serve.
const UNKNOWN: &str = "unknown";

/// A model's name longer than this is not told apart.
const MAX_MODEL: usize = 128;

macro_rules! labels {
    ($($(#[$doc:meta])* $name:ident { $($field:ident: $type:ty,)* })*) => {$(
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
        pub(super) struct $name {
            $(pub(super) $field: $type,)*
        }
    )*};
}

labels! {
    /// An attempt to load the configuration anew.
    ReloadLabels {
        result: &'static str,
    }
    /// The configuration that serves.
    FingerprintLabels {
        hash: Arc<str>,
    }
    /// A call, however it ended.
    CallLabels {
        project: Arc<str>,
        route: Arc<str>,
        status: Option<u16>,
        outcome: &'static str,
    }
    /// A call as HTTP sees it.
    RequestLabels {
        http_request_method: &'static str,
        http_route: Arc<str>,
        http_response_status_code: Option<u16>,
    }
    /// An attempt, however it ended.
    AttemptLabels {
        endpoint: Arc<str>,
        status: Option<u16>,
        outcome: &'static str,
    }
    /// An attempt at a model.
    OperationLabels {
        gen_ai_operation_name: &'static str,
        gen_ai_request_model: Arc<str>,
        endpoint: Arc<str>,
        error_type: &'static str,
    }
    /// The tokens of one attempt at a model.
    UsageLabels {
        gen_ai_operation_name: &'static str,
        gen_ai_request_model: Arc<str>,
        endpoint: Arc<str>,
        gen_ai_token_type: &'static str,
    }
    /// Tokens, and who used them.
    TokenLabels {
        project: Arc<str>,
        route: Arc<str>,
        endpoint: Arc<str>,
        model: Arc<str>,
        r#type: &'static str,
    }
    /// What was paid, and by whom.
    CostLabels {
        project: Arc<str>,
        route: Arc<str>,
        endpoint: Arc<str>,
        model: Arc<str>,
    }
    /// A reply whose first content came.
    FirstTokenLabels {
        gen_ai_operation_name: &'static str,
        gen_ai_request_model: Arc<str>,
    }
    /// A listener.
    ListenerLabels {
        listener: Arc<str>,
    }
}

/// A method as OpenTelemetry wants it: a known one, or `_OTHER`.
pub(super) fn method(method: &Method) -> &'static str {
    match method.as_str() {
        "GET" => "GET",
        "HEAD" => "HEAD",
        "POST" => "POST",
        "PUT" => "PUT",
        "PATCH" => "PATCH",
        "DELETE" => "DELETE",
        "OPTIONS" => "OPTIONS",
        "CONNECT" => "CONNECT",
        "TRACE" => "TRACE",
        _ => "_OTHER",
    }
}

/// `completed`, `client_left`, or the code of a failure.
pub(super) fn outcome(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Completed => "completed",
        Outcome::ClientLeft => "client_left",
        Outcome::Failed(code) => code.name,
    }
}

/// A model's name if it served: callers can ask for any.
pub(super) fn model(name: Option<&Arc<str>>, status: Option<StatusCode>) -> Arc<str> {
    let served = status.is_some_and(|s| s.is_success());
    match name {
        Some(name) if served && name.len() <= MAX_MODEL => name.clone(),
        _ => UNKNOWN.into(),
    }
}
