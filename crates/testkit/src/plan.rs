//! A reply as the steps that send it: what the dialect says, and how the script has it said.

use std::{collections::VecDeque, time::Duration};

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};

/// How a connection is broken. Over HTTP/2 all its streams go with it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Break {
    /// A clean end of the TCP stream, in the middle of the HTTP message.
    Fin,
    /// A TCP reset.
    Reset,
    /// Bytes that are not HTTP, then a clean end.
    Garbage,
}

/// What a dialect answers, before any fault or pacing.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) content: Content,
    /// Billed when the head is sent.
    pub(crate) input_tokens: u64,
}

#[derive(Debug)]
pub(crate) enum Content {
    /// Sent with a length.
    Whole(Piece),
    /// Sent in chunks.
    Events(Vec<Piece>),
}

/// Bytes that are sent together, and the output tokens billed for them.
#[derive(Clone, Debug)]
pub(crate) struct Piece {
    pub(crate) bytes: Bytes,
    pub(crate) tokens: u64,
}

impl<B: Into<Bytes>> From<B> for Piece {
    fn from(bytes: B) -> Self {
        Self {
            bytes: bytes.into(),
            tokens: 0,
        }
    }
}

impl Answer {
    pub(crate) fn new(status: StatusCode, content: Content) -> Self {
        Self {
            status,
            headers: HeaderMap::new(),
            content,
            input_tokens: 0,
        }
    }

    pub(crate) fn json(status: StatusCode, body: &serde_json::Value) -> Self {
        let content = Content::Whole(Bytes::from(body.to_string()).into());
        Self::new(status, content).with("content-type", "application/json")
    }

    pub(crate) fn events(events: Vec<Piece>) -> Self {
        Self::new(StatusCode::OK, Content::Events(events))
            .with("content-type", "text/event-stream; charset=utf-8")
            .with("cache-control", "no-cache")
    }

    /// Adds a header; the name and value are ours, hence valid.
    pub(crate) fn with(mut self, name: &'static str, value: &str) -> Self {
        let value = HeaderValue::from_str(value).expect("a header value of visible ASCII");
        self.headers.append(HeaderName::from_static(name), value);
        self
    }

    /// Sets a header in place of what it was.
    pub(crate) fn replacing(mut self, name: &'static str, value: &str) -> Self {
        self.headers.remove(name);
        self.with(name, value)
    }

    /// What is billed: `input` with the head, `output` with the body of a whole reply.
    pub(crate) fn billed(mut self, input: u64, output: u64) -> Self {
        self.input_tokens = input;
        if let Content::Whole(piece) = &mut self.content {
            piece.tokens = output;
        }
        self
    }
}

/// One thing the server does while it sends a body.
#[derive(Debug)]
pub(crate) enum Step {
    Send(Piece),
    /// Waits until the socket has taken all that was sent.
    Flush,
    Sleep(Duration),
    /// Says nothing more, until the client leaves.
    Hang,
    Break(Break),
}

/// A reply ready to be carried out.
#[derive(Debug)]
pub(crate) struct Plan {
    /// Done before the head is sent.
    pub(crate) before: Vec<Step>,
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    /// The declared length; without it the body is chunked.
    pub(crate) length: Option<u64>,
    pub(crate) steps: VecDeque<Step>,
    pub(crate) input_tokens: u64,
}

/// Joins pieces into one.
pub(crate) fn join(pieces: &[Piece]) -> Piece {
    let mut bytes = BytesMut::new();
    for piece in pieces {
        bytes.extend_from_slice(&piece.bytes);
    }
    Piece {
        bytes: bytes.freeze(),
        tokens: pieces.iter().map(|piece| piece.tokens).sum(),
    }
}

/// Cuts a run of pieces every `size` bytes, wherever that falls; the last part bears the tokens.
pub(crate) fn cut(pieces: &[Piece], size: usize) -> Vec<Piece> {
    let Piece { mut bytes, tokens } = join(pieces);
    let mut parts = Vec::new();
    while !bytes.is_empty() {
        let part = bytes.split_to(size.clamp(1, bytes.len()));
        parts.push(Piece::from(part));
    }
    if let Some(last) = parts.last_mut() {
        last.tokens = tokens;
    }
    parts
}

/// Splits a recorded event stream behind each blank line, every byte kept.
pub(crate) fn split_events(stream: &Bytes) -> Vec<Piece> {
    let mut pieces = Vec::new();
    let (mut start, mut line) = (0, 0);
    for (at, _) in stream
        .iter()
        .enumerate()
        .filter(|(_, byte)| **byte == b'\n')
    {
        let blank = matches!(&stream[line..at], b"" | b"\r");
        line = at + 1;
        if blank {
            pieces.push(stream.slice(start..line).into());
            start = line;
        }
    }
    if start < stream.len() {
        pieces.push(stream.slice(start..).into());
    }
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_split_behind_blank_lines_and_nothing_is_lost() {
        let stream = Bytes::from_static(b": hi\n\ndata: 1\r\n\r\ndata: 2\ndata: 3\n\ndata: last");
        let pieces = split_events(&stream);
        assert_eq!(pieces.len(), 4);
        assert_eq!(join(&pieces).bytes, stream);
    }

    #[test]
    fn cutting_keeps_bytes_and_tokens() {
        let pieces = [
            Piece {
                bytes: "hello".into(),
                tokens: 2,
            },
            Piece {
                bytes: "world".into(),
                tokens: 3,
            },
        ];
        for size in 1..12 {
            let parts = cut(&pieces, size);
            assert_eq!(join(&parts).bytes, "helloworld");
            assert_eq!(join(&parts).tokens, 5);
        }
    }
}
