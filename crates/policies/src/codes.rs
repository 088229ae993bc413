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

/// `not_authorized`: the rules of the gateway do not let this caller make this call.
pub static NOT_AUTHORIZED: Code = Code {
    name: "not_authorized",
    status: 403,
    kind: Kind::Permission,
    fault: Fault::Client,
    about: "the rules of the gateway do not let this caller make this call",
    remedy: "see the log for the rule of `authorization` that refused it",
};

/// Every code of this crate.
pub static CODES: &[&Code] = &[&API_KEY_MISSING, &API_KEY_INVALID, &NOT_AUTHORIZED];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_has_a_status_and_no_name_of_core_is_taken() {
        for code in CODES {
            assert!(code.status().is_client_error());
            assert!(!portcullis_core::error::codes::ALL.contains(code));
        }
    }
}
