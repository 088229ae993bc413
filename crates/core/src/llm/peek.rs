//! Decode: the model a call names in a body that is otherwise passed on unread.
//!
//! Images, audio, files and whatever else is not modelled may name their model in the body: as a field of a form
//! (RFC 7578) or a member of a document. The beginning of the body is read until the name has come, at most
//! [`MAX_PEEK`] bytes of it, and goes on before the rest as it came.

use std::collections::VecDeque;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{Bytes, BytesMut};
use http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use http::{Method, request};
use http_body::{Body as _, Frame, SizeHint};
use memchr::memmem;

use crate::body::Body;
use crate::error::Error;
use crate::json::Members;

/// How much of a body is looked at for the name of its model: 64 KiB.
pub const MAX_PEEK: usize = 64 << 10;

/// The longest name of a model found in a form.
const MAX_NAME: usize = 256;

/// What the beginning of a body says.
#[derive(Debug, PartialEq, Eq)]
enum Look {
    /// The model.
    Model(String),
    /// Nothing yet.
    More,
    /// Nothing, whatever follows.
    Nothing,
}

/// How a body names its model.
enum Form {
    /// As a field of a form with this boundary.
    Multipart(Vec<u8>),
    /// As a member of a JSON object.
    Json,
}

/// The model the body names, and the body as it came. An error of the body is left in it, for whoever reads it on.
pub(super) async fn model(head: &request::Parts, body: Body) -> (Option<String>, Body) {
    let Some(form) = Form::of(head) else {
        return (None, body);
    };
    let mut begun = Begun {
        seen: BytesMut::new(),
        frames: VecDeque::new(),
        rest: body,
    };
    loop {
        match form.look(&begun.seen) {
            Look::Model(model) => return (Some(model), begun.into_body()),
            Look::More if begun.seen.len() < MAX_PEEK && begun.read().await => {}
            Look::More | Look::Nothing => return (None, begun.into_body()),
        }
    }
}

impl Form {
    fn of(head: &request::Parts) -> Option<Self> {
        if head.method != Method::POST || head.headers.contains_key(CONTENT_ENCODING) {
            return None;
        }
        let kind = head.headers.get(CONTENT_TYPE)?.to_str().ok()?;
        let (essence, parameters) = kind.split_once(';').unwrap_or((kind, ""));
        let essence = essence.trim();
        if essence.eq_ignore_ascii_case("application/json") {
            return Some(Self::Json);
        }
        if !essence.eq_ignore_ascii_case("multipart/form-data") {
            return None;
        }
        let boundary = parameters.split(';').find_map(|parameter| {
            let (name, value) = parameter.split_once('=')?;
            let value = value.trim().trim_matches('"');
            (name.trim().eq_ignore_ascii_case("boundary") && (1..=70).contains(&value.len()))
                .then_some(value)
        })?;
        Some(Self::Multipart(format!("--{boundary}").into_bytes()))
    }

    fn look(&self, seen: &[u8]) -> Look {
        match self {
            Self::Multipart(boundary) => field(seen, boundary),
            Self::Json => member(seen),
        }
    }
}

/// The `model` of the outermost object.
fn member(seen: &[u8]) -> Look {
    if seen.trim_ascii_start().first().is_some_and(|b| *b != b'{') {
        return Look::Nothing;
    }
    for member in Members::of_document(seen) {
        match member {
            Ok(member) if member.key == "model" => {
                return match member.value.as_str() {
                    Some(model) => Look::Model(model.into_owned()),
                    None => Look::Nothing,
                };
            }
            Ok(_) => {}
            Err(_) => return Look::More,
        }
    }
    Look::Nothing
}

/// The value of the field `model`, once all of it has come.
fn field(seen: &[u8], boundary: &[u8]) -> Look {
    let ends: Vec<_> = memmem::find_iter(seen, boundary).collect();
    for pair in ends.windows(2) {
        let part = &seen[pair[0] + boundary.len()..pair[1]];
        if let Some(model) = model_of(part) {
            return Look::Model(model);
        }
    }
    match ends.last() {
        Some(last) if seen[last + boundary.len()..].starts_with(b"--") => Look::Nothing,
        _ => Look::More,
    }
}

/// The value of a part that is the field `model`: what stands between the line behind its boundary and the next.
fn model_of(part: &[u8]) -> Option<String> {
    let part = part.strip_prefix(b"\r\n")?.strip_suffix(b"\r\n")?;
    let (head, value) = part.split_at_checked(memmem::find(part, b"\r\n\r\n")?)?;
    let value = &value[4..];
    let head = str::from_utf8(head).ok()?;
    let named = head.split("\r\n").any(|line| {
        let Some((name, disposition)) = line.split_once(':') else {
            return false;
        };
        name.eq_ignore_ascii_case("content-disposition")
            && disposition.split(';').any(|parameter| {
                let (key, value) = parameter.split_once('=').unwrap_or_default();
                key.trim().eq_ignore_ascii_case("name") && value.trim().trim_matches('"') == "model"
            })
    });
    let fits = named && (1..=MAX_NAME).contains(&value.len());
    fits.then(|| str::from_utf8(value).ok().map(str::to_owned))?
}

