//! Recorded exchanges: requests and replies in the documented wire formats, with the odd spellings
//! that must survive a gateway byte for byte.

mod index;
mod parse;

use std::sync::LazyLock;

use http::{HeaderMap, Method, StatusCode};

use crate::dialect::{Dialect, Operation};

/// How a recorded reply ends.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ShapeEnd {
    /// A reply that is no stream.
    Whole,
    /// A stream with its last event: `[DONE]`, `message_stop`, or a terminal response event.
    Terminal,
    /// A stream that ends properly as HTTP, without that event.
    Missing,
    /// A stream whose last event is an error.
    Error,
}

/// What the recorded reply says it cost.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct ShapeUsage {
    /// All input tokens, cached ones included.
    pub input_tokens: u64,
    /// All output tokens, reasoning included.
    pub output_tokens: u64,
    /// The input tokens that were read from a cache.
    pub cached_tokens: u64,
}

/// One recorded exchange.
#[derive(Debug)]
#[non_exhaustive]
pub struct Shape {
    /// Its name, unique; also the value of `x-shape`.
    pub name: &'static str,
    /// What is odd about it.
    pub about: &'static str,
    /// Whose format it is.
    pub dialect: Dialect,
    /// What the request asks for.
    pub operation: Operation,
    /// The request's method.
    pub method: Method,
    /// The request's path and query.
    pub path: &'static str,
    /// The request's headers, without framing and credentials.
    pub request_headers: Vec<(&'static str, &'static str)>,
    /// The request's body; empty for `GET`.
    pub request_body: &'static [u8],
    /// The reply's status.
    pub status: StatusCode,
    /// The reply's headers, without framing.
    pub response_headers: Vec<(&'static str, &'static str)>,
    /// The reply's body, byte for byte.
    pub response_body: &'static [u8],
    /// Whether the reply is an event stream.
    pub stream: bool,
    /// How the reply ends.
    pub end: ShapeEnd,
    /// What the reply says it cost, if it does.
    pub usage: Option<ShapeUsage>,
    /// Whether the request is one whose client is shown usage: a reply that is no stream, any
    /// stream of Anthropic or of responses, a chat stream with `include_usage`.
    pub client_sees_usage: bool,
}

impl Shape {
    /// The reply's headers as a map.
    pub(crate) fn response_headers(&self) -> HeaderMap {
        parse::header_map(&self.response_headers)
    }
}

/// All recorded exchanges, in a fixed order. The same slice each time.
///
/// # Panics
///
/// When a recording cannot be read, which this crate's own tests rule out.
pub fn shapes() -> &'static [Shape] {
    static SHAPES: LazyLock<Vec<Shape>> =
        LazyLock::new(|| index::RECORDINGS.iter().map(parse::shape).collect());
    &SHAPES
}

/// The recorded exchange of that name.
pub fn shape(name: &str) -> Option<&'static Shape> {
    shapes().iter().find(|shape| shape.name == name)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    fn contains(shape: &Shape, text: &str) -> bool {
        memchr::memmem::find(shape.response_body, text.as_bytes()).is_some()
    }

    #[test]
    fn names_are_unique_and_found() {
        let names: HashSet<_> = shapes().iter().map(|shape| shape.name).collect();
        assert_eq!(names.len(), shapes().len());
        assert!(shapes().iter().all(|known| shape(known.name).is_some()));
        assert!(shape("nothing").is_none());
    }

    #[test]
    fn streams_end_as_the_index_says() {
        for shape in shapes().iter().filter(|shape| shape.stream) {
            let last = match shape.operation {
                Operation::Messages => contains(shape, "\"type\":\"message_stop\""),
                Operation::Responses => ["completed", "incomplete", "failed"]
                    .iter()
                    .any(|kind| contains(shape, &format!("\"type\":\"response.{kind}\""))),
                _ => contains(shape, "[DONE]"),
            };
            assert_eq!(last, shape.end == ShapeEnd::Terminal, "{}", shape.name);
            let error =
                contains(shape, "\"error\":{\"message\"") || contains(shape, "event: error");
            assert_eq!(error, shape.end == ShapeEnd::Error, "{}", shape.name);
        }
    }

    #[test]
    fn usage_stands_in_the_reply_and_requests_are_json() {
        for shape in shapes() {
            if let Some(usage) = shape.usage {
                assert!(contains(shape, "_tokens\""), "{}", shape.name);
                assert!(
                    contains(shape, &usage.output_tokens.to_string()),
                    "{}",
                    shape.name
                );
                assert!(usage.cached_tokens <= usage.input_tokens, "{}", shape.name);
            }
            let json: Result<serde_json::Value, _> = serde_json::from_slice(shape.request_body);
            let asks = json.is_ok_and(|body| {
                shape.stream == (body["stream"] == true) || !shape.status.is_success()
            });
            assert!(asks || shape.method == Method::GET, "{}", shape.name);
        }
    }
}
