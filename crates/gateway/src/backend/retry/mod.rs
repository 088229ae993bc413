//! The end of the line: a plain HTTP call tried again, where its method, its body and the failure allow that.

mod config;
mod proof;

use std::sync::Arc;

use http::header::UPGRADE;
use portcullis_core::attempt::{Engine, Settings};
use portcullis_core::backend::Endpoints;
use portcullis_core::error::Error;
use portcullis_core::protocol::{ArcService, Http};
use portcullis_core::{Request, Response};
use tower_service::Service;

pub use config::HttpRetryConfig;
use proof::HttpProof;

/// Sends calls whose body can be held to the engine. Clones share it.
#[derive(Clone)]
pub(super) struct Retrying {
    engine: Engine<Http, HttpProof>,
    max_body: u64,
}

impl Retrying {
    /// Over the `endpoints`, each with its service.
    ///
    /// # Errors
    ///
    /// The key and one phrase, when the configuration makes no sense.
    pub(super) fn new(
        config: &HttpRetryConfig,
        endpoints: Arc<Endpoints>,
        services: Vec<ArcService<Http>>,
    ) -> Result<Self, (&'static str, &'static str)> {
        let mut settings = Settings::default();
        settings.retry = config.retry()?;
        Ok(Self {
            engine: Engine::new(endpoints, services, settings, HttpProof::new(config)?),
            max_body: config.max_body_bytes.get(),
        })
    }

    /// Sends a call, or gives it back where it can be sent only once: its body is larger than the bound or of
    /// unknown length, or it wants another protocol.
    pub(super) async fn send(&self, request: Request) -> Result<Result<Response, Error>, Request> {
        let upgrades = request.headers().contains_key(UPGRADE)
            || request.extensions().get::<hyper::ext::Protocol>().is_some();
        let length = http_body::Body::size_hint(request.body()).exact();
        if upgrades || length.is_none_or(|length| length > self.max_body) {
            return Err(request);
        }
        let (head, body) = request.into_parts();
        let body = match body.collect(self.max_body).await {
            Ok(body) => body,
            Err(e) => return Ok(Err(e)),
        };
        let request = http::Request::from_parts(head, body.into());
        Ok(self.engine.clone().call(request).await)
    }
}
