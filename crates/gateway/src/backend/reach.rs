//! Before the request line: how the endpoints of a backend are reached, from its configuration.

use std::sync::Arc;

use http::uri::Scheme;
use portcullis_core::assemble::BuildContext;
use portcullis_core::config::{self, ConfigError, Pointer, TransportTls};
use portcullis_core::protocol::{ArcService, Http};
use portcullis_core::upstream::Transport;

use super::relay::Way;
use crate::upstream::HttpVersion;

/// What all endpoints of a backend have in common.
#[derive(Debug)]
pub(super) struct Reach {
    /// `https` where the configuration has `tls`.
    pub(super) scheme: Scheme,
    version: HttpVersion,
    transport: Option<Transport>,
}

impl Reach {
    /// Checks what stands at `place` of the body.
    pub(super) fn new(
        wanted: &config::Transport,
        place: &Pointer,
        cx: &BuildContext<'_>,
    ) -> Result<Self, ConfigError> {
        let version = match wanted.http {
            config::HttpVersion::Http2 => HttpVersion::Http2,
            config::HttpVersion::Http1 | config::HttpVersion::Auto => HttpVersion::Http1,
        };
        let made = (!is_usual(wanted)).then(|| cx.transport(wanted, place));
        Ok(Self {
            scheme: match wanted.tls {
                Some(_) => Scheme::HTTPS,
                None => Scheme::HTTP,
            },
            version,
            transport: made.transpose()?,
        })
    }

    /// The way to one endpoint, called `name` in records.
    pub(super) fn way(&self, service: ArcService<Http>, name: Arc<str>) -> Way {
        Way {
            service,
            name,
            version: self.version,
            transport: self.transport.clone(),
            check: None,
        }
    }
}

/// Whether the client reaches upstreams so by itself, on the connections it shares among all backends.
fn is_usual(wanted: &config::Transport) -> bool {
    let mut rest = wanted.clone();
    if rest.http == config::HttpVersion::Http2 {
        rest.http = config::HttpVersion::Http1;
    }
    if rest.tls == Some(TransportTls::default()) {
        rest.tls = None;
    }
    rest == config::Transport::default()
}
