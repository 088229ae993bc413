//! Decode: finding where a JSON value ends, without recursion and without decoding it.

use memchr::memchr2;

use super::{JsonError, MAX_DEPTH};

/// The first index at or after `at` that is not white space.
#[inline]
pub(super) fn space(bytes: &[u8], mut at: usize) -> usize {
    while let Some(b' ' | b'\n' | b'\r' | b'\t') = bytes.get(at) {
        at += 1;
    }
    at
}

/// Ensures that only white space follows `at`.
pub(super) fn end(bytes: &[u8], at: usize) -> Result<(), JsonError> {
    match space(bytes, at) {
        at if at == bytes.len() => Ok(()),
        at => Err(JsonError::new(
            at,
            "unexpected bytes after the end of the document",
        )),
    }
}

/// The end of the string whose opening quote is at `open`, and whether it contains escapes.
#[inline]
pub(super) fn string(bytes: &[u8], open: usize) -> Result<(usize, bool), JsonError> {
    let mut at = open + 1;
    let mut escaped = false;
    loop {
        at = skip_text(bytes, at);
        match bytes.get(at) {
            Some(b'"') => return Ok((at + 1, escaped)),
            Some(_) => {
                at = escape(bytes, at)?;
                escaped = true;
            }
            None => return Err(JsonError::new(open, "string without an end")),
        }
    }
}

/// The end of the escape whose backslash is at `at`.
fn escape(bytes: &[u8], at: usize) -> Result<usize, JsonError> {
    match bytes.get(at + 1) {
        Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => Ok(at + 2),
        Some(b'u')
            if bytes
                .get(at + 2..at + 6)
                .is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit)) =>
        {
            Ok(at + 6)
        }
        _ => Err(JsonError::new(at, "unknown escape in a string")),
    }
}

/// The end of the key at `at` and of the colon and white space after it.
#[inline]
pub(super) fn key(bytes: &[u8], at: usize) -> Result<KeyEnd, JsonError> {
    if bytes.get(at) != Some(&b'"') {
        return Err(JsonError::new(at, "expected a key"));
    }
    let (end, escaped) = string(bytes, at)?;
    let colon = space(bytes, end);
    if bytes.get(colon) != Some(&b':') {
        return Err(JsonError::new(colon, "expected a colon"));
    }
    Ok(KeyEnd {
        end,
        escaped,
        value: space(bytes, colon + 1),
    })
}

/// Where a key ends and its value begins.
pub(super) struct KeyEnd {
    pub(super) end: usize,
    pub(super) escaped: bool,
    pub(super) value: usize,
}

/// The containers open at one place: a bit for each, set for objects.
struct Open {
    objects: u128,
    depth: u32,
    room: u32,
}

impl Open {
    fn push(&mut self, object: bool, at: usize) -> Result<(), JsonError> {
        if self.depth == self.room {
            return Err(JsonError::new(at, "too many open brackets"));
        }
        self.depth += 1;
        self.objects = (self.objects << 1) | u128::from(object);
        Ok(())
    }

    fn pop(&mut self) {
        self.depth -= 1;
        self.objects >>= 1;
    }

    fn in_object(&self) -> bool {
        self.objects & 1 == 1
    }
}

/// The end of the value that begins at `at`, in which `room` brackets may be open at once.
pub(super) fn value(bytes: &[u8], mut at: usize, room: u32) -> Result<usize, JsonError> {
    debug_assert!(room <= MAX_DEPTH);
    let mut open = Open {
        objects: 0,
        depth: 0,
        room,
    };
    loop {
        at = match bytes.get(at) {
            Some(b'"') => string(bytes, at)?.0,
            Some(b'{') => {
                open.push(true, at)?;
                at = space(bytes, at + 1);
                if bytes.get(at) != Some(&b'}') {
                    at = key(bytes, at)?.value;
                    continue;
                }
                at
            }
            Some(b'[') => {
                open.push(false, at)?;
                match items(bytes, space(bytes, at + 1))? {
                    Items::End(at) => at,
                    Items::Value(next) => {
                        at = next;
                        continue;
                    }
                }
            }
            _ => scalar(bytes, at)?,
        };
        match after(bytes, at, &mut open)? {
            After::Whole(end) => return Ok(end),
            After::Value(next) => at = next,
        }
    }
}

enum After {
    /// The outermost value is complete.
    Whole(usize),
    /// Another value begins here.
    Value(usize),
}

/// Goes on behind a value: closes what closes, and finds the next value.
#[inline]
fn after(bytes: &[u8], mut at: usize, open: &mut Open) -> Result<After, JsonError> {
    while open.depth > 0 {
        at = space(bytes, at);
        match (bytes.get(at), open.in_object()) {
            (Some(b','), true) => {
                return Ok(After::Value(key(bytes, space(bytes, at + 1))?.value));
            }
            (Some(b','), false) => return Ok(After::Value(space(bytes, at + 1))),
            (Some(b'}'), true) | (Some(b']'), false) => {
                open.pop();
                at += 1;
            }
            (_, true) => return Err(JsonError::new(at, "expected a comma or a closing brace")),
            (_, false) => return Err(JsonError::new(at, "expected a comma or a closing bracket")),
        }
    }
    Ok(After::Whole(at))
}

