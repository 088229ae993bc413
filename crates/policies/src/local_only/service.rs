//! The check of where a call comes from.

use std::net::IpAddr;
use std::task::{Context, Poll};

use http::header::{CONTENT_TYPE, HOST, ORIGIN};
use http::uri::Authority;
use http::{HeaderMap, HeaderValue, Method, Request, Response, Uri};
use portcullis_core::assemble::PolicyKind;
use portcullis_core::context::{Decision, HasContext};
use portcullis_core::error::{Error, codes};
use tower_service::Service;

use super::LocalOnlyPolicy;
use crate::admission::Admission;
use crate::note;

/// A service for callers on this machine. Made by [`LocalOnlyLayer`](super::LocalOnlyLayer).
#[derive(Clone, Debug)]
pub struct LocalOnly<S> {
    inner: S,
}

impl<S> LocalOnly<S> {
    pub(super) fn new(inner: S) -> Self {
        Self { inner }
    }
}

impl<S, B, R> Service<Request<B>> for LocalOnly<S>
where
    S: Service<Request<B>, Response = Response<R>>,
    S::Error: Into<Error>,
{
    type Response = Response<R>;
    type Error = Error;
    type Future = Admission<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.inner.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        match check(request.method(), request.uri(), request.headers()) {
            Ok(()) => Admission::admitted(self.inner.call(request)),
            Err(refusal) => {
                note(request.context(), LocalOnlyPolicy::NAME, Decision::Refused);
                Admission::refused(refusal)
            }
        }
    }
}

fn check(method: &Method, uri: &Uri, headers: &HeaderMap) -> Result<(), Error> {
    let host = match uri.authority() {
        Some(authority) => Some(authority.clone()),
        None => headers
            .get(HOST)
            .and_then(|host| host.to_str().ok()?.parse().ok()),
    };
    if !host.as_ref().is_some_and(is_local) {
        return Err(Error::new(&codes::HOST_REFUSED, codes::HOST_REFUSED.about));
    }
    let text = |name: &str| headers.get(name).map(HeaderValue::as_bytes);
    let foreign = headers
        .get(ORIGIN)
        .is_some_and(|origin| !is_local_origin(origin));
    if foreign || text("sec-fetch-site") == Some(b"cross-site") {
        return Err(Error::new(
            &codes::ORIGIN_REFUSED,
            codes::ORIGIN_REFUSED.about,
        ));
    }
    let browser = headers.contains_key(ORIGIN) || headers.contains_key("sec-fetch-site");
    if browser && *method == Method::POST && is_simple(headers.get(CONTENT_TYPE)) {
        return Err(Error::new(
            &codes::CONTENT_TYPE_REFUSED,
            codes::CONTENT_TYPE_REFUSED.about,
        ));
    }
    Ok(())
}

fn is_local(authority: &Authority) -> bool {
    let host = authority.host().trim_end_matches('.');
    let address = host
        .trim_start_matches('[')
        .trim_end_matches(']')
        .parse::<IpAddr>();
    match address {
        Ok(address) => address.is_loopback(),
        Err(_) => {
            let host = host.to_ascii_lowercase();
            host == "localhost" || host.ends_with(".localhost")
        }
    }
}

fn is_local_origin(origin: &HeaderValue) -> bool {
    let uri = origin
        .to_str()
        .ok()
        .and_then(|origin| origin.parse::<Uri>().ok());
    uri.is_some_and(|uri| uri.authority().is_some_and(is_local))
}

/// Whether a page may send a body of this type to another site without being asked first (Fetch standard,
/// CORS-safelisted `content-type`).
fn is_simple(content_type: Option<&HeaderValue>) -> bool {
    let Some(kind) = content_type.and_then(|kind| kind.to_str().ok()) else {
        return true;
    };
    let kind = kind
        .split(';')
        .next()
        .unwrap_or_default()
        .trim()
        .to_ascii_lowercase();
    [
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data",
    ]
    .contains(&&*kind)
}
