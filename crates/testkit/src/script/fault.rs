//! The ways an upstream fails, and their names in the `x-fault` header.

use std::{fmt, str::FromStr, time::Duration};

use crate::plan::Break;

/// Something an upstream does wrong. `usize` counts events of a stream; a reply that is no stream
/// counts as two events, its halves.
///
/// `Display` and `FromStr` use the names given here, as the `x-fault` header does.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Fault {
    /// `reset`: reads the request, then resets the connection.
    Reset,
    /// `silent`: reads the request and says nothing, for ever.
    Silent,
    /// `garbage`: answers with bytes that are not HTTP.
    NotHttp,
    /// `headers-then-silent`: sends the head and no body, for ever.
    HeadThenSilent,
    /// `slow-first-byte-MILLIS`: sends the head after that time.
    SlowFirstByte(Duration),
    /// `stall-after-N`: sends N events, then nothing more, for ever.
    StallAfter(usize),
    /// `cut-after-N` (FIN) or `reset-after-N` (RST): sends N events, then breaks the connection.
    CutAfter(usize, Break),
    /// `cut-after-bytes-N` or `reset-after-bytes-N`: the same, N counting bytes of the body.
    CutAfterBytes(usize, Break),
    /// `garbage-event-N`: behind N events, one whose data is not JSON; then goes on. A reply that
    /// is no stream becomes a body that is not JSON.
    GarbageEvent(usize),
    /// `error-event-after-N`: an error event behind N events, then a proper end of the HTTP message
    /// without the stream's last event. No effect on replies that are no streams.
    ErrorEvent(usize),
    /// `no-sentinel`: leaves the stream's last event away (`[DONE]`, `message_stop`,
    /// `response.completed`) and ends the HTTP message properly.
    NoSentinel,
    /// `status-CODE` or `status-CODE-retry-VALUE`: an error in the dialect's shape, perhaps with a
    /// `retry-after` header.
    Status {
        /// The status to answer.
        status: u16,
        /// The value of `retry-after`.
        retry_after: Option<String>,
    },
    /// `early-reply-CODE`: the same without waiting for the request's body, which is read on
    /// beside the reply.
    EarlyReply(u16),
}

impl Fault {
    /// An error status in the dialect's shape.
    pub fn status(status: u16) -> Self {
        Self::Status {
            status,
            retry_after: None,
        }
    }

    /// Adds a `retry-after` header to [`Fault::Status`]; changes no other fault.
    pub fn retry_after(self, value: &str) -> Self {
        match self {
            Self::Status { status, .. } => Self::Status {
                status,
                retry_after: Some(value.to_owned()),
            },
            other => other,
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Reset => f.write_str("reset"),
            Self::Silent => f.write_str("silent"),
            Self::NotHttp => f.write_str("garbage"),
            Self::HeadThenSilent => f.write_str("headers-then-silent"),
            Self::SlowFirstByte(time) => write!(f, "slow-first-byte-{}", time.as_millis()),
            Self::StallAfter(n) => write!(f, "stall-after-{n}"),
            Self::CutAfter(n, how) => write!(f, "{}-after-{n}", verb(*how)),
            Self::CutAfterBytes(n, how) => write!(f, "{}-after-bytes-{n}", verb(*how)),
            Self::GarbageEvent(n) => write!(f, "garbage-event-{n}"),
            Self::ErrorEvent(n) => write!(f, "error-event-after-{n}"),
            Self::NoSentinel => f.write_str("no-sentinel"),
            Self::Status {
                status,
                retry_after: None,
            } => write!(f, "status-{status}"),
            Self::Status {
                status,
                retry_after: Some(after),
            } => {
                write!(f, "status-{status}-retry-{after}")
            }
            Self::EarlyReply(status) => write!(f, "early-reply-{status}"),
        }
    }
}

fn verb(how: Break) -> &'static str {
    match how {
        Break::Fin => "cut",
        Break::Reset => "reset",
        Break::Garbage => "garbage",
    }
}

/// A name that no [`Fault`], pacing or shape has.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct UnknownFault(pub String);

impl fmt::Display for UnknownFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "no behaviour is called {:?}", self.0)
    }
}

impl std::error::Error for UnknownFault {}

impl FromStr for Fault {
    type Err = UnknownFault;

    fn from_str(name: &str) -> Result<Self, UnknownFault> {
        Ok(match name {
            "reset" => Self::Reset,
            "silent" => Self::Silent,
            "garbage" => Self::NotHttp,
            "headers-then-silent" => Self::HeadThenSilent,
            "no-sentinel" => Self::NoSentinel,
            _ => return numbered(name).ok_or_else(|| UnknownFault(name.to_owned())),
        })
    }
}

fn numbered(name: &str) -> Option<Fault> {
    if let Some(status) = name.strip_prefix("status-") {
        let (status, after) = match status.split_once("-retry-") {
            Some((status, after)) => (status, Some(after.to_owned())),
            None => (status, None),
        };
        return Some(Fault::Status {
            status: error_status(status)?,
            retry_after: after,
        });
    }
    let (verb, number) = name.rsplit_once('-')?;
    if verb == "early-reply" {
        return error_status(number).map(Fault::EarlyReply);
    }
    let n = number.parse().ok()?;
    Some(match verb {
        "slow-first-byte" => Fault::SlowFirstByte(Duration::from_millis(n as u64)),
        "stall-after" => Fault::StallAfter(n),
        "cut-after" => Fault::CutAfter(n, Break::Fin),
        "reset-after" => Fault::CutAfter(n, Break::Reset),
        "garbage-after" => Fault::CutAfter(n, Break::Garbage),
        "cut-after-bytes" => Fault::CutAfterBytes(n, Break::Fin),
        "reset-after-bytes" => Fault::CutAfterBytes(n, Break::Reset),
        "garbage-after-bytes" => Fault::CutAfterBytes(n, Break::Garbage),
        "garbage-event" => Fault::GarbageEvent(n),
        "error-event-after" => Fault::ErrorEvent(n),
        _ => return None,
    })
}

fn error_status(digits: &str) -> Option<u16> {
    digits
        .parse()
        .ok()
        .filter(|status| (200..=999).contains(status))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_fault_is_read_back_from_its_name() {
        for name in [
            "reset",
            "silent",
            "garbage",
            "headers-then-silent",
            "slow-first-byte-250",
            "stall-after-2",
            "cut-after-3",
            "reset-after-0",
            "cut-after-bytes-17",
            "reset-after-bytes-9",
            "garbage-event-1",
            "error-event-after-4",
            "no-sentinel",
            "status-429",
            "status-429-retry-2",
            "status-529",
            "early-reply-413",
        ] {
            let fault: Fault = name.parse().unwrap();
            assert_eq!(fault.to_string(), name);
        }
    }

    #[test]
    fn other_names_are_refused() {
        for name in [
            "",
            "cut-after-",
            "cut-after-x",
            "status-",
            "status-9",
            "early-reply-1",
            "x-1",
        ] {
            assert_eq!(name.parse::<Fault>(), Err(UnknownFault(name.to_owned())));
        }
    }
}
