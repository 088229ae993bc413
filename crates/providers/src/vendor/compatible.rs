//! Any host that speaks OpenAI's API under a base URL of its own.

use portcullis_core::upstream::Credential;

use super::{Vendor, no_headers, no_options, own_body, own_place};

/// A host compatible with OpenAI: Ollama, vLLM and their like. Needs `baseUrl`; a key is optional.
pub const OPENAI_COMPATIBLE: Vendor = Vendor {
    name: "openai-compatible",
    base_url: None,
    version: None,
    key_variables: &[],
    key_required: false,
    dialects: &["openai-chat", "openai-responses"],
    credential: Credential::bearer,
    aws_service: None,
    default_headers: no_headers,
    model_prefixes: &[],
    options: &[],
    base: no_options,
    place: own_place,
    body: own_body,
};
