//! Beside the line: a line of text for every call that has ended.
//!
//! What a caller sent stands in it only escaped and shortened, and never a header, a body or a query, so
//! that no credential can.

mod field;
mod json;
mod text;

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::path::Path;

use portcullis_core::config;
use portcullis_core::config::AccessLogFormat;
use portcullis_core::context::Exchange;

/// Lines are written at the latest when there are so many bytes of them.
const FULL: usize = 256 * 1024;

/// Where lines about calls go, and what they look like.
///
/// A file is appended to, and opened anew when the gateway is told to: see
/// [`Gateway::reopen_access_log`](crate::Gateway::reopen_access_log).
pub struct AccessLog {
    format: AccessLogFormat,
    out: Box<dyn Write + Send>,
    lines: Vec<u8>,
}

impl AccessLog {
    /// Writes to `out`, with one write for as many lines as there are at a time.
    pub fn new(format: AccessLogFormat, out: impl Write + Send + 'static) -> Self {
        Self {
            format,
            out: Box::new(out),
            lines: Vec::new(),
        }
    }

    /// Writes to the standard output.
    pub fn stdout(format: AccessLogFormat) -> Self {
        Self::new(format, io::stdout())
    }

    /// Writes to the standard error.
    pub fn stderr(format: AccessLogFormat) -> Self {
        Self::new(format, io::stderr())
    }

    /// Appends to a file, which is made if it is not there.
    ///
    /// # Errors
    ///
    /// When the file cannot be opened for writing.
    pub fn file(format: AccessLogFormat, path: &Path) -> io::Result<Self> {
        let file = OpenOptions::new().append(true).create(true).open(path)?;
        Ok(Self::new(format, file))
    }

    /// The log a configuration asks for; `None` when it asks for none.
    ///
    /// # Errors
    ///
    /// When its file cannot be opened for writing.
    pub fn open(config: &config::AccessLog) -> io::Result<Option<Self>> {
        let format = config.format;
        if format == AccessLogFormat::Off {
            return Ok(None);
        }
        let log = config.path.as_deref();
        log.map_or_else(|| Ok(Self::stdout(format)), |p| Self::file(format, p))
            .map(Some)
    }

    pub(super) fn push(&mut self, exchange: &Exchange) {
        match self.format {
            AccessLogFormat::Json => json::line(&mut self.lines, exchange),
            AccessLogFormat::Off => {}
            _ => text::line(&mut self.lines, exchange),
        }
    }

    pub(super) fn is_full(&self) -> bool {
        self.lines.len() >= FULL
    }

    /// Writes the lines so far. They are forgotten even if that fails: memory stays bounded.
    pub(super) fn write(&mut self) -> io::Result<()> {
        if self.lines.is_empty() {
            return Ok(());
        }
        let written = self.out.write_all(&self.lines);
        let written = written.and_then(|()| self.out.flush());
        self.lines.clear();
        written
    }
}

impl std::fmt::Debug for AccessLog {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AccessLog")
            .field("format", &self.format)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::sample;

    #[test]
    fn a_file_is_made_and_appended_to() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("calls.log");
        let mut config = config::AccessLog::default();
        config.path = Some(path.clone());
        for _ in 0..2 {
            let mut log = AccessLog::open(&config).unwrap().unwrap();
            log.push(&sample::exchange(|_| {}));
            log.write().unwrap();
        }
        assert_eq!(std::fs::read_to_string(path).unwrap().lines().count(), 2);
        config.format = AccessLogFormat::Off;
        assert!(AccessLog::open(&config).unwrap().is_none());
    }
}
