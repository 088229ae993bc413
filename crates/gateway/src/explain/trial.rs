//! An explained call run through what a gateway would build, over a client that sends nothing.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use http::request::Parts;
use http::{Method, StatusCode, Uri};
use portcullis_core::Request;
use portcullis_core::assemble::Registry;
use portcullis_core::body::Body;
use portcullis_core::config::{Loaded, ObjectId};
use portcullis_core::context::{Context, RequestId};
use portcullis_core::error::{Code, Error, codes};
use portcullis_core::llm::{LlmCodec, MAX_REQUEST};
use portcullis_core::protocol::ArcService;

use crate::listener::ConnectionInfo;
use crate::snapshot::{Snapshot, offline};

/// What comes out of a call.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum End {
    /// No route matches.
    NoRoute,
    /// It depends on the body, and none was given.
    NeedsBody,
    /// It is refused.
    Refused {
        /// The code of the error.
        code: &'static Code,
        /// Its words for the caller.
        message: String,
    },
    /// The gateway answers by itself, with this status.
    Answered(StatusCode),
    /// These requests would be sent to upstreams: one, unless models are listed.
    Sent(Vec<Sent>),
}

/// A request that would be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Sent {
    /// Its method.
    pub method: Method,
    /// Its URL.
    pub uri: Uri,
    /// The model it names, if it is a call that names one.
    pub model: Option<String>,
}

/// The configuration as services.
pub(super) struct Trial {
    snapshot: Snapshot,
    noted: Arc<Mutex<Vec<Sent>>>,
}

impl Trial {
    pub(super) fn new(registry: &Registry, loaded: &Loaded) -> Self {
        let noted: Arc<Mutex<Vec<Sent>>> = Arc::default();
        let codec = LlmCodec::new(registry.dialects().to_vec());
        let notes = noted.clone();
        let client = ArcService::from_fn(move |request| {
            let (codec, notes) = (codec.clone(), notes.clone());
            async move {
                let sent = read(&codec, request).await;
                notes
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .push(sent);
                let code = &codes::UPSTREAM_UNREACHABLE;
                Err(Error::new(code, code.about))
            }
        });
        let (snapshot, _) = offline::build(registry, loaded, client, &Snapshot::default());
        Self { snapshot, noted }
    }

    pub(super) fn snapshot(&self) -> &Snapshot {
        &self.snapshot
    }

    /// Runs a call that comes in by `listener` from this machine.
    pub(super) async fn run(&self, listener: &ObjectId, head: Parts, body: Option<Bytes>) -> End {
        let given = body.is_some();
        let mut request = Request::from_parts(head, Body::from(body.unwrap_or_default()));
        let here = SocketAddr::from((std::net::Ipv4Addr::LOCALHOST, 0));
        let info = ConnectionInfo::new(here, here, listener.name.clone());
        request.extensions_mut().insert(info);
        let context = Context::new(RequestId::make(), None);
        request.extensions_mut().insert(context);
        let Some(route) = self.snapshot.find(listener, &request) else {
            return End::NoRoute;
        };
        let reply = route.service.send(request).await;
        let mut noted = self.noted.lock().unwrap_or_else(PoisonError::into_inner);
        let sent = std::mem::take(&mut *noted);
        match reply {
            _ if !sent.is_empty() => End::Sent(sent),
            Ok(reply) => End::Answered(reply.status()),
            Err(e) if *e.code() == codes::BODY_NOT_JSON && !given => End::NeedsBody,
            Err(e) => End::Refused {
                code: e.code(),
                message: e.to_string(),
            },
        }
    }
}

/// Notes a request; its body is read for the model's name only.
async fn read(codec: &LlmCodec, request: Request) -> Sent {
    let (head, body) = request.into_parts();
    let body = body.collect(MAX_REQUEST).await.unwrap_or_default();
    let facts = codec
        .claim(&head)
        .and_then(|claim| claim.read(&head, &body).ok());
    Sent {
        model: facts
            .map(|facts| facts.model)
            .filter(|model| !model.is_empty()),
        method: head.method,
        uri: head.uri,
    }
}
