//! Encode: how a model thinks, in tokens or in words.

use portcullis_core::error::Error;
use portcullis_core::json::Raw;

use super::super::key::camel;
use crate::dialect::fields::{lose, members};
use crate::translate::read::wrong;
use crate::translate::write::Object;
use crate::translate::{Effort, Losses, Target, Thinking};

/// Reads a `thinkingConfig`.
pub(super) fn read<'a>(config: Raw<'a>, losses: &mut Losses) -> Result<Thinking<'a>, Error> {
    let mut thinking = Thinking {
        shown: Some(false),
        ..Thinking::default()
    };
    for member in members(config) {
        let value = member.value;
        match &*camel(&member.key) {
            "includeThoughts" => thinking.shown = Some(value.as_bool() == Some(true)),
            "thinkingBudget" => match value.bytes() {
                b"-1" => thinking.adaptive = true,
                b"0" => thinking.effort = Some(Effort::None),
                _ if value.as_u64().is_some() => thinking.budget = Some(value),
                _ if value.is_null() => {}
                _ => {
                    let field = "generationConfig.thinkingConfig.thinkingBudget";
                    return Err(wrong(field, "a number of tokens"));
                }
            },
            "thinkingLevel" => {
                let word = value.as_str().unwrap_or_default().to_ascii_lowercase();
                thinking.effort = Effort::read(&word).or(thinking.effort);
            }
            name => {
                let field = format_args!("generationConfig.thinkingConfig.{name}");
                lose(losses, field, value);
            }
        }
    }
    Ok(thinking)
}

/// Writes a `thinkingConfig`. Models of before Gemini 3 know tokens only, later ones words too. What a model
/// thinks is shown to callers who set tokens for it, as their dialects do, or who asked for it.
pub(super) fn write(o: &mut Object<'_>, thinking: &Thinking<'_>, target: &Target<'_>) {
    let in_tokens = target.model.starts_with("gemini-2");
    o.object("thinkingConfig", |o| {
        match (thinking.budget, thinking.effort) {
            (Some(budget), _) => o.raw("thinkingBudget", budget.bytes()),
            (None, Some(Effort::None)) => o.u64("thinkingBudget", 0),
            (None, Some(effort)) if in_tokens => o.u64("thinkingBudget", tokens(effort)),
            (None, Some(effort)) => o.str("thinkingLevel", level(effort)),
            (None, None) if thinking.adaptive => o.raw("thinkingBudget", b"-1"),
            (None, None) => {}
        }
        let asked = thinking.budget.is_some() || thinking.adaptive;
        if thinking.shown.unwrap_or(asked) {
            o.bool("includeThoughts", true);
        }
    });
}

/// As Google's own endpoint for OpenAI's dialect maps them.
fn tokens(effort: Effort) -> u64 {
    match effort {
        Effort::None => 0,
        Effort::Minimal | Effort::Low => 1024,
        Effort::Medium => 8192,
        Effort::High | Effort::XHigh | Effort::Max => 24576,
    }
}

fn level(effort: Effort) -> &'static str {
    match effort {
        Effort::None | Effort::Minimal => "MINIMAL",
        Effort::Low => "LOW",
        Effort::Medium => "MEDIUM",
        Effort::High | Effort::XHigh | Effort::Max => "HIGH",
    }
}
