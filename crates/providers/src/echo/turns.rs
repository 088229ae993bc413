//! Backend: a conversation in any dialect, read down to what `echo` needs: how many words there are, and
//! what was said last.

use std::fmt;

use serde::de::value::{MapAccessDeserializer, SeqAccessDeserializer};
use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};

use super::{answer, read, words};

/// The turns of a conversation.
#[derive(Debug, Default)]
pub(super) struct Turns {
    words: u64,
    last: Option<Heard>,
}

#[derive(Debug)]
struct Heard {
    text: String,
    /// Whether it is what a tool returned. Such text is never a command.
    by_tool: bool,
}

impl Turns {
    /// The text of the last user message, or of the tool result after it.
    pub(super) fn heard(&self) -> Option<&str> {
        self.last.as_ref().map(|heard| heard.text.as_str())
    }

    /// The tool and the arguments of a call the user asked for.
    pub(super) fn asked_call(&self) -> Option<(&str, &str)> {
        let heard = self.last.as_ref().filter(|heard| !heard.by_tool)?;
        answer::call(&heard.text)
    }

    /// How many words were said by anybody.
    pub(super) fn words(&self) -> u64 {
        self.words
    }

    /// Counts what stands beside the conversation, as instructions do.
    pub(super) fn add_words(&mut self, texts: &Texts) {
        self.words += words::count(&texts.said) + words::count(&texts.results);
    }

    fn take(&mut self, turn: Turn) {
        let Turn {
            role,
            kind,
            content,
            output,
        } = turn;
        self.add_words(&content);
        self.add_words(&output);
        let (text, by_tool) = match (role.as_str(), kind.as_str()) {
            ("user", _) if content.said.is_empty() && !content.results.is_empty() => {
                (content.results, true)
            }
            ("user", _) => (content.said, false),
            ("tool" | "function", _) => (content.said, true),
            (_, "function_call_output" | "custom_tool_call_output") => (output.said, true),
            _ => return,
        };
        self.last = Some(Heard { text, by_tool });
    }
}

impl<'de> Deserialize<'de> for Turns {
    fn deserialize<D: Deserializer<'de>>(json: D) -> Result<Self, D::Error> {
        let mut turns = Self::default();
        read::each(json, "a list of messages", |turn| turns.take(turn))?;
        Ok(turns)
    }
}

/// The input of a response: one text of the user's, or turns.
#[derive(Debug)]
pub(super) struct Input(pub(super) Turns);

impl<'de> Deserialize<'de> for Input {
    fn deserialize<D: Deserializer<'de>>(json: D) -> Result<Self, D::Error> {
        json.deserialize_any(InputVisitor).map(Self)
    }
}

struct InputVisitor;

impl<'de> Visitor<'de> for InputVisitor {
    type Value = Turns;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text or a list of items")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Turns, E> {
        Ok(Turns {
            words: words::count(text),
            last: Some(Heard {
                text: text.to_owned(),
                by_tool: false,
            }),
        })
    }

    fn visit_seq<A: SeqAccess<'de>>(self, items: A) -> Result<Turns, A::Error> {
        Turns::deserialize(SeqAccessDeserializer::new(items))
    }
}

/// A message of any dialect, or an item of a response's input.
struct Turn {
    role: String,
    kind: String,
    content: Texts,
    output: Texts,
}

#[derive(serde::Deserialize)]
struct Written {
    #[serde(default)]
    role: String,
    #[serde(default, rename = "type")]
    kind: String,
    #[serde(default)]
    content: Texts,
    #[serde(default, deserialize_with = "loose")]
    output: Texts,
}

impl<'de> Deserialize<'de> for Turn {
    fn deserialize<D: Deserializer<'de>>(json: D) -> Result<Self, D::Error> {
        let Written {
            role,
            kind,
            content,
            output,
        } = Written::deserialize(json)?;
        if role.is_empty() && kind.is_empty() {
            return Err(D::Error::missing_field("role"));
        }
        Ok(Self {
            role,
            kind,
            content,
            output,
        })
    }
}

/// The texts of a content that is a text or a list of parts, joined by line ends. Parts of other kinds
/// are passed over.
#[derive(Debug, Default)]
pub(super) struct Texts {
    /// What its author says.
    said: String,
    /// What tools returned.
    results: String,
}

impl Texts {
    fn take(&mut self, part: &Part) {
        match part.kind.as_str() {
            "text" | "input_text" | "output_text" => {
                join(&mut self.said, part.text.as_deref().unwrap_or_default());
            }
            "tool_result" => join(&mut self.results, &part.content.said),
            _ => {}
        }
    }
}

struct Part {
    kind: String,
    text: Option<String>,
    content: Texts,
}

#[derive(serde::Deserialize)]
struct WrittenPart {
    #[serde(default, rename = "type")]
    kind: String,
    text: Option<String>,
    #[serde(default, deserialize_with = "loose")]
    content: Texts,
}

impl<'de> Deserialize<'de> for Part {
    fn deserialize<D: Deserializer<'de>>(json: D) -> Result<Self, D::Error> {
        let WrittenPart {
            kind,
            text,
            content,
        } = WrittenPart::deserialize(json)?;
        match (kind.as_str(), &text) {
            ("", Some(_)) => Err(D::Error::missing_field("type")),
            ("text" | "input_text" | "output_text", None) => Err(D::Error::missing_field("text")),
            _ => Ok(Self {
                kind,
                text,
                content,
            }),
        }
    }
}

fn join(text: &mut String, more: &str) {
    if !(text.is_empty() || more.is_empty()) {
        text.push('\n');
    }
    text.push_str(more);
}

impl<'de> Deserialize<'de> for Texts {
    fn deserialize<D: Deserializer<'de>>(json: D) -> Result<Self, D::Error> {
        json.deserialize_any(TextsVisitor { loose: false })
    }
}

/// Texts where some kinds of turns and parts have an object.
fn loose<'de, D: Deserializer<'de>>(json: D) -> Result<Texts, D::Error> {
    json.deserialize_any(TextsVisitor { loose: true })
}

struct TextsVisitor {
    loose: bool,
}

impl<'de> Visitor<'de> for TextsVisitor {
    type Value = Texts;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text or a list of parts")
    }

    fn visit_unit<E: Error>(self) -> Result<Texts, E> {
        Ok(Texts::default())
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Texts, E> {
        Ok(Texts {
            said: text.to_owned(),
            results: String::new(),
        })
    }

    fn visit_seq<A: SeqAccess<'de>>(self, parts: A) -> Result<Texts, A::Error> {
        let mut texts = Texts::default();
        let parts = SeqAccessDeserializer::new(parts);
        read::each(parts, "a list of parts", |part| texts.take(&part))?;
        Ok(texts)
    }

    fn visit_map<A: MapAccess<'de>>(self, members: A) -> Result<Texts, A::Error> {
        if !self.loose {
            let found = serde::de::Unexpected::Map;
            return Err(A::Error::invalid_type(found, &self));
        }
        serde::de::IgnoredAny::deserialize(MapAccessDeserializer::new(members))?;
        Ok(Texts::default())
    }
}
