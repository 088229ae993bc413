//! Encode: neutral parts, as parts of a content.

use base64::prelude::{BASE64_STANDARD, Engine as _};
use portcullis_core::error::Error;
use portcullis_core::json::{Kind, Raw};

use super::part::{FOREIGN, is_stored};
use super::signature::{self, FAMILY};
use crate::dialect::fields::untranslatable;
use crate::translate::read::{broken, wrong};
use crate::translate::write::{Array, Object};
use crate::translate::{
    Charset, Losses, Media, Names, Part, Reasoning, Signature, Source, Text, ToolCall, ToolResult,
    media,
};

/// What Gemini allows in the name of a function.
pub(super) const NAMES: Charset = Charset {
    max: 64,
    allowed: |byte| byte.is_ascii_alphanumeric() || b"_.:-".contains(&byte),
};

/// To whom parts are written.
#[derive(Clone, Copy, Debug)]
pub(super) enum Voice {
    /// To the provider, who takes back its own signatures alone. Whether it demands one on calls.
    Provider { sealed: bool },
    /// To a caller, who keeps what must come back.
    Caller,
}

impl Voice {
    /// To the provider of a model: those from Gemini 3 on demand signatures.
    pub(super) fn provider(model: &str) -> Self {
        Self::Provider {
            sealed: model.starts_with("gemini-3"),
        }
    }

    /// A signature as it is shown; `None` where it would be refused.
    fn seal<'a>(self, signature: &Signature<'a>) -> Option<Text<'a>> {
        let refused = matches!(self, Self::Provider { .. }) && signature.family != FAMILY;
        (!refused).then(|| signature::written(signature))
    }
}

/// The signature of a part that is nothing else, so that it can stand on the text before it.
pub(super) fn seal_of<'a>(part: &Part<'a>, voice: Voice) -> Option<Text<'a>> {
    match part {
        Part::Reasoning(Reasoning {
            text: None,
            signature: Some(signature),
            redacted: false,
            ..
        }) => voice.seal(signature),
        _ => None,
    }
}

/// Writes the parts of one turn.
pub(super) struct Say<'s> {
    pub(super) voice: Voice,
    /// What the caller calls the turn.
    pub(super) place: &'s dyn Fn() -> String,
    pub(super) names: &'s mut Names,
    pub(super) losses: &'s mut Losses,
    /// Whether no call of the turn has been written yet: the first is the one that is signed.
    pub(super) first_call: bool,
}

