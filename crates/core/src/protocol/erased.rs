//! Services and layers of one protocol with their types erased; a clone counts a reference.

use std::any::Any;
use std::fmt;
use std::future::{Future, poll_fn, ready};
use std::marker::PhantomData;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use tower_layer::Layer;
use tower_service::Service;

use super::Protocol;
use crate::BoxFuture;
use crate::error::Error;

type Reply<P> = BoxFuture<'static, Result<<P as Protocol>::Response, Error>>;

trait Call<P: Protocol>: Send + Sync {
    fn call(&self, request: P::Request) -> Reply<P>;
}

struct Erase<S>(S);

impl<P, S> Call<P> for Erase<S>
where
    P: Protocol,
    S: Service<P::Request, Response = P::Response, Error = Error> + Clone + Send + Sync + 'static,
    S::Future: Send + 'static,
{
    fn call(&self, request: P::Request) -> Reply<P> {
        let mut service = self.0.clone();
        // Nearly every service is ready always, and whoever is not is asked again with a waker that wakes.
        match service.poll_ready(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(Ok(())) => boxed::<P, _>(service.call(request)),
            Poll::Ready(Err(e)) => Box::pin(ready(Err(e))),
            Poll::Pending => Box::pin(async move {
                poll_fn(|cx| service.poll_ready(cx)).await?;
                service.call(request).await
            }),
        }
    }
}

/// Boxes a future unless it is boxed already.
fn boxed<P, F>(future: F) -> Reply<P>
where
    P: Protocol,
    F: Future<Output = Result<P::Response, Error>> + Send + 'static,
{
    let mut future = Some(future);
    if let Some(reply) = (&mut future as &mut dyn Any).downcast_mut::<Option<Reply<P>>>()
        && let Some(reply) = reply.take()
    {
        return reply;
    }
    Box::pin(future.expect("only what is boxed is taken out above"))
}

/// Any service of protocol `P`. Cloning counts a reference; each call makes one boxed future.
pub struct ArcService<P: Protocol>(Arc<dyn Call<P>>);

impl<P: Protocol> ArcService<P> {
    /// Erases a service. It is cloned for each call, and called at once if it is ready, else in the call's future
    /// when it is. A future it boxes itself is not boxed again.
    pub fn new<S>(service: S) -> Self
    where
        S: Service<P::Request, Response = P::Response, Error = Error>
            + Clone
            + Send
            + Sync
            + 'static,
        S::Future: Send + 'static,
    {
        Self(Arc::new(Erase(service)))
    }

    /// Makes a service of a plain function.
    pub fn from_fn<F, Fut>(f: F) -> Self
    where
        F: Fn(P::Request) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<P::Response, Error>> + Send + 'static,
    {
        Self(Arc::new(FromFn(f)))
    }

    /// Sends one request, without the ceremony of `poll_ready`.
    pub fn send(&self, request: P::Request) -> BoxFuture<'static, Result<P::Response, Error>> {
        self.0.call(request)
    }
}

struct FromFn<F>(F);

impl<P, F, Fut> Call<P> for FromFn<F>
where
    P: Protocol,
    F: Fn(P::Request) -> Fut + Send + Sync,
    Fut: Future<Output = Result<P::Response, Error>> + Send + 'static,
{
    fn call(&self, request: P::Request) -> Reply<P> {
        boxed::<P, _>((self.0)(request))
    }
}

impl<P: Protocol> Clone for ArcService<P> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<P: Protocol> Service<P::Request> for ArcService<P> {
    type Response = P::Response;
    type Error = Error;
    type Future = BoxFuture<'static, Result<P::Response, Error>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: P::Request) -> Self::Future {
        self.send(request)
    }
}

impl<P: Protocol> fmt::Debug for ArcService<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ArcService<{}>", P::NAME)
    }
}

type Wrap<P> = dyn Fn(ArcService<P>) -> ArcService<P> + Send + Sync;

/// Any layer of protocol `P`. Cloning counts a reference.
pub struct ArcLayer<P: Protocol>(Arc<Wrap<P>>, PhantomData<P>);

impl<P: Protocol> ArcLayer<P> {
    /// Erases a layer.
    pub fn new<L>(layer: L) -> Self
    where
        L: Layer<ArcService<P>> + Send + Sync + 'static,
        L::Service: Service<P::Request, Response = P::Response, Error = Error>
            + Clone
            + Send
            + Sync
            + 'static,
        <L::Service as Service<P::Request>>::Future: Send + 'static,
    {
        Self(
            Arc::new(move |inner| ArcService::new(layer.layer(inner))),
            PhantomData,
        )
    }

    /// Makes a layer of a plain function.
    pub fn from_fn<F>(f: F) -> Self
    where
        F: Fn(ArcService<P>) -> ArcService<P> + Send + Sync + 'static,
    {
        Self(Arc::new(f), PhantomData)
    }

    /// Wraps `inner` in `layers`, the first of which is outermost.
    pub fn stack(layers: &[Self], inner: ArcService<P>) -> ArcService<P> {
        layers
            .iter()
            .rev()
            .fold(inner, |inner, layer| layer.layer(inner))
    }
}

impl<P: Protocol> Layer<ArcService<P>> for ArcLayer<P> {
    type Service = ArcService<P>;

    fn layer(&self, inner: ArcService<P>) -> ArcService<P> {
        (self.0)(inner)
    }
}

impl<P: Protocol> Clone for ArcLayer<P> {
    fn clone(&self) -> Self {
        Self(self.0.clone(), PhantomData)
    }
}

impl<P: Protocol> fmt::Debug for ArcLayer<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ArcLayer<{}>", P::NAME)
    }
}
