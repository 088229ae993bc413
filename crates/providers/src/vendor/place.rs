//! Upstream: the URL of a call as its vendor has it, made of the call and of what configuration says.

use std::borrow::Cow;
use std::collections::BTreeMap;

use http::HeaderMap;
use portcullis_core::error::Error;
use portcullis_core::llm::Operation;
use portcullis_core::payload::{Doc, Payload};

use crate::dialect::segment;

/// An option of a vendor in configuration: `options: {location: europe-west4}`.
#[derive(Clone, Copy, Debug)]
pub struct VendorOption {
    /// Its name.
    pub name: &'static str,
    /// Whether it must be given.
    pub required: bool,
    /// What it is, in a phrase.
    pub about: &'static str,
}

/// The options of one endpoint.
#[derive(Clone, Debug, Default)]
pub struct Options(BTreeMap<String, String>);

impl Options {
    /// The value of one; `None` when it was not given.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// The value of one, or else what is usual.
    pub fn or<'o>(&'o self, name: &str, usual: &'o str) -> &'o str {
        self.get(name).unwrap_or(usual)
    }
}

impl From<BTreeMap<String, String>> for Options {
    fn from(given: BTreeMap<String, String>) -> Self {
        Self(given)
    }
}

/// One call, as far as a URL is made of it.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Ask<'a> {
    /// The dialect it is sent in.
    pub dialect: &'static str,
    /// What it asks for.
    pub operation: Operation,
    /// The model; empty where none is named.
    pub model: &'a str,
    /// Whether the reply is to be streamed.
    pub stream: bool,
    /// Where the dialect has it: the path behind the version segment, as it is sent.
    pub path: &'a str,
    /// The query it would have there.
    pub query: Option<&'a str>,
    /// The caller's headers; of a translated call those its dialect has for it.
    pub headers: &'a HeaderMap,
    /// The options of the endpoint.
    pub options: &'a Options,
}

/// Where a call goes below the base URL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place<'a> {
    /// The path. It begins with a slash.
    pub path: Cow<'a, str>,
    /// The query.
    pub query: Option<Cow<'a, str>>,
}

impl<'a> Place<'a> {
    /// Under another path, with the query it has.
    pub fn at(ask: &Ask<'a>, path: String) -> Self {
        Self {
            path: path.into(),
            query: ask.query.map(Into::into),
        }
    }

    /// With one more pair in the query, which nothing the caller wrote there can take the place of.
    #[must_use]
    pub fn with(mut self, name: &str, value: &str) -> Self {
        let ours = format!("{name}=");
        let given = self.query.as_deref().unwrap_or_default().split('&');
        let mut query: Vec<_> = given
            .filter(|pair| !pair.is_empty() && !pair.starts_with(&ours))
            .map(str::to_owned)
            .collect();
        query.push(format!("{name}={}", segment(value)));
        self.query = Some(query.join("&").into());
        self
    }
}

/// Where the dialect of a call has it: what most vendors do.
pub fn own_place<'a>(ask: &Ask<'a>) -> Place<'a> {
    Place {
        path: ask.path.into(),
        query: ask.query.map(Into::into),
    }
}

/// Leaves a body as its dialect has it, as most vendors do.
///
/// # Errors
///
/// Never.
pub fn own_body(_: &Ask<'_>, _: &mut Payload<Doc>) -> Result<(), Error> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pair_of_the_vendors_own_replaces_what_the_caller_wrote() {
        let (options, headers) = (Options::default(), HeaderMap::new());
        let ask = |query| Ask {
            dialect: "openai-chat",
            operation: Operation::Chat,
            model: "m",
            stream: false,
            path: "/chat/completions",
            query,
            headers: &headers,
            options: &options,
        };
        let query = |given| own_place(&ask(given)).with("v", "1 2").query.unwrap();
        assert_eq!(query(None), "v=1%202");
        assert_eq!(query(Some("")), "v=1%202");
        assert_eq!(query(Some("a=b&v=9&vw=1")), "a=b&vw=1&v=1%202");
    }
}
