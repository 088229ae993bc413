//! Tests: conversations, replies and streams of any kind, for the laws of translation.

use std::sync::Arc;

use http::Request;
use portcullis_core::context::Tokens;
use portcullis_core::error::Error;
use portcullis_core::json::Raw;
use proptest::prelude::*;
use proptest::sample::select;

use super::{
    Arguments, Asked, Choice, Conversation, Delta, Effort, EventWriter, Format, Media, MediaKind,
    Metadata, Out, Part, Piece, Reasoning, Reply, Role, Sampling, Schema, Signature, Source, Stop,
    Text, Thinking, Tool, ToolCall, ToolChoice, ToolResult, Turn,
};

/// JSON written here.
pub(crate) fn raw(json: &'static str) -> Raw<'static> {
    Raw::parse(json.as_bytes()).unwrap()
}

/// What a caller asked, in short.
pub(crate) fn asked(stream: bool) -> Asked {
    Asked {
        model: "asked-model".into(),
        call: "0123".into(),
        created: 1_700_000_000,
        stream,
        usage: true,
        functions: false,
        head: Arc::new(Request::new(()).into_parts().0),
    }
}

/// Words that say something: quotes, line ends, other alphabets, escapes.
pub(crate) fn words() -> impl Strategy<Value = Text<'static>> {
    prop_oneof![
        "[a-z]{1,8}( [a-z\"\\\\\n\u{e9}\u{4e2d}\u{1f600}]{1,8}){0,3}".prop_map(Text::from),
        select(vec![
            &br#"tab\tquote\" slash\/"#[..],
            br"\u00e9\ud83d\ude00",
            br"line\nend",
        ])
        .prop_map(Text::Json),
    ]
}

fn id() -> impl Strategy<Value = Text<'static>> {
    "call_[a-zA-Z0-9]{4,12}".prop_map(Text::from)
}

fn name() -> impl Strategy<Value = Text<'static>> {
    select(vec!["look_up", "add", "get-weather"]).prop_map(Text::from)
}

fn arguments() -> impl Strategy<Value = Arguments<'static>> {
    let objects = vec![
        "{}",
        r#"{"a":1,"b":1.0}"#,
        r#"{"n":12345678901234567890,"s":"\u00e9\n"}"#,
        r#"{"deep":[{"x":null},[]]}"#,
    ];
    select(objects).prop_flat_map(|json| {
        prop_oneof![
            Just(Arguments::Object(json.as_bytes().into())),
            Just(Arguments::String(Text::from(json))),
        ]
    })
}

fn signature() -> impl Strategy<Value = Signature<'static>> {
    let family = select(Signature::FAMILIES.to_vec());
    (family, "[A-Za-z0-9+/]{8,24}={0,2}").prop_map(|(family, data)| Signature {
        family,
        data: data.into(),
    })
}

/// A call with an id.
pub(crate) fn call() -> impl Strategy<Value = ToolCall<'static>> {
    let google = signature().prop_map(|signature| Signature {
        family: "google",
        ..signature
    });
    let signature = proptest::option::weighted(0.2, google);
    (id(), name(), arguments(), signature).prop_map(|(id, name, arguments, signature)| ToolCall {
        id: Some(id),
        name,
        arguments,
        signature,
        cache: None,
    })
}

/// Thoughts: words, words that are sealed, or only a seal.
pub(crate) fn thought() -> impl Strategy<Value = Reasoning<'static>> {
    let sealed =
        (proptest::option::of(words()), signature()).prop_map(|(text, signature)| Reasoning {
            redacted: text.is_none(),
            text,
            signature: Some(signature),
            id: None,
        });
    let open = words().prop_map(|text| Reasoning {
        text: Some(text),
        ..Reasoning::default()
    });
    prop_oneof![sealed, open]
}

