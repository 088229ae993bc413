//! What the engine that makes several attempts for one call says of each of them.

use std::sync::{Arc, OnceLock};

use crate::error::Code;

/// Why an attempt was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reason {
    /// It is the call's first.
    #[default]
    First,
    /// The attempt before failed, and the same endpoint is asked again.
    Retry,
    /// The attempt before failed, and another endpoint is asked.
    Failover,
    /// The attempt before takes long, and another endpoint is asked beside it.
    Hedge,
}

impl Reason {
    /// Its name in records: `first`, `retry`, `failover`, `hedge`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::First => "first",
            Self::Retry => "retry",
            Self::Failover => "failover",
            Self::Hedge => "hedge",
        }
    }
}

/// One of several attempts. It travels in the [`Context`](super::Context) of the attempt's request.
#[derive(Debug, Default)]
pub struct Turn {
    reason: Reason,
    ended: OnceLock<&'static Code>,
    model: OnceLock<Arc<str>>,
}

impl Turn {
    /// A turn made for this reason.
    pub fn new(reason: Reason) -> Self {
        Self {
            reason,
            ..Self::default()
        }
    }

    /// Why it was made.
    pub fn reason(&self) -> Reason {
        self.reason
    }

    /// Says why what is under way will be dropped: not because the caller left.
    pub fn end(&self, code: &'static Code) {
        // Whoever ends it first knows why.
        self.ended.set(code).ok();
    }

    pub(super) fn ended(&self) -> Option<&'static Code> {
        self.ended.get().copied()
    }

    /// The model its endpoint was asked for.
    pub fn model(&self) -> Option<&Arc<str>> {
        self.model.get()
    }

    pub(super) fn set_model(&self, model: Arc<str>) {
        // An endpoint is asked for one model.
        self.model.set(model).ok();
    }
}