enum Items {
    /// The closing bracket is here.
    End(usize),
    /// A value begins here.
    Value(usize),
}

/// Begins an array at its first byte that is not blank, passing over the numbers it starts with.
fn items(bytes: &[u8], at: usize) -> Result<Items, JsonError> {
    match bytes.get(at) {
        Some(b']') => return Ok(Items::End(at)),
        Some(b'-' | b'0'..=b'9') => {}
        _ => return Ok(Items::Value(at)),
    }
    let stop = skip_numbers(bytes, at);
    let run = bytes[at..stop].trim_ascii_end();
    match (bytes.get(stop), run.last()) {
        (Some(b']'), Some(b'0'..=b'9')) => Ok(Items::End(stop)),
        (Some(b']'), _) => Err(JsonError::new(stop, "expected a value")),
        (_, Some(b',')) => Ok(Items::Value(stop)),
        _ => Err(JsonError::new(
            stop,
            "expected a comma or a closing bracket",
        )),
    }
}

/// Whether a byte may stand in a list of numbers; control characters count as blanks.
#[inline]
fn in_numbers(b: u8) -> bool {
    // `+`, `,`, `-`, `.` and the digits lie together, with `/` among them.
    ((b.wrapping_sub(b'+') < 15) & (b != b'/')) | (b <= b' ') | ((b | 0x20) == b'e')
}

/// The end of a number or literal.
fn scalar(bytes: &[u8], at: usize) -> Result<usize, JsonError> {
    let word: &[u8] = match bytes.get(at) {
        Some(b'-' | b'0'..=b'9') => return number(bytes, at),
        Some(b't') => b"true",
        Some(b'f') => b"false",
        Some(b'n') => b"null",
        Some(_) => return Err(JsonError::new(at, "expected a value")),
        None => return Err(JsonError::new(at, "the document ends too early")),
    };
    if bytes[at..].starts_with(word) {
        Ok(at + word.len())
    } else {
        Err(JsonError::new(at, "unknown literal"))
    }
}

fn number(bytes: &[u8], start: usize) -> Result<usize, JsonError> {
    let mut at = start + usize::from(bytes[start] == b'-');
    at = match bytes.get(at) {
        Some(b'0') => at + 1,
        _ => digits(bytes, at)?,
    };
    if bytes.get(at) == Some(&b'.') {
        at = digits(bytes, at + 1)?;
    }
    if let Some(b'e' | b'E') = bytes.get(at) {
        let signed = matches!(bytes.get(at + 1), Some(b'+' | b'-'));
        at = digits(bytes, at + 1 + usize::from(signed))?;
    }
    Ok(at)
}

/// The end of the digits at `at`, of which there is at least one.
fn digits(bytes: &[u8], at: usize) -> Result<usize, JsonError> {
    match bytes[at..]
        .iter()
        .take_while(|b| b.is_ascii_digit())
        .count()
    {
        0 => Err(JsonError::new(at, "expected a digit")),
        n => Ok(at + n),
    }
}

/// The first quote or backslash at or after `at`, or the end.
///
/// Most strings are short, and most bytes are in long ones: a search that starts up fast takes the
/// first of them, one that runs fast the rest.
#[inline]
fn skip_text(bytes: &[u8], mut at: usize) -> usize {
    for _ in 0..2 {
        match bytes[at..].first_chunk().map(stops) {
            Some(0) => at += WORD,
            Some(stops) => return at + (stops.trailing_zeros() / 8) as usize,
            None => break,
        }
    }
    memchr2(b'"', b'\\', &bytes[at..]).map_or(bytes.len(), |n| at + n)
}

const WORD: usize = size_of::<u64>();

/// A word whose lowest set bit is in the first byte that is a quote or a backslash; 0 without one.
///
/// Subtracting one borrows into the highest bit of a byte that is zero. A borrow may go on into the
/// bytes above, but never sets a bit below the first that counts.
#[inline]
fn stops(word: &[u8; WORD]) -> u64 {
    const EACH: u64 = u64::from_ne_bytes([1; WORD]);
    let word = u64::from_le_bytes(*word);
    let zeros = |word: u64| word.wrapping_sub(EACH) & !word;
    let quote = zeros(word ^ (EACH * u64::from(b'"')));
    let backslash = zeros(word ^ (EACH * u64::from(b'\\')));
    (quote | backslash) & (EACH << 7)
}

/// The first byte at or after `at` that cannot stand in a list of numbers, or the end.
///
/// Blocks are looked at without branches, which compiles to vector code on every target.
fn skip_numbers(bytes: &[u8], at: usize) -> usize {
    let (blocks, _) = bytes[at..].as_chunks::<32>();
    let others = |block: &[u8; 32]| {
        block
            .iter()
            .fold(0, |any, &b| any | u8::from(!in_numbers(b)))
    };
    let at = at + 32 * blocks.iter().take_while(|block| others(block) == 0).count();
    at + bytes[at..].iter().take_while(|&&b| in_numbers(b)).count()
}
