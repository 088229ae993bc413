//! Before the request line: what models cost.

#[cfg(feature = "providers")]
mod known;
#[cfg(not(feature = "providers"))]
mod unknown;

#[cfg(feature = "providers")]
pub(super) use known::load;
#[cfg(not(feature = "providers"))]
pub(super) use unknown::load;
