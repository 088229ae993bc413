//! Encode: requests for responses read into the neutral form.

use portcullis_core::error::Error;
use portcullis_core::json::{Cursor, Key, Kind, Raw};

use super::input;
use crate::dialect::openai::chat::{read_effort, untranslatable};
use crate::dialect::openai::function;
use crate::translate::read::{array, document, object, value, wrong};
use crate::translate::{Conversation, Extra, Losses, Part, Role, Text, Thinking, Turn};

/// What is OpenAI's own, and what it is called in a loss.
const OWN: &str = "it is OpenAI's own";

/// Reads a request.
pub(super) fn request<'a>(body: &'a [u8], losses: &mut Losses) -> Result<Conversation<'a>, Error> {
    let mut read = Read {
        conversation: Conversation {
            list: Some("input"),
            // The last event always has it.
            usage_asked: true,
            ..Conversation::default()
        },
        instructions: None,
        choice: None,
        safety: None,
        losses,
    };
    if !document(body, |at| object(at, |key, at| read.member(key, at)))? {
        return Err(wrong("input", "a string or a list of items"));
    }
    read.finish()
}

/// A request being read.
struct Read<'a, 'l> {
    conversation: Conversation<'a>,
    instructions: Option<Text<'a>>,
    choice: Option<Raw<'a>>,
    safety: Option<Raw<'a>>,
    losses: &'l mut Losses,
}

