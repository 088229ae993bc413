use http::Request;
use proptest::prelude::*;
use serde_json::Value;

use super::super::ResponsesWire;
use crate::dialect::openai::ChatWire;
use crate::translate::fold::{Fold, shape};
use crate::translate::testing::{asked, conversation, deltas, events, reply, written};
use crate::translate::{Losses, Target, Wire};

fn json(bytes: &[u8]) -> Value {
    serde_json::from_slice(bytes).unwrap()
}

proptest! {
    #[test]
    fn a_request_read_and_written_again_is_the_same(conversation in conversation()) {
        let target = Target::new("m");
        let (mut first, mut again) = (Losses::default(), Losses::default());
        let written = ResponsesWire.write_request(&conversation, &target, &mut first).unwrap();
        let head = Request::new(()).into_parts().0;
        let read = ResponsesWire.read_request(&head, &written.body, &mut again).unwrap();
        prop_assert!(again.is_empty(), "{again:?}");
        let twice = ResponsesWire.write_request(&read, &target, &mut again).unwrap();
        prop_assert!(again.is_empty(), "{again:?}");
        prop_assert_eq!(json(&written.body), json(&twice.body));
    }

    #[test]
    fn a_reply_written_and_read_again_is_the_same(reply in reply()) {
        let mut losses = Losses::default();
        let bytes = ResponsesWire.write_reply(&reply, &asked(false), &mut losses).unwrap();
        let read = ResponsesWire.read_reply(&bytes, &mut losses).unwrap();
        prop_assert_eq!(shape(&read), shape(&reply));
        prop_assert!(losses.is_empty(), "{losses:?}");
    }

    #[test]
    fn a_streamed_reply_is_the_whole_one(reply in reply(), step in 1_usize..9) {
        let mut writer = ResponsesWire.writer(&asked(true));
        let out = written(&mut *writer, deltas(&reply, step)).unwrap();
        let mut reader = ResponsesWire.reader();
        let events = events(out.bytes());
        let fold = Fold::read(&mut *reader, &events).unwrap();
        prop_assert!(reader.is_whole() && fold.done);
        prop_assert_eq!(shape(&fold.reply()), shape(&reply));
        // The last event has all of it once more.
        let last = json(events.last().unwrap().1.as_bytes());
        let whole = last["response"].to_string();
        let read = ResponsesWire.read_reply(whole.as_bytes(), &mut Losses::default()).unwrap();
        prop_assert_eq!(shape(&read), shape(&reply));
    }

    #[test]
    fn a_stream_told_in_chat_completions_is_the_reply_told_there(reply in reply(), step in 1_usize..9) {
        let mut writer = ResponsesWire.writer(&asked(true));
        let out = written(&mut *writer, deltas(&reply, step)).unwrap();
        let fold = Fold::read(&mut *ResponsesWire.reader(), &events(out.bytes())).unwrap();
        let whole = ChatWire.write_reply(&fold.reply(), &asked(false), &mut Losses::default()).unwrap();
        let whole = ChatWire.read_reply(&whole, &mut Losses::default()).unwrap();
        let mut writer = ChatWire.writer(&asked(true));
        let mut told = crate::translate::Out::default();
        let mut reader = ResponsesWire.reader();
        for (name, data) in events(out.bytes()) {
            let mut take = |delta: crate::translate::Delta<'_>| writer.write(delta, &mut told);
            reader.read(name.as_bytes(), data.as_bytes(), &mut take).unwrap();
        }
        let streamed = Fold::read(&mut *ChatWire.reader(), &events(told.bytes())).unwrap();
        let streamed = ChatWire.write_reply(&streamed.reply(), &asked(false), &mut Losses::default()).unwrap();
        let streamed = ChatWire.read_reply(&streamed, &mut Losses::default()).unwrap();
        prop_assert_eq!(shape(&streamed), shape(&whole));
    }
}
