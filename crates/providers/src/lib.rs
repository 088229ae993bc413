//! LLM wire dialects and vendors of the Portcullis AI gateway, without sockets.

pub mod echo;
