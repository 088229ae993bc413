//! The laws of translation, and each pitfall by its name.

mod laws;
