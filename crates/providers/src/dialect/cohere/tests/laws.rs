//! What holds for every conversation and every reply.

use http::Request;
use proptest::prelude::*;
use serde_json::Value;

use crate::dialect::cohere::ChatWire;
use crate::translate::fold::{Fold, shape};
use crate::translate::testing::{asked, conversation, deltas, events, reply, written};
use crate::translate::{Losses, Reply, Stop, Target, Wire, tools};

fn json(bytes: &[u8]) -> Value {
    serde_json::from_slice(bytes).unwrap()
}

/// A reply without what Cohere has no words for.
fn sayable(mut reply: Reply<'static>) -> Reply<'static> {
    (reply.created, reply.model) = (None, None);
    if let Some(usage) = &mut reply.usage {
        usage.reasoning = 0;
    }
    for choice in &mut reply.choices {
        if choice.stop == Stop::Filter {
            choice.stop = Stop::End;
        }
    }
    reply
}

proptest! {
    #[test]
    fn a_request_read_and_written_again_is_the_same(conversation in conversation()) {
        let target = Target::new("m");
        let (mut first, mut again) = (Losses::default(), Losses::default());
        let written = ChatWire.write_request(&conversation, &target, &mut first);
        // Documents other than words, which it takes none of, are refused.
        prop_assume!(written.is_ok());
        let written = written.unwrap();
        let head = Request::new(()).into_parts().0;
        let mut read = ChatWire.read_request(&head, &written.body, &mut again).unwrap();
        tools::settle(&mut read).unwrap();
        let twice = ChatWire.write_request(&read, &target, &mut again).unwrap();
        prop_assert!(again.is_empty(), "{again:?}");
        prop_assert_eq!(json(&written.body), json(&twice.body));
    }

    #[test]
    fn a_reply_written_and_read_again_is_the_same(reply in reply().prop_map(sayable)) {
        let mut losses = Losses::default();
        let bytes = ChatWire.write_reply(&reply, &asked(false), &mut losses).unwrap();
        let read = ChatWire.read_reply(&bytes, &mut losses).unwrap();
        prop_assert_eq!(shape(&read), shape(&reply));
        prop_assert!(losses.is_empty(), "{losses:?}");
    }

    #[test]
    fn a_streamed_reply_is_the_whole_one(reply in reply(), step in 1_usize..9) {
        let mut writer = ChatWire.writer(&asked(true));
        let out = written(&mut *writer, deltas(&reply, step)).unwrap();
        let mut reader = ChatWire.reader();
        let fold = Fold::read(&mut *reader, &events(out.bytes())).unwrap();
        prop_assert!(reader.is_whole() && fold.done);
        let streamed = ChatWire.write_reply(&fold.reply(), &asked(false), &mut Losses::default());
        let whole = ChatWire.write_reply(&reply, &asked(false), &mut Losses::default());
        let (streamed, whole) = (streamed.unwrap(), whole.unwrap());
        prop_assert_eq!(json(&streamed), json(&whole));
    }

    #[test]
    fn any_bytes_are_read_or_refused(body in ".{0,80}") {
        let head = Request::new(()).into_parts().0;
        let mut losses = Losses::default();
        let _ = ChatWire.read_request(&head, body.as_bytes(), &mut losses);
        let _ = ChatWire.read_reply(body.as_bytes(), &mut losses);
        let _ = ChatWire.reader().read(b"", body.as_bytes(), &mut |_| Ok(()));
    }
}
