//! Encode: the blocks a message consists of, written.

use std::collections::HashSet;
use std::fmt::Write as _;

use portcullis_core::error::Error;
use sha2::{Digest, Sha256};

use super::FAMILY;
use super::content::written_redacted;
use super::format::{format, key};
use crate::codes::UNTRANSLATABLE;
use crate::translate::media::media_type;
use crate::translate::write::{Array, Object};
use crate::translate::{
    CacheMark, Charset, Losses, Media, MediaKind, Names, Part, Reasoning, Signature, Source, Text,
    ToolCall, ToolResult,
};

/// What Bedrock allows in the name of a tool.
pub(super) const TOOL_NAME: Charset = Charset {
    max: 64,
    allowed: |byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'),
};

/// The most bytes of an id.
const MAX_ID: usize = 64;

/// Who reads what is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    /// A model: only its own signatures may go there, and names and ids must be as Bedrock allows.
    Request,
    /// A caller, who gives everything back.
    Reply,
}

/// Writes blocks, and what must be known over all of a document.
pub(super) struct Blocks<'b> {
    side: Side,
    names: &'b mut Names,
    pub(super) losses: &'b mut Losses,
    /// The names of documents so far: no two may be the same.
    documents: HashSet<String>,
}

impl<'b> Blocks<'b> {
    pub(super) fn new(side: Side, names: &'b mut Names, losses: &'b mut Losses) -> Self {
        Self {
            side,
            names,
            losses,
            documents: HashSet::new(),
        }
    }

