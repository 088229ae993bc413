//! Backend: what `echo` says to a conversation, before it is written in a dialect.

use std::collections::HashMap;
use std::sync::Arc;

use serde::de::IgnoredAny;

use super::read::Tools;
use super::turns::Turns;
use super::words::{self, Words};

/// What it says when there is nothing to say back.
pub(super) const GREETING: &str = "Hello! I am echo, and I say back what you say to me.";

/// An answer, and what it is counted as.
#[derive(Clone, Debug)]
pub(super) struct Answer {
    pub(super) said: Said,
    /// Words of the conversation.
    pub(super) input: u64,
    /// Words of the answer.
    pub(super) output: u64,
    /// Whether there was more to say than allowed.
    pub(super) cut: bool,
}

#[derive(Clone, Debug)]
pub(super) enum Said {
    Text(Arc<str>),
    Call {
        name: Arc<str>,
        /// A JSON object, as the user wrote it.
        arguments: Arc<str>,
    },
}

impl Answer {
    /// The answer to a conversation, in at most `max` words.
    pub(super) fn to(turns: &Turns, tools: &Tools, max: Option<u64>) -> Self {
        if let Some((name, arguments)) = turns.asked_call().filter(|(name, _)| tools.offer(name)) {
            return Self {
                output: 1 + words::count(arguments),
                said: Said::Call {
                    name: name.into(),
                    arguments: arguments.into(),
                },
                input: turns.words(),
                cut: false,
            };
        }
        let heard = turns.heard().filter(|text| !text.trim().is_empty());
        let whole = heard.unwrap_or(GREETING);
        let said = max.map_or(whole, |max| words::cut(whole, max));
        Self {
            output: words::count(said),
            said: Said::Text(said.into()),
            input: turns.words(),
            cut: said.len() < whole.len(),
        }
    }
}

impl Said {
    /// What is streamed, piece by piece: the text, or the arguments.
    pub(super) fn words(&self) -> Words {
        let (Self::Text(text)
        | Self::Call {
            arguments: text, ..
        }) = self;
        Words::of(text.clone())
    }
}

/// Takes `call NAME {json}` apart.
pub(super) fn call(text: &str) -> Option<(&str, &str)> {
    let rest = text.trim().strip_prefix("call")?;
    let (name, arguments) = rest
        .strip_prefix(char::is_whitespace)?
        .trim_start()
        .split_once(char::is_whitespace)?;
    let arguments = arguments.trim();
    serde_json::from_str::<HashMap<String, IgnoredAny>>(arguments).ok()?;
    Some((name, arguments))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_name_and_an_object_make_a_call() {
        let asked = "call get_weather {\"city\": \"Köln\"}";
        assert_eq!(call(asked), Some(("get_weather", "{\"city\": \"Köln\"}")));
        assert_eq!(call(" call\tf\n{}\n"), Some(("f", "{}")));
        for text in [
            "call me",
            "call f [1]",
            "call f {",
            "recall f {}",
            "callf {}",
            "call f",
        ] {
            assert_eq!(call(text), None, "{text}");
        }
    }
}
