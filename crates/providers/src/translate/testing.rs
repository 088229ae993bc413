//! Tests: conversations, replies and streams of any kind, for the laws of translation.

mod conversation;
mod stream;

use std::sync::Arc;

use http::Request;
use portcullis_core::context::Tokens;
use portcullis_core::json::Raw;
use proptest::prelude::*;
use proptest::sample::select;

use super::{Arguments, Asked, Choice, Part, Reasoning, Reply, Signature, Stop, Text, ToolCall};
pub(crate) use conversation::conversation;
pub(crate) use stream::{deltas, events, written};

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

/// Whether every stream tells where the thoughts of a reply end: Gemini's does not if they have no seal and others
/// follow.
pub(crate) fn tells_apart(reply: &Reply<'_>) -> bool {
    let thoughts = |pair: &[Part<'_>]| match pair {
        [Part::Reasoning(first), Part::Reasoning(_)] => first.signature.is_none(),
        _ => false,
    };
    let mut choices = reply.choices.iter();
    choices.all(|choice| !choice.parts.windows(2).any(thoughts))
}
