//! Before the request line: what models cost.

mod current;
#[cfg(feature = "providers")]
mod known;
#[cfg(not(feature = "providers"))]
mod unknown;

pub(super) use current::CurrentPrices;
#[cfg(feature = "providers")]
pub(super) use known::{load, published};
#[cfg(not(feature = "providers"))]
pub(super) use unknown::{load, published};
