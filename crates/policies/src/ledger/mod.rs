//! Beside the line: what callers may use and have used, the one engine of every limit and budget.
//!
//! A call reserves before it goes on what it will probably use, and settles when it has ended, whichever way:
//! what it used takes the place of what it reserved. So calls in flight count, and what is used beyond a limit is at most
//! what the calls in flight used beyond their estimates. A key that used more than it had waits until that
//! is worked off.

mod charge;
mod future;
mod headers;
mod limits;
mod quota;
mod table;

#[cfg(test)]
mod tests;

pub use future::{Headed, Limited};
pub use limits::{Limit, Measure, Refusal};
pub use quota::{Moment, Quota, Short, Standing, Window};
pub use table::{MAX_KEYS, Table};

pub(crate) use charge::Pending;
pub(crate) use headers::Family;
pub(crate) use limits::Limits;
