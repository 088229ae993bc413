//! Encode: whether a call goes on in its own dialect, in another, or not at all.

use std::sync::Arc;

use portcullis_core::llm::{Dialect, Operation};

use super::{Translation, Wire, Wires};

/// What an endpoint speaks, and what can be put into it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Spoken {
    /// The dialects, the one it is asked in where any would do first.
    pub(crate) dialects: Arc<[Arc<dyn Dialect>]>,
    /// What is known of dialects.
    pub(crate) wires: Wires,
    /// Whether a call is refused rather than lose anything on its way.
    pub(crate) strict: bool,
}

/// How a call reaches an endpoint.
#[derive(Clone, Debug)]
pub(crate) enum Way {
    /// As it is.
    Native,
    /// In another dialect.
    Translated(Box<Translation>),
    /// It does not get there: what it asks is estimated here, and answered in the dialect of this wire.
    Estimated(Arc<dyn Wire>),
    /// Not at all.
    None,
}

impl Spoken {
    /// How a call of this dialect that asks for this gets there.
    pub(crate) fn way(&self, caller: &dyn Dialect, operation: Operation) -> Way {
        if self.dialects.iter().any(|d| d.name() == caller.name()) {
            return Way::Native;
        }
        let can = |wire: &&Arc<dyn Wire>| match operation {
            Operation::Chat => true,
            Operation::Embeddings => wire.embeddings().is_some(),
            Operation::CountTokens => wire.counting().is_some(),
            _ => false,
        };
        let Some(from) = self.wires.get(caller.name()).filter(can) else {
            return Way::None;
        };
        let found = self.dialects.iter().find_map(|spoken| {
            Some(Translation {
                caller: from.clone(),
                upstream: self.wires.get(spoken.name()).filter(can)?.clone(),
                spoken: spoken.clone(),
                strict: self.strict,
            })
        });
        match found {
            Some(found) => Way::Translated(Box::new(found)),
            None if operation == Operation::CountTokens => Way::Estimated(from.clone()),
            None => Way::None,
        }
    }
}
