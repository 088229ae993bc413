//! Encode: requests for chat completions read into the neutral form.

use portcullis_core::error::Error;
use portcullis_core::json::{Cursor, Key, Kind, Raw};

use super::messages;
use crate::codes::UNTRANSLATABLE;
use crate::dialect::openai::function;
use crate::translate::read::{array, document, object, value, wrong};
use crate::translate::{Conversation, Effort, Extra, Losses, Text, Thinking, Tool, ToolChoice};

/// Reads a request.
pub(super) fn request<'a>(body: &'a [u8], losses: &mut Losses) -> Result<Conversation<'a>, Error> {
    let mut read = Read {
        conversation: Conversation::default(),
        older_max: None,
        choice: None,
        function_call: None,
        safety: None,
        losses,
    };
    let object = document(body, |at| object(at, |key, at| read.member(key, at)))?;
    if !object {
        return Err(wrong("messages", "a list of messages"));
    }
    read.finish()
}

/// A request being read.
struct Read<'a, 'l> {
    conversation: Conversation<'a>,
    /// `max_tokens`, in whose place `max_completion_tokens` has come.
    older_max: Option<Raw<'a>>,
    choice: Option<Raw<'a>>,
    function_call: Option<Raw<'a>>,
    safety: Option<Raw<'a>>,
    losses: &'l mut Losses,
}

impl<'a> Read<'a, '_> {
    fn member(&mut self, key: Key<'a>, at: &mut Cursor<'a>) -> Result<(), Error> {
        if key == "messages" {
            self.conversation.turns = messages::read(at, self.losses)?;
            return Ok(());
        }
        if key == "tools" {
            return self.tools(at);
        }
        let value = value(at)?;
        if value.is_null() {
            return Ok(());
        }
        if self.sampling(key, value)? || self.filing(key, value)? {
            return Ok(());
        }
        let c = &mut self.conversation;
        if key == "response_format" {
            c.format = function::format(value, "response_format")?;
        } else if key == "functions" {
            c.functions = true;
            for function in value.elements() {
                let function = function.map_err(|_| wrong("functions", "a list of functions"))?;
                c.tools
                    .push(function::tool(function, "functions", self.losses)?);
            }
        } else if key == "function_call" {
            self.function_call = Some(value);
        } else if key == "tool_choice" {
            self.choice = Some(value);
        } else if key == "parallel_tool_calls" {
            c.parallel_tools = Some(truth(value, "parallel_tool_calls")?);
        } else if key == "reasoning_effort" {
            c.thinking = effort(value, "reasoning_effort", self.losses)?;
        } else if key == "stream" {
            c.stream = truth(value, "stream")?;
        } else if key == "stream_options" {
            self.stream_options(value);
        } else if key == "modalities" {
            let spoken = value
                .elements()
                .flatten()
                .any(|m| m.bytes() == b"\"audio\"");
            if spoken {
                return Err(untranslatable("modalities", "an answer in sound"));
            }
        } else if key == "web_search_options" {
            return Err(untranslatable(
                "web_search_options",
                "a search by the provider",
            ));
        } else if key != "model" {
            let name = key.as_str().unwrap_or_default().into_owned();
            self.losses.add(name, "it is OpenAI's own");
        }
        Ok(())
    }

    /// Takes what says how words are chosen.
    fn sampling(&mut self, key: Key<'_>, value: Raw<'a>) -> Result<bool, Error> {
        let sampling = &mut self.conversation.sampling;
        let place = if key == "max_completion_tokens" {
            &mut sampling.max_tokens
        } else if key == "max_tokens" {
            &mut self.older_max
        } else if key == "temperature" {
            &mut sampling.temperature
        } else if key == "top_p" {
            &mut sampling.top_p
        } else if key == "top_k" {
            &mut sampling.top_k
        } else if key == "n" {
            &mut sampling.n
        } else if key == "seed" {
            &mut sampling.seed
        } else if key == "frequency_penalty" {
            &mut sampling.frequency_penalty
        } else if key == "presence_penalty" {
            &mut sampling.presence_penalty
        } else if key == "top_logprobs" {
            &mut sampling.top_logprobs
        } else if key == "logprobs" {
            truth(value, "logprobs")?;
            sampling.logprobs = Some(value);
            return Ok(true);
        } else if key == "stop" {
            sampling.stop = stop(value)?;
            return Ok(true);
        } else {
            return Ok(false);
        };
        if value.kind() != Kind::Number {
            let name = key.as_str().unwrap_or_default();
            return Err(wrong(&name, "a number"));
        }
        *place = Some(value);
        Ok(true)
    }

    /// Takes what says who asks and how the call is kept.
    fn filing(&mut self, key: Key<'_>, value: Raw<'a>) -> Result<bool, Error> {
        let metadata = &mut self.conversation.metadata;
        if key == "user" {
            metadata.user = Some(text(value, "user")?);
        } else if key == "safety_identifier" {
            self.safety = Some(value);
        } else if key == "service_tier" {
            metadata.tier = Some(text(value, "service_tier")?);
        } else if key == "prompt_cache_key" {
            metadata.cache_key = Some(text(value, "prompt_cache_key")?);
        } else if key == "metadata" {
            metadata.facts = Some(value);
        } else if key == "store" {
            // Not to be kept is what every other dialect means.
            if truth(value, "store")? {
                self.extra("store", value);
            }
        } else if key == "verbosity" {
            self.extra("verbosity", value);
        } else if key == "prompt_cache_retention" {
            self.extra("prompt_cache_retention", value);
        } else if key == "prompt_cache_options" {
            self.extra("prompt_cache_options", value);
        } else {
            return Ok(false);
        }
        Ok(true)
    }

    fn extra(&mut self, name: &'static str, raw: Raw<'a>) {
        self.losses.add(name, "it is OpenAI's own");
        let field = name;
        self.conversation.extras.push(Extra { name, field, raw });
    }

    fn stream_options(&mut self, value: Raw<'a>) {
        for member in value.members().flatten() {
            if member.key == "include_usage" {
                self.conversation.usage_asked = member.value.as_bool().unwrap_or(false);
            } else if member.value.as_bool() != Some(false) {
                let name = member.key.as_str().unwrap_or_default();
                let why = "streams are written anew";
                self.losses.add(format!("stream_options.{name}"), why);
            }
        }
    }

    fn tools(&mut self, at: &mut Cursor<'a>) -> Result<(), Error> {
        let mut tools: Vec<Tool<'a>> = Vec::new();
        let list = array(at, |at| {
            let index = tools.len();
            let tool = value(at)?;
            let (mut kind, mut function) = (None, None);
            for member in tool.members().flatten() {
                if member.key == "type" {
                    kind = Text::of(member.value);
                } else if member.key == "function" {
                    function = Some(member.value);
                } else if member.value.kind() == Kind::Object && member.key == "cache_control" {
                    let why = "OpenAI's dialect has no cache marks";
                    self.losses
                        .add(format!("tools[{index}].cache_control"), why);
                }
            }
            if let Some(kind) = kind.filter(|kind| !kind.is("function")) {
                let path = format!("tools[{index}]");
                return Err(untranslatable(
                    &path,
                    &format!("a tool of type `{}`", kind.plain()),
                ));
            }
            let path = format!("tools[{index}].function");
            let function = function.ok_or_else(|| wrong(&path, "an object"))?;
            tools.push(function::tool(function, &path, self.losses)?);
            Ok(())
        })?;
        if list {
            // Functions of the old kind may stand before.
            self.conversation.tools.append(&mut tools);
        } else if !value(at)?.is_null() {
            return Err(wrong("tools", "a list of tools"));
        }
        Ok(())
    }

    fn finish(mut self) -> Result<Conversation<'a>, Error> {
        let c = &mut self.conversation;
        if c.turns.is_empty() {
            return Err(wrong("messages", "a list of at least one message"));
        }
        match (c.sampling.max_tokens, self.older_max) {
            (None, older) => c.sampling.max_tokens = older,
            (Some(_), Some(_)) => {
                let why = "max_completion_tokens stands beside it";
                self.losses.add("max_tokens", why);
            }
            (Some(_), None) => {}
        }
        if let Some(safety) = self.safety {
            let name = text(safety, "safety_identifier")?;
            if c.metadata.user.is_none() {
                c.metadata.user = Some(name);
            } else {
                self.extra("safety_identifier", safety);
            }
        }
        let c = &mut self.conversation;
        if let Some(choice) = self.choice {
            c.tool_choice = function::choice(choice, self.losses)?;
        } else if let Some(choice) = self.function_call {
            c.tool_choice = Some(match Text::of(choice) {
                Some(word) if word.is("none") => ToolChoice::None,
                Some(word) if word.is("auto") => ToolChoice::Auto,
                _ => {
                    let name = choice.get("name").and_then(Text::of);
                    let wanted = "`none`, `auto` or the name of a function";
                    ToolChoice::Named(vec![name.ok_or_else(|| wrong("function_call", wanted))?])
                }
            });
        }
        if c.functions && c.parallel_tools.is_none() {
            c.parallel_tools = Some(false);
        }
        Ok(self.conversation)
    }
}

