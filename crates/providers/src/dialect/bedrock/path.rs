//! The URL of a call: the model is one percent-encoded segment of it.

use std::borrow::Cow;

use http::Uri;
use http::uri::PathAndQuery;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use portcullis_core::error::{Error, codes};
use portcullis_core::llm::api_path;

/// All but what RFC 3986 calls unreserved, as AWS's SDKs do: `:` is `%3A`, the `/` of an ARN `%2F`.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// The model, still encoded, and the action of `/model/{modelId}/{action}`.
pub(super) fn split(path: &str) -> Option<(&str, &str)> {
    path.strip_prefix("/model/")?.split_once('/')
}

/// The path of an action on a model.
pub(super) fn join(model: &str, action: &str) -> String {
    format!("/model/{}/{action}", utf8_percent_encode(model, SEGMENT))
}

/// The model a URL names.
///
/// # Errors
///
/// `invalid_field` when it is empty or no UTF-8.
pub(super) fn model(uri: &Uri) -> Result<Cow<'_, str>, Error> {
    let found = split(api_path(uri.path())).map(|(model, _)| percent_decode_str(model));
    let model = found.and_then(|model| model.decode_utf8().ok());
    model.filter(|model| !model.is_empty()).ok_or_else(unnamed)
}

/// The URL with another model in the place of its own.
///
/// # Errors
///
/// `invalid_field` when it names none.
pub(super) fn with_model(uri: &Uri, model: &str) -> Result<Uri, Error> {
    let path = uri.path();
    let api = api_path(path);
    let (_, action) = split(api).ok_or_else(unnamed)?;
    let before = &path[..path.len() - api.len()];
    let mut target = format!("{before}{}", join(model, action));
    if let Some(query) = uri.query() {
        target.push('?');
        target.push_str(query);
    }
    let unfit = |e| Error::new(&codes::INVALID_FIELD, "the path cannot be sent on").because(e);
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = Some(PathAndQuery::from_maybe_shared(target).map_err(unfit)?);
    Uri::from_parts(parts).map_err(|_| unnamed())
}

fn unnamed() -> Error {
    let what = "the path must name a model: `/model/{modelId}/converse`";
    Error::new(&codes::INVALID_FIELD, what).param("modelId")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_model_is_one_segment_however_it_is_encoded() {
        for (path, model_id) in [
            (
                "/model/us.anthropic.claude-x-v1%3A0/converse",
                "us.anthropic.claude-x-v1:0",
            ),
            (
                "/model/us.anthropic.claude-x-v1:0/converse",
                "us.anthropic.claude-x-v1:0",
            ),
            (
                "/aws/model/arn%3Aaws%3Abedrock%3Aeu-west-1%3A1%3Ainference-profile%2Fa/invoke",
                "arn:aws:bedrock:eu-west-1:1:inference-profile/a",
            ),
        ] {
            let uri: Uri = path.parse().unwrap();
            assert_eq!(model(&uri).unwrap(), model_id, "{path}");
        }
    }

    #[test]
    fn another_model_takes_its_place_and_nothing_else_moves() {
        let uri: Uri = "http://h:1/aws/model/a%3A0/converse-stream?x=%2F"
            .parse()
            .unwrap();
        let renamed = with_model(&uri, "b/c:1 ü").unwrap();
        assert_eq!(
            renamed,
            "http://h:1/aws/model/b%2Fc%3A1%20%C3%BC/converse-stream?x=%2F"
        );
        assert_eq!(model(&renamed).unwrap(), "b/c:1 ü");
        let relative: Uri = "/model/a/converse".parse().unwrap();
        assert_eq!(with_model(&relative, "b").unwrap(), "/model/b/converse");
    }

    #[test]
    fn a_path_without_a_model_is_refused() {
        for path in [
            "/model//converse",
            "/model/a",
            "/converse",
            "/model/%ff/converse",
        ] {
            assert!(model(&path.parse().unwrap()).is_err(), "{path}");
        }
    }
}