impl<'a> Read<'a, '_> {
    fn member(&mut self, key: Key<'a>, at: &mut Cursor<'a>) -> Result<(), Error> {
        if key == "input" {
            self.conversation.turns = input::read(at, self.losses)?;
            return Ok(());
        }
        if key == "tools" {
            return self.tools(at);
        }
        let value = value(at)?;
        if value.is_null() || self.sampling(key, value)? || self.filing(key, value)? {
            return Ok(());
        }
        let c = &mut self.conversation;
        if key == "instructions" {
            let wanted = || wrong("instructions", "a string");
            self.instructions = Some(Text::of(value).ok_or_else(wanted)?);
        } else if key == "text" {
            self.text(value)?;
        } else if key == "reasoning" {
            self.reasoning(value)?;
        } else if key == "tool_choice" {
            self.choice = Some(value);
        } else if key == "parallel_tool_calls" {
            c.parallel_tools = Some(truth(value, "parallel_tool_calls")?);
        } else if key == "stream" {
            c.stream = truth(value, "stream")?;
        } else if key == "stream_options" {
            // Padding against onlookers is off unless asked for here, and nothing else stands in it.
            if value.get("include_obfuscation").and_then(Raw::as_bool) == Some(true) {
                let why = "streams are written anew";
                self.losses.add("stream_options.include_obfuscation", why);
            }
        } else if key == "truncation" {
            if value.bytes() != b"\"disabled\"" {
                self.losses.add(
                    "truncation",
                    "no other provider shortens a conversation by itself",
                );
            }
        } else if key == "include" {
            self.include(value);
        } else if key != "model" {
            self.losses.add(name(key), OWN);
        }
        Ok(())
    }

    fn sampling(&mut self, key: Key<'_>, value: Raw<'a>) -> Result<bool, Error> {
        let sampling = &mut self.conversation.sampling;
        let place = if key == "max_output_tokens" {
            &mut sampling.max_tokens
        } else if key == "temperature" {
            &mut sampling.temperature
        } else if key == "top_p" {
            &mut sampling.top_p
        } else if key == "top_logprobs" {
            &mut sampling.top_logprobs
        } else {
            return Ok(false);
        };
        if value.kind() != Kind::Number {
            return Err(wrong(&name(key), "a number"));
        }
        *place = Some(value);
        Ok(true)
    }

    /// Takes what says who asks and how the call is kept. What the provider keeps between calls cannot be had
    /// elsewhere.
    fn filing(&mut self, key: Key<'_>, value: Raw<'a>) -> Result<bool, Error> {
        let metadata = &mut self.conversation.metadata;
        let text = |field| Text::of(value).ok_or_else(|| wrong(field, "a string"));
        if key == "user" {
            metadata.user = Some(text("user")?);
        } else if key == "safety_identifier" {
            self.safety = Some(value);
        } else if key == "service_tier" {
            metadata.tier = Some(text("service_tier")?);
        } else if key == "prompt_cache_key" {
            metadata.cache_key = Some(text("prompt_cache_key")?);
        } else if key == "metadata" {
            metadata.facts = Some(value);
        } else if key == "store" {
            if truth(value, "store")? {
                self.extra("store", "store", value);
            }
        } else if key == "prompt_cache_retention" {
            self.extra("prompt_cache_retention", "prompt_cache_retention", value);
        } else if key == "prompt_cache_options" {
            self.extra("prompt_cache_options", "prompt_cache_options", value);
        } else if key == "previous_response_id" {
            return Err(untranslatable(
                "previous_response_id",
                "a response kept by OpenAI",
            ));
        } else if key == "conversation" {
            return Err(untranslatable(
                "conversation",
                "a conversation kept by OpenAI",
            ));
        } else if key == "prompt" {
            return Err(untranslatable("prompt", "a prompt kept by OpenAI"));
        } else if key == "background" {
            if truth(value, "background")? {
                return Err(untranslatable(
                    "background",
                    "an answer to be fetched later",
                ));
            }
        } else {
            return Ok(false);
        }
        Ok(true)
    }

    fn extra(&mut self, name: &'static str, field: &'static str, raw: Raw<'a>) {
        self.losses.add(field, OWN);
        self.conversation.extras.push(Extra { name, field, raw });
    }

    fn text(&mut self, value: Raw<'a>) -> Result<(), Error> {
        for member in value.members() {
            let member = member.map_err(|_| wrong("text", "an object"))?;
            if member.value.is_null() {
                continue;
            }
            if member.key == "format" {
                self.conversation.format = function::format(member.value, "text.format")?;
            } else if member.key == "verbosity" {
                self.extra("verbosity", "text.verbosity", member.value);
            } else {
                self.losses.add(format!("text.{}", name(member.key)), OWN);
            }
        }
        Ok(())
    }

    fn reasoning(&mut self, value: Raw<'a>) -> Result<(), Error> {
        let mut thinking = Thinking::default();
        for member in value.members() {
            let member = member.map_err(|_| wrong("reasoning", "an object"))?;
            if member.value.is_null() {
                continue;
            }
            if member.key == "effort" {
                let read = read_effort(member.value, "reasoning.effort", self.losses)?;
                thinking.effort = read.and_then(|read| read.effort);
            } else if member.key == "summary" || member.key == "generate_summary" {
                // How long the summary is to be, others do not ask.
                thinking.shown = Some(true);
            } else {
                self.losses
                    .add(format!("reasoning.{}", name(member.key)), OWN);
            }
        }
        let said = thinking.effort.is_some() || thinking.shown.is_some();
        self.conversation.thinking = said.then_some(thinking);
        Ok(())
    }

    fn include(&mut self, value: Raw<'a>) {
        for (index, wanted) in value.elements().flatten().enumerate() {
            match wanted.bytes() {
                // What is sealed always comes along.
                b"\"reasoning.encrypted_content\"" => {}
                b"\"message.output_text.logprobs\"" => {
                    self.conversation.sampling.logprobs = Raw::parse(b"true").ok();
                }
                _ => self.losses.add(format!("include[{index}]"), OWN),
            }
        }
    }

    fn tools(&mut self, at: &mut Cursor<'a>) -> Result<(), Error> {
        let mut tools = Vec::new();
        let list = array(at, |at| {
            let path = format!("tools[{}]", tools.len());
            let tool = value(at)?;
            let kind = tool.get("type").and_then(Text::of);
            match kind {
                Some(kind) if kind.is("function") => {
                    tools.push(function::tool(tool, &path, self.losses)?);
                    Ok(())
                }
                Some(kind) => {
                    let what = format!("a tool of type `{}`", kind.plain());
                    Err(untranslatable(&path, &what))
                }
                None => Err(wrong(&path, "an object with a `type`")),
            }
        })?;
        if !list && !value(at)?.is_null() {
            return Err(wrong("tools", "a list of tools"));
        }
        self.conversation.tools = tools;
        Ok(())
    }

    fn finish(mut self) -> Result<Conversation<'a>, Error> {
        if self.conversation.turns.is_empty() {
            return Err(wrong("input", "a string or a list of items"));
        }
        if let Some(text) = self.instructions {
            let turn = Turn {
                role: Role::System,
                parts: vec![Part::text(text)],
                name: None,
                at: 0,
            };
            self.conversation.turns.insert(0, turn);
        }
        if let Some(choice) = self.choice {
            self.conversation.tool_choice = function::choice(choice, self.losses)?;
        }
        if let Some(safety) = self.safety {
            if self.conversation.metadata.user.is_none() {
                let wanted = || wrong("safety_identifier", "a string");
                self.conversation.metadata.user = Some(Text::of(safety).ok_or_else(wanted)?);
            } else {
                self.losses.add("safety_identifier", OWN);
                let (name, field) = ("safety_identifier", "safety_identifier");
                let extra = Extra {
                    name,
                    field,
                    raw: safety,
                };
                self.conversation.extras.push(extra);
            }
        }
        Ok(self.conversation)
    }
}

fn name(key: Key<'_>) -> String {
    key.as_str().unwrap_or_default().into_owned()
}

fn truth(value: Raw<'_>, field: &str) -> Result<bool, Error> {
    value.as_bool().ok_or_else(|| wrong(field, "true or false"))
}
