//! Encode: names of tools in a dialect that does not allow them as they are.

use std::borrow::Cow;

use super::Text;

/// What a dialect allows in a name.
#[derive(Clone, Copy, Debug)]
pub struct Charset {
    /// The most bytes.
    pub max: usize,
    /// Which bytes, all of them ASCII.
    pub allowed: fn(u8) -> bool,
}

/// The names of one call, and how each is written. A name is written in the same way wherever it stands in the
/// call; two names never become one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Names(Vec<Name>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Name {
    was: Box<str>,
    written: Box<str>,
}

impl Names {
    /// The name as `charset` allows it: itself where it fits, else with `_` for what does not, and a checksum of
    /// the whole name at its end.
    pub fn fit(&mut self, name: &Text<'_>, charset: Charset) -> Text<'static> {
        let was = name.plain();
        if let Some(known) = self.0.iter().find(|known| *known.was == *was) {
            return Text::from(known.written.to_string());
        }
        let mut written = was.to_string();
        let mut salt = 0;
        while !fits(&written, charset) || self.0.iter().any(|known| *known.written == *written) {
            written = shorten(&was, charset, salt);
            salt += 1;
        }
        self.0.push(Name {
            was: was.into(),
            written: written.as_str().into(),
        });
        Text::from(written)
    }

    /// What a name was before it was written in another way.
    pub fn original<'t>(&'t self, name: &Text<'t>) -> Text<'t> {
        if self.0.is_empty() {
            return name.clone();
        }
        let plain = name.plain();
        match self.0.iter().find(|known| *known.written == *plain) {
            Some(known) => Text::Plain(Cow::Borrowed(&known.was)),
            None => name.clone(),
        }
    }

    /// Forgets the names if all are written as they were.
    #[must_use]
    pub fn settle(mut self) -> Self {
        if self.0.iter().all(|name| name.was == name.written) {
            self.0.clear();
        }
        self
    }
}

fn fits(name: &str, charset: Charset) -> bool {
    (1..=charset.max).contains(&name.len()) && name.bytes().all(charset.allowed)
}

/// FNV-1a: the checksum must be the same in every process, and two names with one are told apart by `salt`.
fn checksum(name: &str, salt: u32) -> u32 {
    let bytes = name.bytes().chain(salt.to_le_bytes());
    bytes.fold(0x811c_9dc5, |sum, byte| {
        (sum ^ u32::from(byte)).wrapping_mul(0x0100_0193)
    })
}

fn shorten(name: &str, charset: Charset, salt: u32) -> String {
    let sum = format!("_{:08x}", checksum(name, salt));
    let room = charset.max.saturating_sub(sum.len());
    let kept = name.chars().map(|c| match u8::try_from(c) {
        Ok(byte) if (charset.allowed)(byte) => c,
        _ => '_',
    });
    kept.take(room).chain(sum.chars()).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SHORT: Charset = Charset {
        max: 12,
        allowed: |byte| byte.is_ascii_alphanumeric() || byte == b'_',
    };

    #[test]
    fn a_name_that_fits_stays() {
        let mut names = Names::default();
        let name = Text::from("look_up");
        assert!(names.fit(&name, SHORT).is("look_up"));
        assert_eq!(names.settle(), Names::default());
    }

    #[test]
    fn a_name_that_looks_like_a_shortened_one_is_not_taken_for_it() {
        let mut names = Names::default();
        let odd = Text::from("a b");
        let written = names.fit(&odd, SHORT);
        let other = names.fit(&written, SHORT);
        assert_ne!(written, other);
        assert_eq!(names.original(&other).plain(), written.plain());
        assert!(names.original(&written).is("a b"));
    }

    proptest! {
        #[test]
        fn every_name_fits_and_comes_back(given in prop::collection::btree_set(".{0,30}", 1..8)) {
            let mut names = Names::default();
            let mut written = Vec::new();
            for name in &given {
                let name = Text::from(name.as_str());
                let fitted = names.fit(&name, SHORT);
                prop_assert!(fits(&fitted.plain(), SHORT));
                prop_assert!(names.fit(&name, SHORT).is(&fitted.plain()));
                written.push(fitted);
            }
            for (was, fitted) in given.iter().zip(&written) {
                prop_assert!(names.original(fitted).is(was));
            }
        }
    }
}
