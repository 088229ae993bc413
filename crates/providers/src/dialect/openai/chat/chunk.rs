//! The way back: one chunk of a streamed chat completion, as it was written.

use portcullis_core::context::Tokens;
use portcullis_core::error::Error;
use portcullis_core::json::{Cursor, Kind, Raw};
use smallvec::SmallVec;

use super::message;
use crate::dialect::event::is_filled;
use crate::dialect::openai::usage::{CHAT, note_usage};
use crate::translate::read::{array, document, object, value, wrong};
use crate::translate::{Signature, Text};

/// What stands in a chunk.
#[derive(Debug, Default)]
pub(super) struct Chunk<'a> {
    pub(super) id: Option<Text<'a>>,
    pub(super) model: Option<Text<'a>>,
    pub(super) created: Option<u64>,
    pub(super) choices: SmallVec<[ChoiceDelta<'a>; 1]>,
    pub(super) usage: Option<Tokens>,
    pub(super) error: Option<Raw<'a>>,
}

/// What stands in one choice of a chunk. Empty texts are left out.
#[derive(Debug, Default)]
pub(super) struct ChoiceDelta<'a> {
    pub(super) index: u32,
    pub(super) reasoning: Option<Text<'a>>,
    pub(super) details: Option<Raw<'a>>,
    pub(super) content: Option<Text<'a>>,
    pub(super) refusal: Option<Text<'a>>,
    pub(super) calls: SmallVec<[CallDelta<'a>; 1]>,
    pub(super) logprobs: Option<Raw<'a>>,
    pub(super) finish: Option<Text<'a>>,
}

/// A piece of a call of a tool.
#[derive(Debug, Default)]
pub(super) struct CallDelta<'a> {
    pub(super) index: Option<u32>,
    pub(super) id: Option<Text<'a>>,
    pub(super) name: Option<Text<'a>>,
    pub(super) arguments: Option<Text<'a>>,
    pub(super) signature: Option<Signature<'a>>,
}

impl<'a> Chunk<'a> {
    /// Reads a chunk in one pass.
    pub(super) fn read(data: &'a [u8]) -> Result<Self, Error> {
        let mut chunk = Chunk::default();
        let mut known = false;
        document(data, |at| {
            object(at, |key, at| {
                if key == "choices" {
                    known = true;
                    array(at, |at| {
                        let number = u32::try_from(chunk.choices.len()).unwrap_or(u32::MAX);
                        chunk.choices.push(choice(at, number)?);
                        Ok(())
                    })?;
                } else if key == "id" {
                    chunk.id = filled(value(at)?);
                } else if key == "model" {
                    chunk.model = filled(value(at)?);
                } else if key == "created" {
                    chunk.created = value(at)?.as_count();
                } else if key == "usage" {
                    let mut tokens = Tokens::default();
                    if note_usage(&CHAT, value(at)?, &mut tokens) {
                        chunk.usage = Some(tokens);
                    }
                } else if key == "error" {
                    chunk.error = Some(value(at)?).filter(|error| !error.is_null());
                }
                Ok(())
            })
        })?;
        if known || chunk.usage.is_some() || chunk.error.is_some() {
            Ok(chunk)
        } else {
            Err(wrong("choices", "a list"))
        }
    }
}

impl ChoiceDelta<'_> {
    /// Whether anything is said in it.
    pub(super) fn says(&self) -> bool {
        self.reasoning.is_some()
            || self.content.is_some()
            || self.refusal.is_some()
            || !self.calls.is_empty()
    }
}

fn choice<'a>(at: &mut Cursor<'a>, number: u32) -> Result<ChoiceDelta<'a>, Error> {
    let mut choice = ChoiceDelta {
        index: number,
        ..ChoiceDelta::default()
    };
    object(at, |key, at| {
        if key == "delta" {
            delta(at, &mut choice)?;
        } else if key == "index" {
            let index = value(at)?.as_u64();
            let index = index.and_then(|index| u32::try_from(index).ok());
            choice.index = index.ok_or_else(|| wrong("choices.index", "a count"))?;
        } else if key == "finish_reason" {
            choice.finish = filled(value(at)?);
        } else if key == "logprobs" {
            choice.logprobs = Some(value(at)?).filter(|raw| !raw.is_null());
        }
        Ok(())
    })?;
    Ok(choice)
}

fn delta<'a>(at: &mut Cursor<'a>, choice: &mut ChoiceDelta<'a>) -> Result<(), Error> {
    object(at, |key, at| {
        if key == "content" {
            choice.content = words(value(at)?)?;
        } else if key == "reasoning_content" || key == "reasoning" {
            let reasoning = filled(value(at)?);
            choice.reasoning = reasoning.or(choice.reasoning.take());
        } else if key == "refusal" {
            choice.refusal = words(value(at)?)?;
        } else if key == "tool_calls" {
            choice.calls.clear();
            let list = array(at, |at| {
                choice.calls.push(call(at)?);
                Ok(())
            })?;
            if !list && !value(at)?.is_null() {
                return Err(wrong("delta.tool_calls", "a list"));
            }
        } else if key == "function_call" {
            let mut one = CallDelta::default();
            function(at, &mut one)?;
            if one.name.is_some() || one.arguments.is_some() {
                one.index = Some(0);
                choice.calls.push(one);
            }
        } else if key == "reasoning_details" {
            choice.details = Some(value(at)?).filter(|raw| is_filled(*raw));
        }
        Ok(())
    })?;
    Ok(())
}

fn call<'a>(at: &mut Cursor<'a>) -> Result<CallDelta<'a>, Error> {
    let mut one = CallDelta::default();
    object(at, |key, at| {
        if key == "index" {
            let index = value(at)?.as_u64();
            one.index = index.and_then(|index| u32::try_from(index).ok());
        } else if key == "id" {
            one.id = filled(value(at)?);
        } else if key == "function" {
            function(at, &mut one)?;
        } else if key == "type" {
            if filled(value(at)?).is_some_and(|kind| !kind.is("function")) {
                return Err(wrong("delta.tool_calls.type", "`function`"));
            }
        } else if key == "extra_content" {
            one.signature = message::signature(value(at)?);
        }
        Ok(())
    })?;
    Ok(one)
}

fn function<'a>(at: &mut Cursor<'a>, one: &mut CallDelta<'a>) -> Result<(), Error> {
    let called = object(at, |key, at| {
        if key == "name" {
            one.name = filled(value(at)?);
        } else if key == "arguments" {
            let arguments = value(at)?;
            one.arguments = match arguments.kind() {
                // Some hosts send the object itself, whole.
                Kind::Object => Some(
                    String::from_utf8_lossy(arguments.bytes())
                        .into_owned()
                        .into(),
                ),
                _ => words(arguments)?,
            };
        }
        Ok(())
    })?;
    if !called && !value(at)?.is_null() {
        return Err(wrong("function", "an object"));
    }
    Ok(())
}

/// A text with something in it.
fn filled(raw: Raw<'_>) -> Option<Text<'_>> {
    Text::of(raw).filter(|text| !text.is_empty())
}

/// As [`filled`], of what must be a text or null.
fn words(raw: Raw<'_>) -> Result<Option<Text<'_>>, Error> {
    if raw.is_null() || raw.kind() == Kind::String {
        Ok(filled(raw))
    } else {
        Err(wrong("delta", "made of texts"))
    }
}
