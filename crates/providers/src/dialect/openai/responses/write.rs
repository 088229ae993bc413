//! Encode: requests for responses written from the neutral form.

use portcullis_core::error::Error;

use super::turns;
use crate::dialect::openai::chat::{untranslatable, write_tier, written_effort};
use crate::dialect::openai::function;
use crate::translate::write::{Object, object};
use crate::translate::{
    Conversation, Effort, Format, Losses, Names, Part, Role, Target, Text, ToolChoice, Turn,
    Written,
};

/// Writes a request. Nothing is kept by the provider, so what it thought comes back sealed.
pub(super) fn request(
    conversation: &Conversation<'_>,
    target: &Target<'_>,
    losses: &mut Losses,
) -> Result<Written, Error> {
    let c = conversation;
    let several = c.sampling.n.filter(|n| n.as_count() != Some(1));
    if several.is_some() {
        return Err(untranslatable("n", "several answers at once"));
    }
    let mut names = Names::default();
    let mut body = Vec::with_capacity(1024);
    object(&mut body, |o| {
        o.str("model", target.model);
        let (first, turns) = match &c.turns[..] {
            [first, rest @ ..] if !rest.is_empty() => match instructions(first) {
                Some(text) => (Some((first, text)), rest),
                None => (None, &c.turns[..]),
            },
            turns => (None, turns),
        };
        if let Some((turn, text)) = first {
            turns::Lost::of(c, turn, losses).part(&turn.parts[0]);
            o.text("instructions", text);
        }
        o.array("input", |a| {
            for turn in turns {
                turns::write(a, turn, &mut names, &mut turns::Lost::of(c, turn, losses));
            }
        });
        tools(o, c, &mut names, losses);
        sampling(o, c, losses);
        text(o, c, losses);
        reasoning(o, c, losses);
        filing(o, c, losses);
        if c.stream {
            o.bool("stream", true);
        }
    });
    Ok(Written {
        path: "/responses".to_owned(),
        query: None,
        headers: Vec::new(),
        body: body.into(),
        names,
    })
}

/// The words of a turn that can be told as instructions.
fn instructions<'t>(turn: &'t Turn<'_>) -> Option<&'t Text<'t>> {
    match &turn.parts[..] {
        [Part::Text { text, .. }] if turn.role == Role::System => Some(text),
        _ => None,
    }
}

fn tools(o: &mut Object<'_>, c: &Conversation<'_>, names: &mut Names, losses: &mut Losses) {
    if c.tools.is_empty() {
        return;
    }
    o.array("tools", |a| {
        for (index, tool) in c.tools.iter().enumerate() {
            if tool.cache.is_some() {
                let why = "OpenAI caches by itself and takes no marks";
                losses.add(format!("tools[{index}].cache_control"), why);
            }
            a.object(|o| {
                o.str("type", "function");
                function::write_tool(o, tool, names);
                if tool.strict.is_none() {
                    // Here it is the default, and elsewhere it is not.
                    o.bool("strict", false);
                }
            });
        }
    });
    match &c.tool_choice {
        None => {}
        Some(ToolChoice::Auto) => o.str("tool_choice", "auto"),
        Some(ToolChoice::None) => o.str("tool_choice", "none"),
        Some(ToolChoice::Required) => o.str("tool_choice", "required"),
        Some(ToolChoice::Named(tools)) => o.object("tool_choice", |o| {
            let mut named = |o: &mut Object<'_>, name: &Text<'_>| {
                o.str("type", "function");
                o.text("name", &names.fit(name, function::NAME));
            };
            if let [name] = &tools[..] {
                named(o, name);
                return;
            }
            o.str("type", "allowed_tools");
            o.str("mode", "required");
            o.array("tools", |a| {
                for name in tools {
                    a.object(|o| named(o, name));
                }
            });
        }),
    }
    if let Some(parallel) = c.parallel_tools {
        o.bool("parallel_tool_calls", parallel);
    }
}

fn sampling(o: &mut Object<'_>, c: &Conversation<'_>, losses: &mut Losses) {
    let sampling = &c.sampling;
    o.maybe_raw("max_output_tokens", sampling.max_tokens);
    o.maybe_raw("temperature", sampling.temperature);
    o.maybe_raw("top_p", sampling.top_p);
    o.maybe_raw("top_logprobs", sampling.top_logprobs);
    let unsaid = [
        ("top_k", sampling.top_k.is_some()),
        ("stop", !sampling.stop.is_empty()),
        ("seed", sampling.seed.is_some()),
        ("frequency_penalty", sampling.frequency_penalty.is_some()),
        ("presence_penalty", sampling.presence_penalty.is_some()),
    ];
    for (name, _) in unsaid.iter().filter(|(_, given)| *given) {
        losses.add(*name, "responses do not have it");
    }
}

fn text(o: &mut Object<'_>, c: &Conversation<'_>, losses: &mut Losses) {
    let verbosity = c.extras.iter().find(|extra| extra.name == "verbosity");
    if matches!(c.format, Format::Text) && verbosity.is_none() {
        return;
    }
    o.object("text", |o| {
        match &c.format {
            Format::Text => {}
            Format::Json => o.object("format", |o| o.str("type", "json_object")),
            Format::Schema(schema) => o.object("format", |o| {
                o.str("type", "json_schema");
                function::write_schema(o, schema);
            }),
        }
        if let Some(verbosity) = verbosity {
            losses.saved(verbosity.field);
            o.raw("verbosity", verbosity.raw.bytes());
        }
    });
}

fn reasoning(o: &mut Object<'_>, c: &Conversation<'_>, losses: &mut Losses) {
    let effort = written_effort(c, losses);
    let shown = c.thinking.as_ref().and_then(|thinking| thinking.shown) == Some(true);
    if effort.is_some() || shown {
        o.object("reasoning", |o| {
            if let Some(effort) = effort {
                o.str("effort", effort.word());
            }
            if shown {
                o.str("summary", "auto");
            }
        });
    }
    // Models that do not think refuse to be asked for sealed thoughts.
    let sealed = |part: &Part<'_>| matches!(part, Part::Reasoning(one) if one.signature.as_ref().is_some_and(|s| s.family == "openai"));
    let thinks = c.thinking.is_some() && effort != Some(Effort::None)
        || c.turns.iter().flat_map(|turn| &turn.parts).any(sealed);
    let probable = c.sampling.logprobs.and_then(|raw| raw.as_bool()) == Some(true);
    if thinks || probable {
        o.array("include", |a| {
            if thinks {
                a.str("reasoning.encrypted_content");
            }
            if probable {
                a.str("message.output_text.logprobs");
            }
        });
    }
}

fn filing(o: &mut Object<'_>, c: &Conversation<'_>, losses: &mut Losses) {
    let metadata = &c.metadata;
    o.maybe_text("user", metadata.user.as_ref());
    o.maybe_text("prompt_cache_key", metadata.cache_key.as_ref());
    o.maybe_raw("metadata", metadata.facts);
    write_tier(o, metadata.tier.as_ref(), losses);
    let known = [
        "store",
        "safety_identifier",
        "prompt_cache_retention",
        "prompt_cache_options",
    ];
    for extra in c.extras.iter().filter(|extra| known.contains(&extra.name)) {
        losses.saved(extra.field);
        o.raw(extra.name, extra.raw.bytes());
    }
    if !c.extras.iter().any(|extra| extra.name == "store") {
        // Here it is kept unless this is said.
        o.bool("store", false);
    }
}
