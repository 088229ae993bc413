//! Encode: counting tokens before a call.
//!
//! Source: Anthropic's API reference, `POST /v1/messages/count_tokens`.

use bytes::Bytes;
use http::request as head;
use portcullis_core::error::{Error, codes};
use portcullis_core::json::{Members, Raw};
use portcullis_core::payload::{Change, Doc, Payload, edit_object};

use super::request;
use crate::dialect::head::{not_json, splice};
use crate::translate::write::object;
use crate::translate::{Conversation, CountWire, Losses, Target, Written};

/// What a question for a count does not take of a call.
const NOT_ASKED: [&str; 8] = [
    "max_tokens",
    "stream",
    "temperature",
    "top_p",
    "top_k",
    "stop_sequences",
    "metadata",
    "service_tier",
];

/// How Anthropic's API counts tokens.
#[derive(Clone, Copy, Debug)]
pub(super) struct Counting;

impl CountWire for Counting {
    fn read_request<'a>(
        &self,
        _: &'a head::Parts,
        body: &'a [u8],
        losses: &mut Losses,
    ) -> Result<Conversation<'a>, Error> {
        request::read(body, losses)
    }

    fn write_request(
        &self,
        conversation: &Conversation<'_>,
        target: &Target<'_>,
        losses: &mut Losses,
    ) -> Result<Written, Error> {
        let mut written = request::write(conversation, target, losses)?;
        let mut body = Payload::<Doc>::from(written.body);
        let raw = body.raw().clone();
        let document = Raw::parse(&raw).map_err(not_json)?;
        let gone = NOT_ASKED.map(|key| (key, Change::Remove));
        let mut edits = edit_object(document, &gone).map_err(not_json)?;
        splice(&mut body, &mut edits)?;
        written.body = body.raw().clone();
        written.path = "/messages/count_tokens".into();
        Ok(written)
    }

    fn read_reply(&self, body: &[u8]) -> Result<u64, Error> {
        let counted = Members::of_document(body)
            .filter_map(Result::ok)
            .find(|member| member.key == "input_tokens")
            .and_then(|member| member.value.as_count());
        counted.ok_or_else(|| {
            let what = "the upstream's count of tokens cannot be read";
            Error::new(&codes::UPSTREAM_BROKEN, what)
        })
    }

    fn write_reply(&self, tokens: u64) -> Bytes {
        let mut body = Vec::new();
        object(&mut body, |o| o.u64("input_tokens", tokens));
        body.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::translate::estimate;

    const ASK: &[u8] = br#"{"model":"a","max_tokens":5,"temperature":0.5,"system":"Be kind.","messages":[{"role":"user","content":"hello there"}]}"#;

    #[test]
    fn a_question_is_the_call_without_what_only_a_call_takes() {
        let mut losses = Losses::default();
        let conversation = request::read(ASK, &mut losses).unwrap();
        let written = Counting
            .write_request(&conversation, &Target::new("m"), &mut losses)
            .unwrap();
        assert_eq!(written.path, "/messages/count_tokens");
        let body: serde_json::Value = serde_json::from_slice(&written.body).unwrap();
        let mut keys: Vec<_> = body.as_object().unwrap().keys().cloned().collect();
        keys.sort();
        assert_eq!(keys, ["messages", "model", "system"]);
        assert!(estimate(&conversation) >= 5);
    }

    #[test]
    fn an_answer_is_a_number_and_nothing_else_is_one() {
        assert_eq!(Counting.read_reply(br#"{"input_tokens":17}"#).unwrap(), 17);
        assert_eq!(Counting.write_reply(17), r#"{"input_tokens":17}"#);
        for other in [&b"{}"[..], b"[]", br#"{"input_tokens":"x"}"#] {
            assert!(Counting.read_reply(other).is_err());
        }
    }
}
