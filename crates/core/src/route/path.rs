//! Route stretch: the path a route is for.

use std::fmt;

use super::error::{MatchError, bounded};
use super::pattern::Pattern;
use super::reading::{Reading, Unit, read, unit};

/// The longest path or expression a route may name, in bytes.
const MAX_PATH: usize = 1024;

/// The path a route is for: one path, everything below one, or what an expression describes.
///
/// Paths match as the client sent them, by bytes, letters in their case; the query is no part of
/// them. See [the module](super#paths-that-can-be-read-in-two-ways) for escapes, doubled slashes
/// and dot segments. The default is the prefix `/`: every path.
///
/// Implements `HTTPPathMatch` of the Gateway API.
///
/// ```
/// use portcullis_core::route::PathMatch;
///
/// let prefix = PathMatch::prefix("/foo/")?;
/// assert!(prefix.is_match("/foo") && prefix.is_match("/foo/") && prefix.is_match("/foo/bar"));
/// assert!(!prefix.is_match("/foobar"));
/// assert!(!PathMatch::exact("/foo")?.is_match("/foo/"));
/// assert!(PathMatch::regex("/v[12]/.*")?.is_match("/v1/models"));
/// # Ok::<(), portcullis_core::route::MatchError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PathMatch(pub(super) Kind);

/// In order of precedence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Exact(Box<str>),
    Regex(Pattern),
    /// Without a trailing slash, so empty for every path.
    Prefix(Box<str>),
}

impl PathMatch {
    /// The one path `path`; a trailing slash makes it another.
    ///
    /// # Errors
    ///
    /// [`MatchError::Path`] if it does not begin with `/`, has an empty, `.` or `..` segment, an
    /// escaped slash, or a character that stands in no path (RFC 3986 §3.3);
    /// [`MatchError::TooLong`] above 1024 bytes.
    pub fn exact(path: &str) -> Result<Self, MatchError> {
        Ok(Self(Kind::Exact(checked(path)?.into())))
    }

    /// `path` and every path below it, by whole segments. A trailing slash means nothing.
    ///
    /// # Errors
    ///
    /// As [`exact`](Self::exact).
    pub fn prefix(path: &str) -> Result<Self, MatchError> {
        let path = checked(path)?;
        Ok(Self(Kind::Prefix(
            path.strip_suffix('/').unwrap_or(&path).into(),
        )))
    }

    /// Every path the expression matches as a whole, in the syntax of the `regex` crate.
    ///
    /// # Errors
    ///
    /// [`MatchError::Pattern`] if it does not compile, or compiles to more than a mebibyte;
    /// [`MatchError::TooLong`] above 1024 bytes.
    pub fn regex(pattern: &str) -> Result<Self, MatchError> {
        Ok(Self(Kind::Regex(Pattern::new(pattern, MAX_PATH)?)))
    }

    /// Whether `path` is meant, read as it stands.
    pub fn is_match(&self, path: &str) -> bool {
        match &self.0 {
            Kind::Exact(exact) => **exact == *path,
            Kind::Regex(pattern) => pattern.is_match(path.as_bytes()),
            Kind::Prefix(prefix) => {
                prefix.is_empty()
                    || path
                        .strip_prefix(&**prefix)
                        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
            }
        }
    }
}

impl Default for PathMatch {
    fn default() -> Self {
        Self(Kind::Prefix("".into()))
    }
}

impl fmt::Display for PathMatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Kind::Exact(path) => write!(f, "exact {path}"),
            Kind::Regex(pattern) => write!(f, "regex {}", pattern.as_str()),
            Kind::Prefix(path) if path.is_empty() => f.write_str("prefix /"),
            Kind::Prefix(path) => write!(f, "prefix {path}"),
        }
    }
}

/// The path with its escapes as RFC 3986 §6.2.2 writes them.
fn checked(path: &str) -> Result<String, MatchError> {
    bounded(path, MAX_PATH)?;
    if let Some(why) = fault(path) {
        return Err(MatchError::Path {
            path: path.into(),
            why,
        });
    }
    Ok(match read(path) {
        Reading::Ambiguous(normal) => normal,
        Reading::Plain | Reading::Refused => path.to_owned(),
    })
}

fn fault(path: &str) -> Option<&'static str> {
    if !path.starts_with('/') {
        return Some("does not begin with `/`");
    }
    if path.contains("//") {
        return Some("has an empty segment (`//`)");
    }
    if matches!(read(path), Reading::Refused) {
        return Some("has a `.` or `..` segment");
    }
    let mut rest = path.as_bytes();
    while let Some((next, width)) = unit(rest) {
        match next {
            Unit::Slash if width > 1 => return Some("has an escaped slash"),
            Unit::Byte(b) if !is_path(rest[0]) || b == b'%' => {
                return Some("has a character that must be escaped in a path");
            }
            Unit::Slash if rest[0] == b'\\' => return Some("has a backslash"),
            _ => rest = &rest[width..],
        }
    }
    None
}

/// RFC 3986 §3.3 `pchar`, and the `%` of an escape.
fn is_path(b: u8) -> bool {
    b.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:@%".contains(&b)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_that_could_be_read_in_two_ways_are_refused() {
        for path in [
            "",
            "foo",
            "*",
            "//",
            "/a//b",
            "/a/./b",
            "/a/../b",
            "/a/..",
            "/a/.",
            "/a%2fb",
            "/a%2Fb",
            "/a%5cb",
            "/a\\b",
            "/a?b",
            "/a#b",
            "/a b",
            "/é",
            "/a%2",
            "/a%zz",
            "/%2e%2e/a",
            "/a/..;x",
        ] {
            assert!(PathMatch::exact(path).is_err(), "{path}");
            assert!(PathMatch::prefix(path).is_err(), "{path}");
        }
    }

    #[test]
    fn every_character_of_a_path_may_be_named() {
        let path = "/v1/-._~!$&'()*+,;=:@/%20/.well-known/a..";
        assert!(PathMatch::exact(path).unwrap().is_match(path));
    }

    #[test]
    fn escapes_are_kept_in_one_spelling() {
        assert!(PathMatch::exact("/%61%c3%a9").unwrap().is_match("/a%C3%A9"));
    }

    #[test]
    fn length_is_bounded() {
        assert!(PathMatch::exact(&format!("/{}", "a".repeat(1023))).is_ok());
        assert!(PathMatch::exact(&format!("/{}", "a".repeat(1024))).is_err());
    }

    #[test]
    fn the_root_prefix_is_every_path() {
        let root = PathMatch::prefix("/").unwrap();
        assert_eq!(root, PathMatch::default());
        assert!(["/", "/a", "*", ""].iter().all(|path| root.is_match(path)));
    }
}