fn media() -> impl Strategy<Value = Media<'static>> {
    let image = |source| Media {
        kind: MediaKind::Image,
        media_type: Some("image/png".into()),
        source,
        name: None,
        detail: None,
        cache: None,
    };
    prop_oneof![
        Just(image(Source::Base64("iVBORw0KGgo=".into()))),
        Just(Media {
            media_type: None,
            ..image(Source::Url("https://example.com/a.png".into()))
        }),
        Just(Media {
            kind: MediaKind::Document,
            media_type: Some("application/pdf".into()),
            name: Some("a.pdf".into()),
            ..image(Source::Base64("JVBERi0=".into()))
        }),
    ]
}

fn turn(role: Role, parts: Vec<Part<'static>>) -> Turn<'static> {
    Turn {
        role,
        parts,
        name: None,
        at: 0,
    }
}

fn user() -> impl Strategy<Value = Turn<'static>> {
    let part = prop_oneof![
        3 => words().prop_map(Part::text),
        1 => media().prop_map(Part::Media),
    ];
    prop::collection::vec(part, 1..3).prop_map(|parts| turn(Role::User, parts))
}

/// A turn of the model, and the results of its calls.
fn assistant() -> impl Strategy<Value = Vec<Turn<'static>>> {
    let calls = prop::collection::vec(call(), 0..3);
    let thoughts = prop::collection::vec(thought(), 0..2);
    let text = proptest::option::of(words());
    let answers = prop::collection::vec(words(), 3);
    (thoughts, text, calls, answers).prop_map(|(thoughts, text, mut calls, answers)| {
        let text = text.or_else(|| calls.is_empty().then(|| "so".into()));
        for (number, call) in calls.iter_mut().enumerate() {
            // No two calls have one id.
            let id = call.id.take().unwrap().plain().into_owned();
            call.id = Some(format!("{id}{number}").into());
        }
        let results = calls.iter().zip(answers).map(|(call, answer)| {
            Part::ToolResult(ToolResult {
                id: call.id.clone(),
                name: Some(call.name.clone()),
                parts: vec![Part::text(answer)],
                json: None,
                error: false,
                cache: None,
            })
        });
        let results: Vec<_> = results.collect();
        let mut parts: Vec<_> = thoughts.into_iter().map(Part::Reasoning).collect();
        parts.extend(text.map(Part::text));
        parts.extend(calls.into_iter().map(Part::ToolCall));
        let mut turns = vec![turn(Role::Assistant, parts)];
        if !results.is_empty() {
            turns.push(turn(Role::User, results));
        }
        turns
    })
}

fn number() -> impl Strategy<Value = Raw<'static>> {
    select(vec!["1", "0.5", "1.0", "0"]).prop_map(raw)
}

fn sampling() -> impl Strategy<Value = Sampling<'static>> {
    let of = proptest::option::of;
    let stop = prop::collection::vec(words(), 0..3);
    let some = (
        of(number()),
        of(number()),
        of(number()),
        of(number()),
        of(number()),
    );
    (some, stop).prop_map(
        |((temperature, top_p, top_k, frequency, seed), stop)| Sampling {
            max_tokens: Some(raw("1024")),
            temperature,
            top_p,
            top_k,
            stop,
            seed,
            frequency_penalty: frequency,
            ..Sampling::default()
        },
    )
}

fn tools() -> impl Strategy<Value = Vec<Tool<'static>>> {
    let tool = |(name, schema, description): (&'static str, &'static str, Option<_>)| Tool {
        name: name.into(),
        description,
        parameters: Some(raw(schema)),
        strict: None,
        cache: None,
    };
    let schemas = select(vec![
        r#"{"type":"object","properties":{}}"#,
        r#"{"type":"object","properties":{"a":{"type":"number"}},"required":["a"]}"#,
    ]);
    (schemas, proptest::option::of(words())).prop_map(move |(schema, description)| {
        let names = ["look_up", "add", "get-weather"];
        names
            .map(|name| tool((name, schema, description.clone())))
            .to_vec()
    })
}

