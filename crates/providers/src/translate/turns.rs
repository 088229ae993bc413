//! Encode: turns as dialects want them that know no system turns, or demand that speakers take turns.

use super::{Conversation, Losses, Part, Role, Text, Turn};

/// Neighbouring turns of one speaker, as one.
#[derive(Clone, Debug)]
pub struct Run<'c, 'a> {
    /// Who speaks: `Developer` is `System` here.
    pub role: Role,
    /// What, in order; results of tools stand before all else.
    pub parts: Vec<Placed<'c, 'a>>,
}

/// A part, and the turn it is from.
#[derive(Clone, Copy, Debug)]
pub struct Placed<'c, 'a> {
    /// Where its turn stands in the caller's document, for [`Losses`].
    pub at: u32,
    /// Whose turn that is.
    pub role: Role,
    /// The part.
    pub part: &'c Part<'a>,
}

/// Splits the system turns a conversation begins with from the rest. Only those may stand apart: later ones
/// mean something else elsewhere.
pub fn leading<'c, 'a>(turns: &'c [Turn<'a>]) -> (&'c [Turn<'a>], &'c [Turn<'a>]) {
    let is_later = |turn: &Turn<'_>| !matches!(turn.role, Role::System | Role::Developer);
    turns.split_at(turns.iter().position(is_later).unwrap_or(turns.len()))
}

/// Joins neighbours of one speaker, for dialects in which user and assistant must take turns. Texts of
/// nothing but white space are left out, since those dialects refuse them, and so are turns in which nothing
/// remains; names of speakers are lost.
pub fn runs<'c, 'a>(
    conversation: &Conversation<'_>,
    turns: &'c [Turn<'a>],
    losses: &mut Losses,
) -> Vec<Run<'c, 'a>> {
    let mut runs: Vec<Run<'c, 'a>> = Vec::with_capacity(turns.len());
    for turn in turns {
        note_name(conversation, turn, losses);
        let parts = filled(conversation, turn, losses);
        let role = match turn.role {
            Role::Developer => Role::System,
            role => role,
        };
        match runs.last_mut() {
            Some(run) if run.role == role => run.parts.extend(parts),
            _ => {
                let parts: Vec<_> = parts.collect();
                if !parts.is_empty() {
                    runs.push(Run { role, parts });
                }
            }
        }
    }
    for run in &mut runs {
        results_first(run);
    }
    runs
}

/// Makes system turns inside of a conversation the user's, for dialects that have none there: they join what
/// the user says before and after. What of it the system says, the parts still tell ([`said_by_user`]).
pub fn join_system(runs: &mut Vec<Run<'_, '_>>) {
    for run in runs.iter_mut() {
        if run.role == Role::System {
            run.role = Role::User;
        }
    }
    runs.dedup_by(|next, run| {
        let joins = next.role == run.role;
        if joins {
            run.parts.append(&mut next.parts);
        }
        joins
    });
    for run in runs {
        results_first(run);
    }
}

/// Stable, so that everything else stays as it was.
fn results_first(run: &mut Run<'_, '_>) {
    if run.role == Role::User {
        run.parts
            .sort_by_key(|placed| !matches!(placed.part, Part::ToolResult(_)));
    }
}

/// The parts of a turn without blank texts. An empty text says nothing; one of white space is a loss.
pub fn filled<'c, 'a>(
    conversation: &Conversation<'_>,
    turn: &'c Turn<'a>,
    losses: &mut Losses,
) -> impl Iterator<Item = Placed<'c, 'a>> {
    let (at, role) = (turn.at, turn.role);
    turn.parts.iter().filter_map(move |part| {
        if let Part::Text { text, .. } | Part::Refusal(text) = part
            && text.is_blank()
        {
            if !text.is_empty() {
                let field = format!("{}.content", conversation.turn_path(at));
                losses.add(field, "a text of white space alone is refused there");
            }
            return None;
        }
        Some(Placed { at, role, part })
    })
}

/// Notes that the name of a speaker does not go on.
pub fn note_name(conversation: &Conversation<'_>, turn: &Turn<'_>, losses: &mut Losses) {
    if turn.name.is_some() {
        let field = format!("{}.name", conversation.turn_path(turn.at));
        losses.add(field, "speakers have no names there");
    }
}

