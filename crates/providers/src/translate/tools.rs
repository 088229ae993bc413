//! Encode: calls of tools and their results, put together as every dialect can say them.

use std::collections::{HashMap, HashSet, VecDeque};

use portcullis_core::error::{Error, codes};

use super::{Conversation, Part, Role, Text, ToolResult, Turn};

/// Puts the results of the calls of one turn into one turn of the caller's right after it, in the order of the
/// calls and before anything else said there, and gives each call an id and each result the id and the name
/// of its call. Translation does so between reading and writing: a writer can count on it.
///
/// A result belongs to a call of the model's turn before it (of several turns of the model in a row, to any):
/// by id, or where it has none to the first call of its name that has no result yet.
///
/// A turn that had nothing but results is taken out.
///
/// # Errors
///
/// `invalid_field` for a call without a result, a second result for one call, a result for no call, and two
/// calls with one id. The field is the turn at fault: `messages[2]`.
pub fn settle(conversation: &mut Conversation<'_>) -> Result<(), Error> {
    let any = conversation.turns.iter().any(|turn| {
        let mut parts = turn.parts.iter();
        parts.any(|part| matches!(part, Part::ToolCall(_) | Part::ToolResult(_)))
    });
    if !any {
        return Ok(());
    }
    let turns = std::mem::take(&mut conversation.turns);
    conversation.turns = settled(turns).map_err(|(at, what)| {
        let field = conversation.turn_path(at);
        Error::new(&codes::INVALID_FIELD, format!("`{field}`: {what}")).param(&field)
    })?;
    Ok(())
}

/// The place of a turn, and what is wrong there.
type Fault = (u32, String);

fn settled(turns: Vec<Turn<'_>>) -> Result<Vec<Turn<'_>>, Fault> {
    let mut settled = Vec::with_capacity(turns.len());
    let mut group = Group::default();
    for mut turn in turns {
        if turn.role == Role::Assistant {
            if group.answering {
                group.close(&mut settled)?;
            }
            group.calls(&mut turn, settled.len())?;
            settled.push(turn);
            group.after = settled.len();
            continue;
        }
        group.answering = true;
        let had = turn.parts.len();
        let mut rest = Vec::with_capacity(had);
        for part in std::mem::take(&mut turn.parts) {
            match part {
                Part::ToolResult(result) => group.result(result, turn.at)?,
                part => rest.push(part),
            }
        }
        if rest.len() == had || !rest.is_empty() {
            turn.parts = rest;
            settled.push(turn);
        }
    }
    group.close(&mut settled)?;
    Ok(settled)
}

/// The calls of the model's last turns, and what was answered.
#[derive(Default)]
struct Group<'a> {
    calls: Vec<Call<'a>>,
    by_id: HashMap<String, usize>,
    /// Calls that may wait for a result, by name.
    by_name: HashMap<String, VecDeque<usize>>,
    /// Whether the model's turns are over.
    answering: bool,
    /// Where the results go.
    after: usize,
    /// Where the first result stood.
    at: Option<u32>,
}

struct Call<'a> {
    id: Text<'a>,
    name: Text<'a>,
    at: u32,
    result: Option<ToolResult<'a>>,
}

impl<'a> Group<'a> {
    fn calls(&mut self, turn: &mut Turn<'a>, place: usize) -> Result<(), Fault> {
        let mut number = 0;
        let taken: HashSet<String> = turn
            .parts
            .iter()
            .filter_map(|part| match part {
                Part::ToolCall(call) => Some(call.id.as_ref()?.plain().into_owned()),
                _ => None,
            })
            .collect();
        for part in &mut turn.parts {
            let Part::ToolCall(call) = part else { continue };
            let id = call.id.get_or_insert_with(|| {
                loop {
                    let id = format!("call_{place}_{number}");
                    number += 1;
                    if !taken.contains(&id) {
                        break id.into();
                    }
                }
            });
            let index = self.calls.len();
            let plain = id.plain().into_owned();
            if self.by_id.insert(plain, index).is_some() {
                return Err(refused(turn.at, "two calls of tools have the id", id));
            }
            let waiting = self.by_name.entry(call.name.plain().into_owned());
            waiting.or_default().push_back(index);
            self.calls.push(Call {
                id: id.clone(),
                name: call.name.clone(),
                at: turn.at,
                result: None,
            });
        }
        Ok(())
    }

