//! Google's Gemini API.

use http::HeaderName;
use portcullis_core::upstream::Credential;

use super::{Ask, Place, Vendor, no_headers, no_options, own_body};
use crate::dialect::gemini::url::{self, Called, without_key};

/// The header of a Google API key.
pub(super) const KEY_HEADER: HeaderName = HeaderName::from_static("x-goog-api-key");

/// Gemini, at `https://generativelanguage.googleapis.com/v1beta`, with its key in `x-goog-api-key`. A key in
/// the caller's query stays behind; calls written to a project of Vertex go to the model they name.
pub const GEMINI: Vendor = Vendor {
    name: "gemini",
    base_url: Some("https://generativelanguage.googleapis.com/v1beta"),
    version: None,
    key_variables: &["GEMINI_API_KEY", "GOOGLE_API_KEY"],
    key_required: true,
    dialects: &["gemini"],
    credential: |key| Credential::new(KEY_HEADER, key),
    aws_service: None,
    default_headers: no_headers,
    model_prefixes: &["gemini-"],
    options: &[],
    base: no_options,
    place,
    body: own_body,
};

fn place<'a>(ask: &Ask<'a>) -> Place<'a> {
    let own = ask.path.starts_with("/models/") || ask.path.starts_with("/tunedModels/");
    let path = match Called::read(ask.path).filter(|_| !own) {
        Some(called) => url::path(ask.model, called.verb).into(),
        None => ask.path.into(),
    };
    Place {
        path,
        query: without_key(ask.query),
    }
}
