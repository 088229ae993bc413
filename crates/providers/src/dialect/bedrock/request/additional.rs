//! Encode: `additionalModelRequestFields`, what one family of models takes beyond what all do.

use portcullis_core::json::{Cursor, JsonError, Kind, Raw};

use crate::dialect::bedrock::reading::{Place, Reading};
use crate::translate::write::Object;
use crate::translate::{Conversation, Effort, Losses, Thinking};

/// Reads the fields that other dialects know too.
pub(super) fn read<'a>(
    cx: &mut Reading<'_>,
    at: &mut Cursor<'a>,
    place: Place<'_>,
    c: &mut Conversation<'a>,
) -> Result<(), JsonError> {
    cx.object(at, place, |cx, key, at| {
        let name = key.as_str().unwrap_or_default();
        let here = Place::Key(&place, &name);
        match &*name {
            "thinking" | "reasoning_config" => {
                let value = at.value()?;
                thinking(cx, value, here, &mut c.thinking)
            }
            "top_k" => {
                c.sampling.top_k = cx.number(at, here)?;
                Ok(())
            }
            "reasoning_effort" => {
                let value = at.value()?;
                let effort = value.as_str().and_then(|word| Effort::read(&word));
                if effort.is_none() {
                    cx.losses
                        .add(here.to_string(), "no other dialect has this word");
                }
                c.thinking.get_or_insert_default().effort = effort;
                Ok(())
            }
            _ => cx.lose(at, place, key, "only the model it is meant for knows it"),
        }
    })
}

/// Claude's `{"type", "budget_tokens", "display"}`.
fn thinking<'a>(
    cx: &mut Reading<'_>,
    value: Raw<'a>,
    place: Place<'_>,
    thinking: &mut Option<Thinking<'a>>,
) -> Result<(), JsonError> {
    if value.is_null() {
        return Ok(());
    }
    if value.kind() != Kind::Object {
        return Err(cx.wrong(place, "an object"));
    }
    let found = thinking.get_or_insert_default();
    for member in value.members() {
        let member = member?;
        let name = member.key.as_str().unwrap_or_default();
        let word = member.value.as_str();
        match (&*name, word.as_deref()) {
            ("type", Some("enabled")) => {}
            ("type", Some("adaptive")) => found.adaptive = true,
            ("type", Some("disabled")) => found.effort = Some(Effort::None),
            ("budget_tokens", _) if member.value.as_f64().is_some() => {
                found.budget = Some(member.value);
            }
            ("display", Some(display)) => found.shown = Some(display != "omitted"),
            _ => cx
                .losses
                .add(place.path(&name), "no other dialect has this"),
        }
    }
    Ok(())
}

/// What writing a request for a model needs to know of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Maker {
    Anthropic,
    Nova,
    Mistral,
    Other,
}

impl Maker {
    /// By the model's id; of an id that an account has made up nobody knows.
    fn of(model: &str) -> Self {
        if model.contains("anthropic.") || model.contains("claude") {
            Self::Anthropic
        } else if model.contains("amazon.nova") {
            Self::Nova
        } else if model.contains("mistral.") {
            Self::Mistral
        } else {
            Self::Other
        }
    }
}

/// Writes what the model takes in fields of its own, and notes what it does not take.
pub(super) fn write(c: &Conversation<'_>, model: &str, o: &mut Object<'_>, losses: &mut Losses) {
    let maker = Maker::of(model);
    let thinks = c.thinking.as_ref().filter(|t| says_how(t));
    let thinks = match thinks {
        Some(_) if maker != Maker::Anthropic => {
            losses.add("thinking", "this model takes an effort in words only");
            None
        }
        thinks => thinks,
    };
    let top_k = c.sampling.top_k.filter(|_| maker != Maker::Other);
    if top_k.is_none() && c.sampling.top_k.is_some() {
        losses.add("top_k", "this model does not take it");
    }
    if thinks.is_none() && top_k.is_none() {
        return;
    }
    o.object("additionalModelRequestFields", |o| {
        if let Some(thinking) = thinks {
            o.object("thinking", |o| write_thinking(thinking, o));
        }
        match top_k {
            Some(top_k) if maker == Maker::Nova => {
                o.object("inferenceConfig", |o| o.raw("topK", top_k.bytes()));
            }
            top_k => o.maybe_raw("top_k", top_k),
        }
    });
}

/// Whether more is said than an effort in words.
fn says_how(thinking: &Thinking<'_>) -> bool {
    thinking.budget.is_some() || thinking.adaptive || thinking.effort == Some(Effort::None)
}

fn write_thinking(thinking: &Thinking<'_>, o: &mut Object<'_>) {
    match thinking.budget {
        Some(budget) => {
            o.str("type", "enabled");
            o.raw("budget_tokens", budget.bytes());
        }
        None if thinking.adaptive => o.str("type", "adaptive"),
        None => {
            o.str("type", "disabled");
            return;
        }
    }
    if let Some(shown) = thinking.shown {
        o.str("display", if shown { "summarized" } else { "omitted" });
    }
}