    fn result(&mut self, mut result: ToolResult<'a>, at: u32) -> Result<(), Fault> {
        self.at.get_or_insert(at);
        let found = match (&result.id, &result.name) {
            (Some(id), _) => self.by_id.get(&*id.plain()).copied(),
            (None, Some(name)) => {
                let waiting = self.by_name.get_mut(&*name.plain());
                waiting.and_then(|waiting| {
                    loop {
                        let index = waiting.pop_front()?;
                        if self.calls[index].result.is_none() {
                            break Some(index);
                        }
                    }
                })
            }
            (None, None) => None,
        };
        let Some(call) = found.map(|index| &mut self.calls[index]) else {
            let nothing = Text::from("");
            let named = result.id.as_ref().or(result.name.as_ref());
            let what = "the turn before has no call of a tool that waits for a result for";
            return Err(refused(at, what, named.unwrap_or(&nothing)));
        };
        if call.result.is_some() {
            return Err(refused(at, "there are two results for the call", &call.id));
        }
        result.id = Some(call.id.clone());
        result.name = Some(call.name.clone());
        call.result = Some(result);
        Ok(())
    }

    fn close(&mut self, settled: &mut Vec<Turn<'a>>) -> Result<(), Fault> {
        let group = std::mem::take(self);
        let mut results = Vec::with_capacity(group.calls.len());
        for call in group.calls {
            let Some(result) = call.result else {
                return Err(refused(
                    call.at,
                    "there is no result for the call",
                    &call.id,
                ));
            };
            results.push(Part::ToolResult(result));
        }
        if results.is_empty() {
            return Ok(());
        }
        match settled.get_mut(group.after) {
            Some(turn) if turn.role == Role::User && turn.name.is_none() => {
                results.append(&mut turn.parts);
                turn.parts = results;
            }
            _ => {
                let turn = Turn {
                    role: Role::User,
                    parts: results,
                    name: None,
                    at: group.at.unwrap_or_default(),
                };
                settled.insert(group.after, turn);
            }
        }
        Ok(())
    }
}

