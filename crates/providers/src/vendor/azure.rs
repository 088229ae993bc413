//! Azure: OpenAI's models and those of Foundry, by deployments.

use http::HeaderName;
use http::header::InvalidHeaderValue;
use portcullis_core::error::Error;
use portcullis_core::payload::{Doc, Payload};
use portcullis_core::upstream::Credential;

use super::{Ask, Place, Vendor, VendorOption, no_headers, no_options, segment};
use crate::dialect::head;

/// Azure OpenAI and Foundry. Its base URL is the endpoint of the resource, as Azure shows it:
/// `https://NAME.openai.azure.com`, without a path. Its key goes in `api-key`; a token of Entra, which begins
/// with `eyJ`, as bearer.
///
/// Without options it is asked at its v1 API, where the model is the name of a deployment. With `apiVersion` it
/// is asked at the deployment `deployment`, or without that at the one the model names.
pub const AZURE: Vendor = Vendor {
    name: "azure",
    base_url: None,
    version: None,
    key_variables: &["AZURE_OPENAI_API_KEY", "AZURE_API_KEY"],
    key_required: true,
    dialects: &["openai-chat", "openai-responses"],
    credential,
    aws_service: None,
    default_headers: no_headers,
    model_prefixes: &[],
    options: &[
        VendorOption {
            name: "apiVersion",
            required: false,
            about: "the dated version of the API: `2024-10-21`",
        },
        VendorOption {
            name: "deployment",
            required: false,
            about: "the deployment to ask, whatever the model is called",
        },
    ],
    base: no_options,
    place,
    body,
};

fn credential(key: &str) -> Result<Credential, InvalidHeaderValue> {
    if key.starts_with("eyJ") {
        Credential::bearer(key)
    } else {
        Credential::new(HeaderName::from_static("api-key"), key)
    }
}

fn place<'a>(ask: &Ask<'a>) -> Place<'a> {
    let Some(version) = ask.options.get("apiVersion") else {
        return Place::at(ask, format!("/openai/v1{}", ask.path));
    };
    // Responses and lists are asked of the resource; they name the deployment in the body, if at all.
    let of_resource = ask.dialect == "openai-responses" || ask.model.is_empty();
    let path = if of_resource {
        format!("/openai{}", ask.path)
    } else {
        let deployment = segment(ask.options.get("deployment").unwrap_or(ask.model));
        format!("/openai/deployments/{deployment}{}", ask.path)
    };
    Place::at(ask, path).with("api-version", version)
}

/// The v1 API goes by the model in the body, and the other repeats it there.
fn body(ask: &Ask<'_>, body: &mut Payload<Doc>) -> Result<(), Error> {
    match ask.options.get("deployment") {
        Some(deployment) => head::set_model(body, deployment),
        None => Ok(()),
    }
}
