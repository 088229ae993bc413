//! One request as it arrived, and the bill.

use bytes::Bytes;
use http::{Method, Version};

/// How a call ended, from the upstream's side.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Ended {
    /// Still being received or answered.
    Running,
    /// The whole reply, as scripted, was handed to the connection.
    Completed,
    /// The client left before that: while it sent, waited, or listened.
    Cancelled,
    /// The upstream broke the connection itself, as the script said.
    Broken,
}

impl Ended {
    /// The lower-case word for it, as the `upstream` example prints it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Completed => "completed",
            Self::Cancelled => "cancelled",
            Self::Broken => "broken",
        }
    }
}

/// A request the upstream received. Cloning copies the headers and shares the bytes.
#[derive(Clone, Debug)]
pub struct Seen {
    /// Which request this was, counted from 0 over the upstream's life.
    pub number: usize,
    /// Which connection it came by, counted from 0.
    pub connection: u64,
    /// The method.
    pub method: Method,
    /// The target as sent: path and query, or over HTTP/1 perhaps an absolute form.
    pub target: String,
    /// The protocol version.
    pub version: Version,
    /// Header names and values. Over HTTP/1 in the order and spelling sent; over HTTP/2 grouped by
    /// name, behind `:authority`.
    pub headers: Vec<(String, Bytes)>,
    /// The bytes of the head up to and including the blank line; HTTP/1 only.
    pub raw_head: Option<Bytes>,
    /// The body, unframed; what had arrived of it, if the client left.
    pub body: Bytes,
    /// The status answered, once it was.
    pub status: Option<u16>,
    /// How the call ended so far.
    pub ended: Ended,
}

impl Seen {
    /// The first value of a header, by any case; `None` if absent or not UTF-8.
    pub fn header(&self, name: &str) -> Option<&str> {
        let (_, value) = self
            .headers
            .iter()
            .find(|(n, _)| n.eq_ignore_ascii_case(name))?;
        std::str::from_utf8(value).ok()
    }

    /// The target's path, without the query.
    pub fn path(&self) -> &str {
        self.target
            .split_once('?')
            .map_or(&self.target, |(path, _)| path)
    }

    /// The body as JSON; `Null` if it is not.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }
}

/// What the upstream billed since it started. A broken or cancelled stream is billed for its input
/// and for the tokens sent until then, as vendors do.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Meter {
    /// Requests whose head arrived.
    pub requests: u64,
    /// Requests that cost something.
    pub billed: u64,
    /// Input tokens.
    pub input_tokens: u64,
    /// Output tokens.
    pub output_tokens: u64,
}
