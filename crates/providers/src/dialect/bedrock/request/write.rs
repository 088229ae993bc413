//! Encode: a request of Bedrock converse, written.

use portcullis_core::error::Error;
use portcullis_core::json::{Kind, Raw};

use super::{additional, history, tools};
use crate::dialect::bedrock::path;
use crate::translate::write::{Object, object};
use crate::translate::{Conversation, Effort, Format, Losses, Names, Target, Text, Written};

/// Writes a request.
pub(in crate::dialect::bedrock) fn write(
    c: &Conversation<'_>,
    target: &Target<'_>,
    losses: &mut Losses,
) -> Result<Written, Error> {
    let mut names = Names::default();
    let mut body = Vec::with_capacity(1024);
    object(&mut body, |o| {
        history::write(c, o, &mut names, losses)?;
        inference(c, o, losses);
        tools::write(c, o, &mut names, losses)?;
        output(c, o, losses);
        additional::write(c, target.model, o, losses);
        filed(c, o, losses);
        Ok::<_, Error>(())
    })?;
    let action = if c.stream {
        "converse-stream"
    } else {
        "converse"
    };
    Ok(Written {
        path: path::join(target.model, action),
        query: None,
        headers: Vec::new(),
        body: body.into(),
        names,
    })
}

fn inference(c: &Conversation<'_>, o: &mut Object<'_>, losses: &mut Losses) {
    let s = &c.sampling;
    let stop: Vec<_> = s.stop.iter().filter(|stop| !stop.is_empty()).collect();
    let one = |n: Raw<'_>| n.as_count() == Some(1);
    let no = |value: Raw<'_>| value.as_bool() == Some(false) || value.as_count() == Some(0);
    for (field, said) in [
        ("n", s.n.is_some_and(|n| !one(n))),
        ("seed", s.seed.is_some()),
        (
            "frequency_penalty",
            s.frequency_penalty.is_some_and(|p| !no(p)),
        ),
        (
            "presence_penalty",
            s.presence_penalty.is_some_and(|p| !no(p)),
        ),
        ("logprobs", s.logprobs.is_some_and(|p| !no(p))),
        ("top_logprobs", s.top_logprobs.is_some_and(|p| !no(p))),
    ] {
        if said {
            losses.add(field, "Bedrock has no such field");
        }
    }
    let temperature = s.temperature.map(|temperature| {
        if temperature.as_f64().is_some_and(|t| t > 1.0) {
            losses.add("temperature", "it is at most 1 on Bedrock");
            return &b"1"[..];
        }
        temperature.bytes()
    });
    if s.max_tokens.is_none() && temperature.is_none() && s.top_p.is_none() && stop.is_empty() {
        return;
    }
    o.object("inferenceConfig", |o| {
        o.maybe_raw("maxTokens", s.max_tokens);
        if let Some(temperature) = temperature {
            o.raw("temperature", temperature);
        }
        o.maybe_raw("topP", s.top_p);
        if !stop.is_empty() {
            o.array("stopSequences", |a| {
                stop.iter().for_each(|stop| a.text(stop));
            });
        }
    });
}

/// The form of the answer, and how much is thought about it.
fn output(c: &Conversation<'_>, o: &mut Object<'_>, losses: &mut Losses) {
    let effort = c.thinking.as_ref().and_then(|thinking| thinking.effort);
    let effort = effort
        .filter(|effort| *effort != Effort::None)
        .map(|effort| {
            if effort == Effort::Minimal {
                losses.add(
                    "reasoning_effort",
                    "the least Bedrock has a word for is `low`",
                );
                return Effort::Low.word();
            }
            effort.word()
        });
    let schema = match &c.format {
        Format::Text => None,
        Format::Json => {
            losses.add(
                "response_format",
                "Bedrock writes JSON of a given schema only",
            );
            None
        }
        Format::Schema(schema) => Some(schema),
    };
    if effort.is_none() && schema.is_none() {
        return;
    }
    o.object("outputConfig", |o| {
        if let Some(schema) = schema {
            if schema.strict == Some(false) {
                losses.add("strict", "Bedrock keeps to every schema it is given");
            }
            o.object("textFormat", |o| {
                o.str("type", "json_schema");
                o.object("structure", |o| {
                    o.object("jsonSchema", |o| {
                        o.str("schema", &String::from_utf8_lossy(&schema.schema));
                        o.maybe_text("name", schema.name.as_ref());
                        o.maybe_text("description", schema.description.as_ref());
                    });
                });
            });
        }
        if let Some(effort) = effort {
            o.str("effort", effort);
        }
    });
}

/// Who asks, and how it is to be filed.
fn filed(c: &Conversation<'_>, o: &mut Object<'_>, losses: &mut Losses) {
    let metadata = &c.metadata;
    if metadata.user.is_some() {
        losses.add("user", "Bedrock has no such field");
    }
    if metadata.cache_key.is_some() {
        losses.add("prompt_cache_key", "Bedrock has no such field");
    }
    match metadata.tier.as_ref().map(Text::plain).as_deref() {
        None | Some("auto") => {}
        Some(tier @ ("default" | "flex" | "priority" | "reserved")) => {
            o.object("serviceTier", |o| o.str("type", tier));
        }
        Some(_) => losses.add("service_tier", "Bedrock has no queue of this name"),
    }
    let Some(facts) = metadata.facts.filter(|facts| facts.kind() == Kind::Object) else {
        return;
    };
    let mut fit = facts.members().filter_map(Result::ok).filter(|fact| {
        let text = fact.value.as_str();
        let fits = text.is_some_and(|text| text.len() <= 256 && text.chars().all(is_filed));
        if !fits {
            let key = fact.key.as_str().unwrap_or_default();
            let why = "Bedrock files short texts of few characters only";
            losses.add(format!("metadata.{key}"), why);
        }
        fits
    });
    let Some(first) = fit.next() else { return };
    o.object("requestMetadata", |o| {
        for fact in std::iter::once(first).chain(fit) {
            let mut key = Vec::new();
            Text::Json(fact.key.raw().str_bytes().unwrap_or_default()).write_inner(&mut key);
            o.raw(&String::from_utf8_lossy(&key), fact.value.bytes());
        }
    });
}

fn is_filed(c: char) -> bool {
    c.is_ascii_alphanumeric() || c.is_ascii_whitespace() || ":_@$#=/+,-.".contains(c)
}
