//! A model provider that costs next to nothing: `mock LISTEN`. Every answer is rendered once, when it
//! starts; which one is given, the model's name in the request says.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use anyhow::{Context as _, Result};
use bytes::Bytes;
use http::{HeaderValue, Request, Response, header};
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use memchr::memmem;
use portcullis_benches::scenario::{MODEL, Reply, Scenario};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::Interval;

type Replies = Arc<[(Scenario, Arc<Reply>)]>;

fn main() -> Result<()> {
    let listen = std::env::args().nth(1).context("usage: mock LISTEN")?;
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?
        .block_on(serve(listen.parse()?))
}

async fn serve(listen: SocketAddr) -> Result<()> {
    let replies = Scenario::ALL.map(|scenario| (scenario, Arc::new(scenario.reply())));
    let replies: Replies = Arc::new(replies);
    let listener = TcpListener::bind(listen).await?;
    loop {
        let (socket, _) = listener.accept().await?;
        // A client that has left already is no reason to stop.
        if socket.set_nodelay(true).is_ok() {
            tokio::spawn(connection(socket, replies.clone()));
        }
    }
}

async fn connection(socket: TcpStream, replies: Replies) {
    let service = service_fn(|request| answer(&replies, request));
    // A request that is none closes its connection, and the client sees that.
    let _ = hyper::server::conn::http1::Builder::new()
        .serve_connection(TokioIo::new(socket), service)
        .await;
}

async fn answer(replies: &Replies, request: Request<Incoming>) -> Result<Response<Play>> {
    let body = request.into_body().collect().await?.to_bytes();
    let reply = asked(&body).and_then(|asked| replies.iter().find(|(one, _)| *one == asked));
    let (_, reply) = reply.context("no scenario in the model's name")?;
    let media_type = HeaderValue::from_static(reply.media_type);
    let mut response = Response::new(Play::new(reply.clone()));
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, media_type);
    Ok(response)
}

/// The scenario a request names; the model is the first thing in it.
fn asked(body: &[u8]) -> Option<Scenario> {
    let start = &body[..body.len().min(64)];
    let name = &start[memmem::find(start, MODEL.as_bytes())? + MODEL.len()..];
    let end = memchr::memchr(b'"', name)?;
    Scenario::named(std::str::from_utf8(&name[..end]).ok()?)
}

/// A reply on its way.
struct Play {
    reply: Arc<Reply>,
    next: usize,
    pace: Option<Interval>,
}

impl Play {
    fn new(reply: Arc<Reply>) -> Self {
        let pace = reply.pace.map(tokio::time::interval);
        Self {
            reply,
            next: 0,
            pace,
        }
    }
}

impl Body for Play {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let Some(piece) = self.reply.pieces.get(self.next).cloned() else {
            return Poll::Ready(None);
        };
        if let Some(pace) = &mut self.pace {
            ready!(pace.poll_tick(cx));
        }
        self.next += 1;
        Poll::Ready(Some(Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.next == self.reply.pieces.len()
    }

    fn size_hint(&self) -> SizeHint {
        match &self.reply.pieces[self.next..] {
            [one] if self.next == 0 => SizeHint::with_exact(one.len() as u64),
            _ => SizeHint::default(),
        }
    }
}
