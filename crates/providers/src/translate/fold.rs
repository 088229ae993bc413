//! Tests: the deltas of a stream put together to a whole reply.

use portcullis_core::context::Tokens;
use portcullis_core::error::Error;
use portcullis_core::json::Raw;
use serde_json::{Value, json};

use super::{
    Arguments, Choice, Delta, EventReader, Part, Piece, Reasoning, Reply, Signature, Stop, Text,
    ToolCall,
};

/// A reply under way. [`reply`](Self::reply) is what came so far.
#[derive(Debug, Default)]
pub(crate) struct Fold {
    pub(crate) id: Option<Text<'static>>,
    pub(crate) model: Option<Text<'static>>,
    pub(crate) created: Option<u64>,
    pub(crate) usage: Option<Tokens>,
    /// How often the reply began, and whether it is over by its own account.
    pub(crate) starts: usize,
    pub(crate) done: bool,
    /// What the upstream said of its failure.
    pub(crate) failed: Option<String>,
    choices: Vec<Folded>,
}

#[derive(Debug, Default)]
struct Folded {
    index: u32,
    pieces: Vec<(Piece<'static>, String, Option<Signature<'static>>)>,
    logprobs: Vec<u8>,
    finish: Option<(Stop, Option<Text<'static>>)>,
}

impl Fold {
    /// Takes a delta in.
    ///
    /// # Panics
    ///
    /// At what no reader may send: a second start, words of no piece, anything in a choice after its end.
    pub(crate) fn take(&mut self, delta: Delta<'_>) {
        assert!(!self.done, "{delta:?} after the end");
        match delta {
            Delta::Start { id, model, created } => {
                self.starts += 1;
                self.id = id.map(Text::into_owned);
                self.model = model.map(Text::into_owned);
                self.created = created;
                assert_eq!(self.starts, 1);
            }
            Delta::Open { choice, piece } => {
                let piece = match piece {
                    Piece::Text => Piece::Text,
                    Piece::Reasoning => Piece::Reasoning,
                    Piece::Redacted => Piece::Redacted,
                    Piece::Refusal => Piece::Refusal,
                    Piece::ToolCall { id, name } => Piece::ToolCall {
                        id: id.map(Text::into_owned),
                        name: name.into_owned(),
                    },
                };
                self.choice(choice)
                    .pieces
                    .push((piece, String::new(), None));
            }
            Delta::Words { choice, text } => {
                let open = self
                    .choice(choice)
                    .pieces
                    .last_mut()
                    .expect("a piece is open");
                open.1.push_str(&text.plain());
            }
            Delta::Signature { choice, signature } => {
                let (family, data) = (signature.family, signature.data.into_owned());
                let open = self
                    .choice(choice)
                    .pieces
                    .last_mut()
                    .expect("a piece is open");
                open.2 = Some(Signature { family, data });
            }
            Delta::Logprobs { choice, raw } => {
                let mut more: Value = serde_json::from_slice(raw.bytes()).unwrap();
                let folded = self.choice(choice);
                if !folded.logprobs.is_empty() {
                    let mut all: Value = serde_json::from_slice(&folded.logprobs).unwrap();
                    for (name, list) in more.as_object_mut().unwrap() {
                        if let (Some(all), Some(list)) =
                            (all[name].as_array_mut(), list.as_array_mut())
                        {
                            all.append(list);
                        }
                    }
                    more = all;
                }
                folded.logprobs = more.to_string().into_bytes();
            }
            Delta::Finish {
                choice,
                stop,
                sequence,
            } => {
                let sequence = sequence.map(Text::into_owned);
                self.choice(choice).finish = Some((stop, sequence));
            }
            Delta::Usage(tokens) => self.usage = Some(tokens),
            Delta::Failed(trouble) => self.failed = Some(trouble.message.plain().into_owned()),
            Delta::Done => self.done = true,
            Delta::Citation { .. } | Delta::KeepAlive => {}
        }
    }

    /// Reads the events of a stream: pairs of a name and data.
    pub(crate) fn read(
        reader: &mut dyn EventReader,
        events: &[(String, String)],
    ) -> Result<Self, Error> {
        let mut fold = Self::default();
        for (name, data) in events {
            reader.read(name.as_bytes(), data.as_bytes(), &mut |delta| {
                fold.take(delta);
                Ok(())
            })?;
        }
        Ok(fold)
    }

