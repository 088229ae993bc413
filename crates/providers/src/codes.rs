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

/// `untranslatable`: what a call asks for cannot be said in the dialect of the model's provider.
pub static UNTRANSLATABLE: Code = Code {
    name: "untranslatable",
    status: 400,
    kind: Kind::InvalidRequest,
    fault: Fault::Client,
    about: "what the call asks for cannot be said in the dialect of the model's provider",
    remedy: "leave out what the message names, or call a model whose provider speaks your dialect",
};

/// `loss_refused`: a field of the call would be lost in translation, and the backend is strict.
pub static LOSS_REFUSED: Code = Code {
    name: "loss_refused",
    status: 400,
    kind: Kind::InvalidRequest,
    fault: Fault::Client,
    about: "a field of the call would be lost in translation, and the backend is strict",
    remedy: "leave the field out, call a model whose provider speaks your dialect, or set `strict: false` on the backend",
};

/// `unsigned`: the request to the upstream could not be signed.
pub static UNSIGNED: Code = Code {
    name: "unsigned",
    status: 502,
    kind: Kind::Upstream,
    fault: Fault::Gateway,
    about: "the gateway has no keys to sign the request to the upstream with",
    remedy: "see the log for what the chain of credentials found; give keys in `aws` of the backend, or a role the gateway may take on",
};

/// Every code of this crate.
pub static CODES: &[&Code] = &[&MODELS_UNLISTED, &UNTRANSLATABLE, &LOSS_REFUSED, &UNSIGNED];
