//! Before the request line: what of a configuration's line may be shown.

use std::ops::Range;

use portcullis_core::config::{Pointer, SourceMap};

/// What stands in place of a secret.
pub(crate) const HIDDEN: &str = "[secret]";

/// The parts of the line at `line` in `file` which may be secret: values under keys that sound like it.
///
/// A text that could not be parsed has no places; then the line itself and those it is nested in are looked at.
pub(crate) fn secrets(
    map: &SourceMap,
    file: &str,
    text: &str,
    line: Range<usize>,
) -> Vec<Range<usize>> {
    let names: Vec<_> = map.files().collect();
    let parsed = map
        .places()
        .any(|(_, place)| names[place.file] == file && place.key.is_some());
    if !parsed {
        return unparsed(text, line).into_iter().collect();
    }
    let here = map.places().filter(|(_, place)| names[place.file] == file);
    let secret = here.filter(|(at, place)| {
        is_secret(at)
            || text.get(place.value.clone()).is_some_and(has_userinfo)
            || (at.last().is_some_and(|key| key == "value")
                && is_named_secret(map, at)
                && !place.value.is_empty())
    });
    let mut parts: Vec<_> = secret
        .map(|(_, place)| place.value.start.max(line.start)..place.value.end.min(line.end))
        .filter(|part| part.start < part.end)
        .collect();
    parts.sort_by_key(|part| part.start);
    parts
}

/// Whether the value at a place is under a key that sounds secret, and does not just say where the secret is.
pub(crate) fn is_secret(at: &Pointer) -> bool {
    let steps: Vec<_> = at.steps().collect();
    let under = steps.iter().any(|step| sounds_secret(step));
    let reference = steps
        .last()
        .is_some_and(|step| matches!(&**step, "env" | "file" | "id"));
    under && !reference
}

/// Whether it is a URL with a user name or password.
fn has_userinfo(value: &str) -> bool {
    let url = value.trim_matches(['"', '\'', ' ']).split_once("://");
    let in_scheme = |c: char| c.is_ascii_alphanumeric() || "+-.".contains(c);
    url.is_some_and(|(scheme, rest)| scheme.chars().all(in_scheme) && rest.contains('@'))
}

/// Whether a `value` has a `name` beside it that sounds secret, as in a list of headers.
fn is_named_secret(map: &SourceMap, at: &Pointer) -> bool {
    let name = at.parent().map(|entry| entry.key("name"));
    let name = name.and_then(|name| map.find(&name, false));
    name.is_some_and(|name| sounds_secret(name.text.get(name.range).unwrap_or_default()))
}

/// Whether a key's last word is one for secrets: `apiKey`, `x-api-key`, `SECRET`, but not `maxTokens`.
pub(crate) fn sounds_secret(key: &str) -> bool {
    const WORDS: [&str; 22] = [
        "key",
        "keys",
        "hash",
        "secret",
        "secrets",
        "token",
        "password",
        "passwords",
        "passphrase",
        "passwd",
        "pwd",
        "pass",
        "authorization",
        "credential",
        "credentials",
        "cookie",
        "jwt",
        "pem",
        "pat",
        "bearer",
        "salt",
        "signature",
    ];
    let key = key.trim_matches(|c: char| !c.is_alphanumeric());
    let letters: Vec<char> = key.chars().collect();
    let starts = |i: usize| {
        !letters[i].is_alphanumeric()
            || (i > 0 && letters[i].is_uppercase() && letters[i - 1].is_lowercase())
    };
    let start = (0..letters.len()).rev().find(|i| starts(*i)).unwrap_or(0);
    let last: String = letters[start..]
        .iter()
        .filter(|c| c.is_alphanumeric())
        .collect();
    let whole = key.to_lowercase().replace(['-', '_'], "");
    WORDS.contains(&last.to_lowercase().as_str()) || whole.ends_with("apikey")
}

/// Everything behind the first key of a line that sounds secret, or the whole line inside such a key.
fn unparsed(text: &str, line: Range<usize>) -> Option<Range<usize>> {
    let shown = &text[line.clone()];
    let from = |start: usize| Some(line.start + start..line.end);
    if let Some(start) = behind_secret_key(shown) {
        return from(start);
    }
    let indent = |line: &str| line.len() - line.trim_start().len();
    let mut within = indent(shown);
    let is_item = shown.trim_start().starts_with('-');
    for before in text[..line.start].lines().rev() {
        let outer = indent(before) < within
            || (is_item && indent(before) == within && !before.trim_start().starts_with('-'));
        if before.trim().is_empty() || !outer {
            continue;
        }
        if behind_secret_key(before).is_some() {
            return from(0);
        }
        within = indent(before);
    }
    None
}

/// Where the value of the first key in the line that sounds secret begins.
fn behind_secret_key(line: &str) -> Option<usize> {
    let mut colons = line.match_indices(':').map(|(at, _)| at);
    let word = |end: usize| {
        line[..end]
            .trim_end()
            .rsplit([' ', ',', '{', '[', '\t'])
            .next()
            .unwrap_or_default()
    };
    let colon = colons.find(|at| sounds_secret(word(*at)))?;
    Some(line.len() - line[colon + 1..].trim_start().len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_for_secrets_are_told_from_others() {
        for key in [
            "apiKey",
            "keyHash",
            "x-api-key",
            "API_KEY",
            "apikey",
            "secret",
            "clientSecret",
            "Authorization",
            "\"password\"",
            "token",
            "private_key",
        ] {
            assert!(sounds_secret(key), "{key}");
        }
        for key in [
            "maxTokens",
            "tokens",
            "apiKeyAuthentication",
            "name",
            "monkey",
            "",
            "keyed",
            "tokenizer",
        ] {
            assert!(!sounds_secret(key), "{key}");
        }
    }

    #[test]
    fn without_places_the_line_and_what_it_is_in_are_looked_at() {
        let hidden = |text: &str| {
            let start = text.trim_end().rfind('\n').map_or(0, |end| end + 1);
            let part = unparsed(text, start..text.trim_end().len());
            part.map_or("", |part| &text[part]).to_owned()
        };
        assert_eq!(hidden("a: 1\nb: {token: x, c: y}\n"), "x, c: y}");
        assert_eq!(hidden("key: |\n  BEGIN\n  MIIE\n"), "  MIIE");
        assert_eq!(hidden("keys:\n- one\n- two\n"), "- two");
        assert_eq!(hidden("keys:\n- one\nname: two\n"), "");
    }
}
