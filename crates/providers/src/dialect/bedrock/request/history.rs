//! Encode: the turns of a request, written as `system` and `messages`.

use portcullis_core::error::Error;

use crate::dialect::bedrock::blocks::{Blocks, Side, goes_back};
use crate::translate::write::{Object, array};
use crate::translate::{Conversation, Losses, Names, Part, Role, Turn};

/// Writes `messages` and `system`: system texts at the beginning go there, later ones stay where they are, in the
/// caller's words. Neighbours of one role become one message.
pub(super) fn write(
    c: &Conversation<'_>,
    o: &mut Object<'_>,
    names: &mut Names,
    losses: &mut Losses,
) -> Result<(), Error> {
    let leading = c.turns.iter().take_while(|turn| is_system(turn)).count();
    let (system, rest) = c.turns.split_at(leading);
    let mut blocks = Blocks::new(Side::Request, names, losses);
    write_system(c, system, o, &mut blocks)?;
    o.array("messages", |a| {
        let mut rest = said(c, rest, &mut blocks)?;
        while let Some(first) = rest.first() {
            let role = role(first);
            let same = rest.iter().take_while(|turn| self::role(turn) == role);
            let others = rest.split_off(same.count());
            let message = std::mem::replace(&mut rest, others);
            a.object(|o| {
                o.str("role", role);
                o.array("content", |a| {
                    for turn in message {
                        note(c, turn, blocks.losses);
                        blocks.write(&turn.parts, &place(c, turn), a)?;
                    }
                    Ok::<_, Error>(())
                })
            })?;
        }
        Ok(())
    })
}

/// The turns in which anything is said that Bedrock takes. Of the others only what they lose is noted.
fn said<'t, 'a>(
    c: &Conversation<'_>,
    turns: &'t [Turn<'a>],
    blocks: &mut Blocks<'_>,
) -> Result<Vec<&'t Turn<'a>>, Error> {
    let mut said = Vec::with_capacity(turns.len());
    for turn in turns {
        if turn.parts.iter().any(is_said) {
            said.push(turn);
        } else {
            array(&mut Vec::new(), |a| {
                blocks.write(&turn.parts, &place(c, turn), a)
            })?;
        }
    }
    Ok(said)
}

fn place(c: &Conversation<'_>, turn: &Turn<'_>) -> String {
    c.turn_path(turn.at)
}

fn write_system(
    c: &Conversation<'_>,
    turns: &[Turn<'_>],
    o: &mut Object<'_>,
    blocks: &mut Blocks<'_>,
) -> Result<(), Error> {
    if !turns.iter().flat_map(|turn| &turn.parts).any(is_said) {
        return Ok(());
    }
    o.array("system", |a| {
        for turn in turns {
            if turn.name.is_some() {
                blocks
                    .losses
                    .add(format!("{}.name", c.turn_path(turn.at)), NO_NAME);
            }
            blocks.write(&turn.parts, &place(c, turn), a)?;
        }
        Ok(())
    })
}

const NO_NAME: &str = "Bedrock has no names of speakers";

/// What is said of a turn and not in its parts.
fn note(c: &Conversation<'_>, turn: &Turn<'_>, losses: &mut Losses) {
    if turn.name.is_some() {
        losses.add(format!("{}.name", c.turn_path(turn.at)), NO_NAME);
    }
    if is_system(turn) {
        let why = "Bedrock takes system texts at the beginning only; it goes on in the user's turn";
        losses.add(format!("{}.role", c.turn_path(turn.at)), why);
    }
}

fn is_system(turn: &Turn<'_>) -> bool {
    matches!(turn.role, Role::System | Role::Developer)
}

fn role(turn: &Turn<'_>) -> &'static str {
    match turn.role {
        Role::Assistant => "assistant",
        Role::System | Role::Developer | Role::User => "user",
    }
}

/// Whether a part is more than white space, which Bedrock refuses.
fn is_said(part: &Part<'_>) -> bool {
    match part {
        Part::Text { text, .. } | Part::Refusal(text) => !text.is_blank(),
        Part::Reasoning(thought) => goes_back(thought),
        Part::Foreign { .. } => false,
        Part::Media(_) | Part::ToolCall(_) | Part::ToolResult(_) => true,
    }
}
