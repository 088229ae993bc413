//! Encode: a request of Bedrock converse, read.

use http::request;
use portcullis_core::error::Error;
use portcullis_core::json::{Cursor, JsonError};

use super::additional;
use crate::dialect::bedrock::content::{self, cache_mark};
use crate::dialect::bedrock::converse::is_streamed;
use crate::dialect::bedrock::reading::{Place, Reading};
use crate::dialect::head::not_json;
use crate::translate::{
    Conversation, Effort, Format, Losses, Role, Schema, Tool, ToolChoice, Turn,
};

const UNKNOWN: &str = "it is not known";

/// Reads a request. Whether a stream is asked for is said in its URL.
pub(in crate::dialect::bedrock) fn read<'a>(
    head: &request::Parts,
    body: &'a [u8],
    losses: &mut Losses,
) -> Result<Conversation<'a>, Error> {
    let mut cx = Reading::new(losses);
    let mut conversation = Conversation {
        stream: is_streamed(head),
        usage_asked: true,
        ..Conversation::default()
    };
    let read = document(&mut cx, body, &mut conversation);
    cx.end(read, not_json)?;
    Ok(conversation)
}

fn document<'a>(
    cx: &mut Reading<'_>,
    body: &'a [u8],
    c: &mut Conversation<'a>,
) -> Result<(), JsonError> {
    let mut cursor = Cursor::new(body)?;
    let mut system = Vec::new();
    cx.object(&mut cursor, Place::Top, |cx, key, at| {
        let name = key.as_str().unwrap_or_default();
        let here = Place::Key(&Place::Top, &name);
        match &*name {
            "messages" => messages(cx, at, here, &mut c.turns),
            "system" => content::read(cx, at, here, &mut system),
            "inferenceConfig" => inference(cx, at, here, c),
            "toolConfig" => tool_config(cx, at, here, c),
            "outputConfig" => output(cx, at, here, c),
            "additionalModelRequestFields" => additional::read(cx, at, here, c),
            "requestMetadata" => {
                let facts = at.value()?;
                c.metadata.facts = (!facts.is_null()).then_some(facts);
                Ok(())
            }
            "serviceTier" => cx.object(at, here, |cx, key, at| {
                if key == "type" {
                    c.metadata.tier = Some(cx.text(at, Place::Key(&here, "type"))?);
                    return Ok(());
                }
                cx.lose(at, here, key, UNKNOWN)
            }),
            "promptVariables" => {
                let why = "the prompt they belong to is kept by Bedrock";
                if at.value()?.is_null() {
                    return Ok(());
                }
                Err(cx.untranslatable(here, why))
            }
            _ => cx.lose(at, Place::Top, key, "other dialects have no such field"),
        }
    })?;
    cursor.end()?;
    if !system.is_empty() {
        let turn = Turn {
            role: Role::System,
            parts: system,
            name: None,
            at: 0,
        };
        c.turns.insert(0, turn);
    }
    Ok(())
}

fn messages<'a>(
    cx: &mut Reading<'_>,
    at: &mut Cursor<'a>,
    place: Place<'_>,
    turns: &mut Vec<Turn<'a>>,
) -> Result<(), JsonError> {
    let mut index = 0;
    cx.array(at, place, |cx, place, at| {
        let (mut role, mut parts) = (None, Vec::new());
        cx.object(at, place, |cx, key, at| {
            if key == "role" {
                role = Some(cx.text(at, Place::Key(&place, "role"))?);
            } else if key == "content" {
                content::read(cx, at, Place::Key(&place, "content"), &mut parts)?;
            } else {
                cx.lose(at, place, key, UNKNOWN)?;
            }
            Ok(())
        })?;
        let known = [
            ("user", Role::User),
            ("assistant", Role::Assistant),
            ("system", Role::System),
        ];
        let role = known
            .iter()
            .find(|(name, _)| role.as_ref().is_some_and(|role| role.is(name)));
        let (_, role) = role.ok_or_else(|| {
            cx.wrong(
                Place::Key(&place, "role"),
                "`user`, `assistant` or `system`",
            )
        })?;
        turns.push(Turn {
            role: *role,
            parts,
            name: None,
            at: index,
        });
        index += 1;
        Ok(())
    })
}

fn inference<'a>(
    cx: &mut Reading<'_>,
    at: &mut Cursor<'a>,
    place: Place<'_>,
    c: &mut Conversation<'a>,
) -> Result<(), JsonError> {
    let sampling = &mut c.sampling;
    cx.object(at, place, |cx, key, at| {
        let name = key.as_str().unwrap_or_default();
        let here = Place::Key(&place, &name);
        match &*name {
            "maxTokens" => sampling.max_tokens = cx.number(at, here)?,
            "temperature" => sampling.temperature = cx.number(at, here)?,
            "topP" => sampling.top_p = cx.number(at, here)?,
            "stopSequences" => cx.array(at, here, |cx, place, at| {
                sampling.stop.push(cx.text(at, place)?);
                Ok(())
            })?,
            _ => cx.lose(at, place, key, UNKNOWN)?,
        }
        Ok(())
    })
}

fn tool_config<'a>(
    cx: &mut Reading<'_>,
    at: &mut Cursor<'a>,
    place: Place<'_>,
    c: &mut Conversation<'a>,
) -> Result<(), JsonError> {
    cx.object(at, place, |cx, key, at| {
        if key == "tools" {
            let here = Place::Key(&place, "tools");
            return cx.array(at, here, |cx, place, at| tool(cx, at, place, &mut c.tools));
        }
        if key == "toolChoice" {
            let here = Place::Key(&place, "toolChoice");
            return choice(cx, at, here, &mut c.tool_choice);
        }
        cx.lose(at, place, key, UNKNOWN)
    })
}

