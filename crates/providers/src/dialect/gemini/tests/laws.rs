use http::Request;
use proptest::prelude::*;
use serde_json::Value;

use super::super::Generate;
use super::json;
use crate::translate::fold::{Fold, shape};
use crate::translate::testing::{asked, conversation, deltas, events, reply, tells_apart, written};
use crate::translate::{
    Asked, Conversation, Losses, Media, Part, Reply, Source, Target, Wire, tools,
};

/// What a caller asked who wants server-sent events, or one growing array.
fn streaming(uri: &str) -> Asked {
    let mut asked = asked(true);
    asked.head = Request::get(uri).body(()).unwrap().into_parts().0.into();
    asked
}

/// A reply in a form that compares, without what Gemini does not say.
fn said(reply: &Reply<'_>) -> Value {
    let mut shape = shape(reply);
    shape["created"] = Value::Null;
    shape
}

/// Pictures at URLs cannot be sent to Gemini, and are refused.
fn sendable(conversation: &Conversation<'_>) -> bool {
    let mut parts = conversation.turns.iter().flat_map(|turn| &turn.parts);
    !parts.any(|part| {
        matches!(
            part,
            Part::Media(Media {
                source: Source::Url(_),
                ..
            })
        )
    })
}

proptest! {
    #[test]
    fn a_request_read_and_written_again_is_the_same(conversation in conversation()) {
        prop_assume!(sendable(&conversation));
        let mut conversation = conversation;
        tools::settle(&mut conversation).unwrap();
        let target = Target::new("gemini-2.5-flash");
        let mut losses = Losses::default();
        let written = Generate.write_request(&conversation, &target, &mut losses).unwrap();
        let uri = format!("/v1beta{}", written.path);
        let head = Request::post(uri).body(()).unwrap().into_parts().0;
        let mut again = Losses::default();
        let read = Generate.read_request(&head, &written.body, &mut again).unwrap();
        prop_assert!(again.is_empty(), "{again:?}");
        let twice = Generate.write_request(&read, &target, &mut again).unwrap();
        prop_assert!(again.is_empty(), "{again:?}");
        prop_assert_eq!(json(&written.body), json(&twice.body));
        prop_assert_eq!((written.path, written.query), (twice.path, twice.query));
    }

    #[test]
    fn a_reply_written_and_read_again_is_the_same(reply in reply()) {
        let mut losses = Losses::default();
        let bytes = Generate.write_reply(&reply, &asked(false), &mut losses).unwrap();
        let read = Generate.read_reply(&bytes, &mut losses).unwrap();
        prop_assert_eq!(said(&read), said(&reply));
        prop_assert!(losses.is_empty(), "{losses:?}");
    }

    #[test]
    fn a_streamed_reply_is_the_whole_one_in_either_framing(reply in reply(), step in 1_usize..9) {
        prop_assume!(tells_apart(&reply));
        let mut writer = Generate.writer(&streaming("/x?alt=sse"));
        let out = written(&mut *writer, deltas(&reply, step)).unwrap();
        let mut reader = Generate.reader();
        let fold = Fold::read(&mut *reader, &events(out.bytes())).unwrap();
        prop_assert!(reader.is_whole());
        let mut writer = Generate.writer(&streaming("/x"));
        let array = written(&mut *writer, deltas(&reply, step)).unwrap();
        let array: Vec<Value> = serde_json::from_slice(array.bytes()).unwrap();
        let chunks: Vec<_> = array
            .iter()
            .map(|chunk| (String::new(), chunk.to_string()))
            .collect();
        let same = Fold::read(&mut *Generate.reader(), &chunks).unwrap();
        let whole = Generate.write_reply(&reply, &asked(false), &mut Losses::default()).unwrap();
        let whole = Generate.read_reply(&whole, &mut Losses::default()).unwrap();
        prop_assert_eq!(said(&fold.reply()), said(&whole));
        prop_assert_eq!(said(&same.reply()), said(&whole));
    }

    #[test]
    fn any_document_is_read_or_refused(body in "[\\[\\]{}:,\"a-z0-9]{0,48}") {
        let head = Request::post("/v1/models/m:generateContent").body(()).unwrap().into_parts().0;
        let mut losses = Losses::default();
        let _ = Generate.read_request(&head, body.as_bytes(), &mut losses);
        let _ = Generate.read_reply(body.as_bytes(), &mut losses);
        let _ = Generate.reader().read(b"", body.as_bytes(), &mut |_| Ok(()));
        let _ = Generate.read_trouble(http::StatusCode::BAD_GATEWAY, &head.headers, body.as_bytes());
        let _ = Generate.prepared(body.as_bytes());
    }
}
