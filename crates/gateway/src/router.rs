//! From a request to the service of its route, on the snapshot the request began with.

use std::sync::Arc;
use std::task::{Context, Poll};

use arc_swap::ArcSwap;
use portcullis_core::config::{Kind, ObjectId};
use portcullis_core::context::HasContext;
use portcullis_core::error::{Error, codes};
use portcullis_core::{BoxFuture, Request, Response};
use tower_service::Service;

use crate::listener::ConnectionInfo;
use crate::snapshot::{Served, Snapshot};

/// Routes what comes in by one listener. Cloning counts references.
#[derive(Clone, Debug)]
pub struct Router {
    snapshot: Arc<ArcSwap<Snapshot>>,
    by: By,
}

/// The listener whose routes are meant.
#[derive(Clone, Debug)]
enum By {
    Listener(ObjectId),
    /// The one of this project which the connection names.
    Connection(Arc<str>),
}

impl Router {
    /// Routes by the newest snapshot there is when a request comes in.
    pub fn new(snapshot: Arc<ArcSwap<Snapshot>>, listener: ObjectId) -> Self {
        let by = By::Listener(listener);
        Self { snapshot, by }
    }

    /// Routes what comes in by any listener of a project: which one, each request's
    /// [`ConnectionInfo`] says.
    pub fn by_connection(snapshot: Arc<ArcSwap<Snapshot>>, project: Arc<str>) -> Self {
        let by = By::Connection(project);
        Self { snapshot, by }
    }
}

impl By {
    fn find<'s>(&self, snapshot: &'s Snapshot, request: &Request) -> Option<&'s Arc<Served>> {
        match self {
            Self::Listener(listener) => snapshot.find(listener, request),
            Self::Connection(project) => {
                let connection = request.extensions().get::<ConnectionInfo>()?;
                let name = connection.listener.clone();
                let listener = ObjectId::new(project.clone(), Kind::Listener, name);
                snapshot.find(&listener, request)
            }
        }
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
        let Some(route) = self.by.find(&snapshot, &request) else {
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
