//! What every test needs: calls, scripted bodies and fake upstreams, and a look at how replies end.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};
use std::task::{self, Poll};

use bytes::Bytes;
use futures_util::FutureExt;
use http::HeaderValue;
use http::header::CONTENT_TYPE;
use http_body::{Body as _, Frame};
use portcullis_core::body::{Body, End};
use portcullis_core::context::{Context, Exchange, ExchangeSink, HasContext, RequestId};
use portcullis_core::error::{Code, Error};
use portcullis_core::llm::{
    Dialect, EventStream, Llm, LlmCodec, LlmOutput, LlmRequest, LlmResponse, TakeOnce,
};
use portcullis_core::protocol::{ArcService, DecodeLayer, Http, Protocol, Reply};
use portcullis_core::respond::RespondLayer;
use portcullis_core::{Request, Response};
use tower::{Layer, Service, ServiceExt};

use crate::dialect::{PLAIN, TERSE};

/// Replies are small here.
pub(crate) const MAX: u64 = 1 << 20;

/// A POST that carries `context`.
pub(crate) fn post(path: &str, body: impl Into<Body>, context: &Context) -> Request {
    let mut request = http::Request::post(path).body(body.into()).unwrap();
    request.extensions_mut().insert(context.clone());
    request
}

/// A reply with status 200 that is a stream of events.
pub(crate) fn events(body: Body) -> Response {
    let mut reply = http::Response::new(body);
    let kind = HeaderValue::from_static("text/event-stream");
    reply.headers_mut().insert(CONTENT_TYPE, kind);
    reply
}

/// A context, and where its record arrives.
pub(crate) fn recorded() -> (Context, Receiver<Box<Exchange>>) {
    struct Send(Sender<Box<Exchange>>);
    impl ExchangeSink for Send {
        fn record(&self, exchange: Box<Exchange>) {
            self.0.send(exchange).unwrap();
        }
    }
    let (send, records) = mpsc::channel();
    let context = Context::new(RequestId::make(), Some(Arc::new(Send(send))));
    (context, records)
}

/// The codec for both toy dialects.
pub(crate) fn codec() -> LlmCodec {
    let dialects: [Arc<dyn Dialect>; 2] = [Arc::new(PLAIN), Arc::new(TERSE)];
    LlmCodec::new(dialects)
}

/// Sends one call through an LLM service behind HTTP, as the gateway mounts one.
pub(crate) async fn call(service: ArcService<Llm>, request: Request) -> Response {
    let decoded = DecodeLayer::new(Arc::new(codec())).layer(service);
    finish(RespondLayer::new(codec()).layer(decoded), request).await
}

/// Sends one call to a service that cannot fail, as whatever is behind a [`RespondLayer`].
pub(crate) async fn finish<S>(service: S, request: Request) -> Response
where
    S: Service<Request, Response = Response, Error = std::convert::Infallible>,
{
    let Ok(reply) = service.oneshot(request).await;
    reply
}

/// An upstream that answers every request as `answer` says.
pub(crate) fn upstream(
    answer: impl Fn(http::Request<Bytes>) -> Response + Send + Sync + 'static,
) -> ArcService<Http> {
    let answer = Arc::new(answer);
    ArcService::from_fn(move |request: Request| {
        let answer = answer.clone();
        async move {
            let (head, body) = request.into_parts();
            let body = body.collect(MAX).await?;
            Ok(answer(http::Request::from_parts(head, body)))
        }
    })
}

/// A provider that streams what `feed` makes to each call, in the dialect of the call.
pub(crate) fn streaming(feed: impl Fn() -> Body + Send + Sync + 'static) -> ArcService<Llm> {
    ArcService::from_fn(move |request: LlmRequest| {
        let (head, body) = events(feed()).into_parts();
        let stream = EventStream::read(body, request.dialect.clone());
        let reply = LlmResponse::new(head, request.dialect, LlmOutput::Events(stream));
        async move { Ok(reply) }
    })
}

/// What makes `body`, the first time it is asked to.
pub(crate) fn once(body: Body) -> impl Fn() -> Body + Send + Sync {
    let once = TakeOnce::new(body);
    move || once.take().expect("there is one call")
}

/// A policy of any protocol: tells `told` how each reply of `inner` ended.
pub(crate) fn watch<P: Protocol>(
    inner: ArcService<P>,
    told: impl Fn(End) + Clone + Send + Sync + 'static,
) -> ArcService<P> {
    ArcService::from_fn(move |mut request: P::Request| {
        request.context();
        let (reply, told) = (inner.send(request), told.clone());
        async move { Ok(reply.await?.on_end(told)) }
    })
}

/// Reads a reply to its end, which must be at hand.
pub(crate) fn read_now(body: Body) -> Result<Bytes, Error> {
    body.collect(MAX).now_or_never().expect("no chunk is late")
}

/// The next frame of data of a body.
pub(crate) async fn next(body: &mut Body) -> Option<Result<Bytes, Error>> {
    let frame = std::future::poll_fn(|cx| Pin::new(&mut *body).poll_frame(cx)).await?;
    Some(frame.map(|frame| frame.into_data().unwrap()))
}

/// Whether something was dropped.
#[derive(Clone, Debug, Default)]
pub(crate) struct Gone(Arc<AtomicBool>);

impl Gone {
    pub(crate) fn is(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }
}

/// A scripted body: chunks, then its end, an error, or silence.
#[derive(Default)]
pub(crate) struct Feed {
    chunks: VecDeque<Bytes>,
    error: Option<Error>,
    silent: bool,
    gone: Gone,
}

impl Feed {
    pub(crate) fn new<C: Into<Bytes>>(chunks: impl IntoIterator<Item = C>) -> Self {
        let mut feed = Self::default();
        feed.chunks.extend(chunks.into_iter().map(Into::into));
        feed
    }

    /// Breaks after the last chunk.
    pub(crate) fn breaks(mut self, code: &'static Code) -> Self {
        self.error = Some(Error::new(code, "broken"));
        self
    }

    /// Says nothing more after the last chunk, and does not end.
    pub(crate) fn silent(mut self) -> Self {
        self.silent = true;
        self
    }

    /// The body, and whether it was dropped.
    pub(crate) fn body(self) -> (Body, Gone) {
        let gone = self.gone.clone();
        (Body::new(self), gone)
    }
}

impl http_body::Body for Feed {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut task::Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        if let Some(chunk) = self.chunks.pop_front() {
            return Poll::Ready(Some(Ok(Frame::data(chunk))));
        }
        match self.error.take() {
            Some(error) => Poll::Ready(Some(Err(error))),
            None if self.silent => Poll::Pending,
            None => Poll::Ready(None),
        }
    }
}

impl Drop for Feed {
    fn drop(&mut self) {
        self.gone.0.store(true, Ordering::SeqCst);
    }
}

/// Cuts `bytes` at the given places, which may be any numbers.
pub(crate) fn chunked(bytes: &Bytes, cuts: &[usize]) -> Vec<Bytes> {
    let mut cuts: Vec<_> = cuts.iter().map(|cut| cut % (bytes.len() + 1)).collect();
    cuts.extend([0, bytes.len()]);
    cuts.sort_unstable();
    cuts.windows(2).map(|w| bytes.slice(w[0]..w[1])).collect()
}
