//! Anthropic.

use http::{HeaderName, HeaderValue};
use portcullis_core::upstream::Credential;

use super::{Vendor, no_options, own_body, own_place};
use crate::dialect::anthropic::VERSION_HEADER;

/// Anthropic, at `https://api.anthropic.com/v1`, with its key in `x-api-key`. Callers that send no
/// `anthropic-version` get 2023-06-01, what the API itself took for granted when it had but one.
pub const ANTHROPIC: Vendor = Vendor {
    name: "anthropic",
    base_url: Some("https://api.anthropic.com/v1"),
    version: Some("/v1"),
    key_variables: &["ANTHROPIC_API_KEY"],
    key_required: true,
    dialects: &["anthropic-messages"],
    credential: |key| Credential::new(HeaderName::from_static("x-api-key"), key),
    aws_service: None,
    default_headers: || {
        vec![(
            HeaderName::from_static(VERSION_HEADER),
            HeaderValue::from_static("2023-06-01"),
        )]
    },
    model_prefixes: &["claude-"],
    options: &[],
    base: no_options,
    place: own_place,
    body: own_body,
};