/// A body whose beginning has been read.
struct Begun {
    /// The data read, in one piece, for looking at.
    seen: BytesMut,
    /// What was read, as it came.
    frames: VecDeque<Result<Frame<Bytes>, Error>>,
    rest: Body,
}

impl Begun {
    /// Reads one more frame; whether it was data.
    async fn read(&mut self) -> bool {
        let frame = std::future::poll_fn(|cx| Pin::new(&mut self.rest).poll_frame(cx)).await;
        let Some(frame) = frame else {
            return false;
        };
        let data = frame.as_ref().ok().and_then(|frame| frame.data_ref());
        let is_data = data.is_some();
        if let Some(data) = data {
            let room = MAX_PEEK - self.seen.len();
            self.seen.extend_from_slice(&data[..data.len().min(room)]);
        }
        self.frames.push_back(frame);
        is_data
    }

    fn into_body(self) -> Body {
        if self.frames.is_empty() {
            return self.rest;
        }
        Body::new(Rejoined {
            frames: self.frames,
            rest: self.rest,
        })
    }
}

/// What was read of a body, and the rest of it.
struct Rejoined {
    frames: VecDeque<Result<Frame<Bytes>, Error>>,
    rest: Body,
}

impl http_body::Body for Rejoined {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        match self.frames.pop_front() {
            Some(frame) => Poll::Ready(Some(frame)),
            None => Pin::new(&mut self.rest).poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.frames.is_empty() && self.rest.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let held = self.frames.iter().flatten().filter_map(Frame::data_ref);
        let held: u64 = held.map(|data| data.len() as u64).sum();
        let rest = self.rest.size_hint();
        let mut hint = SizeHint::new();
        hint.set_lower(rest.lower().saturating_add(held));
        if let Some(upper) = rest.upper() {
            hint.set_upper(upper.saturating_add(held));
        }
        hint
    }
}

#[cfg(test)]
mod tests {
    use futures_util::stream;
    use http_body_util::StreamBody;
    use proptest::prelude::*;

    use super::*;

    const FORM: &str = "--x\r\nContent-Disposition: form-data; name=\"file\"; filename=\"model\"\r\n\r\n\
        name=\"model\"\r\n--x\r\ncontent-disposition: form-data; name=\"model\"\r\n\r\nwhisper-1\r\n--x--\r\n";

    fn head(kind: &str) -> request::Parts {
        let request = http::Request::post("/v1/audio/transcriptions").header(CONTENT_TYPE, kind);
        request.body(()).unwrap().into_parts().0
    }

    /// What is found in a body that comes in such pieces; that it goes on as it came is checked.
    async fn found(kind: &str, sent: &[u8], piece: usize) -> Option<String> {
        let pieces: Vec<_> = sent.chunks(piece).map(Bytes::copy_from_slice).collect();
        let frames = pieces.into_iter().map(|b| Ok::<_, Error>(Frame::data(b)));
        let body = Body::new(StreamBody::new(stream::iter(frames)));
        let (model, body) = model(&head(kind), body).await;
        assert_eq!(body.collect(1 << 20).await.unwrap(), sent);
        model
    }

    #[tokio::test]
    async fn a_model_is_found_in_a_form_however_it_comes() {
        for piece in 1..FORM.len() {
            let model = found("multipart/form-data; boundary=x", FORM.as_bytes(), piece).await;
            assert_eq!(model.as_deref(), Some("whisper-1"), "{piece}");
        }
    }

    #[tokio::test]
    async fn a_model_is_found_in_a_document_before_it_has_come_whole() {
        let sent = br#"{"prompt":"model","n":1,"model":"gpt-image-1","more":"#;
        for piece in [1, 7, sent.len()] {
            let model = found("application/json; charset=utf-8", sent, piece).await;
            assert_eq!(model.as_deref(), Some("gpt-image-1"), "{piece}");
        }
    }

    #[tokio::test]
    async fn what_names_none_goes_on_as_it_came() {
        let long = [b"--x\r\n".as_slice(), &[b'a'; 2 * MAX_PEEK]].concat();
        for (kind, sent) in [
            ("multipart/form-data; boundary=x", &long[..]),
            ("multipart/form-data; boundary=x", b"--x--\r\n"),
            ("multipart/form-data", FORM.as_bytes()),
            ("application/json", b"[1,2]"),
            ("application/json", br#"{"model":7}"#),
            ("audio/wav", br#"{"model":"a"}"#),
        ] {
            assert_eq!(found(kind, sent, 1000).await, None, "{kind}");
        }
    }

    #[tokio::test]
    async fn no_more_is_read_than_it_takes() {
        let (model, body) = model(
            &head("application/json"),
            Body::new(StreamBody::new(stream::iter([
                Ok(Frame::data(Bytes::from_static(br#"{"model":"a","#))),
                Err(Error::new(&crate::error::codes::BODY_BROKEN, "it breaks")),
            ]))),
        )
        .await;
        assert_eq!(model.as_deref(), Some("a"));
        assert!(body.collect(1 << 20).await.is_err());
    }

    proptest! {
        #[test]
        fn any_bytes_are_looked_at_without_a_panic(seen in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = member(&seen);
            let _ = field(&seen, b"--x");
            let _ = field(&[b"--x\r\n", &seen[..], b"\r\n--x"].concat(), b"--x");
        }
    }
}
