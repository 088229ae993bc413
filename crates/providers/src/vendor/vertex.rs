//! Google Cloud's Vertex AI: Gemini, Claude, and all that is served there in OpenAI's dialect.

use http::header::InvalidHeaderValue;
use portcullis_core::error::{Error, codes};
use portcullis_core::json::{Raw, quote};
use portcullis_core::llm::Operation;
use portcullis_core::payload::{Change, Doc, Payload, edit_object};
use portcullis_core::upstream::Credential;

use super::gemini::KEY_HEADER;
use super::{Ask, Options, Place, Vendor, VendorOption, no_headers, own_body, segment};
use crate::dialect::anthropic::VERSION_HEADER;
use crate::dialect::gemini::url::{self, Called, without_key};

const LOCATION: VendorOption = VendorOption {
    name: "location",
    required: false,
    about: "the region that serves it; `global` without",
};

const PROJECT: VendorOption = VendorOption {
    name: "project",
    required: true,
    about: "the project that is billed",
};

/// Gemini on Vertex AI. Its key is an access token, sent as bearer, or an API key (`AIza…`, `AQ.…`). Without a
/// `project` it is asked in express mode, which takes API keys only.
pub const VERTEX: Vendor = Vendor {
    name: "vertex",
    base_url: None,
    version: None,
    key_variables: &["GOOGLE_VERTEX_API_KEY", "VERTEX_API_KEY"],
    key_required: true,
    dialects: &["gemini"],
    credential,
    aws_service: None,
    default_headers: no_headers,
    model_prefixes: &[],
    options: &[
        VendorOption {
            required: false,
            ..PROJECT
        },
        LOCATION,
    ],
    base,
    place: gemini,
    body: own_body,
};

/// Claude on Vertex AI, by raw predictions: the model is in the URL and the version in the body.
pub const VERTEX_ANTHROPIC: Vendor = Vendor {
    name: "vertex-anthropic",
    dialects: &["anthropic-messages"],
    options: &[PROJECT, LOCATION],
    place: claude,
    body: claude_body,
    ..VERTEX
};

/// What Vertex AI serves in OpenAI's dialect: models of other vendors, named `publisher/model`, and Gemini.
pub const VERTEX_OPENAI: Vendor = Vendor {
    name: "vertex-openai",
    dialects: &["openai-chat"],
    options: &[PROJECT, LOCATION],
    place: |ask| {
        Place::at(
            ask,
            format!("{}/endpoints/openapi{}", project(ask), ask.path),
        )
    },
    ..VERTEX
};

fn credential(key: &str) -> Result<Credential, InvalidHeaderValue> {
    if key.starts_with("AIza") || key.starts_with("AQ.") {
        Credential::new(KEY_HEADER, key)
    } else {
        Credential::bearer(key)
    }
}

fn base(options: &Options) -> Option<String> {
    Some(match options.or("location", "global") {
        "global" => "https://aiplatform.googleapis.com/v1".to_owned(),
        region => format!("https://{region}-aiplatform.googleapis.com/v1"),
    })
}

/// `/projects/P/locations/L`; nothing in express mode.
fn project(ask: &Ask<'_>) -> String {
    let location = segment(ask.options.or("location", "global"));
    match ask.options.get("project") {
        Some(project) => format!("/projects/{}/locations/{location}", segment(project)),
        None => String::new(),
    }
}

fn gemini<'a>(ask: &Ask<'a>) -> Place<'a> {
    let path = match Called::read(ask.path) {
        Some(called) => {
            let model = url::path(ask.model, called.verb);
            format!("{}/publishers/google{model}", project(ask))
        }
        None => format!("{}{}", project(ask), ask.path),
    };
    Place {
        path: path.into(),
        query: without_key(ask.query),
    }
}

fn claude<'a>(ask: &Ask<'a>) -> Place<'a> {
    let models = format!("{}/publishers/anthropic/models", project(ask));
    let path = match ask.operation {
        Operation::CountTokens => format!("{models}/count-tokens:rawPredict"),
        Operation::Chat => {
            let verb = if ask.stream {
                "streamRawPredict"
            } else {
                "rawPredict"
            };
            format!("{models}/{}:{verb}", segment(ask.model))
        }
        _ => format!("{}{}", project(ask), ask.path),
    };
    // What Anthropic's own API takes there, `?beta=true`, means nothing here.
    Place {
        path: path.into(),
        query: None,
    }
}

/// Takes the model out of the body and puts the version in, which Anthropic's own API has in a header.
fn claude_body(ask: &Ask<'_>, body: &mut Payload<Doc>) -> Result<(), Error> {
    let version = ask.headers.get(VERSION_HEADER);
    let version = match version.and_then(|version| version.to_str().ok()) {
        None | Some("2023-06-01") => "vertex-2023-10-16",
        Some(later) => later,
    };
    let raw = body.raw().clone();
    let unfit = |_| Error::new(&codes::BODY_NOT_JSON, "the body cannot be edited");
    let document = Raw::parse(&raw).map_err(|e| unfit(e.to_string()))?;
    let mut changes = Vec::new();
    if document.get("anthropic_version").is_none() {
        changes.push(("anthropic_version", Change::Set(quote(version))));
    }
    // Counting tokens has one URL for all models.
    if ask.operation == Operation::Chat {
        changes.push(("model", Change::Remove));
    }
    let mut edits = edit_object(document, &changes).map_err(|e| unfit(e.to_string()))?;
    body.splice(&mut edits).map_err(|e| unfit(e.to_string()))
}
