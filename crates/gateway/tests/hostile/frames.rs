//! The client's side of HTTP/2, frame by frame, so that every rule of it can be broken.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::PATIENCE;

pub(crate) const DATA: u8 = 0;
pub(crate) const HEADERS: u8 = 1;
pub(crate) const PRIORITY: u8 = 2;
pub(crate) const RST_STREAM: u8 = 3;
pub(crate) const SETTINGS: u8 = 4;
pub(crate) const PING: u8 = 6;
pub(crate) const GOAWAY: u8 = 7;
pub(crate) const WINDOW_UPDATE: u8 = 8;
pub(crate) const CONTINUATION: u8 = 9;

pub(crate) const END_STREAM: u8 = 1;
pub(crate) const END_HEADERS: u8 = 4;

/// One frame.
pub(crate) fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let mut frame = vec![length[1], length[2], length[3], kind, flags];
    frame.extend_from_slice(&stream.to_be_bytes());
    frame.extend_from_slice(payload);
    frame
}

/// Header fields as HPACK literals, none of them indexed or compressed.
pub(crate) fn block(fields: &[(&str, &str)]) -> Vec<u8> {
    let mut block = Vec::new();
    for (name, value) in fields {
        block.push(0);
        for text in [name, value] {
            length(&mut block, text.len());
            block.extend_from_slice(text.as_bytes());
        }
    }
    block
}

/// An HPACK integer with a prefix of seven bits.
fn length(block: &mut Vec<u8>, length: usize) {
    let Some(mut rest) = length.checked_sub(127) else {
        return block.push(u8::try_from(length).unwrap());
    };
    block.push(127);
    while rest >= 128 {
        block.push(u8::try_from(rest % 128).unwrap() | 128);
        rest /= 128;
    }
    block.push(u8::try_from(rest).unwrap());
}

/// The head of a request, in one frame.
pub(crate) fn head(stream: u32, flags: u8, fields: &[(&str, &str)]) -> Vec<u8> {
    frame(HEADERS, flags | END_HEADERS, stream, &block(fields))
}

/// A connection that has been opened properly.
pub(crate) struct Peer {
    pub(crate) socket: TcpStream,
    read: Vec<u8>,
}

/// What was heard of one stream and of its connection.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Heard {
    pub(crate) status: Option<u16>,
    pub(crate) body: String,
    /// The code the stream was reset with.
    pub(crate) reset: Option<u32>,
    /// The code the connection is to end with.
    pub(crate) goaway: Option<u32>,
    pub(crate) closed: bool,
}

impl Peer {
    pub(crate) async fn connect(addr: SocketAddr) -> Self {
        Self::with(addr, &[]).await
    }

    /// A connection with settings, as pairs of identifier and value.
    pub(crate) async fn with(addr: SocketAddr, settings: &[(u16, u32)]) -> Self {
        let mut socket = TcpStream::connect(addr).await.unwrap();
        socket.set_nodelay(true).unwrap();
        let pairs = settings.iter();
        let payload: Vec<u8> = pairs
            .flat_map(|(id, value)| [&id.to_be_bytes()[..], &value.to_be_bytes()].concat())
            .collect();
        let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
        let opening = [&preface[..], &frame(SETTINGS, 0, 0, &payload)].concat();
        socket.write_all(&opening).await.unwrap();
        let read = Vec::new();
        Self { socket, read }
    }

    /// Sends bytes; false when the other side takes no more.
    pub(crate) async fn send(&mut self, bytes: impl AsRef<[u8]>) -> bool {
        self.socket.write_all(bytes.as_ref()).await.is_ok()
    }

    /// Sends the same over and over, reading nothing. Returns how often, or that it got stuck or was refused.
    pub(crate) async fn flood(&mut self, bytes: &[u8], times: usize, patience: Duration) -> usize {
        let mut sent = 0;
        let write = async {
            while sent < times && self.socket.write_all(bytes).await.is_ok() {
                sent += 1;
            }
        };
        tokio::time::timeout(patience, write).await.ok();
        sent
    }

    /// Reads until the stream has ended or the connection has.
    pub(crate) async fn hear(&mut self, stream: u32) -> Heard {
        let mut heard = Heard::default();
        while let Some((kind, flags, of, payload)) = self.frame().await {
            let code = |at: usize| {
                let bytes = payload.get(at..at + 4).and_then(|b| b.try_into().ok());
                bytes.map(u32::from_be_bytes)
            };
            match kind {
                GOAWAY => heard.goaway = code(4),
                HEADERS if of == stream => heard.status = heard.status.or_else(|| status(&payload)),
                DATA if of == stream => heard.body.push_str(&String::from_utf8_lossy(&payload)),
                RST_STREAM if of == stream => {
                    heard.reset = code(0);
                    return heard;
                }
                _ => {}
            }
            let ends = matches!(kind, DATA | HEADERS) && of == stream && flags & END_STREAM > 0;
            if ends {
                return heard;
            }
        }
        heard.closed = true;
        heard
    }

    /// The next frame; none when the connection has ended.
    async fn frame(&mut self) -> Option<(u8, u8, u32, Vec<u8>)> {
        loop {
            if let Some(length) = self
                .read
                .get(..9)
                .map(|h| u32::from_be_bytes([0, h[0], h[1], h[2]]))
            {
                let whole = 9 + length as usize;
                if self.read.len() >= whole {
                    let rest = self.read.split_off(whole);
                    let frame = std::mem::replace(&mut self.read, rest);
                    let stream = u32::from_be_bytes(frame[5..9].try_into().unwrap());
                    return Some((frame[3], frame[4], stream, frame[9..].to_vec()));
                }
            }
            let read = self.socket.read_buf(&mut self.read);
            match tokio::time::timeout(PATIENCE, read).await {
                Ok(Ok(0) | Err(_)) => return None,
                Ok(Ok(_)) => {}
                Err(_) => panic!("the connection is neither closed nor answered"),
            }
        }
    }
}

/// The status of a reply: the first field of its head, in any of the ways HPACK has for it.
fn status(block: &[u8]) -> Option<u16> {
    let whole = [200, 204, 206, 304, 400, 404, 500];
    match *block {
        [first @ 0x88..=0x8e, ..] => Some(whole[usize::from(first - 0x88)]),
        [0x08 | 0x18 | 0x48, 3, a, b, c, ..] => std::str::from_utf8(&[a, b, c]).ok()?.parse().ok(),
        [0x08 | 0x18 | 0x48, length, ref rest @ ..] if length & 0x80 > 0 => {
            digits(rest.get(..usize::from(length & 0x7f))?)
        }
        _ => None,
    }
}

/// Three digits in the Huffman code of HPACK: 0 to 2 have five bits, 3 to 9 have six.
fn digits(coded: &[u8]) -> Option<u16> {
    let mut bits = coded
        .iter()
        .flat_map(|byte| (0..8).rev().map(move |n| u16::from(byte >> n & 1)));
    let mut number = 0;
    for _ in 0..3 {
        let mut code = 0;
        for _ in 0..5 {
            code = code << 1 | bits.next()?;
        }
        if code > 2 {
            code = (code << 1 | bits.next()?).checked_sub(22)?;
        }
        number = number * 10 + code;
    }
    Some(number)
}
