//! From a model's name to the backend that serves it.

mod backend;
mod list;
mod pattern;
mod service;
#[cfg(test)]
mod tests;

pub use backend::{ModelRoute, ModelsBackend, ModelsConfig};
pub use pattern::{Pattern, PatternError};