fn refused(at: u32, what: &str, id: &Text<'_>) -> Fault {
    (at, format!("{what} `{}`", id.plain()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::translate::{Arguments, ToolCall};

    fn turn<'a>(role: Role, at: u32, parts: Vec<Part<'a>>) -> Turn<'a> {
        Turn {
            role,
            parts,
            name: None,
            at,
        }
    }

    fn call<'a>(id: Option<&'a str>, name: &'a str) -> Part<'a> {
        Part::ToolCall(ToolCall {
            id: id.map(Text::from),
            name: name.into(),
            arguments: Arguments::String("".into()),
            signature: None,
            cache: None,
        })
    }

    fn result<'a>(id: Option<&'a str>, name: Option<&'a str>) -> Part<'a> {
        Part::ToolResult(ToolResult {
            id: id.map(Text::from),
            name: name.map(Text::from),
            parts: Vec::new(),
            json: None,
            error: false,
            cache: None,
        })
    }

    /// The turns, shortened to their roles, the ids in them, and `"` for words.
    fn settle_all(turns: Vec<Turn<'_>>) -> Result<Vec<String>, Error> {
        let mut conversation = Conversation {
            turns,
            ..Conversation::default()
        };
        settle(&mut conversation)?;
        let shown = conversation.turns.iter().map(|turn| {
            let parts = turn.parts.iter().map(|part| match part {
                Part::ToolCall(call) => call.id.as_ref().unwrap().plain().into_owned(),
                Part::ToolResult(result) => {
                    let name = result.name.as_ref().unwrap().plain().into_owned();
                    format!("{}:{name}", result.id.as_ref().unwrap().plain())
                }
                _ => "\"".to_owned(),
            });
            let role = format!("{:?}", turn.role).to_lowercase();
            format!("{role} {}", parts.collect::<Vec<_>>().join(" "))
        });
        Ok(shown.collect())
    }

    #[test]
    fn results_in_any_order_come_into_one_turn_before_its_words() {
        let settled = settle_all(vec![
            turn(Role::User, 0, vec![Part::text("?")]),
            turn(
                Role::Assistant,
                1,
                vec![call(Some("a"), "x"), call(Some("b"), "y")],
            ),
            turn(Role::User, 2, vec![result(Some("b"), None)]),
            turn(Role::System, 3, vec![Part::text("!")]),
            turn(
                Role::User,
                4,
                vec![Part::text("so"), result(Some("a"), None)],
            ),
        ]);
        let expected = [
            "user \"",
            "assistant a b",
            "user a:x b:y",
            "system \"",
            "user \"",
        ];
        assert_eq!(settled.unwrap(), expected);
        let joined = settle_all(vec![
            turn(Role::Assistant, 0, vec![call(Some("a"), "x")]),
            turn(Role::Assistant, 1, vec![call(Some("b"), "y")]),
            turn(Role::User, 2, vec![result(Some("b"), None)]),
            turn(Role::User, 3, vec![result(Some("a"), None)]),
            turn(Role::User, 4, vec![Part::text("so")]),
        ]);
        assert_eq!(
            joined.unwrap(),
            ["assistant a", "assistant b", "user a:x b:y \""]
        );
    }

    #[test]
    fn without_ids_they_are_told_by_name_and_order() {
        let settled = settle_all(vec![
            turn(
                Role::Assistant,
                0,
                vec![call(None, "x"), call(None, "y"), call(None, "x")],
            ),
            turn(
                Role::User,
                1,
                vec![
                    result(None, Some("x")),
                    result(None, Some("x")),
                    result(None, Some("y")),
                ],
            ),
        ]);
        assert_eq!(
            settled.unwrap(),
            [
                "assistant call_0_0 call_0_1 call_0_2",
                "user call_0_0:x call_0_1:y call_0_2:x"
            ]
        );
    }

    #[test]
    fn an_id_may_come_again_once_it_is_answered() {
        let once = |at| {
            [
                turn(Role::Assistant, at, vec![call(Some("a"), "x")]),
                turn(Role::User, at + 1, vec![result(Some("a"), None)]),
            ]
        };
        let settled = settle_all([once(0), once(2)].into_iter().flatten().collect());
        assert_eq!(settled.unwrap().len(), 4);
    }

    #[test]
    fn a_missing_result_a_duplicate_id_and_an_unknown_id_are_refused() {
        let calling = || turn(Role::Assistant, 1, vec![call(Some("a"), "x")]);
        let answer = |at, id| turn(Role::User, at, vec![result(Some(id), None)]);
        for (turns, field) in [
            (vec![calling()], "messages[1]"),
            (
                vec![calling(), turn(Role::User, 2, vec![Part::text("so")])],
                "messages[1]",
            ),
            (vec![calling(), answer(2, "b")], "messages[2]"),
            (
                vec![calling(), answer(2, "a"), answer(3, "a")],
                "messages[3]",
            ),
            (vec![answer(0, "a")], "messages[0]"),
            (
                vec![turn(
                    Role::Assistant,
                    0,
                    vec![call(Some("a"), "x"), call(Some("a"), "y")],
                )],
                "messages[0]",
            ),
        ] {
            let e = settle_all(turns).unwrap_err();
            assert_eq!(*e.code(), codes::INVALID_FIELD);
            assert_eq!(e.at_param(), Some(field), "{}", e.message());
        }
    }
}
