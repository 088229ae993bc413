//! Encode and the way back: parts of a turn, as blocks of content.

use portcullis_core::error::Error;
use portcullis_core::json::Raw;

use super::tool::{sealed, write_call};
use super::{FAMILY, media};
use crate::translate::write::{Array, Object};
use crate::translate::{
    CacheMark, Charset, Losses, Names, Part, Reasoning, Text, ToolCall, ToolResult,
};

/// How many marks a request may have.
const MARKS: usize = 4;

/// What names of tools may be.
const NAME: Charset = Charset {
    max: 128,
    allowed: |byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'),
};

/// Who is to read what is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reader {
    /// The provider, which refuses thoughts that its models did not seal.
    Provider,
    /// A caller, who hands everything back with the next turn.
    Caller,
}

/// Writes blocks of one request or reply.
#[derive(Debug)]
pub(crate) struct Blocks<'l> {
    pub(crate) reader: Reader,
    pub(crate) names: Names,
    pub(crate) losses: &'l mut Losses,
    /// How many marks were written.
    marks: usize,
}

impl<'l> Blocks<'l> {
    pub(crate) fn new(reader: Reader, losses: &'l mut Losses) -> Self {
        Self {
            reader,
            names: Names::default(),
            losses,
            marks: 0,
        }
    }

    /// The name of a tool as the API allows it.
    pub(crate) fn name<'a>(&mut self, name: &Text<'a>) -> Text<'a> {
        match self.reader {
            Reader::Provider => self.names.fit(name, NAME),
            Reader::Caller => name.clone(),
        }
    }

    /// Writes a part. `field` is where it stands, as the caller knows it.
    pub(crate) fn part(
        &mut self,
        part: &Part<'_>,
        blocks: &mut Array<'_>,
        field: &dyn Fn() -> String,
    ) -> Result<(), Error> {
        match part {
            Part::Text {
                text,
                citations,
                cache,
            } => blocks.object(|block| {
                block.str("type", "text");
                block.text("text", text);
                match citations {
                    Some(list) if cites(*list) => block.raw("citations", list.bytes()),
                    Some(_) => self.lost(field, "citations", "Anthropic cites in another form"),
                    None => {}
                }
                self.mark(block, *cache, field);
            }),
            Part::Refusal(text) => blocks.object(|block| {
                block.str("type", "text");
                block.text("text", text);
            }),
            Part::Media(_) if self.reader == Reader::Caller => {
                self.lost(field, "media", "Anthropic's models answer in words alone");
            }
            Part::Media(media) => {
                media::write(media, blocks, field, self.losses, &mut self.marks)?;
            }
            Part::ToolCall(call) => self.call(call, blocks, field),
            Part::ToolResult(result) => self.result(result, blocks, field)?,
            Part::Reasoning(reasoning) => Self::reasoning(reasoning, blocks),
            Part::Foreign { kind, .. } => {
                self.lost(field, kind, "no other dialect has it");
            }
        }
        Ok(())
    }

    /// Marks a block, if it is to be marked.
    pub(crate) fn mark(
        &mut self,
        block: &mut Object<'_>,
        mark: Option<CacheMark>,
        field: &dyn Fn() -> String,
    ) {
        write_cache(block, mark, field, self.losses, &mut self.marks);
    }

    fn lost(&mut self, field: &dyn Fn() -> String, what: &str, why: &'static str) {
        self.losses.add(format!("{}.{what}", field()), why);
    }

    fn call(&mut self, call: &ToolCall<'_>, blocks: &mut Array<'_>, field: &dyn Fn() -> String) {
        let name = self.name(&call.name);
        let nameless = Text::from("");
        let id = fit_id(call.id.as_ref().unwrap_or(&nameless));
        let object = blocks.object(|block| {
            let object = write_call(block, &id, &name, &call.arguments);
            self.mark(block, call.cache, field);
            object
        });
        if !object {
            self.lost(
                field,
                "arguments",
                "no JSON object; an object holds them as text",
            );
        }
        let Some(seal) = sealed(call) else { return };
        match self.reader {
            Reader::Caller => write_redacted(blocks, &seal),
            Reader::Provider => {
                self.lost(field, "signature", "another provider made it");
            }
        }
    }

    fn result(
        &mut self,
        result: &ToolResult<'_>,
        blocks: &mut Array<'_>,
        field: &dyn Fn() -> String,
    ) -> Result<(), Error> {
        let nameless = Text::from("");
        let id = fit_id(result.id.as_ref().unwrap_or(&nameless));
        blocks.object(|block| {
            block.str("type", "tool_result");
            block.text("tool_use_id", &id);
            if result.error {
                block.bool("is_error", true);
            }
            let written = match (result.parts.as_slice(), result.json) {
                (
                    [
                        Part::Text {
                            text,
                            citations: None,
                            cache: None,
                        },
                    ],
                    _,
                ) => {
                    block.text("content", text);
                    Ok(())
                }
                ([], Some(json)) => {
                    let json = Text::from(String::from_utf8_lossy(json.bytes()).into_owned());
                    block.text("content", &json);
                    Ok(())
                }
                ([], None) => Ok(()),
                (parts, _) => block.array("content", |blocks| {
                    let filled = |part: &&Part<'_>| {
                        !matches!(part, Part::Text { text, .. } if text.is_blank())
                    };
                    let mut parts = parts.iter().filter(filled);
                    parts.try_for_each(|part| self.part(part, blocks, field))
                }),
            };
            self.mark(block, result.cache, field);
            written
        })
    }

    fn reasoning(reasoning: &Reasoning<'_>, blocks: &mut Array<'_>) {
        let seal = reasoning.signature.as_ref();
        let nothing = Text::from("");
        let seal = seal.map(|seal| seal.written(FAMILY));
        if reasoning.redacted || (reasoning.text.is_none() && seal.is_some()) {
            write_redacted(blocks, seal.as_ref().unwrap_or(&nothing));
            return;
        }
        blocks.object(|block| {
            block.str("type", "thinking");
            block.text("thinking", reasoning.text.as_ref().unwrap_or(&nothing));
            block.text("signature", seal.as_ref().unwrap_or(&nothing));
        });
    }
}

