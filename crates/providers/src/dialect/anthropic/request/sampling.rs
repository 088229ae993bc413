//! Encode: how an answer is to be made, as a request for a message says it.

use portcullis_core::error::Error;
use portcullis_core::json::Raw;

use crate::dialect::fields::untranslatable;
use crate::translate::write::{Object, number};
use crate::translate::{Conversation, Effort, Format, Losses, Target, Thinking, ToolChoice};

/// The least a model can be told to think, in tokens.
const MIN_BUDGET: u64 = 1024;

/// Writes the most tokens to answer with, which must be there. What is thought counts; so where the bound is
/// ours the budget for thinking is added to it.
pub(super) fn write_max_tokens(
    conversation: &Conversation<'_>,
    target: &Target<'_>,
    body: &mut Object<'_>,
) {
    if let Some(max) = conversation.sampling.max_tokens {
        body.raw("max_tokens", max.bytes());
        return;
    }
    let thinking = conversation.thinking.as_ref();
    let budget = thinking.and_then(|thinking| budget(thinking, &mut Losses::default()));
    let most = target.max_tokens.saturating_add(budget.unwrap_or_default());
    body.u64("max_tokens", most);
}

/// Writes thinking, the form of the answer, and how its words are chosen.
pub(super) fn write(
    conversation: &Conversation<'_>,
    body: &mut Object<'_>,
    losses: &mut Losses,
) -> Result<(), Error> {
    let thinks = write_thinking(conversation, body, losses)?;
    write_output_config(conversation, body, losses);
    write_sampling(conversation, thinks, body, losses);
    let sampling = &conversation.sampling;
    if sampling.n.is_some_and(|n| n.as_count() != Some(1)) {
        return Err(untranslatable("n", "Anthropic's models give one answer"));
    }
    let unsaid = [
        ("seed", sampling.seed),
        ("frequency_penalty", sampling.frequency_penalty),
        ("presence_penalty", sampling.presence_penalty),
        (
            "logprobs",
            sampling.logprobs.filter(|raw| raw.as_bool() != Some(false)),
        ),
        ("top_logprobs", sampling.top_logprobs),
        ("metadata", conversation.metadata.facts),
    ];
    for (field, value) in unsaid {
        if value.is_some() {
            losses.add(field, "Anthropic's API has no such thing");
        }
    }
    if conversation.metadata.cache_key.is_some() {
        losses.add("prompt_cache_key", "Anthropic's cache goes by marks");
    }
    if let Some(user) = &conversation.metadata.user {
        body.object("metadata", |o| o.text("user_id", user));
    }
    match conversation.metadata.tier.as_ref() {
        None => {}
        Some(tier) if tier.is("auto") => body.str("service_tier", "auto"),
        Some(tier) if tier.is("default") => body.str("service_tier", "standard_only"),
        Some(_) => losses.add("service_tier", "Anthropic has no such tier"),
    }
    Ok(())
}

/// Writes how the model thinks. Returns whether it does.
fn write_thinking(
    conversation: &Conversation<'_>,
    body: &mut Object<'_>,
    losses: &mut Losses,
) -> Result<bool, Error> {
    let Some(thinking) = &conversation.thinking else {
        return Ok(false);
    };
    let budget = budget(thinking, losses);
    let effort = thinking.effort.filter(|effort| *effort != Effort::None);
    let is_off = thinking.effort == Some(Effort::None) || budget == Some(0);
    if is_off {
        body.object("thinking", |o| o.str("type", "disabled"));
        return Ok(false);
    }
    if budget.is_none() && effort.is_none() && !thinking.adaptive {
        if thinking.shown.is_some() {
            losses.add(
                "thinking",
                "whether thoughts are shown is said with thinking alone",
            );
        }
        return Ok(false);
    }
    if matches!(
        conversation.tool_choice,
        Some(ToolChoice::Required | ToolChoice::Named(_))
    ) {
        let why = "a tool cannot be forced on an Anthropic model that thinks";
        return Err(untranslatable("tool_choice", why));
    }
    body.object("thinking", |o| {
        match budget {
            Some(budget) => {
                o.str("type", "enabled");
                o.u64("budget_tokens", budget);
            }
            None => o.str("type", "adaptive"),
        }
        if let Some(shown) = thinking.shown {
            o.str("display", if shown { "summarized" } else { "omitted" });
        }
    });
    Ok(true)
}

/// How many tokens are for thinking: none, or what the API takes.
fn budget(thinking: &Thinking<'_>, losses: &mut Losses) -> Option<u64> {
    let budget = thinking.budget.and_then(Raw::as_count)?;
    if (1..MIN_BUDGET).contains(&budget) {
        let why = "less than 1,024 tokens cannot be asked for; it is 1,024";
        losses.add("thinking.budget_tokens", why);
        return Some(MIN_BUDGET);
    }
    Some(budget)
}

fn write_output_config(
    conversation: &Conversation<'_>,
    body: &mut Object<'_>,
    losses: &mut Losses,
) {
    let effort = conversation
        .thinking
        .as_ref()
        .and_then(|thinking| thinking.effort);
    let effort = match effort {
        None | Some(Effort::None) => None,
        Some(Effort::Minimal) => {
            losses.add("reasoning_effort", "the least effort is `low` there");
            Some(Effort::Low.word())
        }
        Some(effort) => Some(effort.word()),
    };
    let schema = match &conversation.format {
        Format::Text => None,
        Format::Json => {
            losses.add("response_format", "Anthropic takes a schema or nothing");
            None
        }
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
    if effort.is_none() && schema.is_none() {
        return;
    }
    body.object("output_config", |o| {
        if let Some(effort) = effort {
            o.str("effort", effort);
        }
        if let Some(schema) = schema {
            o.object("format", |o| {
                o.str("type", "json_schema");
                o.raw("schema", schema);
            });
        }
    });
}

/// Writes temperature and its like. A model that thinks takes none of them.
fn write_sampling(
    conversation: &Conversation<'_>,
    thinks: bool,
    body: &mut Object<'_>,
    losses: &mut Losses,
) {
    let sampling = &conversation.sampling;
    if sampling.stop.iter().any(|stop| stop.is_blank()) {
        losses.add("stop", "a text of white space alone ends no answer there");
    }
    if sampling.stop.iter().any(|stop| !stop.is_blank()) {
        body.array("stop_sequences", |list| {
            let filled = sampling.stop.iter().filter(|stop| !stop.is_blank());
            filled.for_each(|stop| list.text(stop));
        });
    }
    let both = sampling.temperature.is_some() && sampling.top_p.is_some();
    for (name, value) in [
        ("temperature", sampling.temperature),
        ("top_p", sampling.top_p),
        ("top_k", sampling.top_k),
    ] {
        let Some(value) = value else { continue };
        if thinks {
            losses.add(name, "Anthropic's models do not take it while they think");
        } else if both && name == "top_p" {
            losses.add(name, "Anthropic's models take it or `temperature`");
        } else if name == "temperature" && value.as_f64().is_some_and(|value| value > 1.0) {
            losses.add(name, "the highest temperature is 1 there");
            number(body.key(name), 1);
        } else {
            body.raw(name, value.bytes());
        }
    }
}
