//! Decode: what a Gemini URL says: the model, and what is asked of it.

use std::borrow::Cow;
use std::ops::Range;

use http::{Uri, request};
use percent_encoding::percent_decode_str;
use portcullis_core::error::{Error, codes};
use portcullis_core::llm::Operation;

use crate::dialect::segment;

/// What is asked of a model, as the end of the path says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verb {
    Generate,
    Stream,
    Count,
    Embed,
    BatchEmbed,
}

impl Verb {
    const ALL: [(Self, &str); 5] = [
        (Self::Generate, "generateContent"),
        (Self::Stream, "streamGenerateContent"),
        (Self::Count, "countTokens"),
        (Self::Embed, "embedContent"),
        (Self::BatchEmbed, "batchEmbedContents"),
    ];

    pub(crate) fn operation(self) -> Operation {
        match self {
            Self::Generate | Self::Stream => Operation::Chat,
            Self::Count => Operation::CountTokens,
            Self::Embed | Self::BatchEmbed => Operation::Embeddings,
        }
    }

    /// The word for it.
    pub(crate) fn word(self) -> &'static str {
        let found = Self::ALL.iter().find(|(verb, _)| *verb == self);
        found.map_or("", |(_, word)| word)
    }
}

/// A path `…/models/MODEL:VERB`, under whatever it stands: `/v1beta`, or with Vertex
/// `/v1/projects/P/locations/L/publishers/google`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Called {
    pub(crate) verb: Verb,
    /// Where the model stands in the path, as it is written there.
    pub(crate) model: Range<usize>,
}

impl Called {
    /// Reads a path. A tuned model keeps its collection: `tunedModels/x`.
    pub(crate) fn read(path: &str) -> Option<Self> {
        let (front, word) = path.rsplit_once(':')?;
        let (verb, _) = Verb::ALL.iter().find(|(_, known)| *known == word)?;
        let start = match front.find("/tunedModels/") {
            Some(at) => at + 1,
            None => front.find("/models/")? + "/models/".len(),
        };
        (start < front.len()).then_some(Self {
            verb: *verb,
            model: start..front.len(),
        })
    }

    /// The model's name.
    pub(crate) fn model<'p>(&self, path: &'p str) -> Option<Cow<'p, str>> {
        let written = path.get(self.model.clone())?;
        percent_decode_str(written).decode_utf8().ok()
    }
}

/// Where a model is asked for something, below the version segment.
pub(crate) fn path(model: &str, verb: Verb) -> String {
    match model.strip_prefix("tunedModels/") {
        Some(tuned) => format!("/tunedModels/{}:{}", segment(tuned), verb.word()),
        None => format!("/models/{}:{}", segment(model), verb.word()),
    }
}

/// Writes another model into the URL of a head.
pub(super) fn set_model(head: &mut request::Parts, model: &str) -> Result<(), Error> {
    let unnamed = || {
        let what = "the URL names no model";
        Error::new(&codes::INVALID_FIELD, what).param("model")
    };
    let old = head.uri.path();
    let called = Called::read(old).ok_or_else(unnamed)?;
    let front = match old.get(..called.model.start).ok_or_else(unnamed)? {
        front if old[called.model.clone()].starts_with("tunedModels/") => format!("{front}models/"),
        front => front.to_owned(),
    };
    let (word, query) = (called.verb.word(), head.uri.query());
    let mut target = format!("{front}{}:{word}", segment(model));
    if let Some(query) = query {
        target.push('?');
        target.push_str(query);
    }
    let mut parts = std::mem::take(&mut head.uri).into_parts();
    let parsed = target.parse().map_err(|_| unnamed())?;
    parts.path_and_query = Some(parsed);
    head.uri = Uri::from_parts(parts).map_err(|_| unnamed())?;
    Ok(())
}

/// Whether the caller wants a stream as server-sent events, and not as one growing array.
pub(super) fn wants_sse(head: &request::Parts) -> bool {
    pairs(head.uri.query()).any(|pair| pair == "alt=sse")
}

/// The query without the caller's own key.
pub(crate) fn without_key(query: Option<&str>) -> Option<Cow<'_, str>> {
    let query = query?;
    if !query.split('&').any(is_key) {
        return Some(query.into());
    }
    let kept: Vec<_> = query.split('&').filter(|pair| !is_key(pair)).collect();
    (!kept.is_empty()).then(|| kept.join("&").into())
}

/// Whether the query has a key in it, which only Google's APIs take there.
pub(super) fn has_key(head: &request::Parts) -> bool {
    pairs(head.uri.query()).any(is_key)
}

fn pairs(query: Option<&str>) -> impl Iterator<Item = &str> {
    query.unwrap_or_default().split('&')
}

/// Names are compared as a server reads them: decoded.
fn is_key(pair: &str) -> bool {
    let name = pair.split('=').next().unwrap_or_default();
    let name = percent_decode_str(name).decode_utf8_lossy();
    matches!(&*name, "key" | "access_token" | "oauth_token")
}