/// How much is to be thought. A word nobody knows is a loss.
pub(in crate::dialect::openai) fn effort<'a>(
    value: Raw<'_>,
    field: &'static str,
    losses: &mut Losses,
) -> Result<Option<Thinking<'a>>, Error> {
    let word = text(value, field)?;
    let effort = Effort::read(&word.plain());
    if effort.is_none() {
        losses.add(field, "no other dialect has this effort");
    }
    Ok(effort.map(|effort| Thinking {
        effort: Some(effort),
        ..Thinking::default()
    }))
}

fn stop(value: Raw<'_>) -> Result<Vec<Text<'_>>, Error> {
    if let Some(one) = Text::of(value) {
        return Ok(vec![one]);
    }
    let texts = value.elements().map(|text| Text::of(text.ok()?));
    let texts: Option<Vec<_>> = texts.collect();
    texts.ok_or_else(|| wrong("stop", "a string or a list of strings"))
}

fn text<'a>(value: Raw<'a>, field: &str) -> Result<Text<'a>, Error> {
    Text::of(value).ok_or_else(|| wrong(field, "a string"))
}

fn truth(value: Raw<'_>, field: &str) -> Result<bool, Error> {
    value.as_bool().ok_or_else(|| wrong(field, "true or false"))
}

/// What is asked for can be had of OpenAI only.
pub(in crate::dialect::openai) fn untranslatable(field: &str, what: &str) -> Error {
    let words = format!(
        "`{field}` asks for {what}, which the model's provider cannot be asked for in its dialect"
    );
    Error::new(&UNTRANSLATABLE, words).param(field)
}
