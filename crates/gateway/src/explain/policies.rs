//! Policies of an explained call: which apply, in which order, and from where.

use portcullis_core::assemble::{Level, Placed, Scope};
use portcullis_core::config::ObjectId;

use super::Question;

/// A policy that stands on the way.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Applied {
    /// Its name in configuration.
    pub name: String,
    /// Its `id`, if it has one.
    pub id: Option<String>,
    /// What must hold of a call for it to apply, if that is said.
    pub when: Option<String>,
    /// The level it stands on.
    pub level: Level,
    /// The object that carries it.
    pub owner: ObjectId,
    /// Where it stands: file, line and column, or a pointer where no text was kept.
    pub place: String,
    /// Whether it works on the decoded call, rather than on HTTP.
    pub typed: bool,
    /// The level of the policy of the same name that replaces it, if one does: then it does not apply.
    pub replaced_by: Option<Level>,
}

impl Question<'_> {
    /// The policies of these levels in wire order. None if they cannot be merged: then what carries them was
    /// refused, and is known to be broken.
    pub(super) fn policies(&self, protocol: &str, scopes: &[Scope<'_>]) -> Vec<Applied> {
        let merged = Placed::merge(self.registry, protocol, scopes).unwrap_or_default();
        let applied = merged.into_iter().map(|placed| Applied {
            name: placed.entry.name.clone(),
            id: placed.entry.id.clone(),
            when: placed.entry.when.clone(),
            level: placed.level,
            owner: placed.owner.clone(),
            place: self.place(placed.owner, &placed.entry.at, true),
            typed: placed.typed,
            replaced_by: placed.replaced_by,
        });
        applied.collect()
    }
}
