//! Encode: how many tokens a conversation would use, asked across dialects or estimated.

use bytes::Bytes;
use http::request;
use portcullis_core::error::Error;

use super::{Conversation, Losses, Part, Source, Target, Text, Written};

/// Bytes of text that make about one token, where nobody has counted.
const BYTES_PER_TOKEN: u64 = 4;

/// What a turn costs beside its words, and so does every tool.
const PER_TURN: u64 = 4;

/// What a picture or a file counts as, in bytes.
const MEDIA: u64 = 1000 * BYTES_PER_TOKEN;

/// A dialect that counts tokens before a call: the part of a [`Wire`](super::Wire) some have.
pub trait CountWire: Send + Sync {
    /// Reads the conversation to be counted.
    ///
    /// # Errors
    ///
    /// As [`Wire::read_request`](super::Wire::read_request).
    fn read_request<'a>(
        &self,
        head: &'a request::Parts,
        body: &'a [u8],
        losses: &mut Losses,
    ) -> Result<Conversation<'a>, Error>;

    /// Writes the question.
    ///
    /// # Errors
    ///
    /// As [`Wire::write_request`](super::Wire::write_request).
    fn write_request(
        &self,
        conversation: &Conversation<'_>,
        target: &Target<'_>,
        losses: &mut Losses,
    ) -> Result<Written, Error>;

    /// Reads the answer.
    ///
    /// # Errors
    ///
    /// `upstream_broken` when the reply is not what the dialect writes.
    fn read_reply(&self, body: &[u8]) -> Result<u64, Error>;

    /// Writes the answer.
    fn write_reply(&self, tokens: u64) -> Bytes;
}

/// About how many tokens a conversation would use: a quarter of the bytes of its words, schemas and arguments,
/// and a few for each turn. Pictures and files, whose cost depends on their size, count as a thousand tokens.
pub fn estimate(conversation: &Conversation<'_>) -> u64 {
    let turns = &conversation.turns;
    let words: u64 = turns.iter().flat_map(|turn| &turn.parts).map(part).sum();
    let tools: u64 = conversation
        .tools
        .iter()
        .map(|tool| {
            let about = tool.description.as_ref().map_or(0, Text::len);
            let schema = tool
                .parameters
                .map_or(0, |schema| schema.bytes().len() as u64);
            tool.name.len() + about + schema
        })
        .sum();
    let fixed = (turns.len() + conversation.tools.len()) as u64 * PER_TURN;
    (words + tools).div_ceil(BYTES_PER_TOKEN) + fixed
}

/// The bytes a part counts as.
fn part(part: &Part<'_>) -> u64 {
    match part {
        Part::Text { text, .. } | Part::Refusal(text) => text.len(),
        Part::Media(media) => match &media.source {
            Source::Text(text) => text.len(),
            _ => MEDIA,
        },
        Part::ToolCall(call) => call.name.len() + call.arguments.len(),
        Part::ToolResult(result) => {
            let json = result.json.map_or(0, |json| json.bytes().len() as u64);
            json.max(result.parts.iter().map(self::part).sum())
        }
        Part::Reasoning(reasoning) => reasoning.text.as_ref().map_or(0, Text::len),
        Part::Foreign { raw, .. } => raw.bytes().len() as u64,
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Role, Turn};
    use super::*;

    #[test]
    fn an_estimate_grows_with_the_words_and_the_turns() {
        let turn = |text: &'static str| Turn {
            role: Role::User,
            parts: vec![Part::text(text)],
            name: None,
            at: 0,
        };
        let of = |turns| {
            estimate(&Conversation {
                turns,
                ..Conversation::default()
            })
        };
        assert_eq!(of(vec![]), 0);
        assert_eq!(of(vec![turn("12345678")]), 2 + PER_TURN);
        assert_eq!(of(vec![turn("12345678"), turn("9")]), 3 + 2 * PER_TURN);
    }
}
