//! Stable error codes, and the page that lists them.

use std::fmt::{self, Write as _};

use http::StatusCode;

/// What went wrong, by family. Dialects map it to their own error types.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Kind {
    /// The request cannot be served as it stands.
    InvalidRequest,
    /// Nobody, or nobody we know, is calling.
    Authentication,
    /// The caller is known and may not do this.
    Permission,
    /// There is no such route, model or object.
    NotFound,
    /// The request is larger than allowed.
    TooLarge,
    /// The caller, or the gateway, is at a limit; trying later helps.
    RateLimit,
    /// Somebody took too long.
    Timeout,
    /// The upstream failed, or could not be reached.
    Upstream,
    /// The gateway is overloaded or stopping.
    Unavailable,
    /// The gateway failed.
    Internal,
}

/// Whose fault an error is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The caller's: the same request will fail again.
    Client,
    /// The gateway's, or its configuration's.
    Gateway,
    /// The upstream's.
    Upstream,
}

/// A stable error code. Compared by name.
pub struct Code {
    /// The name, in snake case; never changed once released.
    pub name: &'static str,
    /// The HTTP status of the reply.
    pub status: u16,
    /// The family.
    pub kind: Kind,
    /// Whose fault it is.
    pub fault: Fault,
    /// One phrase about what happened, also shown where there are no better words.
    pub about: &'static str,
    /// What to do about it, for `docs/errors.md`.
    pub remedy: &'static str,
}

impl Code {
    /// The status as a type.
    ///
    /// # Panics
    ///
    /// If the table holds a number that is no HTTP status; a test reads every entry.
    pub fn status(&self) -> StatusCode {
        StatusCode::from_u16(self.status).expect("a code's status is an HTTP status")
    }
}

impl PartialEq for Code {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for Code {}

impl fmt::Debug for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

/// Renders tables of codes as the Markdown page `docs/errors.md`.
pub fn document<'a>(codes: impl IntoIterator<Item = &'a &'static Code>) -> String {
    let mut sorted: Vec<_> = codes.into_iter().collect();
    sorted.sort_by_key(|c| c.name);
    let mut page = String::from(
        "# Error codes\n\n\
         Generated from the code tables; `UPDATE=1 cargo test -p portcullis errors_page` writes it anew.\n\n\
         Every error the gateway itself makes carries one of these codes: in the `code` field of an OpenAI\n\
         error body, in `error.details.code` of an Anthropic one, in the `portcullis-error` header of all\n\
         of them, and in the access log. Errors an upstream made are passed on as they came and have none.\n\n\
         | code | status | whose fault | what happened | what to do |\n|---|---|---|---|---|\n",
    );
    for code in sorted {
        let fault = match code.fault {
            Fault::Client => "client",
            Fault::Gateway => "gateway",
            Fault::Upstream => "upstream",
        };
        let (name, status, about, remedy) = (code.name, code.status, code.about, code.remedy);
        writeln!(
            page,
            "| `{name}` | {status} | {fault} | {about} | {remedy} |"
        )
        .expect("a string takes any text");
    }
    page
}

macro_rules! codes {
    ($($name:ident $text:literal $status:literal $kind:ident $fault:ident $about:literal $remedy:literal;)*) => {
        $(
            #[doc = concat!("`", $text, "`: ", $about, ".")]
            pub static $name: Code = Code {
                name: $text, status: $status, kind: Kind::$kind, fault: Fault::$fault,
                about: $about, remedy: $remedy,
            };
        )*
        /// Every code of this crate.
        pub static ALL: &[&Code] = &[$(&$name),*];
    };
}

/// The codes of the request path itself. Policies keep theirs beside them.
pub mod codes {
    use super::{Code, Fault, Kind};