fn tool<'a>(
    cx: &mut Reading<'_>,
    at: &mut Cursor<'a>,
    place: Place<'_>,
    tools: &mut Vec<Tool<'a>>,
) -> Result<(), JsonError> {
    cx.object(at, place, |cx, key, at| {
        if key == "toolSpec" {
            let spec = tool_spec(cx, at, Place::Key(&place, "toolSpec"))?;
            tools.push(spec);
            return Ok(());
        }
        if key == "cachePoint" {
            let here = Place::Key(&place, "cachePoint");
            let mark = cache_mark(cx, at, here)?;
            match tools.last_mut() {
                Some(tool) => tool.cache = Some(mark),
                None => cx.losses.add(
                    here.to_string(),
                    "there is nothing before it that can be marked",
                ),
            }
            return Ok(());
        }
        if at.value()?.is_null() {
            return Ok(());
        }
        let name = key.as_str().unwrap_or_default();
        let why = "the provider runs this tool itself";
        Err(cx.untranslatable(Place::Key(&place, &name), why))
    })
}

fn tool_spec<'a>(
    cx: &mut Reading<'_>,
    at: &mut Cursor<'a>,
    place: Place<'_>,
) -> Result<Tool<'a>, JsonError> {
    let (mut name, mut description, mut parameters, mut strict) = (None, None, None, None);
    cx.object(at, place, |cx, key, at| {
        if key == "name" {
            name = Some(cx.text(at, Place::Key(&place, "name"))?);
        } else if key == "description" {
            description = Some(cx.text(at, Place::Key(&place, "description"))?);
        } else if key == "strict" {
            strict = at.value()?.as_bool();
        } else if key == "inputSchema" {
            let here = Place::Key(&place, "inputSchema");
            cx.object(at, here, |cx, key, at| {
                if key == "json" {
                    parameters = Some(at.value()?);
                    return Ok(());
                }
                cx.lose(at, here, key, UNKNOWN)
            })?;
        } else {
            cx.lose(at, place, key, UNKNOWN)?;
        }
        Ok(())
    })?;
    let name = name.ok_or_else(|| cx.wrong(Place::Key(&place, "name"), "the name of a tool"))?;
    Ok(Tool {
        name,
        description,
        parameters,
        strict,
        cache: None,
    })
}

fn choice<'a>(
    cx: &mut Reading<'_>,
    at: &mut Cursor<'a>,
    place: Place<'_>,
    chosen: &mut Option<ToolChoice<'a>>,
) -> Result<(), JsonError> {
    cx.object(at, place, |cx, key, at| {
        if key == "auto" {
            *chosen = Some(ToolChoice::Auto);
        } else if key == "any" {
            *chosen = Some(ToolChoice::Required);
        } else if key == "tool" {
            let here = Place::Key(&place, "tool");
            cx.object(at, here, |cx, key, at| {
                if key == "name" {
                    let name = cx.text(at, Place::Key(&here, "name"))?;
                    *chosen = Some(ToolChoice::Named(vec![name]));
                    return Ok(());
                }
                cx.lose(at, here, key, UNKNOWN)
            })?;
        } else {
            cx.lose(at, place, key, UNKNOWN)?;
        }
        Ok(())
    })
}

fn output<'a>(
    cx: &mut Reading<'_>,
    at: &mut Cursor<'a>,
    place: Place<'_>,
    c: &mut Conversation<'a>,
) -> Result<(), JsonError> {
    cx.object(at, place, |cx, key, at| {
        if key == "effort" {
            let here = Place::Key(&place, "effort");
            let word = cx.text(at, here)?;
            let effort = Effort::read(&word.plain());
            if effort.is_none() {
                cx.losses
                    .add(here.to_string(), "no other dialect has this word");
            }
            c.thinking.get_or_insert_default().effort = effort;
            return Ok(());
        }
        if key == "textFormat" {
            let here = Place::Key(&place, "textFormat");
            return cx.object(at, here, |cx, key, at| {
                if key == "structure" {
                    let here = Place::Key(&here, "structure");
                    return cx.object(at, here, |cx, key, at| {
                        if key == "jsonSchema" {
                            let schema = schema(cx, at, Place::Key(&here, "jsonSchema"))?;
                            c.format = Format::Schema(schema);
                            return Ok(());
                        }
                        cx.lose(at, here, key, UNKNOWN)
                    });
                }
                if key == "type" {
                    // There is but one, and its structure says it again.
                    return Ok(());
                }
                cx.lose(at, here, key, UNKNOWN)
            });
        }
        cx.lose(at, place, key, UNKNOWN)
    })
}

/// A schema stands in a string.
fn schema<'a>(
    cx: &mut Reading<'_>,
    at: &mut Cursor<'a>,
    place: Place<'_>,
) -> Result<Schema<'a>, JsonError> {
    let (mut schema, mut name, mut description) = (None, None, None);
    cx.object(at, place, |cx, key, at| {
        if key == "schema" {
            schema = Some(cx.text(at, Place::Key(&place, "schema"))?);
        } else if key == "name" {
            name = Some(cx.text(at, Place::Key(&place, "name"))?);
        } else if key == "description" {
            description = Some(cx.text(at, Place::Key(&place, "description"))?);
        } else {
            cx.lose(at, place, key, UNKNOWN)?;
        }
        Ok(())
    })?;
    let document = schema.map(|schema| schema.plain().into_owned().into_bytes());
    let document = document.filter(|json| portcullis_core::json::Raw::parse(json).is_ok());
    let schema = document
        .ok_or_else(|| cx.wrong(Place::Key(&place, "schema"), "a string with JSON in it"))?;
    Ok(Schema {
        name,
        description,
        schema: schema.into(),
        strict: None,
    })
}
