//! The way back: an upstream's stream as one of the caller's dialect.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use futures_core::Stream;
use portcullis_core::body::Body;
use portcullis_core::context::Context as Call;
use portcullis_core::error::{Error, codes};
use portcullis_core::llm::{Batch, Blocks, EventStream};
use portcullis_core::wire::{Block, Frame, Split};

use super::{Delta, EventReader, EventWriter, Names, Out, Piece, call::note_losses};

/// The two ends of a translated stream, and what it takes to join them.
pub(super) struct Ends {
    pub(super) reader: Box<dyn EventReader>,
    pub(super) writer: Box<dyn EventWriter>,
    pub(super) names: Names,
    pub(super) context: Call,
}

/// Translates the events of `body`, which `split` cuts.
pub(super) fn translate(body: Body, split: Box<dyn Split>, ends: Ends) -> EventStream {
    EventStream::new(Translated {
        blocks: Blocks::new(body, split),
        ends,
        out: Out::default(),
        told: false,
        over: false,
        failed: None,
    })
}

struct Translated {
    blocks: Blocks<Box<dyn Split>>,
    ends: Ends,
    out: Out,
    /// Whether the caller has been told that the upstream failed.
    told: bool,
    over: bool,
    /// What the stream fails with once what was written before it has gone out.
    failed: Option<Error>,
}

impl Translated {
    fn block(&mut self, block: &Block) {
        for frame in &block.frames {
            if let Err(e) = self.frame(frame, &block.raw) {
                self.fail(e);
                return;
            }
        }
    }

    fn frame(&mut self, frame: &Frame, raw: &[u8]) -> Result<(), Error> {
        let Self {
            ends, out, told, ..
        } = self;
        let names = &ends.names;
        let writer = &mut ends.writer;
        let mut take = |delta: Delta<'_>| match delta {
            Delta::Open {
                choice,
                piece: Piece::ToolCall { id, name },
            } => {
                let name = names.original(&name);
                let piece = Piece::ToolCall { id, name };
                writer.write(Delta::Open { choice, piece }, out)
            }
            Delta::Usage(tokens) => {
                out.usage(tokens);
                writer.write(Delta::Usage(tokens), out)
            }
            Delta::Failed(trouble) => {
                *told = true;
                writer.write(Delta::Failed(trouble), out)
            }
            delta => writer.write(delta, out),
        };
        if frame.data_lines() == 0 {
            return take(Delta::KeepAlive);
        }
        if !frame.is_complete() {
            // What a body ends with may be a last event without its empty line, or half of one.
            let whole = ends
                .reader
                .read(frame.event_name(raw), &frame.data(raw), &mut take);
            return match whole {
                Err(_) if !ends.reader.is_whole() => Ok(()),
                done => done,
            };
        }
        ends.reader
            .read(frame.event_name(raw), &frame.data(raw), &mut take)
    }

    /// The body has ended without a fault.
    fn end(&mut self) {
        if self.told {
            return;
        }
        if !self.ends.reader.is_whole() {
            let words = "the upstream's stream ended before the reply was complete";
            self.fail(Error::new(&codes::UPSTREAM_CUT, words));
        } else if let Err(e) = self.ends.writer.finish(&mut self.out) {
            self.fail(e);
        }
    }

    fn fail(&mut self, e: Error) {
        self.failed.get_or_insert(e);
        self.over = true;
    }

    /// What has been written and not taken yet.
    fn written(&mut self) -> Option<Batch> {
        if self.out.events.is_empty() && self.out.usage.is_none() {
            return None;
        }
        let raw = Bytes::from(std::mem::take(&mut self.out.raw));
        let events = std::mem::take(&mut self.out.events);
        Some(Batch::written(raw, events, self.out.usage.take()))
    }
}

impl Stream for Translated {
    type Item = Result<Batch, Error>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        while !this.over {
            match ready!(this.blocks.poll(cx)) {
                Some(Ok(block)) => this.block(&block),
                // After a whole reply the rest of the connection is nobody's business.
                Some(Err(_)) | None if this.ends.reader.is_whole() => {
                    this.over = true;
                    this.end();
                }
                Some(Err(e)) => this.fail(e),
                None => {
                    this.over = true;
                    this.end();
                }
            }
            if let Some(batch) = this.written() {
                return Poll::Ready(Some(Ok(batch)));
            }
        }
        note_losses(&this.ends.context, &std::mem::take(&mut this.out.losses));
        Poll::Ready(this.failed.take().map(Err))
    }
}
