//! Encode: requests for chat completions written from the neutral form.

use portcullis_core::error::Error;

use super::turns;
use crate::dialect::openai::function;
use crate::translate::write::{Object, object};
use crate::translate::{
    Conversation, Effort, Format, Losses, Names, Target, Text, ToolChoice, Written,
};

/// The queues OpenAI has.
pub(in crate::dialect::openai) const TIERS: [&str; 6] =
    ["auto", "default", "flex", "scale", "priority", "fast"];

/// The most texts that may end an answer.
const STOPS: usize = 4;

/// Writes a request. A stream is asked to tell its usage, whether the caller wants to know or not.
pub(super) fn request(
    conversation: &Conversation<'_>,
    target: &Target<'_>,
    losses: &mut Losses,
) -> Result<Written, Error> {
    let mut names = Names::default();
    let mut body = Vec::with_capacity(1024);
    object(&mut body, |o| {
        o.str("model", target.model);
        o.array("messages", |a| {
            for turn in &conversation.turns {
                turns::write(a, turn, conversation, &mut names, losses);
            }
        });
        tools(o, conversation, &mut names, losses);
        sampling(o, conversation, losses);
        format(o, &conversation.format);
        if let Some(effort) = effort(conversation, losses) {
            o.str("reasoning_effort", effort.word());
        }
        filing(o, conversation, losses);
        if conversation.stream {
            o.bool("stream", true);
            o.object("stream_options", |o| o.bool("include_usage", true));
        }
    });
    Ok(Written {
        path: "/chat/completions".to_owned(),
        query: None,
        headers: Vec::new(),
        body: body.into(),
        names,
    })
}

fn tools(o: &mut Object<'_>, c: &Conversation<'_>, names: &mut Names, losses: &mut Losses) {
    if !c.tools.is_empty() {
        o.array("tools", |a| {
            for (index, tool) in c.tools.iter().enumerate() {
                if tool.cache.is_some() {
                    let why = "OpenAI caches by itself and takes no marks";
                    losses.add(format!("tools[{index}].cache_control"), why);
                }
                a.object(|o| {
                    o.str("type", "function");
                    o.object("function", |o| function::write_tool(o, tool, names));
                });
            }
        });
    }
    match &c.tool_choice {
        _ if c.tools.is_empty() => {}
        None => {}
        Some(ToolChoice::Auto) => o.str("tool_choice", "auto"),
        Some(ToolChoice::None) => o.str("tool_choice", "none"),
        Some(ToolChoice::Required) => o.str("tool_choice", "required"),
        Some(ToolChoice::Named(tools)) => o.object("tool_choice", |o| {
            let named = |o: &mut Object<'_>, name: &Text<'_>, names: &mut Names| {
                o.str("type", "function");
                o.object("function", |o| {
                    o.text("name", &names.fit(name, function::NAME));
                });
            };
            if let [name] = &tools[..] {
                named(o, name, names);
                return;
            }
            o.str("type", "allowed_tools");
            o.object("allowed_tools", |o| {
                o.str("mode", "required");
                o.array("tools", |a| {
                    for name in tools {
                        a.object(|o| named(o, name, names));
                    }
                });
            });
        }),
    }
    if let Some(parallel) = c.parallel_tools.filter(|_| !c.tools.is_empty()) {
        o.bool("parallel_tool_calls", parallel);
    }
}

fn sampling(o: &mut Object<'_>, c: &Conversation<'_>, losses: &mut Losses) {
    let sampling = &c.sampling;
    o.maybe_raw("max_completion_tokens", sampling.max_tokens);
    o.maybe_raw("temperature", sampling.temperature);
    o.maybe_raw("top_p", sampling.top_p);
    if sampling.top_k.is_some() {
        losses.add("top_k", "OpenAI does not choose among the first k");
    }
    if !sampling.stop.is_empty() {
        o.array("stop", |a| {
            for (index, stop) in sampling.stop.iter().enumerate() {
                if index < STOPS {
                    a.text(stop);
                } else {
                    losses.add(format!("stop[{index}]"), "OpenAI takes four");
                }
            }
        });
    }
    o.maybe_raw("n", sampling.n);
    o.maybe_raw("seed", sampling.seed);
    o.maybe_raw("frequency_penalty", sampling.frequency_penalty);
    o.maybe_raw("presence_penalty", sampling.presence_penalty);
    o.maybe_raw("logprobs", sampling.logprobs);
    o.maybe_raw("top_logprobs", sampling.top_logprobs);
}

fn format(o: &mut Object<'_>, format: &Format<'_>) {
    match format {
        Format::Text => {}
        Format::Json => o.object("response_format", |o| o.str("type", "json_object")),
        Format::Schema(schema) => o.object("response_format", |o| {
            o.str("type", "json_schema");
            o.object("json_schema", |o| function::write_schema(o, schema));
        }),
    }
}

/// How much is to be thought, in words. A number of tokens is said in words, roughly.
pub(in crate::dialect::openai) fn effort(
    c: &Conversation<'_>,
    losses: &mut Losses,
) -> Option<Effort> {
    let thinking = c.thinking.as_ref()?;
    let Some(budget) = thinking.budget else {
        return thinking.effort;
    };
    losses.add("thinking.budget", "OpenAI takes an effort in words");
    thinking.effort.or_else(|| {
        Some(match budget.as_count()? {
            0 => Effort::None,
            1..2048 => Effort::Minimal,
            2048..8192 => Effort::Low,
            8192..16384 => Effort::Medium,
            _ => Effort::High,
        })
    })
}

fn filing(o: &mut Object<'_>, c: &Conversation<'_>, losses: &mut Losses) {
    if c.thinking.as_ref().is_some_and(|t| t.shown == Some(true)) {
        losses.add(
            "thinking.shown",
            "chat completions do not show what is thought",
        );
    }
    let metadata = &c.metadata;
    o.maybe_text("user", metadata.user.as_ref());
    o.maybe_text("prompt_cache_key", metadata.cache_key.as_ref());
    tier(o, metadata.tier.as_ref(), losses);
    let kept = c.extras.iter().any(|extra| extra.name == "store");
    match metadata.facts {
        Some(facts) if kept => o.raw("metadata", facts.bytes()),
        Some(_) => losses.add("metadata", "OpenAI takes it only with what it stores"),
        None => {}
    }
    let known = [
        "store",
        "verbosity",
        "safety_identifier",
        "prompt_cache_retention",
        "prompt_cache_options",
    ];
    for extra in c.extras.iter().filter(|extra| known.contains(&extra.name)) {
        losses.saved(extra.field);
        o.raw(extra.name, extra.raw.bytes());
    }
}

/// Writes the queue, if OpenAI has it.
pub(in crate::dialect::openai) fn tier(
    o: &mut Object<'_>,
    tier: Option<&Text<'_>>,
    losses: &mut Losses,
) {
    let Some(tier) = tier else { return };
    if tier.is("standard") {
        // What Anthropic calls the queue of those who ask for none.
        o.str("service_tier", "default");
    } else if TIERS.iter().any(|known| tier.is(known)) {
        o.text("service_tier", tier);
    } else {
        losses.add("service_tier", "OpenAI has no such tier");
    }
}