    fn choice(&mut self, index: u32) -> &mut Folded {
        assert_eq!(self.starts, 1, "the reply has not begun");
        let found = self.choices.iter().position(|choice| choice.index == index);
        let at = found.unwrap_or_else(|| {
            let index = Folded {
                index,
                ..Folded::default()
            };
            self.choices.push(index);
            self.choices.len() - 1
        });
        let choice = &mut self.choices[at];
        assert!(
            choice.finish.is_none(),
            "choice {index} goes on after its end"
        );
        choice
    }

    /// The reply as it is now.
    pub(crate) fn reply(&self) -> Reply<'_> {
        let mut choices: Vec<_> = self.choices.iter().map(Folded::choice).collect();
        choices.sort_by_key(|choice| choice.index);
        Reply {
            id: self.id.clone(),
            model: self.model.clone(),
            created: self.created,
            choices,
            usage: self.usage,
            tier: None,
        }
    }
}

impl Folded {
    fn choice(&self) -> Choice<'_> {
        let (stop, stop_sequence) = self.finish.clone().unwrap_or_default();
        let logprobs = Some(&self.logprobs[..]).filter(|raw| !raw.is_empty());
        Choice {
            index: self.index,
            parts: self.pieces.iter().map(part).collect(),
            stop,
            stop_sequence,
            stop_details: None,
            logprobs: logprobs.map(|raw| Raw::parse(raw).unwrap()),
        }
    }
}

fn part<'f>(
    (piece, words, signature): &'f (Piece<'static>, String, Option<Signature<'static>>),
) -> Part<'f> {
    let signature = signature.clone();
    match piece {
        Piece::Text => Part::text(words.as_str()),
        Piece::Refusal => Part::Refusal(words.as_str().into()),
        Piece::Reasoning | Piece::Redacted => Part::Reasoning(Reasoning {
            text: (!words.is_empty()).then(|| words.as_str().into()),
            signature,
            redacted: matches!(piece, Piece::Redacted),
            id: None,
        }),
        Piece::ToolCall { id, name } => Part::ToolCall(ToolCall {
            id: id.clone(),
            name: name.clone(),
            arguments: Arguments::String(words.as_str().into()),
            signature,
            cache: None,
        }),
    }
}

/// A reply in a form that compares: what is said of each kind in order, since not every dialect keeps the order
/// between kinds. Neighbouring texts are one, and so are thoughts up to one that is sealed.
pub(crate) fn shape(reply: &Reply<'_>) -> Value {
    let choices: Vec<_> = reply.choices.iter().map(shape_of).collect();
    json!({
        "id": reply.id.as_ref().map(Text::plain),
        "model": reply.model.as_ref().map(Text::plain),
        "created": reply.created,
        "choices": choices,
        "usage": reply.usage.map(|t| [t.input, t.output, t.cache_read, t.cache_write, t.reasoning]),
    })
}

fn shape_of(choice: &Choice<'_>) -> Value {
    let (mut text, mut refusal) = (String::new(), String::new());
    let (mut thoughts, mut calls) = (Vec::new(), Vec::new());
    for part in &choice.parts {
        match part {
            Part::Text { text: words, .. } => text.push_str(&words.plain()),
            Part::Refusal(words) => refusal.push_str(&words.plain()),
            Part::Reasoning(one) => thoughts.push((
                one.text.as_ref().map(|text| text.plain().into_owned()),
                one.signature
                    .as_ref()
                    .map(|s| (s.family, s.data.plain().into_owned())),
                one.redacted,
            )),
            Part::ToolCall(call) => {
                let mut quoted = Vec::new();
                call.arguments.write_string(&mut quoted);
                let arguments: String = serde_json::from_slice(&quoted).unwrap();
                calls.push(json!({
                    "id": call.id.as_ref().map(Text::plain),
                    "name": call.name.plain(),
                    "arguments": serde_json::from_str::<Value>(&arguments).unwrap_or(arguments.into()),
                    "signature": call.signature.as_ref().map(|s| (s.family, s.data.plain())),
                }));
            }
            other => panic!("a reply has no {other:?}"),
        }
    }
    // Nobody can tell where words end that are not sealed.
    thoughts.dedup_by(|next, before| {
        let joins = before.1.is_none() && !next.2;
        if joins {
            let words = [before.0.take(), next.0.take()];
            before.0 = words.into_iter().flatten().reduce(|all, more| all + &more);
            before.1 = next.1.take();
        }
        joins
    });
    let logprobs = choice
        .logprobs
        .map(|raw| serde_json::from_slice::<Value>(raw.bytes()).unwrap());
    json!({
        "index": choice.index, "text": text, "refusal": refusal, "thoughts": thoughts,
        "calls": calls, "stop": format!("{:?}", choice.stop), "logprobs": logprobs,
        "sequence": choice.stop_sequence.as_ref().map(Text::plain),
    })
}
