//! Encode: what a request says beside its messages and tools.

use portcullis_core::error::Error;
use portcullis_core::json::{Kind, Raw};

use crate::dialect::fields::{Fields, field, given, lose, members, text, untranslatable};
use crate::translate::write::{Object, number};
use crate::translate::{
    Conversation, Effort, Format, Losses, Schema, Thinking, ToolChoice, read as reading,
};

/// The most texts that end an answer.
const STOPS: usize = 5;

/// Reads a member of the request. What other dialects have no words for is noted as lost.
pub(super) fn read<'a>(
    name: &str,
    value: Raw<'a>,
    conversation: &mut Conversation<'a>,
    losses: &mut Losses,
) -> Result<(), Error> {
    let sampling = &mut conversation.sampling;
    match name {
        "max_tokens" => sampling.max_tokens = numeric(name, value)?,
        "temperature" => sampling.temperature = numeric(name, value)?,
        "p" => sampling.top_p = numeric(name, value)?,
        "k" => sampling.top_k = numeric(name, value)?,
        "seed" => sampling.seed = numeric(name, value)?,
        "frequency_penalty" => sampling.frequency_penalty = numeric(name, value)?,
        "presence_penalty" => sampling.presence_penalty = numeric(name, value)?,
        "stop_sequences" => {
            for element in value.elements().filter_map(Result::ok) {
                sampling.stop.extend(text(element, || name.to_owned())?);
            }
        }
        "logprobs" if value.as_bool() == Some(false) => {}
        "tool_choice" => {
            conversation.tool_choice = match given(value).map(Raw::bytes) {
                None => None,
                Some(br#""REQUIRED""#) => Some(ToolChoice::Required),
                Some(br#""NONE""#) => Some(ToolChoice::None),
                Some(_) => return Err(reading::wrong(name, "`REQUIRED` or `NONE`")),
            };
        }
        "thinking" => conversation.thinking = thinking(value, losses)?,
        "response_format" => conversation.format = format(value, losses)?,
        "documents" if value.elements().next().is_some_and(|first| first.is_ok()) => {
            let why = "only Cohere's models take documents beside the messages";
            return Err(untranslatable(name, why));
        }
        _ => lose(losses, name, value),
    }
    Ok(())
}

fn numeric<'a>(field: &str, value: Raw<'a>) -> Result<Option<Raw<'a>>, Error> {
    match value.kind() {
        Kind::Number => Ok(Some(value)),
        Kind::Null => Ok(None),
        _ => Err(reading::wrong(field, "a number")),
    }
}

fn lose_others(fields: &Fields<'_>, known: [&str; 2], place: &str, losses: &mut Losses) {
    for member in fields {
        if !known.iter().any(|known| member.key == *known) {
            let name = member.key.as_str().unwrap_or_default();
            lose(losses, format_args!("{place}.{name}"), member.value);
        }
    }
}

fn thinking<'a>(value: Raw<'a>, losses: &mut Losses) -> Result<Option<Thinking<'a>>, Error> {
    let Some(value) = given(value) else {
        return Ok(None);
    };
    let fields = members(value);
    lose_others(&fields, ["type", "token_budget"], "thinking", losses);
    let budget = field(&fields, "token_budget");
    let budget = budget.map(|budget| numeric("thinking.token_budget", budget));
    let budget = budget.transpose()?.flatten();
    match field(&fields, "type").map(Raw::bytes) {
        Some(br#""enabled""#) => Ok(Some(Thinking {
            adaptive: budget.is_none(),
            budget,
            ..Thinking::default()
        })),
        Some(br#""disabled""#) => Ok(Some(Thinking {
            effort: Some(Effort::None),
            ..Thinking::default()
        })),
        _ => Err(reading::wrong("thinking.type", "`enabled` or `disabled`")),
    }
}

