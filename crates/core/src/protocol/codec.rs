//! From HTTP to a typed protocol and back: decoding towards the gateway, encoding towards an upstream.

use std::future::Future;
use std::marker::PhantomData;
use std::sync::Arc;
use std::task::{Context, Poll};

use tower_layer::Layer;
use tower_service::Service;

use super::{ArcService, Http, Protocol};
use crate::BoxFuture;
use crate::body::Body;
use crate::context::HasContext;
use crate::error::Error;

/// Carries one HTTP exchange over a typed service: around it, not before it, since one exchange may be
/// any number of typed calls, from none (a notification) to many (a batch).
pub trait Codec<P: Protocol>: Send + Sync + 'static {
    /// Serves the exchange by calls to `inner`.
    fn serve(
        &self,
        request: http::Request<Body>,
        inner: ArcService<P>,
    ) -> impl Future<Output = Result<http::Response<Body>, Error>> + Send;
}

/// Puts a typed service behind HTTP.
pub struct DecodeLayer<P, C> {
    codec: Arc<C>,
    protocol: PhantomData<fn() -> P>,
}

impl<P: Protocol, C: Codec<P>> DecodeLayer<P, C> {
    /// Decodes with `codec`.
    pub fn new(codec: Arc<C>) -> Self {
        Self {
            codec,
            protocol: PhantomData,
        }
    }
}

impl<P: Protocol, C: Codec<P>> Layer<ArcService<P>> for DecodeLayer<P, C> {
    type Service = DecodeService<P, C>;

    fn layer(&self, inner: ArcService<P>) -> Self::Service {
        DecodeService {
            codec: self.codec.clone(),
            inner,
        }
    }
}

/// An HTTP service over a typed one. Made by [`DecodeLayer`].
pub struct DecodeService<P: Protocol, C> {
    codec: Arc<C>,
    inner: ArcService<P>,
}

impl<P: Protocol, C: Codec<P>> Service<http::Request<Body>> for DecodeService<P, C> {
    type Response = http::Response<Body>;
    type Error = Error;
    type Future = BoxFuture<'static, Result<http::Response<Body>, Error>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let (codec, inner) = (self.codec.clone(), self.inner.clone());
        Box::pin(async move { codec.serve(request, inner).await })
    }
}

impl<P: Protocol, C> Clone for DecodeService<P, C> {
    fn clone(&self) -> Self {
        Self {
            codec: self.codec.clone(),
            inner: self.inner.clone(),
        }
    }
}

/// The inverse of a codec: writes typed requests as HTTP and reads the replies. A provider is one.
pub trait Encode<P: Protocol>: Send + Sync + 'static {
    /// What reading the reply needs to know of how the request was written.
    type Asked: Send + 'static;

    /// Waits for what writing the request needs and is not there yet: a credential that has run out, a body that must
    /// be whole to be signed. Called before every attempt; `None`, the default, when there is nothing to wait for.
    fn prepare<'a>(
        &'a self,
        request: &'a mut P::Request,
    ) -> Option<BoxFuture<'a, Result<(), Error>>> {
        let _ = request;
        None
    }

    /// Writes the request. It is taken by reference, because every attempt writes it anew. The call's
    /// [`Context`](crate::context::Context) is put into what is written.
    ///
    /// # Errors
    ///
    /// When the upstream cannot be asked this at all.
    fn request(&self, request: &P::Request) -> Result<(http::Request<Body>, Self::Asked), Error>;

    /// Reads the reply to `request`, which was written as `asked` says.
    fn response(
        &self,
        request: P::Request,
        asked: Self::Asked,
        reply: http::Response<Body>,
    ) -> BoxFuture<'static, Result<P::Response, Error>>;
}

/// Puts HTTP behind a typed service.
#[derive(Debug)]
pub struct EncodeLayer<P, E> {
    encode: Arc<E>,
    protocol: PhantomData<fn() -> P>,
}

impl<P: Protocol, E: Encode<P>> EncodeLayer<P, E> {
    /// Encodes with `encode`.
    pub fn new(encode: Arc<E>) -> Self {
        Self {
            encode,
            protocol: PhantomData,
        }
    }
}

impl<P: Protocol, E: Encode<P>> Layer<ArcService<Http>> for EncodeLayer<P, E> {
    type Service = EncodeService<P, E>;

    fn layer(&self, inner: ArcService<Http>) -> Self::Service {
        EncodeService {
            encode: self.encode.clone(),
            inner,
            protocol: PhantomData,
        }
    }
}

/// A typed service over an HTTP one. Made by [`EncodeLayer`].
pub struct EncodeService<P, E> {
    encode: Arc<E>,
    inner: ArcService<Http>,
    protocol: PhantomData<fn() -> P>,
}

impl<P: Protocol, E: Encode<P>> Service<P::Request> for EncodeService<P, E> {
    type Response = P::Response;
    type Error = Error;
    type Future = BoxFuture<'static, Result<P::Response, Error>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, mut request: P::Request) -> Self::Future {
        let (encode, inner) = (self.encode.clone(), self.inner.clone());
        Box::pin(async move {
            if let Some(prepared) = encode.prepare(&mut request) {
                prepared.await?;
            }
            let (mut written, asked) = encode.request(&request)?;
            let context = request.context().clone();
            written.extensions_mut().insert(context);
            let reply = inner.send(written).await?;
            encode.response(request, asked, reply).await
        })
    }
}

impl<P, E> Clone for EncodeService<P, E> {
    fn clone(&self) -> Self {
        Self {
            encode: self.encode.clone(),
            inner: self.inner.clone(),
            protocol: PhantomData,
        }
    }
}

impl<P, C> std::fmt::Debug for DecodeLayer<P, C> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("DecodeLayer")
    }
}

impl<P: Protocol, C> std::fmt::Debug for DecodeService<P, C> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("DecodeService")
    }
}

impl<P, E> std::fmt::Debug for EncodeService<P, E> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("EncodeService")
    }
}