impl Say<'_> {
    /// Writes a part. `seal` is the signature of the next one, if that is nothing else; returns whether it was
    /// written here.
    pub(super) fn part(
        &mut self,
        a: &mut Array<'_>,
        part: &Part<'_>,
        seal: Option<&Text<'_>>,
    ) -> Result<bool, Error> {
        match part {
            Part::Text {
                text, citations, ..
            } => {
                if citations.is_some() {
                    self.lose("citations", "Gemini has no place for what a text cites");
                }
                a.object(|o| {
                    o.text("text", text);
                    o.maybe_text("thoughtSignature", seal);
                });
                return Ok(seal.is_some());
            }
            Part::Refusal(text) => a.object(|o| o.text("text", text)),
            Part::Media(media) => a.object(|o| self.media(o, media))?,
            Part::ToolCall(call) => a.object(|o| self.call(o, call))?,
            Part::ToolResult(result) => a.object(|o| self.result(o, result))?,
            Part::Reasoning(thought) => self.thought(a, thought),
            Part::Foreign { kind, raw } if FOREIGN.contains(&&**kind) => {
                a.object(|o| o.raw(kind, raw.bytes()));
            }
            Part::Foreign { kind, .. } => {
                let why = format!("`{kind}` is known to its own provider alone");
                if matches!(self.voice, Voice::Provider { .. }) {
                    return Err(untranslatable((self.place)(), &why));
                }
                self.lose(kind, "it is known to its own provider alone");
            }
        }
        Ok(false)
    }

    fn lose(&mut self, what: &str, why: &'static str) {
        let field = format!("{}.{what}", (self.place)());
        self.losses.add(field, why);
    }

    fn thought(&mut self, a: &mut Array<'_>, thought: &Reasoning<'_>) {
        let seal = match &thought.signature {
            None => None,
            Some(signature) => {
                let seal = self.voice.seal(signature);
                if seal.is_none() {
                    self.lose("reasoning", "it is sealed by another family of models");
                    return;
                }
                seal
            }
        };
        a.object(|o| {
            match &thought.text {
                Some(text) => o.text("text", text),
                None if thought.redacted => {}
                None => o.str("text", ""),
            }
            if thought.text.is_some() || thought.redacted {
                o.bool("thought", true);
            }
            o.maybe_text("thoughtSignature", seal.as_ref());
        });
    }

    fn call(&mut self, o: &mut Object<'_>, call: &ToolCall<'_>) -> Result<(), Error> {
        let provider = matches!(self.voice, Voice::Provider { .. });
        o.object("functionCall", |o| {
            o.maybe_text("id", call.id.as_ref());
            if provider {
                o.text("name", &self.names.fit(&call.name, NAMES));
                return call.arguments.write_object(o.key("args"));
            }
            o.text("name", &call.name);
            call.arguments.write_object(o.key("args")).map_err(broken)
        })?;
        let given = call.signature.as_ref();
        let seal = given.and_then(|signature| self.voice.seal(signature));
        match (&seal, self.voice) {
            (Some(seal), _) => o.text("thoughtSignature", seal),
            (None, Voice::Provider { sealed: true }) if self.first_call => {
                o.str("thoughtSignature", signature::NONE);
            }
            _ => {}
        }
        if given.is_some() && seal.is_none() {
            self.lose("signature", "it is sealed by another family of models");
        }
        Ok(())
    }

    fn result(&mut self, o: &mut Object<'_>, result: &ToolResult<'_>) -> Result<(), Error> {
        let name = result.name.as_ref();
        let name = name.ok_or_else(|| wrong(&(self.place)(), "the result of a known call"))?;
        o.object("functionResponse", |o| {
            o.maybe_text("id", result.id.as_ref());
            o.text("name", &self.names.fit(name, NAMES));
            match result.json.filter(|json| json.kind() == Kind::Object) {
                Some(json) => o.raw("response", json.bytes()),
                None => respond(o, result),
            }
            let media: Vec<_> = result.parts.iter().filter_map(medium).collect();
            if media.is_empty() {
                return Ok(());
            }
            o.array("parts", |a| {
                media
                    .iter()
                    .try_for_each(|media| a.object(|o| self.media(o, media)))
            })
        })
    }

    fn media(&mut self, o: &mut Object<'_>, given: &Media<'_>) -> Result<(), Error> {
        if given.detail.is_some() {
            self.lose("detail", "Gemini looks at pictures in one way");
        }
        if given.name.is_some() {
            self.lose("filename", "files have no names there");
        }
        let media_type = media::media_type(given);
        let place = self.place;
        let typed = || {
            let known = media_type.clone();
            known.ok_or_else(|| wrong(&place(), "media of a known type"))
        };
        let uri = match &given.source {
            Source::Base64(data) => return inline(o, &typed()?, data),
            Source::Text(text) => {
                let data = BASE64_STANDARD.encode(text.plain().as_bytes());
                return inline(o, &typed()?, &data.into());
            }
            Source::Url(uri) | Source::File(uri) => uri,
        };
        if matches!(self.voice, Voice::Provider { .. }) && !is_known(&uri.plain()) {
            let why =
                "Gemini needs the bytes: neither other providers' files nor URLs can be sent there";
            return Err(untranslatable(place(), why));
        }
        o.object("fileData", |o| {
            o.maybe_text("mimeType", media_type.as_ref());
            o.text("fileUri", uri);
        });
        Ok(())
    }
}

fn inline(o: &mut Object<'_>, media_type: &Text<'_>, data: &Text<'_>) -> Result<(), Error> {
    o.object("inlineData", |o| {
        o.text("mimeType", media_type);
        o.text("data", data);
    });
    Ok(())
}

/// What Google reads by itself: what is stored there, and its own films.
fn is_known(uri: &str) -> bool {
    const FILMS: [&str; 3] = [
        "https://www.youtube.com/",
        "https://youtube.com/",
        "https://youtu.be/",
    ];
    is_stored(uri) || FILMS.iter().any(|place| uri.starts_with(place))
}

fn medium<'r, 'a>(part: &'r Part<'a>) -> Option<&'r Media<'a>> {
    match part {
        Part::Media(media) => Some(media),
        _ => None,
    }
}

/// What a tool said, as the object a response must be: its own, if it is one, else by Google's convention under
/// `output` or `error`.
fn respond(o: &mut Object<'_>, result: &ToolResult<'_>) {
    let mut texts = result.parts.iter().filter_map(|part| match part {
        Part::Text { text, .. } | Part::Refusal(text) => Some(text),
        _ => None,
    });
    let (first, second) = (texts.next(), texts.next());
    let said = match (first, second) {
        (None, _) => Text::from(""),
        (Some(only), None) => only.clone(),
        (Some(first), Some(second)) => {
            let all = [first, second].into_iter().chain(texts);
            all.map(Text::plain).collect::<Vec<_>>().join("\n").into()
        }
    };
    let plain = said.plain();
    let object = || {
        Raw::parse(plain.trim().as_bytes())
            .ok()
            .filter(|raw| raw.kind() == Kind::Object)
    };
    match object() {
        Some(object) if !result.error => o.raw("response", object.bytes()),
        _ => o.object("response", |o| {
            o.text(if result.error { "error" } else { "output" }, &said);
        }),
    }
}
