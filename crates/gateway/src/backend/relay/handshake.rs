//! The end of the line: the opening handshake of WebSocket (RFC 6455 §4), where the gateway is the client.

use aws_lc_rs::rand;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header::{SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_VERSION};
use http::{HeaderMap, HeaderValue};

use crate::upstream::accept;

/// The key of one handshake. A caller over HTTP/2 sends none (RFC 8441 §5.1), and an upstream over HTTP/1.1
/// wants one.
#[derive(Debug)]
pub(super) struct Key(String);

impl Key {
    pub(super) fn make() -> Self {
        let mut random = [0; 16];
        // It guards against mistakes, not against anybody: a key of zeros would serve as well.
        let _ = rand::fill(&mut random);
        Self(STANDARD.encode(random))
    }

    /// Writes the request's side.
    pub(super) fn write(&self, headers: &mut HeaderMap) {
        let key = HeaderValue::from_str(&self.0);
        headers.insert(SEC_WEBSOCKET_KEY, key.expect("base64 is a header value"));
        let version = headers.entry(SEC_WEBSOCKET_VERSION);
        version.or_insert(HeaderValue::from_static("13"));
    }

    /// Whether the reply is made for this request, and by somebody who speaks WebSocket.
    pub(super) fn is_accepted(&self, headers: &HeaderMap) -> bool {
        let said = headers.get(SEC_WEBSOCKET_ACCEPT).map(HeaderValue::as_bytes);
        said.is_some_and(|said| said.trim_ascii() == accept(self.0.as_bytes()).as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_answer_to_the_key_of_the_specification_is_its_own() {
        let key = Key("dGhlIHNhbXBsZSBub25jZQ==".into());
        let mut headers = HeaderMap::new();
        assert!(!key.is_accepted(&headers));
        let accept = HeaderValue::from_static("s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
        headers.insert(SEC_WEBSOCKET_ACCEPT, accept);
        assert!(key.is_accepted(&headers));
        assert!(!Key::make().is_accepted(&headers));
    }
}
