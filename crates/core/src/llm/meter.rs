//! The record of one attempt: what the upstream used, when its first content came, how it ended.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use futures_core::Stream;
use tower_service::Service;

use super::{
    Batch, Dialect, EventStream, Llm, LlmOutput, LlmRequest, LlmResponse, Operation, Seen,
    StreamEnd,
};
use crate::BoxFuture;
use crate::body::Ended;
use crate::context::{Attempt, Outcome, Tokens};
use crate::error::{Error, codes};
use crate::protocol::ArcService;

/// Bytes of a request that make about one token, where nobody has counted.
pub(super) const BYTES_PER_TOKEN: u64 = 4;

/// Records every call of `inner` as one attempt at `endpoint`: status, times, usage, outcome.
///
/// A stream that ends before its reply is whole becomes an error, `upstream_cut`, after the last whole event.
/// Usage the upstream never reported is estimated, and marked so: input by the size of the request,
/// output by the number of pieces, or the size of a whole reply. So is the input of a caller who left
/// before the reply began.
#[derive(Clone, Debug)]
pub struct Metered {
    inner: ArcService<Llm>,
    endpoint: Arc<str>,
    provider: Option<&'static str>,
}

impl Metered {
    /// Meters `inner` under the name of its endpoint.
    pub fn new(inner: ArcService<Llm>, endpoint: Arc<str>) -> Self {
        Self {
            inner,
            endpoint,
            provider: None,
        }
    }

    /// Says whose endpoint it is, by the name of the vendor, so that what a call costs can be told.
    #[must_use]
    pub fn provider(mut self, vendor: &'static str) -> Self {
        self.provider = Some(vendor);
        self
    }
}

impl Service<LlmRequest> for Metered {
    type Response = LlmResponse;
    type Error = Error;
    type Future = BoxFuture<'static, Result<LlmResponse, Error>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: LlmRequest) -> Self::Future {
        let mut attempt = request.context.attempt(self.endpoint.clone());
        attempt.record().provider = self.provider;
        attempt.record().model = (!request.model.is_empty()).then(|| request.model.clone());
        let operation = request.operation;
        let sent = request.counted_bytes();
        // What stands if the caller leaves before there is a reply.
        attempt.record().usage = estimate(sent, 0);
        let reply = self.inner.send(request);
        Box::pin(async move {
            let reply = reply.await;
            let begun = reply.as_ref().is_err_and(Error::has_begun);
            attempt.record().usage = if begun { estimate(sent, 0) } else { None };
            match reply {
                Ok(reply) => Ok(settle(attempt, operation, sent, reply)),
                Err(e) => {
                    attempt.record().error = Some(e.chain().into());
                    attempt.finish(Outcome::Failed(e.code()));
                    Err(e)
                }
            }
        })
    }
}

/// What so many bytes of a request and of its reply's text probably used; none where nothing costs.
fn estimate(sent: u64, received: u64) -> Option<Tokens> {
    let [input, output] = [sent, received].map(|bytes| bytes.div_ceil(BYTES_PER_TOKEN));
    (sent > 0).then_some(Tokens {
        estimated: true,
        ..Tokens::new(input, output)
    })
}

/// Ends the attempt with the reply's body.
fn settle(
    mut attempt: Attempt,
    operation: Operation,
    sent: u64,
    mut reply: LlmResponse,
) -> LlmResponse {
    attempt.answered(reply.head.status);
    attempt.record().upstream_id = ["x-request-id", "request-id"]
        .iter()
        .find_map(|n| Some(reply.head.headers.get(*n)?.to_str().ok()?.into()));
    reply.body = match reply.body {
        LlmOutput::Whole(payload) => {
            let mut tokens = Tokens::default();
            attempt.record().usage = if reply.usage.is_some() {
                reply.usage
            } else if reply.dialect.usage(payload.raw(), &mut tokens) {
                Some(tokens)
            } else if reply.head.status.is_success() {
                // What is no document holds no text that was generated.
                let document = payload.raw().trim_ascii_start().starts_with(b"{");
                let text = document && operation == Operation::Chat;
                estimate(sent, if text { payload.raw().len() as u64 } else { 0 })
            } else {
                None
            };
            attempt.finish(Outcome::Completed);
            LlmOutput::Whole(payload)
        }
        LlmOutput::Events(events) => {
            let meter = Meter {
                attempt,
                dialect: reply.dialect.clone(),
                seen: Seen::default(),
                tokens: Tokens::default(),
                reported: false,
                sent,
            };
            LlmOutput::Events(EventStream::new(MeteredStream {
                inner: events,
                meter: Some(meter),
            }))
        }
        LlmOutput::Opaque(body) => LlmOutput::Opaque(body.on_end(move |end| {
            attempt.finish(end.how.into());
        })),
    };
    reply
}

/// What one streamed attempt has shown so far.
struct Meter {
    attempt: Attempt,
    dialect: Arc<dyn Dialect>,
    seen: Seen,
    tokens: Tokens,
    reported: bool,
    sent: u64,
}

impl Meter {
    /// Takes in a batch; returns whether it goes on. Half an event does not where the stream is cut: what
    /// is told the caller about that would become a part of it.
    fn note(&mut self, batch: &Batch) -> bool {
        self.seen.note(batch);
        // A reply may come as one event: its finish reason beside all of its content.
        if self.seen.content || self.seen.finish {
            self.attempt.content();
        }
        if let Some(tokens) = batch.usage() {
            self.tokens = tokens;
            self.reported = true;
        } else {
            for event in batch.events().iter().filter(|e| e.may_report_usage()) {
                self.reported |= self.dialect.usage(&batch.data(event), &mut self.tokens);
            }
        }
        !(batch.is_open() && StreamEnd::judge(self.seen, Ended::Completed) == StreamEnd::Cut)
    }

