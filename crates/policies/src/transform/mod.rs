//! Around any HTTP stretch of the line: changes to requests and replies.

pub mod headers;
