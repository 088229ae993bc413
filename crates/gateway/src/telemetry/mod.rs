//! Beside the line: what is told about calls that have ended.
//!
//! A call only hands its record on: into a bounded queue, without waiting. One thread of the [`Recorder`]
//! gathers records for a moment, counts them in [`Metrics`], writes the [access log](AccessLog) with one
//! write for all of them, and passes them on to whoever else asked for them.

mod access_log;
mod metrics;
mod queue;
mod recorder;

pub use access_log::AccessLog;
pub use metrics::{CONTENT_TYPE, ConfigMetrics, MAX_LABEL_SETS, Metrics};
pub use recorder::{Recorder, RecorderConfig};

#[cfg(test)]
pub(crate) mod sample;
