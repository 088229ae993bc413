//! Backend: text word by word, which is how `echo` streams and counts.

use std::sync::Arc;

/// The words of a text, each with the white space before it; the last also with what follows. Joined they
/// are the text again.
#[derive(Clone, Debug)]
pub(super) struct Words {
    text: Arc<str>,
    at: usize,
}

impl Words {
    pub(super) fn of(text: Arc<str>) -> Self {
        Self { text, at: 0 }
    }
}

impl Iterator for Words {
    type Item = String;

    fn next(&mut self) -> Option<String> {
        let rest = &self.text[self.at..];
        let word = &rest[..first(rest)];
        self.at += word.len();
        (!word.is_empty()).then(|| word.to_owned())
    }
}

/// How many words there are.
pub(super) fn count(text: &str) -> u64 {
    text.split_whitespace().count() as u64
}

/// The first `max` words.
pub(super) fn cut(text: &str, max: u64) -> &str {
    let mut end = 0;
    for _ in 0..max {
        match first(&text[end..]) {
            0 => break,
            word => end += word,
        }
    }
    &text[..end]
}

/// Where the first word ends.
fn first(text: &str) -> usize {
    let start = text.len() - text.trim_start().len();
    let end = text[start..]
        .find(char::is_whitespace)
        .map_or(text.len(), |length| start + length);
    if text[end..].trim_start().is_empty() {
        text.len()
    } else {
        end
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_word_has_the_space_before_it_and_the_last_the_space_after_it() {
        let words: Vec<_> = Words::of(" a  b\nc \t".into()).collect();
        assert_eq!(words, [" a", "  b", "\nc \t"]);
    }

    proptest! {
        #[test]
        fn words_joined_are_the_text_and_are_as_many_as_counted(text in any::<String>()) {
            let words: Vec<_> = Words::of(text.as_str().into()).collect();
            prop_assert_eq!(words.concat(), text.as_str());
            if !text.trim().is_empty() {
                prop_assert_eq!(words.len() as u64, count(&text));
            }
        }

        #[test]
        fn a_cut_text_has_the_words_allowed_and_no_more(text in any::<String>(), max in 0u64..9) {
            prop_assert!(text.starts_with(cut(&text, max)));
            prop_assert_eq!(count(cut(&text, max)), count(&text).min(max));
        }
    }
}
