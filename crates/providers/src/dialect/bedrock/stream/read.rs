//! The way back: the events of a stream, read.

use portcullis_core::context::Tokens;
use portcullis_core::error::{Error, codes};
use portcullis_core::json::{Members, Raw};

use crate::dialect::bedrock::content::read_redacted;
use crate::dialect::bedrock::{FAMILY, stop, trouble, usage};
use crate::translate::{Delta, EventReader, Piece, Signature, Text};

/// Reads the events of one stream.
#[derive(Debug, Default)]
pub(in crate::dialect::bedrock) struct Reader {
    /// The block that is open, and what it is.
    open: Option<(u64, Open)>,
    whole: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Open {
    Text,
    Reasoning,
    Redacted,
    Tool,
}

type Take<'t> = &'t mut dyn FnMut(Delta<'_>) -> Result<(), Error>;

impl EventReader for Reader {
    fn read<'a>(&mut self, name: &'a [u8], data: &'a [u8], take: Take<'_>) -> Result<(), Error> {
        if name == b"error" || name.ends_with(b"Exception") {
            let name = String::from_utf8_lossy(name);
            return take(Delta::Failed(trouble::read_event(&name, data)));
        }
        match name {
            b"messageStart" => {
                self.members(data, |_, _| Ok(()))?;
                take(Delta::Start {
                    id: None,
                    model: None,
                    created: None,
                })
            }
            b"contentBlockStart" => self.start(data, take),
            b"contentBlockDelta" => self.delta(data, take),
            b"contentBlockStop" => {
                self.open = None;
                Ok(())
            }
            b"messageStop" => self.stop(data, take),
            b"metadata" => self.metadata(data, take),
            _ => Err(broken("an event of a name that is not known")),
        }
    }

    fn is_whole(&self) -> bool {
        self.whole
    }
}

impl Reader {
    /// Goes through an event, and checks all of it.
    fn members<'a>(
        &self,
        data: &'a [u8],
        mut f: impl FnMut(&str, Raw<'a>) -> Result<(), Error>,
    ) -> Result<(), Error> {
        for member in Members::of_document(data) {
            let member = member.map_err(|e| broken("an event that is not JSON").because(e))?;
            if let Some(key) = member.key.as_str() {
                f(&key, member.value)?;
            }
        }
        Ok(())
    }

    fn start(&mut self, data: &[u8], take: Take<'_>) -> Result<(), Error> {
        let (mut index, mut start) = (None, None);
        self.members(data, |key, value| {
            match key {
                "contentBlockIndex" => index = value.as_count(),
                "start" => start = Some(value),
                _ => {}
            }
            Ok(())
        })?;
        let tool = start.and_then(|start| start.get("toolUse"));
        let (Some(index), Some(tool)) = (index, tool) else {
            return Err(broken("a block of a kind that is not known"));
        };
        if tool.get("type").is_some() {
            return Err(broken("a tool the provider runs itself"));
        }
        let name = tool.get("name").and_then(Text::of);
        let name = name.ok_or_else(|| broken("a call of a tool without a name"))?;
        self.open = Some((index, Open::Tool));
        take(Delta::Open {
            choice: 0,
            piece: Piece::ToolCall {
                id: tool.get("toolUseId").and_then(Text::of),
                name,
            },
        })
    }

    fn delta(&mut self, data: &[u8], take: Take<'_>) -> Result<(), Error> {
        let (mut index, mut delta) = (None, None);
        self.members(data, |key, value| {
            match key {
                "contentBlockIndex" => index = value.as_count(),
                "delta" => delta = Some(value),
                _ => {}
            }
            Ok(())
        })?;
        let (Some(index), Some(delta)) = (index, delta) else {
            return Err(broken("a delta of no block"));
        };
        for member in delta.members() {
            let member = member.map_err(|e| broken("a delta that is no object").because(e))?;
            let value = member.value;
            if member.key == "text" {
                self.ensure(index, Open::Text, take)?;
                words(value, take)?;
            } else if member.key == "toolUse" {
                if self.open != Some((index, Open::Tool)) {
                    return Err(broken("arguments of no call"));
                }
                if let Some(input) = value.get("input") {
                    words(input, take)?;
                }
            } else if member.key == "reasoningContent" {
                self.reasoning(index, value, take)?;
            } else if member.key == "citation" {
                self.ensure(index, Open::Text, take)?;
                take(Delta::Citation {
                    choice: 0,
                    raw: value,
                })?;
            } else {
                return Err(broken("a delta of a kind that is not known"));
            }
        }
        Ok(())
    }

    fn reasoning(&mut self, index: u64, value: Raw<'_>, take: Take<'_>) -> Result<(), Error> {
        for member in value.members() {
            let member = member.map_err(|e| broken("thoughts that are no object").because(e))?;
            let text = Text::of(member.value);
            let text = text.ok_or_else(|| broken("thoughts that are no text"))?;
            if member.key == "text" {
                self.ensure(index, Open::Reasoning, take)?;
                take(Delta::Words { choice: 0, text })?;
            } else if member.key == "signature" {
                let signature = Signature::read(FAMILY, text);
                self.ensure(index, Open::Reasoning, take)?;
                take(Delta::Signature {
                    choice: 0,
                    signature,
                })?;
            } else if member.key == "redactedContent" {
                let signature = read_redacted(text);
                self.ensure(index, Open::Redacted, take)?;
                take(Delta::Signature {
                    choice: 0,
                    signature,
                })?;
            } else {
                return Err(broken("thoughts of a kind that is not known"));
            }
        }
        Ok(())
    }

    /// Blocks other than calls of tools are not announced: the first delta opens them.
    fn ensure(&mut self, index: u64, kind: Open, take: Take<'_>) -> Result<(), Error> {
        if self.open == Some((index, kind)) {
            return Ok(());
        }
        self.open = Some((index, kind));
        take(Delta::Open {
            choice: 0,
            piece: match kind {
                Open::Text | Open::Tool => Piece::Text,
                Open::Reasoning => Piece::Reasoning,
                Open::Redacted => Piece::Redacted,
            },
        })
    }

    fn stop(&mut self, data: &[u8], take: Take<'_>) -> Result<(), Error> {
        let (mut reason, mut sequence) = (None, None);
        self.members(data, |key, value| {
            match key {
                "stopReason" => reason = value.as_str(),
                "additionalModelResponseFields" => sequence = stop::sequence(value),
                _ => {}
            }
            Ok(())
        })?;
        let reason = reason.ok_or_else(|| broken("an end without a reason"))?;
        self.open = None;
        self.whole = true;
        take(Delta::Finish {
            choice: 0,
            stop: stop::read(&reason),
            sequence,
        })
    }

    fn metadata(&mut self, data: &[u8], take: Take<'_>) -> Result<(), Error> {
        let mut tokens = None;
        self.members(data, |key, value| {
            let mut found = Tokens::default();
            if key == "usage" && usage::read(value, &mut found) {
                tokens = Some(found);
            }
            Ok(())
        })?;
        if let Some(tokens) = tokens {
            take(Delta::Usage(tokens))?;
        }
        take(Delta::Done)
    }
}

fn words(value: Raw<'_>, take: Take<'_>) -> Result<(), Error> {
    let text = Text::of(value).ok_or_else(|| broken("words that are no text"))?;
    if text.is_empty() {
        return Ok(());
    }
    take(Delta::Words { choice: 0, text })
}

fn broken(what: &str) -> Error {
    let what = format!("the upstream's stream has {what}");
    Error::new(&codes::UPSTREAM_BROKEN, what)
}
