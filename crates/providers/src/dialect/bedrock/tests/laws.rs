//! What holds for every conversation and every reply.

use proptest::prelude::*;
use serde_json::Value;

use super::{head, stream};
use crate::codes::UNTRANSLATABLE;
use crate::dialect::bedrock::ConverseWire;
use crate::translate::fold::Fold;
use crate::translate::testing::{asked, conversation, deltas, reply, written};
use crate::translate::{Losses, Target, Wire, tools};

fn json(bytes: &[u8]) -> Value {
    serde_json::from_slice(bytes).unwrap()
}

proptest! {
    #[test]
    fn a_request_read_and_written_again_is_the_same(conversation in conversation()) {
        let target = Target::new("anthropic.claude-x");
        let (mut first, mut again) = (Losses::default(), Losses::default());
        let written = match ConverseWire.write_request(&conversation, &target, &mut first) {
            Ok(written) => written,
            // Media that are elsewhere, or in a format Bedrock does not know.
            Err(e) => {
                prop_assert_eq!(e.code(), &UNTRANSLATABLE);
                return Ok(());
            }
        };
        let head = head(&written.path);
        let mut read = ConverseWire.read_request(&head, &written.body, &mut again).unwrap();
        prop_assert_eq!(read.stream, conversation.stream);
        tools::settle(&mut read).unwrap();
        let twice = ConverseWire.write_request(&read, &target, &mut again).unwrap();
        prop_assert!(again.is_empty(), "{again:?}");
        prop_assert_eq!(json(&written.body), json(&twice.body));
    }

    #[test]
    fn a_streamed_reply_is_the_whole_one(reply in reply(), step in 1_usize..9) {
        let mut writer = ConverseWire.writer(&asked(true));
        let out = written(&mut *writer, deltas(&reply, step)).unwrap();
        let events: Vec<_> = stream::events(out.bytes())
            .into_iter()
            .map(|(name, data)| (name, data.to_string()))
            .collect();
        let mut reader = ConverseWire.reader();
        let fold = Fold::read(&mut *reader, &events).unwrap();
        prop_assert!(reader.is_whole() && fold.done);
        let streamed = ConverseWire.write_reply(&fold.reply(), &asked(false), &mut Losses::default());
        let whole = ConverseWire.write_reply(&reply, &asked(false), &mut Losses::default());
        let (streamed, whole) = (streamed.unwrap(), whole.unwrap());
        prop_assert_eq!(json(&streamed), json(&whole));
    }

    #[test]
    fn any_bytes_are_read_or_refused(body in ".{0,80}", event in ".{0,80}") {
        let head = head("/model/m/converse");
        let mut losses = Losses::default();
        let _ = ConverseWire.read_request(&head, body.as_bytes(), &mut losses);
        let _ = ConverseWire.read_reply(body.as_bytes(), &mut losses);
        for name in ["contentBlockStart", "contentBlockDelta", "messageStop", "metadata"] {
            let mut reader = ConverseWire.reader();
            let _ = reader.read(name.as_bytes(), event.as_bytes(), &mut |_| Ok(()));
        }
    }
}
