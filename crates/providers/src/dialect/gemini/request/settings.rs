//! Encode: how an answer is generated, read from a request for content and written into one.

use std::borrow::Cow;

use portcullis_core::error::Error;
use portcullis_core::json::{Cursor, Kind, Raw};

use super::super::key::camel;
use super::super::schema;
use super::thinking;
use crate::dialect::fields::{fields, lose, text, untranslatable};
use crate::translate::read::{self, wrong};
use crate::translate::write::Object;
use crate::translate::{Conversation, Format, Losses, Schema, Target, Text};

/// The media type of an answer that is JSON.
const JSON: &str = "application/json";

/// Reads the `generationConfig`.
pub(super) fn read<'a>(
    at: &mut Cursor<'a>,
    conversation: &mut Conversation<'a>,
    losses: &mut Losses,
) -> Result<(), Error> {
    let Some(fields) = fields(at)? else {
        return match read::value(at)?.is_null() {
            true => Ok(()),
            false => Err(wrong("generationConfig", "an object")),
        };
    };
    let (mut json, mut answer) = (false, None);
    for member in &fields {
        let (name, value) = (camel(&member.key), member.value);
        let path = || format!("generationConfig.{name}");
        if value.is_null() {
            continue;
        }
        let sampling = &mut conversation.sampling;
        let number = match &*name {
            "maxOutputTokens" => Some(&mut sampling.max_tokens),
            "temperature" => Some(&mut sampling.temperature),
            "topP" => Some(&mut sampling.top_p),
            "topK" => Some(&mut sampling.top_k),
            "candidateCount" => Some(&mut sampling.n),
            "seed" => Some(&mut sampling.seed),
            "frequencyPenalty" => Some(&mut sampling.frequency_penalty),
            "presencePenalty" => Some(&mut sampling.presence_penalty),
            "logprobs" => Some(&mut sampling.top_logprobs),
            _ => None,
        };
        if let Some(place) = number {
            if value.kind() != Kind::Number {
                return Err(wrong(&path(), "a number"));
            }
            *place = Some(value);
            continue;
        }
        match &*name {
            "stopSequences" => {
                for one in value.elements() {
                    let one = one.map_err(|_| wrong(&path(), "a list of texts"))?;
                    sampling.stop.extend(text(one, path)?);
                }
            }
            "responseLogprobs" => {
                if value.as_bool() == Some(true) {
                    sampling.logprobs = Some(value);
                }
            }
            "responseMimeType" => match value.as_str().as_deref() {
                Some(JSON) => json = true,
                Some("text/plain" | "") => {}
                _ => lose(losses, path(), value),
            },
            "responseSchema" => {
                let mut written = Vec::new();
                schema::write(&mut written, value);
                answer.get_or_insert(Cow::Owned(written));
            }
            "responseJsonSchema" => answer = Some(Cow::Borrowed(value.bytes())),
            "thinkingConfig" => conversation.thinking = Some(thinking::read(value, losses)?),
            "responseModalities" => words_alone(value)?,
            _ => lose(losses, path(), value),
        }
    }
    conversation.format = match answer {
        Some(schema) if json => Format::Schema(Schema {
            name: None,
            description: None,
            schema,
            strict: None,
        }),
        Some(_) => {
            let why = "a schema means nothing without `responseMimeType: application/json`";
            losses.add("generationConfig.responseSchema", why);
            Format::Text
        }
        None if json => Format::Json,
        None => Format::Text,
    };
    Ok(())
}

/// An answer that is to be a picture or a sound can be asked of Gemini alone.
fn words_alone(modalities: Raw<'_>) -> Result<(), Error> {
    let mut all = modalities.elements().filter_map(Result::ok);
    let words = |one: Raw<'_>| {
        one.as_str()
            .is_some_and(|one| one.eq_ignore_ascii_case("text"))
    };
    if all.all(words) {
        return Ok(());
    }
    let why = "answers other than text are known to Gemini's own models alone";
    Err(untranslatable("generationConfig.responseModalities", why))
}

/// Writes the `generationConfig`, if anything is to be said.
pub(super) fn write(
    o: &mut Object<'_>,
    conversation: &Conversation<'_>,
    target: &Target<'_>,
    losses: &mut Losses,
) {
    let mut written = Vec::new();
    crate::translate::write::object(&mut written, |o| {
        let sampling = &conversation.sampling;
        for (name, value) in [
            ("maxOutputTokens", sampling.max_tokens),
            ("temperature", sampling.temperature),
            ("topP", sampling.top_p),
            ("topK", sampling.top_k),
            ("candidateCount", sampling.n),
            ("seed", sampling.seed),
            ("frequencyPenalty", sampling.frequency_penalty),
            ("presencePenalty", sampling.presence_penalty),
        ] {
            o.maybe_raw(name, value);
        }
        if !sampling.stop.is_empty() {
            o.array("stopSequences", |a| {
                sampling.stop.iter().for_each(|stop| a.text(stop));
            });
        }
        if sampling.logprobs.and_then(Raw::as_bool) == Some(true) {
            let why = "Gemini's probabilities of tokens are not put in other forms";
            losses.add("logprobs", why);
        }
        match &conversation.format {
            Format::Text => {}
            Format::Json => o.str("responseMimeType", JSON),
            Format::Schema(answer) => {
                o.str("responseMimeType", JSON);
                o.raw("responseJsonSchema", &answer.schema);
            }
        }
        if let Some(thinking) = &conversation.thinking {
            thinking::write(o, thinking, target);
        }
    });
    if written != b"{}" {
        o.raw("generationConfig", &written);
    }
    let metadata = &conversation.metadata;
    for (name, given) in [
        ("user", metadata.user.is_some()),
        ("metadata", metadata.facts.is_some()),
        (
            "service_tier",
            metadata.tier.as_ref().is_some_and(is_chosen),
        ),
        ("prompt_cache_key", metadata.cache_key.is_some()),
    ] {
        if given {
            losses.add(name, "Gemini has no place for it");
        }
    }
}

/// Whether a queue was chosen: `auto` and `default` choose none.
fn is_chosen(tier: &Text<'_>) -> bool {
    !tier.is("auto") && !tier.is("default")
}
