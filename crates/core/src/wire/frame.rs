//! Decode: one event of a block, as spans.

use std::{borrow::Cow, ops::Range};

use memchr::memchr2;

/// The byte order mark a stream may begin with.
pub(super) const BOM: &[u8] = b"\xef\xbb\xbf";

/// One event, comment or other run of lines up to an empty one, as spans into its block's bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Frame {
    /// All of it, the empty line included.
    pub span: Range<u32>,
    /// The value of the last `event` field; empty when there is none.
    pub event: Range<u32>,
    /// The data. With more than one `data` field: from the first value to the end of the last.
    pub data: Range<u32>,
    pub(super) data_lines: u32,
    pub(super) complete: bool,
    pub(super) commented: bool,
    pub(super) fielded: bool,
    pub(super) marked: bool,
}

impl Frame {
    /// A whole frame of a framing that is not server-sent events: where it is, its name and its data.
    pub fn whole(span: Range<u32>, event: Range<u32>, data: Range<u32>) -> Self {
        Self {
            span,
            event,
            data,
            data_lines: 1,
            complete: true,
            ..Self::default()
        }
    }

    /// A frame of such a framing whose end has not come.
    pub fn open(span: Range<u32>) -> Self {
        Self {
            data: span.clone(),
            span,
            data_lines: 1,
            fielded: true,
            ..Self::default()
        }
    }

    /// The name of the event; empty when it has none, which means `message`.
    ///
    /// # Panics
    ///
    /// This method and those below, when `raw` is shorter than the block the frame came with.
    pub fn event_name<'a>(&self, raw: &'a [u8]) -> &'a [u8] {
        slice(raw, &self.event)
    }

    /// The data, the lines of several `data` fields joined by `\n`. Copied in that case only.
    pub fn data<'a>(&self, raw: &'a [u8]) -> Cow<'a, [u8]> {
        if self.data_lines < 2 {
            return Cow::Borrowed(slice(raw, &self.data));
        }
        let mut joined = Vec::with_capacity(self.data.len());
        for (at, (_, value)) in self
            .fields(raw)
            .filter(|(name, _)| *name == b"data")
            .enumerate()
        {
            joined.extend_from_slice(if at > 0 { b"\n" } else { b"" });
            joined.extend_from_slice(value);
        }
        Cow::Owned(joined)
    }

    /// How many `data` fields there are. A browser passes over events that have none.
    pub fn data_lines(&self) -> u32 {
        self.data_lines
    }

    /// Whether the empty line at its end has been seen. A browser passes over events without.
    pub fn is_complete(&self) -> bool {
        self.complete
    }

    /// Whether it is made of comments only, as keep-alives are.
    pub fn is_comment(&self) -> bool {
        self.commented && !self.fielded
    }

    /// All its fields in order, comments under the empty name. For `id`, `retry` and the unusual.
    pub fn fields<'a>(&self, raw: &'a [u8]) -> Fields<'a> {
        let rest = &slice(raw, &self.span)[if self.marked { BOM.len() } else { 0 }..];
        Fields { rest }
    }

    /// The value of the last field of that name.
    pub fn field<'a>(&self, raw: &'a [u8], name: &str) -> Option<&'a [u8]> {
        self.fields(raw)
            .filter(|(found, _)| *found == name.as_bytes())
            .last()
            .map(|(_, v)| v)
    }

    /// The frame as seen from a place `by` bytes into its block.
    pub(super) fn shift(&mut self, by: u32) {
        for span in [&mut self.span, &mut self.event, &mut self.data] {
            *span = span.start.saturating_sub(by)..span.end.saturating_sub(by);
        }
    }
}

fn slice<'a>(raw: &'a [u8], span: &Range<u32>) -> &'a [u8] {
    &raw[span.start as usize..span.end as usize]
}

/// The fields of a frame: name and value.
#[derive(Clone, Debug)]
pub struct Fields<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for Fields<'a> {
    type Item = (&'a [u8], &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        while !self.rest.is_empty() {
            let end = memchr2(b'\n', b'\r', self.rest).unwrap_or(self.rest.len());
            let line = &self.rest[..end];
            self.rest = self.rest.get(end + 1..).unwrap_or_default();
            if !line.is_empty() {
                let (name, value) = field(line);
                return Some((&line[..name], &line[value..]));
            }
        }
        None
    }
}

/// Where the name of a line's field ends and where its value begins.
pub(super) fn field(line: &[u8]) -> (usize, usize) {
    match memchr::memchr(b':', line) {
        Some(colon) if line.get(colon + 1) == Some(&b' ') => (colon, colon + 2),
        Some(colon) => (colon, colon + 1),
        None => (line.len(), line.len()),
    }
}
