//! One connection, one request: received, filed, answered as planned.

use std::{
    convert::Infallible,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use bytes::{Bytes, BytesMut};
use http::{Request, Response, Version, request};
use http_body_util::BodyExt;
use hyper::{body::Incoming, service::service_fn};
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto::Builder,
};
use tokio::net::TcpStream;

use crate::{
    capture::{Call, Ended, Ledger, Seen},
    dialect::{self, Route},
    plan::{Answer, Break, Content, Plan, split_events},
    script::{Behaviour, Fault, UnknownFault, play},
    shape::Shape,
    upstream::{
        body::{PlanBody, wait},
        settings::Settings,
        wire::{Line, Wire},
    },
};

/// The client left before its request was complete.
struct Left;

/// What the connections of one upstream share.
#[derive(Debug)]
pub(crate) struct Host {
    pub(crate) ledger: Arc<Ledger>,
    settings: Mutex<Settings>,
    connections: AtomicU64,
}

impl Host {
    pub(crate) fn new() -> Self {
        Self {
            ledger: Arc::new(Ledger::new()),
            settings: Mutex::new(Settings::new()),
            connections: AtomicU64::new(0),
        }
    }

    pub(crate) fn settings(&self) -> MutexGuard<'_, Settings> {
        self.settings.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn connections(&self) -> u64 {
        self.connections.load(Ordering::Relaxed)
    }

    /// Serves a connection until it ends or a reply breaks it. Errors are the client's to see.
    pub(crate) async fn connection(self: Arc<Self>, stream: TcpStream) {
        if stream.set_nodelay(true).is_err() {
            return;
        }
        let line = Arc::new(Line::new(self.connections.fetch_add(1, Ordering::Relaxed)));
        let wire = TokioIo::new(Wire::new(stream, Arc::clone(&line)));
        let service = service_fn(|request| Arc::clone(&self).call(Arc::clone(&line), request));
        let mut builder = Builder::new(TokioExecutor::new());
        builder.http1().auto_date_header(false);
        builder.http2().auto_date_header(false);
        {
            let serving = builder.serve_connection(wire, service);
            tokio::select! {
                _ = serving => {}
                () = line.breaking() => {}
            }
        }
        // The client may be gone already; then there is nothing left to break.
        line.finish().await.ok();
    }

    async fn call(
        self: Arc<Self>,
        line: Arc<Line>,
        request: Request<Incoming>,
    ) -> Result<Response<PlanBody>, Infallible> {
        let (head, body) = request.into_parts();
        let mut call = self.ledger.open(|| seen(&line, &head));
        let behaviour = self.settings().behaviour(&head.headers);
        let early = matches!(
            &behaviour,
            Ok(Behaviour {
                fault: Some(Fault::EarlyReply(_)),
                ..
            })
        );
        let body = match early {
            true => {
                tokio::spawn(read_beside(body, Arc::clone(&line), &call));
                Bytes::new()
            }
            false => match read(body, &mut call).await {
                Ok(body) => {
                    line.resume();
                    body
                }
                Err(Left) => {
                    call.end(Ended::Cancelled);
                    gone(head.version, &line).await
                }
            },
        };
        let mut plan = self.plan(&head, &body, behaviour);
        for step in plan.before.drain(..) {
            wait(&step, &line, &mut call).await;
        }
        Ok(respond(plan, line, call))
    }

    fn plan(
        &self,
        head: &request::Parts,
        body: &Bytes,
        behaviour: Result<Behaviour, UnknownFault>,
    ) -> Plan {
        let route = Route::new(&head.method, &head.uri, &head.headers);
        let behaviour = match behaviour {
            Ok(behaviour) => behaviour,
            Err(unknown) => {
                let answer = dialect::error(route.operation.dialect(), 400, &unknown.to_string())
                    .with("x-testkit-error", "unknown behaviour");
                return play(answer, &Behaviour::default(), route.operation);
            }
        };
        let answer = match behaviour.shape {
            Some(shape) => recorded(shape),
            None => {
                let answers = self.settings().answers(&head.headers);
                dialect::answer(&route, &head.headers, body, &answers)
            }
        };
        let operation = behaviour
            .shape
            .map_or(route.operation, |shape| shape.operation);
        play(answer, &behaviour, operation)
    }
}

