//! Cohere.

use portcullis_core::upstream::Credential;

use super::{Vendor, no_headers, no_options, own_body, own_place};

/// Cohere, at `https://api.cohere.com/v2`, with a bearer key. Of version 1 of its API nothing is asked: its
/// list of models, which is there alone, cannot be shown.
pub const COHERE: Vendor = Vendor {
    name: "cohere",
    base_url: Some("https://api.cohere.com/v2"),
    version: Some("/v2"),
    key_variables: &["CO_API_KEY", "COHERE_API_KEY"],
    key_required: true,
    dialects: &["cohere-chat"],
    credential: Credential::bearer,
    aws_service: None,
    default_headers: no_headers,
    model_prefixes: &["command-", "c4ai-"],
    options: &[],
    base: no_options,
    place: own_place,
    body: own_body,
};
