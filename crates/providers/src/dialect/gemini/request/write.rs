//! Encode: a neutral conversation, as a request for content.

use bytes::Bytes;
use portcullis_core::error::Error;

use super::super::say::{self, Voice};
use super::super::url::{self, Verb};
use super::{settings, tools};
use crate::translate::turns::{self, Placed};
use crate::translate::write::{Array, array, object};
use crate::translate::{Conversation, Losses, Names, Part, Role, Target, Text, Turn, Written};

/// Writes a request.
pub(in crate::dialect::gemini) fn request(
    conversation: &Conversation<'_>,
    target: &Target<'_>,
    losses: &mut Losses,
) -> Result<Written, Error> {
    let mut names = Names::default();
    let mut body = Vec::with_capacity(1024);
    object(&mut body, |o| {
        let (system, rest) = match turns::leading(&conversation.turns) {
            // There is nothing else: it is what the model is to answer.
            (system, []) => (&[][..], system),
            split => split,
        };
        if !system.is_empty() {
            instruct(o.key("systemInstruction"), conversation, system, losses);
        }
        let contents = contents(conversation, rest, losses);
        let mut writer = Writer {
            conversation,
            voice: Voice::provider(target.model),
            names: &mut names,
            losses,
        };
        array(o.key("contents"), |a| {
            contents
                .iter()
                .try_for_each(|content| writer.content(a, content))
        })?;
        tools::write(o, conversation, &mut names, losses);
        settings::write(o, conversation, target, losses);
        Ok::<_, Error>(())
    })?;
    let verb = if conversation.stream {
        Verb::Stream
    } else {
        Verb::Generate
    };
    Ok(Written {
        path: url::path(target.model, verb),
        query: conversation.stream.then_some("alt=sse"),
        headers: Vec::new(),
        body: Bytes::from(body),
        names,
    })
}

/// The system texts a conversation begins with, in order.
fn instruct(
    out: &mut Vec<u8>,
    conversation: &Conversation<'_>,
    system: &[Turn<'_>],
    losses: &mut Losses,
) {
    object(out, |o| {
        o.array("parts", |a| {
            for turn in system {
                turns::note_name(conversation, turn, losses);
                for placed in turns::filled(conversation, turn, losses).collect::<Vec<_>>() {
                    match placed.part {
                        Part::Text { text, .. } | Part::Refusal(text) => {
                            a.object(|o| o.text("text", text));
                        }
                        _ => {
                            let field = format!("{}.content", conversation.turn_path(turn.at));
                            losses.add(field, "what sets Gemini up is text alone");
                        }
                    }
                    note_cache(placed.part, losses);
                }
            }
        });
    });
}

fn note_cache(part: &Part<'_>, losses: &mut Losses) {
    let marked = match part {
        Part::Text { cache, .. } => cache.is_some(),
        Part::Media(media) => media.cache.is_some(),
        Part::ToolCall(call) => call.cache.is_some(),
        Part::ToolResult(result) => result.cache.is_some(),
        _ => false,
    };
    if marked {
        losses.add("cache_control", "Gemini caches by itself");
    }
}

/// What is said in one content.
struct Content<'c, 'a> {
    model: bool,
    parts: Vec<Said<'c, 'a>>,
}

enum Said<'c, 'a> {
    Part(Placed<'c, 'a>),
    /// A system text said as the user's.
    System(Text<'static>),
}

/// The turns as contents in which user and model take turns.
fn contents<'c, 'a>(
    conversation: &Conversation<'_>,
    rest: &'c [Turn<'a>],
    losses: &mut Losses,
) -> Vec<Content<'c, 'a>> {
    let mut contents: Vec<Content<'c, 'a>> = Vec::new();
    for run in turns::runs(conversation, rest, losses) {
        let said = run.parts.into_iter().map(|placed| match placed.part {
            Part::Text { text, .. } if run.role == Role::System => {
                Said::System(turns::said_by_user(conversation, text, placed.at, losses))
            }
            _ => Said::Part(placed),
        });
        let model = run.role == Role::Assistant;
        match contents.last_mut() {
            Some(last) if last.model == model => last.parts.extend(said),
            _ => contents.push(Content {
                model,
                parts: said.collect(),
            }),
        }
    }
    contents
}

struct Writer<'w, 'c> {
    conversation: &'c Conversation<'c>,
    voice: Voice,
    names: &'w mut Names,
    losses: &'w mut Losses,
}

impl Writer<'_, '_> {
    fn content(&mut self, a: &mut Array<'_>, content: &Content<'_, '_>) -> Result<(), Error> {
        a.object(|o| {
            o.str("role", if content.model { "model" } else { "user" });
            o.array("parts", |a| {
                let mut parts = content.parts.iter().peekable();
                let mut first_call = true;
                while let Some(said) = parts.next() {
                    let placed = match said {
                        Said::System(text) => {
                            a.object(|o| o.text("text", text));
                            continue;
                        }
                        Said::Part(placed) => placed,
                    };
                    note_cache(placed.part, self.losses);
                    let place = || format!("{}.content", self.conversation.turn_path(placed.at));
                    let mut say = say::Say {
                        voice: self.voice,
                        place: &place,
                        names: self.names,
                        losses: self.losses,
                        first_call,
                    };
                    let seal = parts.peek().and_then(|next| match next {
                        Said::Part(next) => say::seal_of(next.part, self.voice),
                        Said::System(_) => None,
                    });
                    first_call &= !matches!(placed.part, Part::ToolCall(_));
                    if say.part(a, placed.part, seal.as_ref())? {
                        parts.next();
                    }
                }
                Ok(())
            })
        })
    }
}