    /// Files the attempt; returns how the stream ended.
    fn end(mut self, ended: Ended) -> StreamEnd {
        let end = StreamEnd::judge(self.seen, ended);
        if !(self.reported && end == StreamEnd::Finished) {
            self.estimate();
        }
        self.attempt.record().usage = Some(self.tokens);
        self.attempt.finish(match end {
            StreamEnd::Finished => Outcome::Completed,
            StreamEnd::Left => Outcome::ClientLeft,
            StreamEnd::Failed => Outcome::Failed(&codes::UPSTREAM_BROKEN),
            StreamEnd::Cut => match ended {
                Ended::Failed(code) => Outcome::Failed(code),
                Ended::Completed | Ended::Left => Outcome::Failed(&codes::UPSTREAM_CUT),
            },
        });
        end
    }

    /// Fills in what was not reported, or not to the end.
    fn estimate(&mut self) {
        self.tokens.estimated = true;
        if self.tokens.input == 0 {
            self.tokens.input = self.sent.div_ceil(BYTES_PER_TOKEN);
        }
        self.tokens.output = self.tokens.output.max(self.seen.pieces);
    }
}

struct MeteredStream {
    inner: EventStream,
    meter: Option<Meter>,
}

impl MeteredStream {
    fn end(&mut self, ended: Ended) -> Option<StreamEnd> {
        let meter = self.meter.take()?;
        self.inner = EventStream::empty();
        Some(meter.end(ended))
    }
}

impl Stream for MeteredStream {
    type Item = Result<Batch, Error>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let ended = loop {
            match ready!(Pin::new(&mut self.inner).poll_next(cx)) {
                Some(Ok(batch)) => {
                    if self.meter.as_mut().is_none_or(|meter| meter.note(&batch)) {
                        return Poll::Ready(Some(Ok(batch)));
                    }
                }
                Some(Err(e)) => break Err(e),
                None => break Ok(()),
            }
        };
        let how = ended
            .as_ref()
            .err()
            .map_or(Ended::Completed, |e| Ended::Failed(e.code()));
        let cut = self.end(how) == Some(StreamEnd::Cut);
        Poll::Ready(cut.then(|| {
            let words = "the upstream's stream ended before the reply was complete";
            Err(ended
                .err()
                .unwrap_or_else(|| Error::new(&codes::UPSTREAM_CUT, words)))
        }))
    }
}

impl Drop for MeteredStream {
    fn drop(&mut self) {
        self.end(Ended::Left);
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use futures_util::StreamExt;
    use http::request;

    use super::*;
    use crate::body::Body;
    use crate::context::Context as Call;
    use crate::llm::{EventKind, Head, Operation};
    use crate::payload::{Doc, Payload};
    use crate::respond::{Problem, Render};

    const STREAM: &[u8] = b"event: content\ndata: {\"a\":1}\n\nevent: finish\ndata: {\"b\":2}\n\n";
    /// Where the document of the last event ends.
    const KNOWN: usize = STREAM.len() - 2;

    /// A dialect that goes by the names of events.
    #[derive(Debug)]
    struct Named;

    impl Dialect for Named {
        fn name(&self) -> &'static str {
            "named"
        }

        fn claim(&self, _: &request::Parts, _: &str) -> Option<Operation> {
            None
        }

        fn head(&self, _: Operation, _: &request::Parts, _: &[u8]) -> Result<Head, Error> {
            Ok(Head::default())
        }

        fn set_model(
            &self,
            _: &mut Arc<request::Parts>,
            _: &mut Payload<Doc>,
            _: &str,
        ) -> Result<(), Error> {
            Ok(())
        }

        fn classify(&self, name: &[u8], _: &[u8]) -> EventKind {
            match name {
                b"finish" => EventKind::Finish,
                _ => EventKind::Content,
            }
        }

        fn usage(&self, _: &[u8], _: &mut Tokens) -> bool {
            false
        }

        fn render(&self) -> Arc<dyn Render> {
            Arc::new(Problem)
        }
    }

    /// What comes of a stream, and whether it fails.
    async fn metered(sent: &'static [u8]) -> (Vec<u8>, bool) {
        let dialect: Arc<dyn Dialect> = Arc::new(Named);
        let events = EventStream::read(Body::from(Bytes::from_static(sent)), dialect.clone());
        let (head, ()) = http::Response::new(()).into_parts();
        let reply = LlmResponse::new(head, dialect, LlmOutput::Events(events));
        let attempt = Call::default().attempt("endpoint".into());
        let LlmOutput::Events(mut events) = settle(attempt, Operation::Chat, 0, reply).body else {
            unreachable!("a stream stays one");
        };
        let (mut got, mut failed) = (Vec::new(), false);
        while let Some(batch) = events.next().await {
            match batch {
                Ok(batch) => got.extend_from_slice(batch.raw()),
                Err(_) => failed = true,
            }
        }
        (got, failed)
    }

    #[tokio::test]
    async fn a_stream_cut_anywhere_fails_behind_its_last_whole_event() {
        let first = STREAM.windows(2).position(|end| end == b"\n\n").unwrap() + 2;
        for cut in 0..KNOWN {
            let (got, failed) = metered(&STREAM[..cut]).await;
            assert!(failed, "cut at {cut}");
            let whole = if cut < first { 0 } else { first };
            assert_eq!(got, &STREAM[..whole], "cut at {cut}");
        }
    }

    #[tokio::test]
    async fn a_stream_without_its_last_line_ends_is_whole_and_stays_as_it_is() {
        for end in KNOWN..=STREAM.len() {
            assert_eq!(
                metered(&STREAM[..end]).await,
                (STREAM[..end].to_vec(), false)
            );
        }
    }
}
