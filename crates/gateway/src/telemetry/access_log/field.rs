//! Beside the line: pieces of a log line, written straight into bytes.

use std::io::Write;
use std::net::SocketAddr;
use std::time::{Duration, SystemTime};

use jiff::Timestamp;
use jiff::fmt::temporal::DateTimePrinter;
use portcullis_core::context::Outcome;

/// Text longer than this is cut off, with an ellipsis.
const MAX_TEXT: usize = 1024;

/// Writes a moment as RFC 3339 in UTC, to the millisecond.
pub(super) fn time(out: &mut Vec<u8>, at: SystemTime) {
    const PRINTER: DateTimePrinter = DateTimePrinter::new().precision(Some(3));
    let at = Timestamp::try_from(at).unwrap_or_default();
    PRINTER
        .print_timestamp(&at, out)
        .expect("a vector takes any bytes");
}

/// Writes a number.
pub(super) fn number(out: &mut Vec<u8>, mut n: u64) {
    let mut digits = [0; 20];
    let mut at = digits.len();
    loop {
        at -= 1;
        digits[at] = b'0' + (n % 10) as u8;
        n /= 10;
        if n == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[at..]);
}

/// Writes milliseconds with three decimals.
pub(super) fn millis(out: &mut Vec<u8>, span: Duration) {
    let micros = u64::try_from(span.as_micros()).unwrap_or(u64::MAX);
    number(out, micros / 1000);
    let rest = (micros % 1000) as u32;
    let digit = |n: u32| b'0' + (n % 10) as u8;
    out.extend_from_slice(&[b'.', digit(rest / 100), digit(rest / 10), digit(rest)]);
}

/// Writes an address with its port, as its `Display` does.
pub(super) fn address(out: &mut Vec<u8>, address: SocketAddr) {
    let SocketAddr::V4(v4) = address else {
        return write!(out, "{address}").expect("a vector takes any bytes");
    };
    for (n, octet) in v4.ip().octets().into_iter().enumerate() {
        out.extend_from_slice(if n == 0 { b"" } else { b"." });
        number(out, octet.into());
    }
    out.push(b':');
    number(out, v4.port().into());
}

/// Writes text as a JSON string. No control character, line or direction mark leaves it as it is, and no
/// more than [`MAX_TEXT`] bytes of it stay.
pub(super) fn quoted(out: &mut Vec<u8>, text: &str) {
    let (text, cut) = shorten(text);
    out.push(b'"');
    // No early exit: without one the loop looks at many bytes at a time.
    if text
        .bytes()
        .fold(true, |plain, byte| plain & is_plain(byte))
    {
        out.extend_from_slice(text.as_bytes());
    } else {
        text.chars().for_each(|c| escaped(out, c));
    }
    if cut {
        out.extend_from_slice("…".as_bytes());
    }
    out.push(b'"');
}

fn shorten(text: &str) -> (&str, bool) {
    let end = text.floor_char_boundary(MAX_TEXT);
    (&text[..end], end < text.len())
}

fn is_plain(byte: u8) -> bool {
    (b' '..=b'~').contains(&byte) & (byte != b'"') & (byte != b'\\')
}

fn escaped(out: &mut Vec<u8>, c: char) {
    match c {
        '"' | '\\' => out.extend_from_slice(&[b'\\', c as u8]),
        '\n' => out.extend_from_slice(b"\\n"),
        // Marks that break lines or turn the direction of what follows are no text either.
        c if c.is_control()
            || matches!(c, '\u{200e}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}') =>
        {
            write!(out, "\\u{:04x}", u32::from(c)).expect("a vector takes any bytes");
        }
        c => out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
    }
}

/// The part of a path before any query. Records hold none; a log must not depend on that.
pub(super) fn without_query(path: &str) -> &str {
    path.split(['?', '#']).next().unwrap_or_default()
}

/// The name of an outcome, and the code of a failure.
pub(super) fn outcome(outcome: Outcome) -> (&'static str, Option<&'static str>) {
    match outcome {
        Outcome::Completed => ("completed", None),
        Outcome::ClientLeft => ("client_left", None),
        Outcome::Failed(code) => ("failed", Some(code.name)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(f: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        f(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn numbers_and_spans_are_written_as_the_standard_library_does() {
        for n in [0, 9, 10, 65_536, u64::MAX] {
            assert_eq!(written(|out| number(out, n)), n.to_string());
        }
        for micros in [0, 7, 70, 999, 1000, 812_345] {
            let span = Duration::from_micros(micros);
            let expected = format!("{:.3}", span.as_secs_f64() * 1000.0);
            assert_eq!(written(|out| millis(out, span)), expected);
        }
    }

    #[test]
    fn addresses_are_written_as_the_standard_library_does() {
        for text in ["0.0.0.0:0", "203.0.113.9:65535", "[2001:db8::1]:443"] {
            let parsed = text.parse().unwrap();
            assert_eq!(written(|out| address(out, parsed)), text);
        }
    }

    #[test]
    fn quoted_text_is_json_without_control_characters() {
        for text in [
            "",
            "plain",
            "a\"b\\c",
            "tab\tnl\ncr\rnul\0esc\u{1b}[31m",
            "ü€😀",
        ] {
            let line = written(|out| quoted(out, text));
            assert!(!line.chars().any(char::is_control), "{line}");
            assert_eq!(serde_json::from_str::<String>(&line).unwrap(), text);
        }
        let marks = "a\u{7f}\u{85}\u{9b}\u{2028}\u{202e}b";
        assert_eq!(
            written(|out| quoted(out, marks)),
            r#""a\u007f\u0085\u009b\u2028\u202eb""#
        );
    }

    #[test]
    fn long_text_is_cut_at_a_character() {
        let line = written(|out| quoted(out, &"€".repeat(1000)));
        assert_eq!(line, format!("\"{}…\"", "€".repeat(MAX_TEXT / 3)));
    }

    #[test]
    fn a_query_never_stays() {
        assert_eq!(without_query("/a?key=secret"), "/a");
        assert_eq!(without_query("/a#b"), "/a");
        assert_eq!(without_query("/a"), "/a");
    }
}
