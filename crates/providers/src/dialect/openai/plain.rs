//! The commonest event of all, a piece of text, known by a few searches instead of by reading it.

use std::sync::LazyLock;

use memchr::memmem::{Finder, find};

static DELTA: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new("\"delta\":{"));
static FINISH: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new("\"finish_reason\":"));
static ERROR: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new("\"error\""));

/// Whether an event is a chunk of one choice with a piece of text and nothing to tell beside it, written as
/// OpenAI writes it. `false` says nothing: it may be written otherwise.
///
/// Within a JSON string a quote has a backslash before it, so what is searched for, quotes and all, is never
/// found in the text itself. Brackets are not matched: an event that is broken in their middle may pass.
pub(super) fn is_content(data: &[u8]) -> bool {
    if !(data.starts_with(b"{") && data.ends_with(b"}")) {
        return false;
    }
    let Some(delta) = DELTA.find(data) else {
        return false;
    };
    let rest = &data[delta + DELTA.needle().len()..];
    let text = rest
        .strip_prefix(b"\"content\":\"")
        .is_some_and(|text| !text.starts_with(b"\""));
    text && DELTA.find(rest).is_none() && ERROR.find(data).is_none() && goes_on(data)
}

/// Whether no choice has a finish reason.
fn goes_on(data: &[u8]) -> bool {
    let Some(finish) = FINISH.find(data) else {
        return true;
    };
    let rest = &data[finish + FINISH.needle().len()..];
    rest.starts_with(b"null") && find(rest, FINISH.needle()).is_none()
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
