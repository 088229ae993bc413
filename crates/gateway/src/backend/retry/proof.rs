//! The end of the line: when a reply of plain HTTP has proved itself, and which calls may be sent twice.

use std::sync::Arc;

use http::{Method, StatusCode};
use portcullis_core::attempt::{Class, Proof, Proven, Rejected, Served, retry_after};
use portcullis_core::backend::Affinity;
use portcullis_core::body::Body;
use portcullis_core::context::{HasContext, Turn};
use portcullis_core::error::{Error, Fault};
use portcullis_core::protocol::Http;
use portcullis_core::{BoxFuture, Request, Response};

use super::HttpRetryConfig;

/// A reply has proved itself with its head, unless its status is one to be retried.
#[derive(Clone, Debug)]
pub(super) struct HttpProof {
    methods: Vec<Method>,
    codes: Vec<StatusCode>,
}

impl HttpProof {
    pub(super) fn new(config: &HttpRetryConfig) -> Result<Self, (&'static str, &'static str)> {
        let methods = config.methods.iter().map(|method| method.parse());
        let codes = config.codes.iter().map(|code| StatusCode::from_u16(*code));
        let codes: Result<Vec<_>, _> = codes.collect();
        let codes = codes
            .ok()
            .filter(|codes| codes.iter().all(|code| code.as_u16() >= 400));
        Ok(Self {
            methods: methods
                .collect::<Result<_, _>>()
                .map_err(|_| ("methods", "not a method"))?,
            codes: codes.ok_or(("codes", "a status that is retried is one from 400 on"))?,
        })
    }
}

impl Proof<Http> for HttpProof {
    /// Whether the request may be sent again when the upstream may have acted on it.
    type Asked = bool;

    fn asked(&self, request: &Request) -> bool {
        self.methods.contains(request.method())
    }

    fn key(&self, request: &Request, affinity: &Affinity) -> Option<u64> {
        affinity.of(request.headers())
    }

    fn copy(&self, request: &Request, turn: Arc<Turn>) -> Request {
        let body = request.body().bytes().unwrap_or_default();
        let mut copy = http::Request::new(Body::from(body));
        *copy.method_mut() = request.method().clone();
        *copy.uri_mut() = request.uri().clone();
        *copy.version_mut() = request.version();
        *copy.headers_mut() = request.headers().clone();
        *copy.extensions_mut() = request.extensions().clone();
        let context = copy.context().of_turn(turn);
        copy.extensions_mut().insert(context);
        copy
    }

    fn is_replayable(&self, _: &Request) -> bool {
        true
    }

    fn prove(
        &self,
        repeatable: bool,
        reply: Response,
    ) -> BoxFuture<'static, Result<Proven<Http>, Rejected<Http>>> {
        let status = reply.status();
        let again = repeatable && self.codes.contains(&status);
        let fails = status.is_server_error() && status != StatusCode::NOT_IMPLEMENTED;
        let class = match Class::of_status(status) {
            Some(Class::RateLimited) if again => Some(Class::RateLimited),
            Some(Class::Overloaded) if again => Some(Class::Overloaded),
            Some(_) if again => Some(Class::Faulty),
            _ if fails => Some(Class::Once),
            _ => None,
        };
        let judged = match class {
            None => Ok(Proven { reply, rest: None }),
            Some(class) => Err(Rejected {
                class,
                after: retry_after(reply.headers()).filter(|_| again),
                reply: Ok(reply),
            }),
        };
        Box::pin(std::future::ready(judged))
    }

    fn fail(&self, repeatable: &bool, error: Error) -> Rejected<Http> {
        let mut rejected = Rejected::from(error);
        let unsent = matches!(rejected.class, Class::Unreachable | Class::Busy);
        if let Err(error) = &rejected.reply
            && !repeatable
            && !unsent
        {
            rejected.class = match error.code().fault {
                Fault::Upstream => Class::Once,
                Fault::Client | Fault::Gateway => Class::Stopped,
            };
        }
        rejected
    }

    fn tell(&self, _: &mut Response, _: &Served<'_>) {}
}