/// A system text inside of a conversation, as a user's words where there are no system turns: marked as what
/// it is, and in its place. The caller is told by a loss.
pub fn said_by_user(
    conversation: &Conversation<'_>,
    text: &Text<'_>,
    at: u32,
    losses: &mut Losses,
) -> Text<'static> {
    let field = format!("{}.role", conversation.turn_path(at));
    losses.add(
        field,
        "a system text after the first turns is said as the user's, in `<system>`",
    );
    format!("<system>\n{}\n</system>", text.plain()).into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::translate::ToolResult;

    fn turn<'a>(role: Role, at: u32, parts: impl IntoIterator<Item = Part<'a>>) -> Turn<'a> {
        Turn {
            role,
            parts: parts.into_iter().collect(),
            name: None,
            at,
        }
    }

    fn result(id: &'static str) -> Part<'static> {
        Part::ToolResult(ToolResult {
            id: Some(id.into()),
            name: None,
            parts: vec![],
            json: None,
            error: false,
            cache: None,
        })
    }

    /// Each run as its speaker and its texts; results of tools by their ids.
    fn told(runs: &[Run<'_, '_>]) -> Vec<(Role, Vec<String>)> {
        let word = |placed: &Placed<'_, '_>| match placed.part {
            Part::Text { text, .. } => text.plain().into_owned(),
            Part::ToolResult(result) => result.id.as_ref().unwrap().plain().into_owned(),
            other => format!("{other:?}"),
        };
        let all = runs.iter();
        all.map(|run| (run.role, run.parts.iter().map(word).collect()))
            .collect()
    }

    #[test]
    fn only_the_system_turns_at_the_beginning_are_leading() {
        let turns = [
            turn(Role::System, 0, [Part::text("a")]),
            turn(Role::Developer, 1, [Part::text("b")]),
            turn(Role::User, 2, [Part::text("c")]),
            turn(Role::System, 3, [Part::text("d")]),
        ];
        let (first, rest) = leading(&turns);
        assert_eq!((first.len(), rest.len()), (2, 2));
        assert_eq!(leading(&turns[..2]).1.len(), 0);
    }

    #[test]
    fn neighbours_of_one_speaker_become_one_and_results_come_first() {
        let turns = [
            turn(Role::User, 0, [Part::text("a"), result("1")]),
            turn(Role::User, 1, [Part::text("b"), result("2")]),
            turn(Role::Assistant, 2, [Part::text("c")]),
            turn(Role::Developer, 3, [Part::text("d")]),
            turn(Role::System, 4, [Part::text("e")]),
        ];
        let mut losses = Losses::default();
        let runs = runs(&Conversation::default(), &turns, &mut losses);
        let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
        let wanted = [
            (Role::User, words(&["1", "2", "a", "b"])),
            (Role::Assistant, words(&["c"])),
            (Role::System, words(&["d", "e"])),
        ];
        assert_eq!(told(&runs), wanted);
        assert!(losses.is_empty());
    }

    #[test]
    fn system_turns_join_the_users_around_them_and_are_still_told_apart() {
        let turns = [
            turn(Role::User, 0, [Part::text("a")]),
            turn(Role::System, 1, [Part::text("b")]),
            turn(Role::User, 2, [result("1"), Part::text("c")]),
            turn(Role::Assistant, 3, [Part::text("d")]),
            turn(Role::System, 4, [Part::text("e")]),
        ];
        let mut runs = runs(&Conversation::default(), &turns, &mut Losses::default());
        join_system(&mut runs);
        let roles: Vec<_> = runs.iter().map(|run| run.role).collect();
        assert_eq!(roles, [Role::User, Role::Assistant, Role::User]);
        assert_eq!(told(&runs)[0].1, ["1", "a", "b", "c"]);
        assert_eq!(runs[0].parts[2].role, Role::System);
    }

    #[test]
    fn blank_texts_are_left_out_and_only_an_empty_one_is_no_loss() {
        let turns = [
            turn(Role::User, 0, [Part::text("a"), Part::text("")]),
            turn(Role::Assistant, 1, [Part::text(" \n")]),
            turn(Role::User, 2, [Part::text("b")]),
        ];
        let mut losses = Losses::default();
        let runs = runs(&Conversation::default(), &turns, &mut losses);
        let wanted = [(Role::User, vec!["a".to_owned(), "b".to_owned()])];
        assert_eq!(told(&runs), wanted);
        let fields: Vec<_> = losses.iter().map(|loss| &*loss.field).collect();
        assert_eq!(fields, ["messages[1].content"]);
    }

    #[test]
    fn names_of_speakers_and_late_system_texts_are_told_of() {
        let mut named = turn(Role::User, 5, [Part::text("a")]);
        named.name = Some("Ann".into());
        let mut losses = Losses::default();
        let said = Conversation::default();
        runs(&said, &[named], &mut losses);
        let text = said_by_user(&said, &Text::from("be brief"), 7, &mut losses);
        assert!(text.is("<system>\nbe brief\n</system>"));
        let fields: Vec<_> = losses.iter().map(|loss| &*loss.field).collect();
        assert_eq!(fields, ["messages[5].name", "messages[7].role"]);
    }
}
