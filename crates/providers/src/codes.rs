//! Error codes of this crate.

use portcullis_core::error::{Code, Fault, Kind};

/// `models_unlisted`: the upstream was asked for its models and gave no list.
pub static MODELS_UNLISTED: Code = Code {
    name: "models_unlisted",
    status: 502,
    kind: Kind::Upstream,
    fault: Fault::Upstream,
    about: "the upstream was asked for its models and gave no list",
    remedy: "name the model in the call itself, or ask in the dialect of its provider to see the upstream's own answer",
};

/// Every code of this crate.
pub static CODES: &[&Code] = &[&MODELS_UNLISTED];
