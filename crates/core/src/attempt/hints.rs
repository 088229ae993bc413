//! What the headers of a reply say about when to come again.

use std::time::{Duration, SystemTime};

use http::header::RETRY_AFTER;
use http::{HeaderMap, HeaderName};
use jiff::Timestamp;
use jiff::fmt::{friendly::SpanParser, rfc2822};

static RETRY_AFTER_MS: HeaderName = HeaderName::from_static("retry-after-ms");

/// What is left, and when there is more: by OpenAI and by Anthropic.
static LIMITS: [[HeaderName; 2]; 4] = [
    [
        HeaderName::from_static("x-ratelimit-remaining-requests"),
        HeaderName::from_static("x-ratelimit-reset-requests"),
    ],
    [
        HeaderName::from_static("x-ratelimit-remaining-tokens"),
        HeaderName::from_static("x-ratelimit-reset-tokens"),
    ],
    [
        HeaderName::from_static("anthropic-ratelimit-requests-remaining"),
        HeaderName::from_static("anthropic-ratelimit-requests-reset"),
    ],
    [
        HeaderName::from_static("anthropic-ratelimit-tokens-remaining"),
        HeaderName::from_static("anthropic-ratelimit-tokens-reset"),
    ],
];

/// When the upstream wants to be asked again: `retry-after-ms`, or `retry-after` in seconds or as a date
/// (RFC 9110 §10.2.3). None where it does not say, or not in a way that can be read.
pub fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = |name| headers.get(name)?.to_str().ok().map(str::trim);
    if let Some(millis) = text(&RETRY_AFTER_MS).and_then(|text| text.parse::<f64>().ok()) {
        return Duration::try_from_secs_f64(millis / 1000.0).ok();
    }
    let after = text(&RETRY_AFTER)?;
    if let Ok(seconds) = after.parse::<f64>() {
        return Duration::try_from_secs_f64(seconds).ok();
    }
    let date = rfc2822::DateTimeParser::new()
        .relaxed_weekday(true)
        .parse_timestamp(after)
        .ok()?;
    Some(until(date))
}

/// How long nothing is left of a limit, where the reply says that it was the last; the longest, of several.
pub fn exhausted(headers: &HeaderMap) -> Option<Duration> {
    let text = |name| headers.get(name)?.to_str().ok().map(str::trim);
    let spent = LIMITS.iter().filter(|[left, _]| text(left) == Some("0"));
    spent.filter_map(|[_, reset]| time(text(reset)?)).max()
}

/// A time written as `6m0s`, as seconds, or as a timestamp.
fn time(text: &str) -> Option<Duration> {
    if let Ok(seconds) = text.parse::<f64>() {
        return Duration::try_from_secs_f64(seconds).ok();
    }
    if let Ok(span) = SpanParser::new().parse_unsigned_duration(text) {
        return Some(span);
    }
    text.parse().ok().map(until)
}

fn until(moment: Timestamp) -> Duration {
    let moment: SystemTime = moment.into();
    moment.duration_since(SystemTime::now()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        let pairs = pairs.iter();
        pairs
            .map(|(n, v)| (HeaderName::from_static(n), v.parse().unwrap()))
            .collect()
    }

    #[test]
    fn every_way_to_say_when_is_read() {
        let after = |name, value: &str| retry_after(&headers(&[(name, value)]));
        assert_eq!(after("retry-after", "2"), Some(Duration::from_secs(2)));
        assert_eq!(
            after("retry-after", "0.5"),
            Some(Duration::from_millis(500))
        );
        assert_eq!(
            after("retry-after-ms", "1500"),
            Some(Duration::from_millis(1500))
        );
        let past = "Wed, 21 Oct 2015 07:28:00 GMT";
        assert_eq!(after("retry-after", past), Some(Duration::ZERO));
        let far = after("retry-after", "Wed, 21 Oct 2255 07:28:00 GMT").unwrap();
        assert!(far > Duration::from_secs(3600));
        for unread in ["soon", "-1", "NaN", "1e400", ""] {
            assert_eq!(after("retry-after", unread), None, "{unread}");
        }
    }

    #[test]
    fn a_limit_of_which_nothing_is_left_says_until_when() {
        let spent = headers(&[
            ("x-ratelimit-remaining-requests", "0"),
            ("x-ratelimit-reset-requests", "1m30s"),
            ("x-ratelimit-remaining-tokens", "0"),
            ("x-ratelimit-reset-tokens", "12ms"),
        ]);
        assert_eq!(exhausted(&spent), Some(Duration::from_secs(90)));
        let left = headers(&[
            ("x-ratelimit-remaining-requests", "1"),
            ("x-ratelimit-reset-requests", "1s"),
            ("anthropic-ratelimit-tokens-remaining", "0"),
            ("anthropic-ratelimit-tokens-reset", "2015-10-21T07:28:00Z"),
        ]);
        assert_eq!(exhausted(&left), Some(Duration::ZERO));
        assert_eq!(exhausted(&HeaderMap::new()), None);
    }
}
