//! Amazon Bedrock.

use portcullis_core::upstream::Credential;

use super::{Vendor, no_headers, no_options, own_body, own_place};

/// Amazon Bedrock's runtime, at `https://bedrock-runtime.{region}.amazonaws.com`. With `apiKey` it is called by a bearer
/// key; else its requests are signed (Signature Version 4). Where the host is another one (China, GovCloud's FIPS hosts,
/// private endpoints), give `baseUrl` beside `region`.
pub const BEDROCK: Vendor = Vendor {
    name: "bedrock",
    base_url: Some("https://bedrock-runtime.{region}.amazonaws.com"),
    version: None,
    key_variables: &["AWS_BEARER_TOKEN_BEDROCK"],
    key_required: true,
    dialects: &["bedrock-converse", "bedrock-invoke"],
    credential: Credential::bearer,
    aws_service: Some("bedrock"),
    default_headers: no_headers,
    model_prefixes: &[],
    options: &[],
    base: no_options,
    place: own_place,
    body: own_body,
};
