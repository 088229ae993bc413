//! What the upstream saw, how each call ended, and what it billed: the truth that tests hold the
//! gateway's own records against.

mod ledger;
mod seen;

pub(crate) use self::ledger::{Call, Ledger};
pub use self::seen::{Ended, Meter, Seen};
