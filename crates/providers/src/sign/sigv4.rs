//! AWS's Signature Version 4, on the line between a provider and its upstream.

use std::sync::Arc;
use std::time::SystemTime;

use aws_sigv4::http_request::{
    PayloadChecksumKind, SignableBody, SignableRequest, SigningSettings, sign,
};
use aws_sigv4::sign::v4::SigningParams;
use http::header::{AUTHORIZATION, CONTENT_TYPE, HeaderName};
use http::{HeaderMap, HeaderValue};
use portcullis_core::BoxFuture;
use portcullis_core::body::Body;
use portcullis_core::error::{BoxError, Error};
use portcullis_core::upstream::Sign;

use super::{AwsKeySource, AwsKeys};
use crate::codes::UNSIGNED;

/// Signs requests for a service in a region.
///
/// The signature covers method, host, path, query, date, content type, the session token and the body, and holds for five
/// minutes. Other headers may still be changed on the way.
///
/// ```
/// use std::sync::Arc;
///
/// use http::{HeaderMap, Method};
/// use portcullis_core::body::Body;
/// use portcullis_core::config::Secret;
/// use portcullis_core::upstream::{Credential, Origin};
/// use portcullis_providers::sign::{AwsKeys, SigV4};
///
/// let keys = AwsKeys::new("AKIDEXAMPLE", &Secret::new("secret".into()), None);
/// let signer = SigV4::new(Arc::new(keys), "eu-central-1", "bedrock");
/// let origin = Origin::parse("https://bedrock-runtime.eu-central-1.amazonaws.com")?
///     .with_credential(Credential::signing(Arc::new(signer)));
/// let body = Body::from("{}");
/// let path = "/model/amazon.nova-lite-v1%3A0/converse";
/// let request = origin.request(Method::POST, path, None, &HeaderMap::new(), body).unwrap();
/// let signed = request.headers()["authorization"].to_str().unwrap();
/// assert!(signed.starts_with("AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/"));
/// # Ok::<(), portcullis_core::upstream::OriginError>(())
/// ```
///
/// Source: AWS's "Signature Version 4 for API requests".
#[derive(Debug)]
pub struct SigV4 {
    keys: Arc<dyn AwsKeySource>,
    region: Box<str>,
    service: &'static str,
}

impl SigV4 {
    /// Signs with the keys of `keys`.
    pub fn new(keys: Arc<dyn AwsKeySource>, region: &str, service: &'static str) -> Self {
        Self {
            keys,
            region: region.into(),
            service,
        }
    }

    fn sign_at(
        &self,
        request: &mut http::Request<Body>,
        keys: &AwsKeys,
        time: SystemTime,
    ) -> Result<(), BoxError> {
        let body = request.body().bytes().ok_or("the body is not whole")?;
        let mut settings = SigningSettings::default();
        settings.payload_checksum_kind = PayloadChecksumKind::XAmzSha256;
        let params = SigningParams::builder()
            .identity(keys.identity())
            .region(&self.region)
            .name(self.service)
            .time(time)
            .settings(settings)
            .build()?
            .into();
        let uri = request.uri().to_string();
        let covered = covered(request.headers());
        let signable = SignableRequest::new(
            request.method().as_str(),
            uri,
            covered.into_iter(),
            SignableBody::Bytes(&body),
        )?;
        let (instructions, _) = sign(signable, &params)?.into_parts();
        let (headers, _) = instructions.into_parts();
        for header in headers {
            let mut value = HeaderValue::from_str(header.value())?;
            let name = HeaderName::from_static(header.name());
            value.set_sensitive(header.sensitive() || name == AUTHORIZATION);
            request.headers_mut().insert(name, value);
        }
        Ok(())
    }
}

impl Sign for SigV4 {
    fn ready(&self) -> Option<BoxFuture<'static, Result<(), Error>>> {
        self.keys.renew()
    }

    fn sign(&self, request: &mut http::Request<Body>) -> Result<(), Error> {
        let keys = self.keys.keys();
        let keys = keys.ok_or_else(|| Error::new(&UNSIGNED, UNSIGNED.about))?;
        let signed = self.sign_at(request, &keys, SystemTime::now());
        signed.map_err(|e| Error::new(&UNSIGNED, UNSIGNED.about).because(e))
    }
}

/// Of the request's own headers: what tells how its body is to be read.
fn covered(headers: &HeaderMap) -> Option<(&str, &str)> {
    let value = headers.get(CONTENT_TYPE)?.to_str().ok()?;
    Some((CONTENT_TYPE.as_str(), value))
}

#[cfg(test)]
mod tests;
