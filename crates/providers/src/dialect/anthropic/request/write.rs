//! Encode: a neutral conversation, as a request for a message.

use http::{HeaderName, HeaderValue};
use portcullis_core::error::Error;

use super::{sampling, tools};
use crate::dialect::anthropic::VERSION_HEADER;
use crate::dialect::anthropic::block::{Blocks, FAMILY, Reader};
use crate::translate::turns::{self, Run};
use crate::translate::write::{Object, array, object};
use crate::translate::{
    Conversation, Losses, Part, Role, Target, Text, Turn, Written, read as reading,
};

/// The version requests are written for. The next, 2026-10-21, has no sampling parameters, which callers of
/// other dialects send.
const VERSION: &str = "2023-06-01";

/// Writes a request of version 2023-06-01.
pub(crate) fn request(
    conversation: &Conversation<'_>,
    target: &Target<'_>,
    losses: &mut Losses,
) -> Result<Written, Error> {
    let mut body = Vec::with_capacity(256);
    let mut blocks = Blocks::new(Reader::Provider, losses);
    object(&mut body, |body| {
        body.str("model", target.model);
        sampling::write_max_tokens(conversation, target, body);
        // In the order in which the API looks for a beginning it has cached.
        tools::write(conversation, body, &mut blocks)?;
        let (system, rest) = turns::leading(&conversation.turns);
        write_system(conversation, system, body, &mut blocks)?;
        write_messages(conversation, rest, body, &mut blocks)?;
        sampling::write(conversation, body, blocks.losses)?;
        if conversation.stream {
            body.bool("stream", true);
        }
        Ok::<_, Error>(())
    })?;
    Ok(Written {
        path: "/messages".into(),
        query: None,
        headers: vec![(
            HeaderName::from_static(VERSION_HEADER),
            HeaderValue::from_static(VERSION),
        )],
        body: body.into(),
        names: blocks.names,
    })
}

/// Writes the system turns a conversation begins with: one plain text as it is, all else as blocks.
fn write_system(
    conversation: &Conversation<'_>,
    system: &[Turn<'_>],
    body: &mut Object<'_>,
    blocks: &mut Blocks<'_>,
) -> Result<(), Error> {
    let runs = turns::runs(conversation, system, blocks.losses);
    let Some(run) = runs.first() else {
        return Ok(());
    };
    if let [placed] = run.parts.as_slice()
        && let Part::Text {
            text,
            cache: None,
            citations: None,
        } = placed.part
    {
        body.text("system", text);
        return Ok(());
    }
    body.array("system", |list| {
        for placed in &run.parts {
            let field = || format!("{}.content", conversation.turn_path(placed.at));
            match placed.part {
                Part::Text { .. } => blocks.part(placed.part, list, &field)?,
                _ => blocks.losses.add(field(), "system texts are words alone"),
            }
        }
        Ok(())
    })
}

fn write_messages(
    conversation: &Conversation<'_>,
    turns: &[Turn<'_>],
    body: &mut Object<'_>,
    blocks: &mut Blocks<'_>,
) -> Result<(), Error> {
    let mut runs = turns::runs(conversation, turns, blocks.losses);
    for run in &mut runs {
        let of_model = run.role == Role::Assistant;
        run.parts.retain(|placed| {
            let kept = keep(placed.part, of_model);
            if let Err((what, why)) = kept {
                let field = format!("{}.content.{what}", conversation.turn_path(placed.at));
                blocks.losses.add(field, why);
            }
            kept.is_ok()
        });
    }
    runs.retain(|run| !run.parts.is_empty());
    if runs.is_empty() {
        let list = conversation.list.unwrap_or("messages");
        return Err(reading::wrong(
            list,
            "a list in which somebody says something",
        ));
    }
    turns::join_system(&mut runs);
    let last = runs.len() - 1;
    body.array("messages", |list| {
        for (number, run) in runs.iter().enumerate() {
            let of_model = run.role == Role::Assistant;
            list.object(|message| {
                message.str("role", if of_model { "assistant" } else { "user" });
                write_content(
                    conversation,
                    run,
                    of_model && number == last,
                    message,
                    blocks,
                )
            })?;
        }
        Ok(())
    })
}

/// Whether a part goes on, or what it is called and why it does not.
fn keep(part: &Part<'_>, of_model: bool) -> Result<(), (&'static str, &'static str)> {
    match part {
        Part::Reasoning(one)
            if one
                .signature
                .as_ref()
                .is_none_or(|seal| seal.family != FAMILY) =>
        {
            let why = "Anthropic takes only thoughts that its models sealed";
            Err(("reasoning", why))
        }
        Part::Reasoning(_) | Part::ToolCall(_) if !of_model => {
            Err(("role", "only a model thinks and calls tools"))
        }
        Part::Media(_) if of_model => Err((
            "media",
            "Anthropic's models are shown only what others send",
        )),
        Part::Foreign { .. } => Err(("foreign", "no other dialect has it")),
        _ => Ok(()),
    }
}

/// Writes what a run says: one plain text as it is, all else as blocks.
fn write_content(
    conversation: &Conversation<'_>,
    run: &Run<'_, '_>,
    is_prefill: bool,
    message: &mut Object<'_>,
    blocks: &mut Blocks<'_>,
) -> Result<(), Error> {
    let count = run.parts.len();
    let out = message.key("content");
    if let [placed] = run.parts.as_slice()
        && let Part::Text {
            text,
            citations: None,
            cache: None,
        } = placed.part
        && placed.role == run.role
        && !is_prefill
    {
        text.write(out);
        return Ok(());
    }
    array(out, |list| {
        for (number, placed) in run.parts.iter().enumerate() {
            let field = || format!("{}.content", conversation.turn_path(placed.at));
            let is_system = matches!(placed.role, Role::System | Role::Developer);
            match placed.part {
                Part::Text { text, cache, .. } if is_system => {
                    let text = turns::said_by_user(conversation, text, placed.at, blocks.losses);
                    let cache = *cache;
                    let citations = None;
                    let said = Part::Text {
                        text,
                        citations,
                        cache,
                    };
                    blocks.part(&said, list, &field)?;
                }
                Part::Text { text, .. } if is_prefill && number + 1 == count => {
                    list.object(|block| {
                        block.str("type", "text");
                        block.text("text", &trimmed(text, &field, blocks));
                    });
                }
                part => blocks.part(part, list, &field)?,
            }
        }
        Ok(())
    })
}

/// A last turn of the model is what its answer begins with, and must not end in white space.
fn trimmed<'a>(text: &Text<'a>, field: &dyn Fn() -> String, blocks: &mut Blocks<'_>) -> Text<'a> {
    let plain = text.plain();
    let trimmed = plain.trim_end();
    if trimmed.len() == plain.len() {
        return text.clone();
    }
    let why = "the beginning of an answer must not end in white space there";
    blocks.losses.add(field(), why);
    Text::from(trimmed.to_owned())
}
