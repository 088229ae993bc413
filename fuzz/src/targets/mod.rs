//! The targets. Each takes any bytes, panics when a law is broken, and opens nothing.

pub mod config;
pub mod head;
pub mod json;
pub mod pattern;
pub mod proxy;
pub mod route;
pub mod sse;
pub mod usage;

/// A target.
pub type Run = fn(&[u8]);

/// Every target by the name of its corpus.
pub const ALL: &[(&str, Run)] = &[
    ("sse", sse::run),
    ("head", head::run),
    ("json", json::run),
    ("usage", usage::run),
    ("route", route::run),
    ("pattern", pattern::run),
    ("config", config::run),
    ("proxy", proxy::run),
];
