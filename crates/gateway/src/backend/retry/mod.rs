//! The end of the line: a plain HTTP call tried again, where its method, its body and the failure allow that.

mod config;
mod proof;

use std::sync::Arc;
use std::time::Duration;

use http::Method;
use http::header::UPGRADE;
use portcullis_core::Request;
use portcullis_core::attempt::{Engine, Settings};
use portcullis_core::backend::{Balance, Endpoint, Endpoints, Group, Patience, Queue};
use portcullis_core::protocol::{ArcService, Http};
use tower_service::Service;

pub use config::HttpRetryConfig;
use proof::HttpProof;

/// Tries calls again at `endpoints`, each with its service; those that can be sent only once go to `otherwise`.
///
/// # Errors
///
/// The key and one phrase, when the configuration makes no sense.
pub(super) fn over(
    config: &HttpRetryConfig,
    endpoints: Arc<Endpoints>,
    services: Vec<ArcService<Http>>,
    otherwise: ArcService<Http>,
) -> Result<ArcService<Http>, (&'static str, &'static str)> {
    let mut settings = Settings::default();
    settings.retry = config.retry()?;
    let engine = Engine::new(endpoints, services, settings, HttpProof::new(config)?);
    let max = config.max_body_bytes.get();
    Ok(ArcService::from_fn(move |request: Request| {
        let (mut engine, otherwise) = (engine.clone(), otherwise.clone());
        async move {
            if !can_be_repeated(&request, max) {
                return otherwise.send(request).await;
            }
            let (head, body) = request.into_parts();
            let body = body.collect(max).await?;
            engine
                .call(http::Request::from_parts(head, body.into()))
                .await
        }
    }))
}

/// The same for a backend that knows no endpoints: the caller says where a call goes, and nothing that fails is
/// left out.
///
/// # Errors
///
/// As [`over`].
pub(super) fn alone(
    config: &HttpRetryConfig,
    name: Arc<str>,
    service: ArcService<Http>,
) -> Result<ArcService<Http>, (&'static str, &'static str)> {
    let mut patience = Patience::default();
    patience.longest = Duration::ZERO;
    let group = Group::new(vec![Endpoint::new(name)], Balance::default());
    let endpoints = Endpoints::new(vec![group], patience, Queue::default());
    over(config, Arc::new(endpoints), vec![service.clone()], service)
}

/// Whether a request can be held: its body has a length, at most `max`, and it wants no other protocol.
fn can_be_repeated(request: &Request, max: u64) -> bool {
    let upgrades = request.method() == Method::CONNECT || request.headers().contains_key(UPGRADE);
    let length = http_body::Body::size_hint(request.body()).exact();
    !upgrades && length.is_some_and(|length| length <= max)
}