/// Marks a block, unless there are as many as a request may have.
pub(crate) fn write_cache(
    block: &mut Object<'_>,
    mark: Option<CacheMark>,
    field: impl Fn() -> String,
    losses: &mut Losses,
    marks: &mut usize,
) {
    let ttl = match mark {
        None => return,
        Some(CacheMark::Default) => None,
        Some(CacheMark::Minutes5) => Some("5m"),
        Some(CacheMark::Hour) => Some("1h"),
    };
    if *marks == MARKS {
        losses.add(
            field(),
            "its cache mark: four are all a request may have there",
        );
        return;
    }
    *marks += 1;
    block.object("cache_control", |o| {
        o.str("type", "ephemeral");
        if let Some(ttl) = ttl {
            o.str("ttl", ttl);
        }
    });
}

fn write_redacted(blocks: &mut Array<'_>, data: &Text<'_>) {
    blocks.object(|block| {
        block.str("type", "redacted_thinking");
        block.text("data", data);
    });
}

/// Whether a list of citations, or one of them, is in this dialect's form.
pub(crate) fn cites(citations: Raw<'_>) -> bool {
    let first = citations.elements().next().and_then(Result::ok);
    let kind = first.unwrap_or(citations).get("type").and_then(Raw::as_str);
    kind.is_some_and(|kind| kind.ends_with("_location"))
}

/// The id of a call as the API allows it: as it is, or with `_` for what does not fit and a checksum. The
/// same id is always written in the same way.
fn fit_id<'a>(id: &Text<'a>) -> Text<'a> {
    let plain = id.plain();
    if !plain.is_empty() && plain.bytes().all(NAME.allowed) {
        return id.clone();
    }
    Names::default().fit(id, NAME)
}
