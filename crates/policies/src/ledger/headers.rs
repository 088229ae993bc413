//! How much is left, as the SDKs of callers read it.

use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue};
use jiff::Timestamp;

use super::limits::Measure;
use super::quota::Standing;

/// Whose headers a caller reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Family {
    /// `x-ratelimit-limit-requests`, …; times are durations, as `6m0s`.
    OpenAi,
    /// `anthropic-ratelimit-requests-limit`, …; times are dates.
    Anthropic,
}

impl Family {
    /// By what every client of Anthropic sends.
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        match headers.contains_key("anthropic-version") {
            true => Self::Anthropic,
            false => Self::OpenAi,
        }
    }

    /// The three headers of a standing; none for what has no headers.
    pub(super) fn write(
        self,
        measure: &Measure,
        standing: Standing,
        now: Timestamp,
    ) -> Vec<(HeaderName, HeaderValue)> {
        let names = match (self, measure) {
            (Self::OpenAi, Measure::Requests) => [
                "x-ratelimit-limit-requests",
                "x-ratelimit-remaining-requests",
                "x-ratelimit-reset-requests",
            ],
            (Self::OpenAi, Measure::Tokens) => [
                "x-ratelimit-limit-tokens",
                "x-ratelimit-remaining-tokens",
                "x-ratelimit-reset-tokens",
            ],
            (Self::Anthropic, Measure::Requests) => [
                "anthropic-ratelimit-requests-limit",
                "anthropic-ratelimit-requests-remaining",
                "anthropic-ratelimit-requests-reset",
            ],
            (Self::Anthropic, Measure::Tokens) => [
                "anthropic-ratelimit-tokens-limit",
                "anthropic-ratelimit-tokens-remaining",
                "anthropic-ratelimit-tokens-reset",
            ],
            (_, Measure::Money(_) | Measure::Calls) => return Vec::new(),
        };
        let reset = match self {
            Self::OpenAi => HeaderValue::try_from(duration(standing.reset)),
            Self::Anthropic => HeaderValue::try_from(date(now, standing.reset)),
        };
        let reset = reset.unwrap_or(HeaderValue::from_static("0s"));
        let values = [standing.limit.into(), standing.remaining.into(), reset];
        let names = names.map(HeaderName::from_static);
        names.into_iter().zip(values).collect()
    }
}

/// As Go writes durations: `120ms`, `1s`, `6m0s`.
fn duration(time: Duration) -> String {
    let millis = time.as_nanos().div_ceil(1_000_000);
    let seconds = millis.div_ceil(1000);
    match seconds {
        _ if millis < 1000 => format!("{millis}ms"),
        0..60 => format!("{seconds}s"),
        60..3600 => format!("{}m{}s", seconds / 60, seconds % 60),
        _ => format!("{}h{}m{}s", seconds / 3600, seconds / 60 % 60, seconds % 60),
    }
}

/// RFC 3339, in whole seconds, rounded up.
fn date(now: Timestamp, after: Duration) -> String {
    let at = now.checked_add(after).unwrap_or(now);
    let second = at.as_second() + i64::from(at.subsec_nanosecond() > 0);
    Timestamp::from_second(second).unwrap_or(at).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_as_each_family_reads_them() {
        for (millis, written) in [
            (0, "0ms"),
            (12, "12ms"),
            (1000, "1s"),
            (1001, "2s"),
            (362_000, "6m2s"),
            (3_601_000, "1h0m1s"),
        ] {
            assert_eq!(duration(Duration::from_millis(millis)), written);
        }
        let now: Timestamp = "2026-01-31T23:59:58.5Z".parse().unwrap();
        assert_eq!(date(now, Duration::from_secs(1)), "2026-02-01T00:00:00Z");
    }
}
