//! The `forward` backend at work.

use std::sync::Arc;

use http::Uri;
use http::uri::Scheme;
use portcullis_core::error::{Error, codes};
use portcullis_core::{Request, Response};

use super::destination::{self, Destination, Unread};
use super::rules::Rules;
use crate::backend::codes::{DESTINATION_FORBIDDEN, DESTINATION_INVALID};
use crate::backend::relay::{Relay, Target, Way, wants_tunnel};

/// Sends each call where it says, if that is allowed.
#[derive(Debug)]
pub(super) struct ForwardService {
    pub(super) relay: Relay,
    pub(super) way: Way,
    pub(super) rules: Arc<Rules>,
    pub(super) connect: bool,
}

impl ForwardService {
    pub(super) async fn serve(&self, request: Request) -> Result<Response, Error> {
        let reply = if wants_tunnel(&request) {
            let target = self.tunnel(&request)?;
            self.relay.connect(&self.way, request, target).await
        } else {
            let target = self.target(&request)?;
            self.relay.send(&self.way, request, target, ()).await
        };
        reply.map_err(forbidden_after_lookup)
    }

    fn tunnel(&self, request: &Request) -> Result<Target, Error> {
        if !self.connect {
            let words = "this proxy does not open tunnels";
            return Err(Error::new(&codes::METHOD_NOT_ALLOWED, words));
        }
        let destination = destination::of_connect(request).map_err(invalid)?;
        self.permit(&destination)?;
        let uri = destination::uri(&destination, Scheme::HTTP, &Uri::default());
        Ok(target(uri, &destination))
    }

    fn target(&self, request: &Request) -> Result<Target, Error> {
        let (destination, scheme) = destination::of_request(request).map_err(invalid)?;
        self.permit(&destination)?;
        let uri = destination::uri(&destination, scheme, request.uri());
        Ok(target(uri, &destination))
    }

    fn permit(&self, destination: &Destination) -> Result<(), Error> {
        if self.rules.name(destination) {
            return Ok(());
        }
        let words = format!("this proxy may not call {destination}");
        Err(Error::new(&DESTINATION_FORBIDDEN, words))
    }
}

fn target(uri: Uri, destination: &Destination) -> Target {
    Target {
        uri,
        host: None,
        destination: Some(destination.to_string().into()),
    }
}

fn invalid(why: Unread) -> Error {
    Error::new(&DESTINATION_INVALID, why)
}

/// What a name leads to is found out by the client alone. The caller learns that it is forbidden, and not
/// what it is.
fn forbidden_after_lookup(e: Error) -> Error {
    if *e.code() != codes::ADDRESS_REFUSED {
        return e;
    }
    Error::new(&DESTINATION_FORBIDDEN, DESTINATION_FORBIDDEN.about).because(e)
}
