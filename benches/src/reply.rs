//! Reads the replies to a client that must cost less than what it measures.

use memchr::memchr;

/// Reads HTTP/1.1 replies, one after the other, and counts the bytes of their bodies.
#[derive(Debug)]
pub struct ReplyReader {
    state: State,
    /// The part of a line that has arrived.
    line: Vec<u8>,
    length: Option<u64>,
    body: u64,
}

/// Why a reply is not what it should be.
#[derive(Debug, PartialEq, Eq)]
pub struct WrongReply(pub String);

#[derive(Clone, Copy, Debug)]
enum State {
    Status,
    Header,
    /// So much of a body of known length is to come.
    Body(u64),
    Size,
    /// So much of a chunk is to come.
    Chunk(u64),
    /// The line end behind a chunk.
    Gap,
    Trailer,
}

impl Default for ReplyReader {
    fn default() -> Self {
        Self {
            state: State::Status,
            line: Vec::new(),
            length: None,
            body: 0,
        }
    }
}

impl ReplyReader {
    /// Reads on. Returns the bytes of the body once the reply is whole, and is then ready for the next.
    ///
    /// # Errors
    ///
    /// When the status is not 200, the length is not told, or the bytes are no reply.
    pub fn push(&mut self, mut data: &[u8]) -> Result<Option<u64>, WrongReply> {
        while !data.is_empty() {
            let whole = match self.state {
                State::Body(left) => {
                    let left = self.take(left, &mut data);
                    self.state = State::Body(left);
                    left == 0
                }
                State::Chunk(left) => {
                    let left = self.take(left, &mut data);
                    self.state = if left == 0 {
                        State::Gap
                    } else {
                        State::Chunk(left)
                    };
                    false
                }
                _ => self.push_line(&mut data)?,
            };
            if whole {
                if !data.is_empty() {
                    return Err(WrongReply("bytes behind the reply".into()));
                }
                return Ok(Some(std::mem::take(self).body));
            }
        }
        Ok(None)
    }

    fn take(&mut self, left: u64, data: &mut &[u8]) -> u64 {
        let n = left.min(data.len() as u64);
        *data = &data[usize::try_from(n).expect("no more than there is")..];
        self.body += n;
        left - n
    }

    /// Reads to the end of a line, if it is there. Returns whether the reply is whole.
    fn push_line(&mut self, data: &mut &[u8]) -> Result<bool, WrongReply> {
        let Some(end) = memchr(b'\n', data) else {
            self.line.extend_from_slice(data);
            *data = &[];
            return Ok(false);
        };
        let (line, rest) = data.split_at(end + 1);
        *data = rest;
        if self.line.is_empty() {
            return self.line(line.trim_ascii());
        }
        let mut whole = std::mem::take(&mut self.line);
        whole.extend_from_slice(line);
        self.line(whole.trim_ascii())
    }

    fn line(&mut self, line: &[u8]) -> Result<bool, WrongReply> {
        let wrong = || WrongReply(String::from_utf8_lossy(line).into_owned());
        self.state = match self.state {
            State::Status if line.starts_with(b"HTTP/1.1 200") => State::Header,
            State::Header if line.is_empty() => match self.length {
                Some(0) => return Ok(true),
                Some(length) => State::Body(length),
                None => State::Size,
            },
            State::Header => {
                self.length = length(line).map_err(|()| wrong())?.or(self.length);
                State::Header
            }
            State::Size => match number(line, 16).ok_or_else(wrong)? {
                0 => State::Trailer,
                size => State::Chunk(size),
            },
            State::Gap if line.is_empty() => State::Size,
            State::Trailer if line.is_empty() => return Ok(true),
            State::Trailer => State::Trailer,
            _ => return Err(wrong()),
        };
        Ok(false)
    }
}

/// The length a header field tells, if it is about that.
fn length(line: &[u8]) -> Result<Option<u64>, ()> {
    let Some((name, value)) = line.split_at_checked(b"content-length:".len()) else {
        return Ok(None);
    };
    if !name.eq_ignore_ascii_case(b"content-length:") {
        return Ok(None);
    }
    number(value.trim_ascii(), 10).map(Some).ok_or(())
}

fn number(digits: &[u8], radix: u32) -> Option<u64> {
    u64::from_str_radix(std::str::from_utf8(digits).ok()?, radix).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIXED: &[u8] = b"HTTP/1.1 200 OK\r\nA: b\r\nContent-Length: 5\r\n\r\nhello";
    const CHUNKED: &[u8] =
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\na\r\n0123456789\r\n0\r\n\r\n";

    #[test]
    fn a_body_is_counted_at_every_split() {
        for (reply, body) in [(FIXED, 5), (CHUNKED, 13)] {
            for split in 1..reply.len() {
                let mut reader = ReplyReader::default();
                for _ in 0..2 {
                    assert_eq!(reader.push(&reply[..split]), Ok(None));
                    assert_eq!(reader.push(&reply[split..]), Ok(Some(body)));
                }
            }
        }
    }

    #[test]
    fn another_status_and_bytes_behind_the_end_are_wrong() {
        let mut reader = ReplyReader::default();
        let refused = reader.push(b"HTTP/1.1 401 Unauthorized\r\n");
        assert_eq!(refused, Err(WrongReply("HTTP/1.1 401 Unauthorized".into())));
        assert!(
            ReplyReader::default()
                .push(&[FIXED, b"x"].concat())
                .is_err()
        );
    }
}
