//! Encode: turns, as messages.

use portcullis_core::error::Error;
use portcullis_core::json::Raw;

use crate::dialect::cohere::content::{self, cites};
use crate::dialect::fields::untranslatable;
use crate::translate::turns::note_name;
use crate::translate::write::{Array, Object};
use crate::translate::{
    Charset, Conversation, Losses, Names, Part, Role, Text, ToolCall, ToolResult, Turn,
};

/// What names of tools may be.
pub(super) const NAME: Charset = Charset {
    max: 64,
    allowed: |byte| byte.is_ascii_alphanumeric() || byte == b'_',
};

/// Writes turns into a list of messages.
pub(super) struct Messages<'w> {
    pub(super) conversation: &'w Conversation<'w>,
    pub(super) names: &'w mut Names,
    pub(super) losses: &'w mut Losses,
}

impl Messages<'_> {
    /// Writes what a turn becomes: results are messages of their own, before what else is said.
    pub(super) fn turn(&mut self, turn: &Turn<'_>, list: &mut Array<'_>) -> Result<(), Error> {
        note_name(self.conversation, turn, self.losses);
        let at = turn.at;
        for part in &turn.parts {
            if let Part::ToolResult(result) = part {
                self.result(result, at, list)?;
            }
        }
        let of_model = turn.role == Role::Assistant;
        let parts = turn.parts.iter();
        let parts: Vec<_> = parts
            .filter(|part| self.keeps(part, of_model, at))
            .collect();
        if parts.is_empty() {
            return Ok(());
        }
        let role = match turn.role {
            Role::System | Role::Developer => "system",
            Role::User => "user",
            Role::Assistant => return self.assistant(&parts, at, list),
        };
        list.object(|message| {
            message.str("role", role);
            self.content(&parts, at, message)
        })
    }

    fn lost(&mut self, at: u32, what: &str, why: &'static str) {
        let field = format!("{}.{what}", self.conversation.turn_path(at));
        self.losses.add(field, why);
    }

    /// Whether a part goes on in the message of its turn; what does not is told of.
    fn keeps(&mut self, part: &Part<'_>, of_model: bool, at: u32) -> bool {
        match part {
            Part::ToolResult(_) => return false,
            Part::Reasoning(one) if one.redacted || one.text.is_none() => {
                self.lost(at, "content.reasoning", "another provider sealed it");
            }
            Part::Reasoning(_) | Part::ToolCall(_) if !of_model => {
                self.lost(at, "role", "only a model thinks and calls tools");
            }
            Part::Foreign { kind, .. } => {
                self.lost(at, &format!("content.{kind}"), "no other dialect has it");
            }
            _ => return true,
        }
        false
    }

    fn note_mark(&mut self, marked: bool, at: u32) {
        if marked {
            self.lost(at, "cache_control", "Cohere takes no cache marks");
        }
    }

    /// One plain text as it is, all else as blocks.
    fn content(
        &mut self,
        parts: &[&Part<'_>],
        at: u32,
        message: &mut Object<'_>,
    ) -> Result<(), Error> {
        if let [Part::Text { text, cache, .. }] = parts {
            self.note_mark(cache.is_some(), at);
            message.text("content", text);
            return Ok(());
        }
        message.array("content", |blocks| {
            let mut parts = parts.iter();
            parts.try_for_each(|part| self.block(part, at, blocks))
        })
    }

    fn block(&mut self, part: &Part<'_>, at: u32, blocks: &mut Array<'_>) -> Result<(), Error> {
        match part {
            Part::Text { text, cache, .. } => {
                self.note_mark(cache.is_some(), at);
                write_text(text, blocks);
            }
            Part::Refusal(text) => write_text(text, blocks),
            Part::Media(media) => {
                self.note_mark(media.cache.is_some(), at);
                let path = self.conversation.turn_path(at);
                let field = || format!("{path}.content");
                content::write_media(media, &field, self.losses, blocks)?;
            }
            Part::Reasoning(reasoning) => {
                if reasoning.signature.is_some() {
                    self.lost(at, "content.signature", "Cohere's models seal nothing");
                }
                content::write_thinking(reasoning, false, blocks);
            }
            // They are messages of their own, or members of theirs.
            Part::ToolCall(_) | Part::ToolResult(_) | Part::Foreign { .. } => {}
        }
        Ok(())
    }

    /// What the model said: before calls, its words are the plan for them.
    fn assistant(
        &mut self,
        parts: &[&Part<'_>],
        at: u32,
        list: &mut Array<'_>,
    ) -> Result<(), Error> {
        let is_call = |part: &&&Part<'_>| matches!(part, Part::ToolCall(_));
        let calling = parts.iter().any(|part| is_call(&part));
        let is_words = |part: &&&Part<'_>| matches!(part, Part::Text { .. } | Part::Refusal(_));
        let said = |part: &&&Part<'_>| !(is_call(part) || calling && is_words(part));
        let content: Vec<_> = parts.iter().filter(said).copied().collect();
        list.object(|message| {
            message.str("role", "assistant");
            if calling {
                self.plan(parts, at, message);
            }
            if !content.is_empty() {
                self.content(&content, at, message)?;
            }
            if let Some(citations) = self.citations(parts, at) {
                message.raw("citations", citations.bytes());
            }
            if calling {
                message.array("tool_calls", |calls| {
                    for part in parts {
                        if let Part::ToolCall(call) = part {
                            self.call(call, at, calls);
                        }
                    }
                });
            }
            Ok(())
        })
    }

    fn plan(&mut self, parts: &[&Part<'_>], at: u32, message: &mut Object<'_>) {
        let mut words = Vec::new();
        for part in parts {
            match part {
                Part::Text { text, cache, .. } => {
                    self.note_mark(cache.is_some(), at);
                    words.push(text);
                }
                Part::Refusal(text) => words.push(text),
                _ => {}
            }
        }
        match words.as_slice() {
            [] => {}
            [one] => message.text("tool_plan", one),
            many => {
                let out = message.key("tool_plan");
                out.push(b'"');
                many.iter().for_each(|text| text.write_inner(out));
                out.push(b'"');
            }
        }
    }

    fn citations<'c>(&mut self, parts: &[&Part<'c>], at: u32) -> Option<Raw<'c>> {
        let mut found = None;
        for part in parts {
            if let Part::Text {
                citations: Some(list),
                ..
            } = part
            {
                if cites(*list) && found.is_none() {
                    found = Some(*list);
                } else {
                    self.lost(at, "content.citations", "Cohere cites in another form");
                }
            }
        }
        found
    }

    fn call(&mut self, call: &ToolCall<'_>, at: u32, calls: &mut Array<'_>) {
        self.note_mark(call.cache.is_some(), at);
        if call.signature.is_some() {
            self.lost(at, "content.signature", "Cohere's models seal nothing");
        }
        let nameless = Text::from("");
        let name = self.names.fit(&call.name, NAME);
        let id = call.id.as_ref().unwrap_or(&nameless);
        content::write_call(call, id, &name, false, calls);
    }

    fn result(
        &mut self,
        result: &ToolResult<'_>,
        at: u32,
        list: &mut Array<'_>,
    ) -> Result<(), Error> {
        self.note_mark(result.cache.is_some(), at);
        if result.error {
            self.lost(
                at,
                "content.is_error",
                "Cohere's models are not told that a tool failed",
            );
        }
        if result
            .parts
            .iter()
            .any(|part| matches!(part, Part::Media(_)))
        {
            let field = format!("{}.content", self.conversation.turn_path(at));
            let why = "Cohere's models see no media in results of tools";
            return Err(untranslatable(field, why));
        }
        list.object(|message| {
            message.str("role", "tool");
            if let Some(id) = &result.id {
                message.text("tool_call_id", id);
            }
            match (result.parts.as_slice(), result.json) {
                ([], Some(json)) => {
                    message.str("content", &String::from_utf8_lossy(json.bytes()));
                    Ok(())
                }
                ([], None) => {
                    message.str("content", "");
                    Ok(())
                }
                (parts, _) => self.content(&parts.iter().collect::<Vec<_>>(), at, message),
            }
        })
    }
}

fn write_text(text: &Text<'_>, blocks: &mut Array<'_>) {
    blocks.object(|block| {
        block.str("type", "text");
        block.text("text", text);
    });
}