    /// Writes the parts of a turn that is at `place` in the caller's document. Blank texts are left out: Bedrock
    /// refuses them.
    pub(super) fn write(
        &mut self,
        parts: &[Part<'_>],
        place: &str,
        a: &mut Array<'_>,
    ) -> Result<(), Error> {
        for part in parts {
            self.part(part, place, a)?;
        }
        Ok(())
    }

    fn part(&mut self, part: &Part<'_>, place: &str, a: &mut Array<'_>) -> Result<(), Error> {
        let cache = match part {
            Part::Text {
                text,
                citations,
                cache,
            } => {
                if citations.is_some() {
                    let why = "what other dialects cite has another form";
                    self.losses.add(format!("{place}.citations"), why);
                }
                if !text.is_blank() {
                    a.object(|o| o.text("text", text));
                }
                cache
            }
            Part::Refusal(text) => {
                if !text.is_blank() {
                    a.object(|o| o.text("text", text));
                }
                &None
            }
            Part::Media(media) => {
                self.media(media, place, a)?;
                &media.cache
            }
            Part::ToolCall(call) => {
                self.tool_call(call, place, a)?;
                &call.cache
            }
            Part::ToolResult(result) => {
                self.tool_result(result, place, a)?;
                &result.cache
            }
            Part::Reasoning(thought) => {
                self.reasoning(thought, place, a);
                &None
            }
            Part::Foreign { kind, .. } => {
                let why = "Bedrock has no such block";
                self.losses.add(format!("{place}.{kind}"), why);
                &None
            }
        };
        if let Some(mark) = cache
            && !a.is_empty()
        {
            write_cache_point(*mark, a);
        }
        Ok(())
    }

    fn tool_call(
        &mut self,
        call: &ToolCall<'_>,
        place: &str,
        a: &mut Array<'_>,
    ) -> Result<(), Error> {
        let name = match self.side {
            Side::Request => self.names.fit(&call.name, TOOL_NAME),
            Side::Reply => call.name.clone().into_owned(),
        };
        a.object(|o| {
            o.object("toolUse", |o| {
                o.text("toolUseId", &self.id(call.id.as_ref()));
                o.text("name", &name);
                call.arguments.write_object(o.key("input"))
            })
        })?;
        match (&call.signature, self.side) {
            (None, _) => {}
            // There is no place for it in the call: it goes behind, as thoughts without words.
            (Some(signature), Side::Reply) => write_thought("", Some(signature), a),
            (Some(_), Side::Request) => {
                let why = "Bedrock has no signatures of calls";
                self.losses.add(format!("{place}.signature"), why);
            }
        }
        Ok(())
    }

    fn tool_result(
        &mut self,
        result: &ToolResult<'_>,
        place: &str,
        a: &mut Array<'_>,
    ) -> Result<(), Error> {
        let id = self.id(result.id.as_ref());
        a.object(|o| {
            o.object("toolResult", |o| {
                o.text("toolUseId", &id);
                o.array("content", |a| self.result_content(result, place, a))?;
                if result.error {
                    o.str("status", "error");
                }
                Ok(())
            })
        })
    }

    fn result_content(
        &mut self,
        result: &ToolResult<'_>,
        place: &str,
        a: &mut Array<'_>,
    ) -> Result<(), Error> {
        for part in &result.parts {
            match part {
                Part::Text { text, .. } if text.is_blank() => {}
                Part::Text { text, .. } => a.object(|o| o.text("text", text)),
                Part::Media(media) if media.kind != MediaKind::Audio => {
                    self.media(media, place, a)?;
                }
                _ => {
                    let why = "Bedrock has no such thing in results of tools";
                    self.losses.add(format!("{place}.content"), why);
                }
            }
        }
        if a.is_empty()
            && let Some(json) = result.json
        {
            a.object(|o| o.raw("json", json.bytes()));
        }
        Ok(())
    }

    fn reasoning(&mut self, thought: &Reasoning<'_>, place: &str, a: &mut Array<'_>) {
        if self.side == Side::Request && !goes_back(thought) {
            let why = match thought.signature {
                None => "Bedrock takes back signed thoughts only",
                Some(_) => "another provider has signed it",
            };
            self.losses.add(format!("{place}.reasoning"), why);
            return;
        }
        let silent = thought.text.as_ref().is_none_or(Text::is_empty);
        match &thought.signature {
            None if silent => {}
            Some(signature) if thought.redacted => a.object(|o| {
                o.object("reasoningContent", |o| {
                    o.text("redactedContent", &written_redacted(signature));
                });
            }),
            signature => {
                let none = Text::from("");
                let text = thought.text.as_ref().unwrap_or(&none);
                write_thought_of(text, signature.as_ref(), a);
            }
        }
    }

    fn media(&mut self, media: &Media<'_>, place: &str, a: &mut Array<'_>) -> Result<(), Error> {
        let refuse = |why: String| {
            let what = format!("`{place}` cannot be sent to Bedrock: {why}");
            Err(Error::new(&UNTRANSLATABLE, what).param(place))
        };
        let kind = key(media.kind);
        match &media.source {
            Source::Url(_) => return refuse(format!("it takes the bytes of {kind}s, no URLs")),
            Source::File(_) => return refuse("the file is kept by another provider".to_owned()),
            Source::Base64(_) | Source::Text(_) => {}
        }
        let said = media_type(media);
        let said = said.as_ref().map(Text::plain);
        let found = said.as_ref().and_then(|said| format(media.kind, said));
        let Some(found) = found else {
            let said = said.unwrap_or("an unknown type".into());
            return refuse(format!("it takes no {kind} of {said}"));
        };
        if media.detail.as_ref().is_some_and(|d| !d.is("auto")) {
            let why = "Bedrock has no such field";
            self.losses.add(format!("{place}.detail"), why);
        }
        let name = (media.kind == MediaKind::Document).then(|| self.document(media, place));
        a.object(|o| {
            o.object(kind, |o| {
                o.str("format", found);
                if let Some(name) = name {
                    o.str("name", &name);
                }
                o.object("source", |o| write_source(&media.source, o));
            });
        });
        Ok(())
    }

    /// A name for a document: letters, digits, single spaces, hyphens and brackets, and no two the same.
    fn document(&mut self, media: &Media<'_>, place: &str) -> String {
        let given = media.name.as_ref().map(Text::plain).unwrap_or_default();
        let mut name = String::with_capacity(given.len().min(200));
        for c in given.chars().take(180) {
            let kept = c.is_ascii_alphanumeric() || "-()[] ".contains(c);
            let c = if kept { c } else { '-' };
            if !(c == ' ' && name.ends_with(' ')) {
                name.push(c);
            }
        }
        if name.trim().is_empty() {
            name = "document".to_owned();
        }
        let mut unique = name.clone();
        let mut number = self.documents.len();
        while !self.documents.insert(unique.clone()) {
            number += 1;
            unique = format!("{name} {number}");
        }
        if media.name.is_some() && unique != given {
            let why = "Bedrock allows few characters in names of documents, and no name twice";
            self.losses.add(format!("{place}.name"), why);
        }
        unique
    }

    /// An id as Bedrock allows it. One it does not allow is written as its own digest, the same wherever it stands.
    fn id(&self, id: Option<&Text<'_>>) -> Text<'static> {
        let Some(id) = id else {
            return Text::from("tooluse");
        };
        let plain = id.plain();
        let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b':' | b'-');
        let fits = (1..=MAX_ID).contains(&plain.len()) && plain.bytes().all(allowed);
        if fits || self.side == Side::Reply {
            return Text::from(plain.into_owned());
        }
        let mut digest = String::with_capacity(MAX_ID);
        for byte in Sha256::digest(plain.as_bytes()) {
            write!(digest, "{byte:02x}").expect("a string takes any text");
        }
        Text::from(digest)
    }
}

/// Whether a thought can be given back to the model: only its own provider's, signed.
pub(super) fn goes_back(thought: &Reasoning<'_>) -> bool {
    let signature = thought.signature.as_ref();
    signature.is_some_and(|signature| signature.family == FAMILY)
}

/// Writes a mark.
pub(super) fn write_cache_point(mark: CacheMark, a: &mut Array<'_>) {
    a.object(|o| {
        o.object("cachePoint", |o| {
            o.str("type", "default");
            match mark {
                CacheMark::Default => {}
                CacheMark::Minutes5 => o.str("ttl", "5m"),
                CacheMark::Hour => o.str("ttl", "1h"),
            }
        });
    });
}

fn write_thought(text: &str, signature: Option<&Signature<'_>>, a: &mut Array<'_>) {
    write_thought_of(&Text::from(text), signature, a);
}

fn write_thought_of(text: &Text<'_>, signature: Option<&Signature<'_>>, a: &mut Array<'_>) {
    a.object(|o| {
        o.object("reasoningContent", |o| {
            o.object("reasoningText", |o| {
                o.text("text", text);
                if let Some(signature) = signature {
                    o.text("signature", &signature.written(FAMILY));
                }
            });
        });
    });
}

fn write_source(source: &Source<'_>, o: &mut Object<'_>) {
    match source {
        Source::Base64(bytes) => o.text("bytes", bytes),
        Source::Text(text) | Source::Url(text) | Source::File(text) => o.text("text", text),
    }
}
