//! Tests: streams of any kind.

use portcullis_core::error::Error;
use portcullis_core::llm::EventKind;

use crate::translate::{Delta, EventWriter, Out, Part, Piece, Reply};

/// The deltas a reader may send for a reply, its words cut every `step` characters.
pub(crate) fn deltas<'r>(reply: &'r Reply<'_>, step: usize) -> Vec<Delta<'r>> {
    let mut deltas = vec![Delta::Start {
        id: reply.id.clone(),
        model: reply.model.clone(),
        created: reply.created,
    }];
    for answer in &reply.choices {
        let choice = answer.index;
        for part in &answer.parts {
            let (piece, words, signature) = match part {
                Part::Text { text, .. } => (Piece::Text, text.plain().into_owned(), None),
                Part::Refusal(text) => (Piece::Refusal, text.plain().into_owned(), None),
                Part::Reasoning(one) => {
                    let piece = if one.redacted {
                        Piece::Redacted
                    } else {
                        Piece::Reasoning
                    };
                    let text = one.text.as_ref().map(|text| text.plain().into_owned());
                    (piece, text.unwrap_or_default(), one.signature.clone())
                }
                Part::ToolCall(call) => {
                    let (id, name) = (call.id.clone(), call.name.clone());
                    let mut object = Vec::new();
                    call.arguments.write_object(&mut object).unwrap();
                    let arguments = String::from_utf8(object).unwrap();
                    (
                        Piece::ToolCall { id, name },
                        arguments,
                        call.signature.clone(),
                    )
                }
                other => panic!("a reply has no {other:?}"),
            };
            deltas.push(Delta::Open { choice, piece });
            let letters: Vec<char> = words.chars().collect();
            for some in letters.chunks(step.max(1)) {
                let text = some.iter().collect::<String>().into();
                deltas.push(Delta::Words { choice, text });
            }
            deltas.extend(signature.map(|signature| Delta::Signature { choice, signature }));
        }
        deltas.push(Delta::Finish {
            choice,
            stop: answer.stop,
            sequence: answer.stop_sequence.clone(),
        });
    }
    deltas.extend(reply.usage.map(Delta::Usage));
    deltas
}

/// The bytes a writer makes of deltas, to the end of the stream.
pub(crate) fn written(writer: &mut dyn EventWriter, deltas: Vec<Delta<'_>>) -> Result<Out, Error> {
    let mut out = Out::default();
    for delta in deltas {
        writer.write(delta, &mut out)?;
    }
    writer.finish(&mut out)?;
    Ok(out)
}

/// The server-sent events of what a writer wrote: names and data.
pub(crate) fn events(raw: &[u8]) -> Vec<(String, String)> {
    let text = std::str::from_utf8(raw).unwrap();
    let blocks = text.split_terminator("\n\n");
    let events = blocks.filter(|block| !block.starts_with(':')).map(|block| {
        let (mut name, mut data) = (String::new(), String::new());
        for line in block.lines() {
            match line.split_once(": ").unwrap() {
                ("event", given) => given.clone_into(&mut name),
                ("data", given) => data.push_str(given),
                other => panic!("a line {other:?}"),
            }
        }
        (name, data)
    });
    events.collect()
}

impl Out {
    /// The bytes written so far.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.raw
    }

    /// What the events written so far are.
    pub(crate) fn kinds(&self) -> Vec<EventKind> {
        self.events.iter().map(|(_, kind)| *kind).collect()
    }
}
