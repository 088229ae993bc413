//! Anthropic's wire format.

mod messages;
mod messages_stream;
mod models;

pub(crate) use self::{
    messages::{count_tokens, messages},
    models::models,
};

/// `error.type` for a status.
pub(crate) fn error_type(status: u16) -> &'static str {
    match status {
        401 => "authentication_error",
        402 => "billing_error",
        403 => "permission_error",
        404 => "not_found_error",
        413 => "request_too_large",
        429 => "rate_limit_error",
        504 => "timeout_error",
        529 => "overloaded_error",
        500.. => "api_error",
        _ => "invalid_request_error",
    }
}
