//! Decode: finding the frames in the bytes at hand, never looking at a byte twice.

use memchr::memchr2;

use crate::wire::{
    Frame,
    frame::{BOM, field},
};

/// How far the bytes of a buffer have been read, and what the unfinished frame in them has so far.
#[derive(Debug)]
pub(super) struct Scan {
    /// Where the line begins that is not complete.
    line: usize,
    /// Up to where no line end is left.
    at: usize,
    /// Whether the byte before `at` was a `\r`, so that a `\n` here belongs to it.
    after_cr: bool,
    /// Whether no line of the stream has been read.
    first: bool,
    frame: Frame,
}

impl Scan {
    pub(super) fn new() -> Self {
        Self {
            line: 0,
            at: 0,
            after_cr: false,
            first: true,
            frame: Frame::default(),
        }
    }

    /// The next frame that is complete in `buffer`.
    pub(super) fn next(&mut self, buffer: &[u8]) -> Option<Frame> {
        loop {
            if self.after_cr && self.at < buffer.len() {
                self.after_cr = false;
                if buffer[self.at] == b'\n' {
                    self.at += 1;
                    self.line = self.at;
                }
            }
            let Some(length) = line_end(&buffer[self.at..]) else {
                self.at = buffer.len();
                return None;
            };
            let end = self.at + length;
            self.after_cr = buffer[end] == b'\r';
            let blank = self.line(buffer, end);
            self.at = end + 1;
            if self.after_cr && buffer.get(self.at) == Some(&b'\n') {
                self.after_cr = false;
                self.at += 1;
            }
            self.line = self.at;
            if blank {
                return Some(self.cut(true));
            }
        }
    }

    /// The frame the buffer ends in, whose empty line will not come. `None` when there is nothing
    /// of it but the other half of a line end.
    pub(super) fn last(&mut self, buffer: &[u8]) -> Option<Frame> {
        if self.line < buffer.len() {
            self.line(buffer, buffer.len());
        }
        self.at = buffer.len();
        let some = self.frame.fielded || self.frame.commented;
        some.then(|| self.cut(false))
    }

    /// Forgets the bytes before `cut`, at which a frame has ended.
    pub(super) fn drop_front(&mut self, cut: usize) {
        self.line -= cut;
        self.at -= cut;
        self.frame.shift(cut as u32);
    }

    /// Ends the frame here and begins another.
    fn cut(&mut self, complete: bool) -> Frame {
        self.frame.complete = complete;
        self.frame.span.end = self.at as u32;
        let at = self.at as u32;
        let next = Frame {
            span: at..at,
            ..Frame::default()
        };
        std::mem::replace(&mut self.frame, next)
    }

    /// Reads the line up to `end` into the frame. Whether it is empty.
    fn line(&mut self, buffer: &[u8], end: usize) -> bool {
        if std::mem::take(&mut self.first) && buffer[self.line..end].starts_with(BOM) {
            self.line += BOM.len();
            self.frame.marked = true;
        }
        let line = &buffer[self.line..end];
        let Some(&first) = line.first() else {
            return true;
        };
        if first == b':' {
            self.frame.commented = true;
            return false;
        }
        self.frame.fielded = true;
        let (name, value) = field(line);
        let value = (self.line + value) as u32..end as u32;
        match &line[..name] {
            b"data" => {
                if self.frame.data_lines == 0 {
                    self.frame.data.start = value.start;
                }
                self.frame.data.end = value.end;
                self.frame.data_lines += 1;
            }
            b"event" => self.frame.event = value,
            _ => {}
        }
        false
    }
}

/// Where the first line of `rest` ends. Empty lines are every other line.
#[inline]
fn line_end(rest: &[u8]) -> Option<usize> {
    match rest.first() {
        Some(b'\n' | b'\r') => Some(0),
        _ => memchr2(b'\n', b'\r', rest),
    }
}
