//! What holds for every conversation and every reply.

use http::Request;
use proptest::prelude::*;
use serde_json::Value;

use crate::dialect::anthropic::MessagesWire;
use crate::translate::fold::{Fold, shape};
use crate::translate::testing::{asked, conversation, deltas, events, reply, written};
use crate::translate::{Effort, Losses, Reply, Stop, Target, ToolChoice, Wire, tools};

fn json(bytes: &[u8]) -> Value {
    serde_json::from_slice(bytes).unwrap()
}

/// A reply without what messages have no words for.
fn sayable(mut reply: Reply<'static>) -> Reply<'static> {
    reply.created = None;
    for choice in &mut reply.choices {
        if choice.stop == Stop::Filter {
            choice.stop = Stop::Refusal;
        }
    }
    reply
}

proptest! {
    #[test]
    fn a_request_read_and_written_again_is_the_same(mut conversation in conversation()) {
        let forced = matches!(
            conversation.tool_choice,
            Some(ToolChoice::Required | ToolChoice::Named(_))
        );
        if forced && let Some(thinking) = &mut conversation.thinking {
            thinking.effort = Some(Effort::None);
        }
        let target = Target::new("m");
        let (mut first, mut again) = (Losses::default(), Losses::default());
        let written = MessagesWire.write_request(&conversation, &target, &mut first).unwrap();
        let head = Request::new(()).into_parts().0;
        let mut read = MessagesWire.read_request(&head, &written.body, &mut again).unwrap();
        tools::settle(&mut read).unwrap();
        let twice = MessagesWire.write_request(&read, &target, &mut again).unwrap();
        prop_assert!(again.is_empty(), "{again:?}");
        prop_assert_eq!(json(&written.body), json(&twice.body));
    }

    #[test]
    fn a_reply_written_and_read_again_is_the_same(reply in reply().prop_map(sayable)) {
        let mut losses = Losses::default();
        let bytes = MessagesWire.write_reply(&reply, &asked(false), &mut losses).unwrap();
        let read = MessagesWire.read_reply(&bytes, &mut losses).unwrap();
        prop_assert_eq!(shape(&read), shape(&reply));
        prop_assert!(losses.is_empty(), "{losses:?}");
    }

    #[test]
    fn a_streamed_reply_is_the_whole_one(reply in reply(), step in 1_usize..9) {
        let mut writer = MessagesWire.writer(&asked(true));
        let out = written(&mut *writer, deltas(&reply, step)).unwrap();
        let mut reader = MessagesWire.reader();
        let mut fold = Fold::read(&mut *reader, &events(out.bytes())).unwrap();
        prop_assert!(reader.is_whole() && fold.done);
        fold.created = reply.created;
        let streamed = MessagesWire.write_reply(&fold.reply(), &asked(false), &mut Losses::default());
        let whole = MessagesWire.write_reply(&reply, &asked(false), &mut Losses::default());
        let (streamed, whole) = (streamed.unwrap(), whole.unwrap());
        prop_assert_eq!(json(&streamed), json(&whole));
    }

    #[test]
    fn any_bytes_are_read_or_refused(body in ".{0,80}", event in ".{0,80}") {
        let head = Request::new(()).into_parts().0;
        let mut losses = Losses::default();
        let _ = MessagesWire.read_request(&head, body.as_bytes(), &mut losses);
        let _ = MessagesWire.read_reply(body.as_bytes(), &mut losses);
        let mut reader = MessagesWire.reader();
        let _ = reader.read(b"content_block_delta", event.as_bytes(), &mut |_| Ok(()));
    }
}
