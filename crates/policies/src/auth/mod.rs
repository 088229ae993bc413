//! Before routing or after it: who is calling.

pub mod api_key;
#[cfg(feature = "jwt")]
pub mod jwt;
