//! The stable codes of errors that policies make, beside those of the request path in core.

use portcullis_core::error::{Code, Fault, Kind};

/// `api_key_missing`: the call needs an API key and has none.
pub static API_KEY_MISSING: Code = Code {
    name: "api_key_missing",
    status: 401,
    kind: Kind::Authentication,
    fault: Fault::Client,
    about: "the call needs an API key and has none",
    remedy: "send a key of this gateway as `authorization: Bearer …` or `x-api-key`",
};

/// `api_key_invalid`: the API key is malformed or not known here.
pub static API_KEY_INVALID: Code = Code {
    name: "api_key_invalid",
    status: 401,
    kind: Kind::Authentication,
    fault: Fault::Client,
    about: "the API key is malformed or not known here",
    remedy: "send a key listed in `apiKeyAuthentication`, in one header only; \
             a provider's own key is not a key of the gateway",
};

/// `token_missing`: the call needs a JSON web token and has none.
pub static TOKEN_MISSING: Code = Code {
    name: "token_missing",
    status: 401,
    kind: Kind::Authentication,
    fault: Fault::Client,
    about: "the call needs a token and has none",
    remedy: "send a JSON web token of one of the issuers as `authorization: Bearer …`",
};

/// `token_invalid`: the token is malformed, expired, for somebody else, or not signed by an issuer known here.
pub static TOKEN_INVALID: Code = Code {
    name: "token_invalid",
    status: 401,
    kind: Kind::Authentication,
    fault: Fault::Client,
    about: "the token is malformed, expired, for somebody else, or not signed by an issuer known here",
    remedy: "get a new token; the log says what does not hold of this one",
};

/// `keys_unavailable`: the keys of the token's issuer could not be fetched.
pub static KEYS_UNAVAILABLE: Code = Code {
    name: "keys_unavailable",
    status: 503,
    kind: Kind::Unavailable,
    fault: Fault::Gateway,
    about: "the keys of the token's issuer could not be fetched",
    remedy: "send the call again; see the log for why `jwks.url` cannot be fetched",
};

/// `not_authorized`: the rules of the gateway do not let this caller make this call.
pub static NOT_AUTHORIZED: Code = Code {
    name: "not_authorized",
    status: 403,
    kind: Kind::Permission,
    fault: Fault::Client,
    about: "the rules of the gateway do not let this caller make this call",
    remedy: "see the log for the rule of `authorization` that refused it",
};

/// `rate_limited`: a rate limit of the gateway is reached.
pub static RATE_LIMITED: Code = Code {
    name: "rate_limited",
    status: 429,
    kind: Kind::RateLimit,
    fault: Fault::Client,
    about: "a rate limit of the gateway is reached",
    remedy: "wait for the time in `retry-after`; without one, the call is larger than the limit and never fits",
};

/// `too_many_calls`: the caller has as many calls in flight as it may.
pub static TOO_MANY_CALLS: Code = Code {
    name: "too_many_calls",
    status: 429,
    kind: Kind::RateLimit,
    fault: Fault::Client,
    about: "the caller has as many calls in flight as it may",
    remedy: "send the call again when another has ended, or raise `concurrency.max`",
};

/// `budget_exceeded`: the budget of the day or month is used up.
pub static BUDGET_EXCEEDED: Code = Code {
    name: "budget_exceeded",
    status: 429,
    kind: Kind::RateLimit,
    fault: Fault::Client,
    about: "the budget of the day or month is used up, or the call would go beyond it",
    remedy: "wait for the time in `retry-after`, or raise the `budget`",
};

/// `limit_key_missing`: whose limit the call counts for could not be found out.
pub static LIMIT_KEY_MISSING: Code = Code {
    name: "limit_key_missing",
    status: 403,
    kind: Kind::Permission,
    fault: Fault::Gateway,
    about: "whose limit the call counts for could not be found out",
    remedy: "see the log for the expression of the `key`; give one a default as in `apiKey.?id.orValue(\"nobody\")`",
};

/// `uninspectable`: the call is of a kind the gateway does not read, and a policy has to.
pub static UNINSPECTABLE: Code = Code {
    name: "uninspectable",
    status: 403,
    kind: Kind::Permission,
    fault: Fault::Gateway,
    about: "the call is of a kind the gateway does not read, and a policy has to",
    remedy: "set `unmodelled: Allow` in the policy to let such calls pass uncounted",
};

/// `price_unknown`: nobody knows what the model costs, and a budget is in money.
pub static PRICE_UNKNOWN: Code = Code {
    name: "price_unknown",
    status: 403,
    kind: Kind::Permission,
    fault: Fault::Gateway,
    about: "nobody knows what the model costs, and a budget counts money",
    remedy: "add the model to the list of prices, or give the budget in tokens",
};

/// Every code of this crate.
pub static CODES: &[&Code] = &[
    &API_KEY_MISSING,
    &API_KEY_INVALID,
    &TOKEN_MISSING,
    &TOKEN_INVALID,
    &KEYS_UNAVAILABLE,
    &NOT_AUTHORIZED,
    &RATE_LIMITED,
    &TOO_MANY_CALLS,
    &BUDGET_EXCEEDED,
    &LIMIT_KEY_MISSING,
    &UNINSPECTABLE,
    &PRICE_UNKNOWN,
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_has_a_status_and_no_name_of_core_is_taken() {
        for code in CODES {
            assert!(code.status().is_client_error() || code.status() == 503);
            assert!(!portcullis_core::error::codes::ALL.contains(code));
        }
    }
}