fn format<'a>(value: Raw<'a>, losses: &mut Losses) -> Result<Format<'a>, Error> {
    let Some(value) = given(value) else {
        return Ok(Format::Text);
    };
    let fields = members(value);
    lose_others(&fields, ["type", "json_schema"], "response_format", losses);
    let schema = field(&fields, "json_schema").and_then(given);
    if schema.is_some_and(|schema| schema.kind() != Kind::Object) {
        return Err(reading::wrong("response_format.json_schema", "an object"));
    }
    match (field(&fields, "type").map(Raw::bytes), schema) {
        (Some(br#""text""#), _) => Ok(Format::Text),
        (Some(br#""json_object""#), None) => Ok(Format::Json),
        (Some(br#""json_object""#), Some(schema)) => Ok(Format::Schema(Schema {
            name: None,
            description: None,
            schema: schema.bytes().into(),
            strict: Some(true),
        })),
        _ => Err(reading::wrong(
            "response_format.type",
            "`text` or `json_object`",
        )),
    }
}

/// Writes how an answer is to be made.
pub(super) fn write(
    conversation: &Conversation<'_>,
    body: &mut Object<'_>,
    losses: &mut Losses,
) -> Result<(), Error> {
    let sampling = &conversation.sampling;
    if sampling.n.is_some_and(|n| n.as_count() != Some(1)) {
        return Err(untranslatable("n", "Cohere's models give one answer"));
    }
    body.maybe_raw("max_tokens", sampling.max_tokens);
    if sampling.stop.len() > STOPS {
        losses.add(
            "stop",
            "Cohere takes five texts that end an answer; the first five are sent",
        );
    }
    if !sampling.stop.is_empty() {
        body.array("stop_sequences", |list| {
            sampling
                .stop
                .iter()
                .take(STOPS)
                .for_each(|stop| list.text(stop));
        });
    }
    body.maybe_raw("temperature", sampling.temperature);
    body.maybe_raw("seed", sampling.seed);
    bounded("p", ("top_p", sampling.top_p), (0.01, 0.99), body, losses);
    bounded("k", ("top_k", sampling.top_k), (0.0, 500.0), body, losses);
    let penalty = ("frequency_penalty", sampling.frequency_penalty);
    bounded("frequency_penalty", penalty, (0.0, 1.0), body, losses);
    let penalty = ("presence_penalty", sampling.presence_penalty);
    bounded("presence_penalty", penalty, (0.0, 1.0), body, losses);
    write_thinking(conversation, body, losses);
    write_format(&conversation.format, body, losses);
    let metadata = &conversation.metadata;
    let unsaid = [
        (
            "logprobs",
            sampling
                .logprobs
                .is_some_and(|raw| raw.as_bool() != Some(false)),
        ),
        ("top_logprobs", sampling.top_logprobs.is_some()),
        ("user", metadata.user.is_some()),
        ("metadata", metadata.facts.is_some()),
        ("service_tier", metadata.tier.is_some()),
        ("prompt_cache_key", metadata.cache_key.is_some()),
        (
            "parallel_tool_calls",
            conversation.parallel_tools == Some(false),
        ),
    ];
    for (field, said) in unsaid {
        if said {
            losses.add(field, "Cohere's API has no such thing");
        }
    }
    Ok(())
}

/// Writes a number that Cohere bounds more closely than others: what is out of bounds is sent as the bound.
fn bounded(
    key: &str,
    (name, value): (&'static str, Option<Raw<'_>>),
    (least, most): (f64, f64),
    body: &mut Object<'_>,
    losses: &mut Losses,
) {
    let Some(value) = value else { return };
    let told = value.as_f64().unwrap_or(least);
    let bound = told.clamp(least, most);
    if bound == told {
        body.raw(key, value.bytes());
        return;
    }
    losses.add(
        name,
        "Cohere takes no such value; the nearest it takes is sent",
    );
    if bound.fract() == 0.0 {
        number(body.key(key), bound as u64);
    } else {
        body.raw(key, bound.to_string().as_bytes());
    }
}

fn write_thinking(conversation: &Conversation<'_>, body: &mut Object<'_>, losses: &mut Losses) {
    let Some(thinking) = &conversation.thinking else {
        return;
    };
    if thinking.shown == Some(false) {
        losses.add("thinking", "Cohere's models show what they think");
    }
    let budget = thinking.budget.and_then(Raw::as_count);
    if thinking.effort == Some(Effort::None) || budget == Some(0) {
        body.object("thinking", |o| o.str("type", "disabled"));
        return;
    }
    if thinking.effort.is_some() {
        losses.add(
            "reasoning_effort",
            "how much a model thinks is said in tokens there",
        );
    }
    if thinking.effort.is_some() || thinking.adaptive || budget.is_some() {
        body.object("thinking", |o| {
            o.str("type", "enabled");
            if let Some(budget) = budget {
                o.u64("token_budget", budget);
            }
        });
    }
}

fn write_format(format: &Format<'_>, body: &mut Object<'_>, losses: &mut Losses) {
    let schema = match format {
        Format::Text => return,
        Format::Json => None,
        Format::Schema(schema) => {
            for (name, value) in [("name", &schema.name), ("description", &schema.description)] {
                if value.is_some() {
                    let field = format!("response_format.json_schema.{name}");
                    losses.add(field, "schemas stand for themselves there");
                }
            }
            Some(&schema.schema)
        }
    };
    body.object("response_format", |o| {
        o.str("type", "json_object");
        if let Some(schema) = schema {
            o.raw("json_schema", schema);
        }
    });
}