fn choice() -> impl Strategy<Value = Option<ToolChoice<'static>>> {
    select(vec![
        None,
        Some(ToolChoice::Auto),
        Some(ToolChoice::None),
        Some(ToolChoice::Required),
        Some(ToolChoice::Named(vec!["add".into()])),
    ])
}

fn format() -> impl Strategy<Value = Format<'static>> {
    select(vec![
        Format::Text,
        Format::Text,
        Format::Json,
        Format::Schema(Schema {
            name: Some("answer".into()),
            description: None,
            schema: br#"{"type":"object","properties":{"a":{"type":"string"}},"required":["a"],"additionalProperties":false}"#[..].into(),
            strict: Some(true),
        }),
    ])
}

/// A conversation as a caller may have had it, its results in place. Turns are numbered.
pub(crate) fn conversation() -> impl Strategy<Value = Conversation<'static>> {
    let head = proptest::option::of(words()).prop_map(|text| {
        let system = text.map(|text| turn(Role::System, vec![Part::text(text)]));
        system.into_iter().collect::<Vec<_>>()
    });
    let said = (user(), assistant()).prop_map(|(user, mut rest)| {
        rest.insert(0, user);
        rest
    });
    let turns = (head, prop::collection::vec(said, 0..3), user());
    let effort = proptest::option::of(select(vec![Effort::Low, Effort::Medium, Effort::High]));
    let asks = (
        sampling(),
        tools(),
        choice(),
        format(),
        effort,
        any::<bool>(),
    );
    (turns, asks).prop_map(|((head, said, last), asks)| {
        let (sampling, tools, tool_choice, format, effort, stream) = asks;
        let mut turns = head;
        turns.extend(said.into_iter().flatten());
        turns.push(last);
        for (at, turn) in (0..).zip(&mut turns) {
            turn.at = at;
        }
        Conversation {
            turns,
            tools,
            tool_choice,
            sampling,
            format,
            thinking: effort.map(|effort| Thinking {
                effort: Some(effort),
                ..Thinking::default()
            }),
            metadata: Metadata {
                user: Some("someone".into()),
                ..Metadata::default()
            },
            stream,
            usage_asked: stream,
            ..Conversation::default()
        }
    })
}

/// One answer: thoughts, words, calls, and the stop that goes with them.
fn answer() -> impl Strategy<Value = Choice<'static>> {
    let parts = (
        prop::collection::vec(thought(), 0..3),
        proptest::option::of(words()),
        prop::collection::vec(call(), 0..3),
    );
    let stops = select(vec![Stop::End, Stop::Length, Stop::Filter]);
    (parts, stops).prop_map(|((thoughts, text, calls), stop)| {
        let stop = if calls.is_empty() {
            stop
        } else {
            Stop::ToolUse
        };
        let mut parts: Vec<_> = thoughts.into_iter().map(Part::Reasoning).collect();
        parts.extend(text.map(Part::text));
        for (number, mut call) in calls.into_iter().enumerate() {
            let id = call.id.take().unwrap().plain().into_owned();
            call.id = Some(format!("{id}{number}").into());
            parts.push(Part::ToolCall(call));
        }
        Choice {
            parts,
            stop,
            ..Choice::default()
        }
    })
}

/// A reply of one choice.
pub(crate) fn reply() -> impl Strategy<Value = Reply<'static>> {
    (answer(), any::<[u16; 4]>()).prop_map(|(choice, counts)| {
        let [input, output, cached, reasoning] = counts.map(u64::from);
        let mut usage = Tokens::new(input + cached, output + reasoning);
        usage.cache_read = cached;
        usage.reasoning = reasoning;
        Reply {
            id: Some("msg_0123".into()),
            model: Some("the-model".into()),
            created: Some(1_700_000_001),
            choices: vec![choice],
            usage: Some(usage),
            tier: None,
        }
    })
}

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
}
