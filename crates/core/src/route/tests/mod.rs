//! Route stretch: the table as a whole.

mod claims;
mod law;
