//! Route stretch: whether a path says the same to everyone who reads it.

/// How a request's path can be read.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Reading {
    /// In one way only.
    Plain,
    /// As it stands, or in this normal form.
    Ambiguous(String),
    /// It has a `.` or `..` segment in some spelling, so readers end in different places.
    Refused,
}

/// A character of a path after unescaping what RFC 3986 §6.2.2.2 calls unreserved, and slashes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Unit {
    /// `/`, `\`, or the escape of either.
    Slash,
    /// Any other character that stands for itself.
    Byte(u8),
    /// The escape of a character that must stay escaped.
    Escape(u8),
}

/// Reads `path`; allocates for [`Reading::Ambiguous`] only.
pub(super) fn read(path: &str) -> Reading {
    if is_plain(path.as_bytes()) {
        return Reading::Plain;
    }
    match scan(path.as_bytes()) {
        (true, _) => Reading::Refused,
        (false, false) => Reading::Plain,
        (false, true) => Reading::Ambiguous(normal(path.as_bytes())),
    }
}

/// The first character of `path` and how many bytes it takes; none at the end.
pub(super) fn unit(path: &[u8]) -> Option<(Unit, usize)> {
    Some(match *path {
        [] => return None,
        [b'/' | b'\\', ..] => (Unit::Slash, 1),
        [b'%', high, low, ..] => match escaped(high, low) {
            Some(b'/' | b'\\') => (Unit::Slash, 3),
            Some(b) if is_unreserved(b) => (Unit::Byte(b), 3),
            Some(b) => (Unit::Escape(b), 3),
            None => (Unit::Byte(b'%'), 1),
        },
        [b, ..] => (Unit::Byte(b), 1),
    })
}

/// The byte that `%` before these two digits stands for.
pub(super) fn escaped(high: u8, low: u8) -> Option<u8> {
    let digit = |b: u8| char::from(b).to_digit(16);
    u8::try_from(digit(high)? << 4 | digit(low)?).ok()
}

/// A quick look at each pair of neighbours: nothing escaped, no backslash, and no slash before a
/// slash or a dot. Most paths pass; the others are scanned.
fn is_plain(path: &[u8]) -> bool {
    let mut rest = path;
    let mut odd = false;
    while let Some(block) = rest.first_chunk::<17>() {
        odd |= is_odd(block);
        rest = &rest[16..];
    }
    let mut last = [0; 17];
    last[..rest.len()].copy_from_slice(rest);
    !(odd | is_odd(&last))
}

/// Looks at the first sixteen bytes and the one behind each. Without a branch, so that it compiles
/// to vectors.
fn is_odd(block: &[u8; 17]) -> bool {
    let mut odd = 0;
    for at in 0..16 {
        let (byte, next) = (block[at], block[at + 1]);
        // `.` and `/` differ in the lowest bit only.
        let pair = u8::from(byte == b'/') & u8::from(next | 1 == b'/');
        odd |= pair | u8::from(byte == b'%') | u8::from(byte == b'\\');
    }
    odd != 0
}

/// Whether the path has dot segments, and whether its normal form is another path.
fn scan(path: &[u8]) -> (bool, bool) {
    let (mut dotted, mut changed) = (false, false);
    // The number of dots of a segment that has had nothing else yet.
    let mut dots = None;
    let mut after_slash = false;
    let mut rest = path;
    while let Some((next, width)) = unit(rest) {
        // Some servers cut a segment at its `;` before they look for dots.
        let ends = next == Unit::Slash || next == Unit::Byte(b';');
        dotted |= ends && matches!(dots, Some(1 | 2));
        dots = match (next, dots) {
            (Unit::Slash, _) => Some(0),
            (Unit::Byte(b'.'), Some(n @ 0..2)) => Some(n + 1),
            _ => None,
        };
        changed |= match next {
            Unit::Slash => after_slash || rest[0] != b'/',
            Unit::Byte(_) => width > 1,
            Unit::Escape(_) => rest[1].is_ascii_lowercase() || rest[2].is_ascii_lowercase(),
        };
        after_slash = next == Unit::Slash;
        rest = &rest[width..];
    }
    (dotted || matches!(dots, Some(1 | 2)), changed)
}

/// The path with one spelling for each character, and single slashes.
fn normal(path: &[u8]) -> String {
    let mut normal = Vec::with_capacity(path.len());
    let mut rest = path;
    while let Some((next, width)) = unit(rest) {
        match next {
            Unit::Slash if normal.last() == Some(&b'/') => {}
            Unit::Slash => normal.push(b'/'),
            Unit::Byte(b) => normal.push(b),
            Unit::Escape(b) => normal.extend(format!("%{b:02X}").bytes()),
        }
        rest = &rest[width..];
    }
    String::from_utf8(normal).expect("only ASCII characters are unescaped or replaced")
}

/// RFC 3986 §2.3.
fn is_unreserved(b: u8) -> bool {
    b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_' | b'~')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ordinary_paths_are_plain() {
        for path in [
            "",
            "*",
            "/",
            "/a",
            "/a/",
            "/a.b/c",
            "/.well-known/x",
            "/...",
            "/a%20b%3A",
            "/a%zz%",
            "/é",
        ] {
            assert_eq!(read(path), Reading::Plain, "{path}");
        }
    }

    #[test]
    fn what_is_odd_is_seen_at_every_place_of_a_long_path() {
        for length in 1..70 {
            let plain = format!("/{}", "a".repeat(length));
            assert!(is_plain(plain.as_bytes()));
            for odd in ["%", "\\", "//", "/."] {
                for at in 1..=length {
                    let path = format!("{}{odd}{}", &plain[..at], &plain[at..]);
                    assert!(!is_plain(path.as_bytes()), "{path}");
                }
            }
        }
    }

    #[test]
    fn dot_segments_are_refused_in_every_spelling() {
        for path in [
            "/.",
            "/..",
            "/./a",
            "/a/../b",
            "/%2e",
            "/.%2E/a",
            "/a%2f..%2fb",
            "/a\\..\\b",
            "/..%5cb",
            "/a/..;/b",
            "/.;x=1",
            "/a//..",
        ] {
            assert_eq!(read(path), Reading::Refused, "{path}");
        }
    }

    #[test]
    fn other_spellings_are_ambiguous() {
        for (path, expected) in [
            ("//a", "/a"),
            ("/a//", "/a/"),
            ("/a%2Fb", "/a/b"),
            ("/a%2f/b", "/a/b"),
            ("/a\\b", "/a/b"),
            ("/%61", "/a"),
            ("/%c3%A9é", "/%C3%A9é"),
            ("/%2561", "/%2561"),
        ] {
            let expected = expected.to_owned();
            let reading = if path == expected {
                Reading::Plain
            } else {
                Reading::Ambiguous(expected)
            };
            assert_eq!(read(path), reading, "{path}");
        }
    }
}
