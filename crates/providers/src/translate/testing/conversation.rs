//! Tests: conversations of any kind.

use portcullis_core::json::Raw;
use proptest::prelude::*;
use proptest::sample::select;

use super::{call, raw, thought, words};
use crate::translate::{
    Conversation, Effort, Format, Media, MediaKind, Metadata, Part, Role, Sampling, Schema, Source,
    Thinking, Tool, ToolChoice, ToolResult, Turn,
};

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
            schema: r#"{"type":"object","properties":{"a":{"type":"string"}},"required":["a"],"additionalProperties":false}"#.as_bytes().into(),
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
