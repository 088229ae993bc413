//! The table that says what an attempt came to, and what follows.

use http::StatusCode;

use crate::error::{Error, Fault, codes};

/// What an attempt that did not prove itself came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Class {
    /// The upstream refused the call for what is in it.
    Refused,
    /// The upstream's content policy refused it.
    Filtered,
    /// The call does not fit into the model's context.
    TooLong,
    /// There is no such thing at this upstream.
    Missing,
    /// The credential was not accepted.
    Unauthorized,
    /// The credential has no more credit.
    OutOfQuota,
    /// The upstream is at a limit.
    RateLimited,
    /// The upstream is overloaded.
    Overloaded,
    /// The upstream failed.
    Faulty,
    /// The upstream does not do this.
    Unsupported,
    /// No connection could be made.
    Unreachable,
    /// The connection, or the reply's stream, broke.
    Broken,
    /// What was replied cannot be read.
    Unreadable,
    /// Nothing was said for too long.
    Silent,
    /// The gateway had no connection for it.
    Busy,
    /// The call could not be written for this endpoint.
    Unsent,
    /// The upstream failed, and the request may not be sent twice.
    Once,
    /// The gateway stopped the call.
    Stopped,
}

/// Where a call may go after an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Again {
    /// Nowhere: the caller is told.
    Never,
    /// To another endpoint; this one is not asked again in this call.
    Elsewhere,
    /// To another endpoint, or to this one after a while.
    Anywhere,
    /// To an endpoint that uses another credential.
    OtherCredential,
    /// To an endpoint whose `contextWindow` is larger.
    Larger,
}

/// What is learnt of the endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Learnt {
    /// That it works.
    Fit,
    /// Nothing.
    Nothing,
    /// That it failed; or, if it says when to come again, that it is left out until then.
    Failed,
    /// That its credential is left out until the time it says, 1 s if it says none.
    Wait,
    /// That its credential is left out, longer each time.
    Credential,
}

/// One line of the table.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Rule {
    /// What the attempt came to.
    pub class: Class,
    /// How that is seen.
    pub seen: &'static str,
    /// Where the call may go.
    pub again: Again,
    /// What is learnt of the endpoint.
    pub learnt: Learnt,
    /// Of several failures the caller is told the one that says most to a caller.
    pub(super) telling: u8,
}

/// The classification table: every way an attempt can fail before its commit point.
pub const TABLE: &[Rule] = {
    use Again::{Anywhere, Elsewhere, Larger, Never, OtherCredential};
    use Class as C;
    use Learnt::{Credential, Failed, Fit, Nothing, Wait};
    const fn rule(
        class: Class,
        telling: u8,
        again: Again,
        learnt: Learnt,
        seen: &'static str,
    ) -> Rule {
        Rule {
            class,
            seen,
            again,
            learnt,
            telling,
        }
    }
    &[
        rule(C::Refused, 9, Never, Fit, "any other status below 500"),
        rule(
            C::Filtered,
            9,
            Never,
            Fit,
            "an error that names the content policy",
        ),
        rule(
            C::TooLong,
            8,
            Larger,
            Fit,
            "an error that names the context length",
        ),
        rule(
            C::Missing,
            3,
            Elsewhere,
            Fit,
            "404 to a call that names a model",
        ),
        rule(C::Unauthorized, 2, OtherCredential, Credential, "401, 403"),
        rule(
            C::OutOfQuota,
            4,
            OtherCredential,
            Credential,
            "402, or an error that names quota or credit",
        ),
        rule(C::RateLimited, 7, Anywhere, Wait, "429"),
        rule(
            C::Overloaded,
            6,
            Anywhere,
            Failed,
            "503, 529, an error event that says so",
        ),
        rule(
            C::Faulty,
            5,
            Anywhere,
            Failed,
            "408, any other status from 500 on, an error event inside a 200",
        ),
        rule(C::Unsupported, 3, Elsewhere, Nothing, "501"),
        rule(
            C::Unreachable,
            4,
            Anywhere,
            Failed,
            "no connection: refused, no address, TLS",
        ),
        rule(
            C::Broken,
            4,
            Anywhere,
            Failed,
            "the connection or the stream broke before the first content",
        ),
        rule(
            C::Unreadable,
            4,
            Anywhere,
            Failed,
            "a reply, or an event, that is not what the dialect writes",
        ),
        rule(
            C::Silent,
            4,
            Elsewhere,
            Failed,
            "no connection, first byte, first token or further byte in time",
        ),
        rule(
            C::Busy,
            3,
            Elsewhere,
            Nothing,
            "no room for one more connection to it",
        ),
        rule(
            C::Unsent,
            1,
            Elsewhere,
            Nothing,
            "the call cannot be said in its dialect, or not be sent",
        ),
        rule(
            C::Once,
            9,
            Never,
            Failed,
            "a failure of plain HTTP whose method or status is not to be retried",
        ),
        rule(
            C::Stopped,
            9,
            Never,
            Nothing,
            "the gateway is stopping, or the call's time is over",
        ),
    ]
};

impl Class {
    /// Its line of the table.
    pub fn rule(self) -> &'static Rule {
        let found = TABLE.iter().find(|rule| rule.class == self);
        found.expect("every class has its line")
    }

    /// What a status says by itself; none for those below 400.
    pub fn of_status(status: StatusCode) -> Option<Self> {
        Some(match status.as_u16() {
            0..=399 => return None,
            401 | 403 => Self::Unauthorized,
            402 => Self::OutOfQuota,
            404 => Self::Missing,
            429 => Self::RateLimited,
            501 => Self::Unsupported,
            503 | 529 => Self::Overloaded,
            408 | 500.. => Self::Faulty,
            _ => Self::Refused,
        })
    }

    /// What the gateway's own error says of the attempt it ended.
    pub fn of_error(error: &Error) -> Self {
        let code = error.code();
        if *code == codes::UPSTREAM_UNREACHABLE {
            Self::Unreachable
        } else if *code == codes::UPSTREAM_TIMEOUT || *code == codes::CALL_TIMEOUT {
            Self::Silent
        } else if *code == codes::UPSTREAM_TOO_LARGE {
            Self::Unreadable
        } else if *code == codes::UPSTREAM_BUSY {
            Self::Busy
        } else if *code == codes::STOPPING {
            Self::Stopped
        } else if code.fault == Fault::Upstream {
            Self::Broken
        } else {
            Self::Unsent
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_class_has_one_line() {
        let mut classes: Vec<_> = TABLE.iter().map(|rule| rule.class).collect();
        classes.dedup();
        assert_eq!(classes.len(), TABLE.len());
        for class in classes {
            assert_eq!(class.rule().class, class);
        }
    }

    #[test]
    fn statuses_are_read_as_the_table_says() {
        let of = |status: u16| Class::of_status(StatusCode::from_u16(status).unwrap());
        assert_eq!(of(204), None);
        for (status, class) in [
            (400, Class::Refused),
            (401, Class::Unauthorized),
            (402, Class::OutOfQuota),
            (404, Class::Missing),
            (408, Class::Faulty),
            (422, Class::Refused),
            (429, Class::RateLimited),
            (500, Class::Faulty),
            (501, Class::Unsupported),
            (503, Class::Overloaded),
            (529, Class::Overloaded),
            (599, Class::Faulty),
        ] {
            assert_eq!(of(status), Some(class), "{status}");
        }
    }
}
