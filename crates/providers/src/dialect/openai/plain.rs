//! The commonest event of all, a piece of text, known by a few searches instead of by reading it.

use std::sync::LazyLock;

use memchr::memchr2;
use memchr::memmem::Finder;

static DELTA: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new("\"delta\":{"));
static ERROR: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new("\"error\""));

/// What stands before the delta of the only choice.
const BEFORE: [&[u8]; 2] = [b"\"choices\":[{\"index\":0,", b"\"choices\":[{"];

/// Whether an event is a chunk of one choice with a piece of text and nothing to tell beside it, written as
/// OpenAI writes it. `false` says nothing: it may be written otherwise.
///
/// Within a JSON string a quote has a backslash before it, so what is searched for, quotes and all, is never
/// found in the text itself. Brackets are not matched: an event that is broken in their middle may pass.
pub(super) fn is_content(data: &[u8]) -> bool {
    let Some(delta) = DELTA.find(data) else {
        return false;
    };
    let (before, rest) = (&data[..delta], &data[delta + DELTA.needle().len()..]);
    let alone = BEFORE.iter().any(|end| before.ends_with(end));
    alone
        && data.starts_with(b"{")
        && ERROR.find(before).is_none()
        && behind_text(rest).is_some_and(goes_on)
}

/// What follows the text of a delta, if the text is not empty.
fn behind_text(delta: &[u8]) -> Option<&[u8]> {
    let mut text = delta.strip_prefix(b"\"content\":\"")?;
    if text.starts_with(b"\"") {
        return None;
    }
    loop {
        let at = memchr2(b'"', b'\\', text)?;
        if text[at] == b'"' {
            return text.get(at + 1..);
        }
        text = text.get(at + 2..)?;
    }
}

/// Whether an event that ends so has no finish reason, no second choice and no error.
fn goes_on(end: &[u8]) -> bool {
    let mut rest = match end.strip_prefix(b"}") {
        Some(rest) if rest.ends_with(b"}") => rest,
        _ => return false,
    };
    let usual: [&[u8]; 2] = [b",\"logprobs\":null", b",\"finish_reason\":null"];
    for member in usual {
        rest = rest.strip_prefix(member).unwrap_or(rest);
    }
    rest == b"}]}" || rest.starts_with(b"}],") && ERROR.find(rest).is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_it_says_is_a_piece_of_text_is_one_however_the_text_tries() {
        let chunk = |delta: &str, rest: &str| {
            format!(
                r#"{{"id":"x","choices":[{{"index":0,"delta":{delta},"logprobs":null{rest}}}]}}"#
            )
        };
        let goes_on = r#","finish_reason":null"#;
        assert!(is_content(chunk(r#"{"content":"hi"}"#, goes_on).as_bytes()));
        assert!(is_content(
            chunk(r#"{"content":"\"error\":"}"#, "").as_bytes()
        ));
        for other in [
            chunk(r#"{"content":""}"#, goes_on),
            chunk(r#"{"role":"assistant","content":"hi"}"#, goes_on),
            chunk(r#"{"content":"hi"}"#, r#","finish_reason":"stop""#),
            chunk(r#"{"content":"hi"}"#, r#","finish_reason": null"#),
            chunk(r#"{}"#, r#","text":"\"delta\":{\"content\":\"hi\"""#),
            chunk(r#"{"content":"hi"}"#, r#","error":{}"#),
            chunk(
                r#"{"content":"hi"}},{"delta":{"content":""}"#,
                r#","finish_reason":"stop""#,
            ),
            chunk(r#"{"content":"hi"}"#, goes_on)[..60].to_owned(),
            "[DONE]".to_owned(),
        ] {
            assert!(!is_content(other.as_bytes()), "{other}");
        }
    }
}
