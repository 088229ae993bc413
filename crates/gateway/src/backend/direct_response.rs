//! The `directResponse` backend: the same reply to every request.

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use portcullis_core::assemble::{Backend, BuildContext};
use portcullis_core::config::{ConfigError, Pointer};
use portcullis_core::protocol::{ArcService, Http};
use schemars::JsonSchema;
use serde::Deserialize;

/// The backend `directResponse`.
#[derive(Clone, Copy, Debug, Default)]
pub struct DirectResponseBackend;

/// The reply. The request's body is not read.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DirectResponseConfig {
    /// The status, 200 to 599.
    pub status: u16,
    /// Headers of the reply. `content-type` is `text/plain` unless given.
    #[serde(default)]
    pub headers: Vec<HeaderConfig>,
    /// The body. Default: none.
    #[serde(default)]
    pub body: String,
}

/// One header.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct HeaderConfig {
    /// Its name.
    pub name: String,
    /// Its value.
    pub value: String,
}

impl Backend<Http> for DirectResponseBackend {
    const NAME: &'static str = "directResponse";
    type Config = DirectResponseConfig;

    fn service(
        &self,
        config: DirectResponseConfig,
        cx: &BuildContext<'_>,
    ) -> Result<ArcService<Http>, ConfigError> {
        let at = |key: &str| Pointer::root().key(key);
        let status = StatusCode::from_u16(config.status)
            .ok()
            .filter(|s| (200..600).contains(&s.as_u16()));
        let status =
            status.ok_or_else(|| cx.error(&at("status"), "not a status from 200 to 599"))?;
        let mut headers = HeaderMap::new();
        for (index, header) in config.headers.iter().enumerate() {
            let (name, value) = read_header(header)
                .ok_or_else(|| cx.error(&at("headers").index(index), "not a header"))?;
            headers.append(name, value);
        }
        let body = Bytes::from(config.body);
        if !body.is_empty() {
            let plain = HeaderValue::from_static("text/plain; charset=utf-8");
            headers.entry(CONTENT_TYPE).or_insert(plain);
        }
        Ok(ArcService::from_fn(move |_| {
            let mut reply = http::Response::new(body.clone().into());
            *reply.status_mut() = status;
            *reply.headers_mut() = headers.clone();
            std::future::ready(Ok(reply))
        }))
    }
}

fn read_header(header: &HeaderConfig) -> Option<(HeaderName, HeaderValue)> {
    Some((header.name.parse().ok()?, header.value.parse().ok()?))
}
