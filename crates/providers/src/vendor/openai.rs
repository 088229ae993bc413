//! OpenAI.

use portcullis_core::upstream::Credential;

use super::{Vendor, no_headers, no_options, own_body, own_place};

/// OpenAI, at `https://api.openai.com/v1`, with a bearer key.
pub const OPENAI: Vendor = Vendor {
    name: "openai",
    base_url: Some("https://api.openai.com/v1"),
    version: None,
    key_variables: &["OPENAI_API_KEY"],
    key_required: true,
    dialects: &["openai-chat", "openai-responses"],
    credential: Credential::bearer,
    aws_service: None,
    default_headers: no_headers,
    model_prefixes: &[
        "gpt-",
        "o1",
        "o3",
        "o4",
        "chatgpt-",
        "text-embedding-",
        "omni-moderation-",
    ],
    options: &[],
    base: no_options,
    place: own_place,
    body: own_body,
};
