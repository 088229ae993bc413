//! Before routing or after it: bounds on what a call may use.

pub mod body;
pub mod concurrency;