    codes! {
        BODY_BROKEN "body_broken" 400 InvalidRequest Client
            "the request body ended early or could not be read" "send the body whole, with its true length";
        BODY_TOO_LARGE "body_too_large" 413 TooLarge Client
            "the body is larger than allowed" "send less, or raise the body limit of the route";
        BODY_ENCODED "body_encoded" 415 InvalidRequest Client
            "the request body is compressed in a way this endpoint does not read" "send it plain, or in one of gzip, deflate, br and zstd";
        BODY_NOT_JSON "body_not_json" 400 InvalidRequest Client
            "the request body is not valid JSON" "the message names the byte at which reading stopped";
        DUPLICATE_KEY "duplicate_key" 400 InvalidRequest Client
            "a key that decides where the call goes stands twice in the body" "send each key once, in lower case";
        INVALID_FIELD "invalid_field" 400 InvalidRequest Client
            "a field the gateway must read is missing or of the wrong type" "see the field named in `param`";
        METHOD_NOT_ALLOWED "method_not_allowed" 405 InvalidRequest Client
            "the path exists, but not with this method" "see the `allow` header";
        ROUTE_NOT_FOUND "route_not_found" 404 NotFound Client
            "no route matches the request" "`portcullis explain METHOD URL` shows every route and why it did not match";
        ROUTE_BROKEN "route_broken" 500 Internal Gateway
            "the route matched, but its configuration was refused" "see the build report in the gateway's log";
        MODEL_NOT_FOUND "model_not_found" 404 NotFound Client
            "no backend serves this model" "list the models with `GET /v1/models`";
        MODEL_NOT_ALLOWED "model_not_allowed" 403 Permission Client
            "the caller may not call this model" "call one of the `allowedModels` of the key, or add this one to them; a call whose body is not read names its model in `x-portcullis-model`";
        DIALECT_UNSUPPORTED "dialect_unsupported" 400 InvalidRequest Client
            "the model's provider does not speak the dialect of the call" "call it in its provider's own dialect";
        NOT_REPLAYABLE "not_replayable" 502 Upstream Gateway
            "the attempt failed after its streamed body was used up" "send the call again";
        UPSTREAM_UNREACHABLE "upstream_unreachable" 502 Upstream Upstream
            "no connection to the upstream could be made" "see the attempt in the access log for the cause";
        UPSTREAM_BUSY "upstream_busy" 503 Unavailable Gateway
            "as many connections to the upstream are in use as the gateway may open" "send the call again after the time in `retry-after`, or raise `transport.pool.maxConnections` of the backend";
        ADDRESS_REFUSED "address_refused" 403 Permission Client
            "the address the call would go to is not one the gateway may call" "see the log for the address and the rule";
        UPSTREAM_BROKEN "upstream_broken" 502 Upstream Upstream
            "the upstream broke the connection or sent what is not HTTP" "send the call again";
        UPSTREAM_CUT "upstream_cut" 502 Upstream Upstream
            "the upstream's stream ended before the reply was complete" "send the call again; what came so far is not the whole reply";
        UPSTREAM_TOO_LARGE "upstream_too_large" 502 Upstream Upstream
            "the upstream's reply, or one event of it, is larger than the gateway holds" "raise `maxReplyBytes` of the backend";
        UPSTREAM_TIMEOUT "upstream_timeout" 504 Timeout Upstream
            "the upstream took too long to connect, to answer, or between two pieces of its answer" "raise the timeout the message names, or send a smaller request";
        UPSTREAM_FAILED "upstream_failed" 502 Upstream Upstream
            "every attempt failed after the reply had begun" "see the attempts in the access log for what each upstream said";
        NO_ENDPOINT "no_endpoint" 503 Unavailable Gateway
            "every endpoint of the backend is drained" "give one of them a weight above 0";
        ENDPOINTS_FULL "endpoints_full" 503 Unavailable Gateway
            "every endpoint of the backend has as many calls as it takes, and no place came free in time" "send the call again after the time in `retry-after`, or raise `maxConcurrent` or `queue` of the backend";
        ATTEMPT_SUPERSEDED "attempt_superseded" 502 Upstream Gateway
            "another attempt at the same call answered first" "nothing: it is the outcome of an attempt, and no caller sees it";
        CALL_TIMEOUT "call_timeout" 504 Timeout Upstream
            "the whole call took longer than its route allows" "raise `timeouts.request` of the route";
        CONDITION_FAILED "condition_failed" 403 Permission Gateway
            "whether a policy applies to the call could not be found out" "see the log for the expression; it may need to ask `has(…)` before it reads a field";
        STOPPING "stopping" 503 Unavailable Gateway
            "the gateway is stopping" "send the call again; another instance will take it";
        PANICKED "panicked" 500 Internal Gateway
            "a defect in the gateway ended this call" "report it, with the log lines of this request id";
        HOST_REFUSED "host_refused" 403 Permission Client
            "without a config file the gateway answers loopback hosts only" "call 127.0.0.1 or localhost, or write a config file";
        ORIGIN_REFUSED "origin_refused" 403 Permission Client
            "without a config file the gateway refuses calls made by web pages of other sites" "write a config file with an explicit policy";
        CONTENT_TYPE_REFUSED "content_type_refused" 415 InvalidRequest Client
            "this endpoint takes `application/json` only" "set `content-type: application/json`";
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_is_a_valid_status_and_stands_once() {
        let mut names: Vec<_> = codes::ALL.iter().map(|c| (c.name, c.status())).collect();
        names.sort();
        names.dedup_by_key(|n| n.0);
        assert_eq!(names.len(), codes::ALL.len());
    }
}
