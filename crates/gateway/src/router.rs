//! From a request to the service of its route, on the snapshot the request began with.

use std::sync::Arc;
use std::task::{Context, Poll};

use arc_swap::ArcSwap;
use portcullis_core::config::ObjectId;
use portcullis_core::context::HasContext;
use portcullis_core::error::{Error, codes};
use portcullis_core::{BoxFuture, Request, Response};
use tower_service::Service;

use crate::snapshot::Snapshot;

/// Routes what comes in by one listener. Cloning counts references.
#[derive(Clone, Debug)]
pub struct Router {
    snapshot: Arc<ArcSwap<Snapshot>>,
    listener: ObjectId,
}

impl Router {
    /// Routes by the newest snapshot there is when a request comes in.
    pub fn new(snapshot: Arc<ArcSwap<Snapshot>>, listener: ObjectId) -> Self {
        Self { snapshot, listener }
    }
}

impl Service<Request> for Router {
    type Response = Response;
    type Error = Error;
    type Future = BoxFuture<'static, Result<Response, Error>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, mut request: Request) -> Self::Future {
        let snapshot = self.snapshot.load();
        let Some(route) = snapshot.find(&self.listener, &request) else {
            return Box::pin(std::future::ready(Err(not_found(&request))));
        };
        request.context().record(|exchange| {
            exchange.route = Some(route.id.name.clone());
            exchange.project = Some(route.id.project.clone());
        });
        route.service.send(request)
    }
}

fn not_found(request: &Request) -> Error {
    let what = format!(
        "no route matches {} {}",
        request.method(),
        request.uri().path()
    );
    Error::new(&codes::ROUTE_NOT_FOUND, what)
}
