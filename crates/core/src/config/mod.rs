//! Before the request line: what a gateway is told to be, as data, and how errors in it are told.
//!
//! Whoever reads configuration (a file, a cluster) hands over [`Config`] values with a [`SourceMap`];
//! bodies of policies and backends stay JSON until the registry knows their types, which
//! [`decode`] then makes of them, with the place of every error.

mod byte_size;
mod decode;
mod duration;
mod error;
mod fault;
mod nearest;
mod object;
mod pointer;
mod report;
mod secret;

pub use byte_size::ByteSize;
pub use decode::decode;
pub use duration::Duration;
pub use error::ConfigError;
pub use nearest::nearest;
pub use object::{Kind, ObjectId};
pub use pointer::Pointer;
pub use report::{Report, Verdict};
pub use secret::Secret;
