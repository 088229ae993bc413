//! Which endpoints a call has been to, and where it shall not go.

use smallvec::{SmallVec, smallvec};

/// What a call knows of an endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mark {
    /// It has not been asked.
    Fresh,
    /// It has failed, and may be asked again.
    Tried,
    /// It is not to be asked.
    Barred,
}

/// The endpoints of a backend, as one call sees them.
#[derive(Debug)]
pub(super) struct Marks(SmallVec<[Mark; 8]>);

impl Marks {
    pub(super) fn new(endpoints: usize) -> Self {
        Self(smallvec![Mark::Fresh; endpoints])
    }

    pub(super) fn tried(&mut self, at: usize) {
        if self.is_fresh(at) {
            self.0[at] = Mark::Tried;
        }
    }

    pub(super) fn bar(&mut self, at: usize) {
        self.0[at] = Mark::Barred;
    }

    /// Whether it has not been asked and may be.
    pub(super) fn is_fresh(&self, at: usize) -> bool {
        self.0[at] == Mark::Fresh
    }

    /// Whether it may be asked, perhaps once more.
    pub(super) fn is_open(&self, at: usize) -> bool {
        self.0[at] != Mark::Barred
    }
}