/// Ends a connection whose client left in the middle of a request. Over HTTP/2 only the stream is
/// gone, and hyper drops its future.
async fn gone<T>(version: Version, line: &Line) -> T {
    if version < Version::HTTP_2 {
        line.break_off(Break::Fin).await;
    }
    std::future::pending().await
}

/// A request as far as its head tells.
fn seen(line: &Line, head: &request::Parts) -> Seen {
    let raw_head = (head.version < Version::HTTP_2)
        .then(|| line.claim_head())
        .flatten();
    let uri = &head.uri;
    let target = match head.version {
        Version::HTTP_2 => uri
            .path_and_query()
            .map_or_else(String::new, ToString::to_string),
        _ => uri.to_string(),
    };
    Seen {
        number: 0,
        connection: line.number,
        method: head.method.clone(),
        target,
        version: head.version,
        headers: raw_head.as_ref().map_or_else(|| parsed(head), written),
        raw_head,
        body: Bytes::new(),
        status: None,
        ended: Ended::Running,
    }
}

/// Headers as they were parsed; over HTTP/2 behind the pseudo-header that takes `host`'s place.
fn parsed(head: &request::Parts) -> Vec<(String, Bytes)> {
    let host = head
        .uri
        .authority()
        .filter(|_| head.version == Version::HTTP_2);
    let host = host.map(|host| (":authority".to_owned(), Bytes::from(host.to_string())));
    let pairs = head.headers.iter();
    let pairs =
        pairs.map(|(name, value)| (name.to_string(), Bytes::copy_from_slice(value.as_bytes())));
    host.into_iter().chain(pairs).collect()
}

/// Header lines as they were written.
fn written(raw_head: &Bytes) -> Vec<(String, Bytes)> {
    let lines = raw_head.split(|byte| *byte == b'\n').skip(1);
    lines
        .filter_map(|line| {
            let colon = memchr::memchr(b':', line)?;
            let name = String::from_utf8_lossy(&line[..colon]).into_owned();
            Some((name, raw_head.slice_ref(line[colon + 1..].trim_ascii())))
        })
        .collect()
}

async fn read(mut body: Incoming, call: &mut Call) -> Result<Bytes, Left> {
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| Left)?;
        if let Some(part) = frame.data_ref() {
            call.receive(part);
        }
    }
    Ok(call.received())
}

/// Reads a body whose request is answered already, and files what arrives.
fn read_beside(
    mut body: Incoming,
    line: Arc<Line>,
    call: &Call,
) -> impl Future<Output = ()> + use<> {
    let inlet = call.inlet();
    async move {
        let mut received = BytesMut::new();
        while let Some(Ok(frame)) = body.frame().await {
            received.extend(frame.into_data().ok());
        }
        inlet.body(received.freeze());
        line.resume();
    }
}

fn recorded(shape: &'static Shape) -> Answer {
    let content = match shape.stream {
        true => Content::Events(split_events(&Bytes::from_static(shape.response_body))),
        false => Content::Whole(Bytes::from_static(shape.response_body).into()),
    };
    let mut answer = Answer::new(shape.status, content);
    answer.headers.extend(shape.response_headers());
    let usage = shape.usage.unwrap_or_default();
    if let Content::Events(events) = &mut answer.content {
        // A recording does not tell what each event cost: the bill comes with the last.
        if let Some(last) = events.last_mut() {
            last.tokens = usage.output_tokens;
        }
    }
    answer.billed(usage.input_tokens, usage.output_tokens)
}

fn respond(plan: Plan, line: Arc<Line>, mut call: Call) -> Response<PlanBody> {
    call.status(plan.status.as_u16());
    call.bill(plan.input_tokens, 0);
    let (status, headers) = (plan.status, plan.headers.clone());
    let mut response = Response::new(PlanBody::new(plan, line, call));
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    response
}
