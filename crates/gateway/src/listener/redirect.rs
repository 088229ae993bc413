//! The first stretch of the line: a listener that only sends clients elsewhere.

use http::header::LOCATION;
use http::uri::Authority;
use http::{HeaderValue, Request, Response, StatusCode};
use portcullis_core::body::Body;
use portcullis_core::config::{ListenerRedirect, RedirectScheme};
use portcullis_core::error::Error;
use portcullis_core::route::RequestHead;

use super::codes;

/// The redirect a request is answered with.
///
/// # Errors
///
/// When the request names no host it could be sent to.
pub(super) fn redirect<B>(
    to: &ListenerRedirect,
    request: &Request<B>,
) -> Result<Response<Body>, Error> {
    let head = RequestHead::from(request);
    let authority = head.host.and_then(|host| host.parse::<Authority>().ok());
    let location = authority
        .as_ref()
        .filter(|authority| !authority.as_str().contains('@') && !authority.host().is_empty())
        .and_then(|authority| location(to, authority.host(), request.uri()));
    let Some(location) = location else {
        let code = &codes::HOST_INVALID;
        return Err(Error::new(code, code.about));
    };
    let mut reply = Response::new(Body::empty());
    *reply.status_mut() =
        StatusCode::from_u16(to.status_code).unwrap_or(StatusCode::PERMANENT_REDIRECT);
    reply.headers_mut().insert(LOCATION, location);
    Ok(reply)
}

fn location(to: &ListenerRedirect, host: &str, uri: &http::Uri) -> Option<HeaderValue> {
    let (scheme, usual) = match to.scheme {
        RedirectScheme::Http => ("http", 80),
        _ => ("https", 443),
    };
    let port = match to.port {
        Some(port) if port != usual => format!(":{port}"),
        _ => String::new(),
    };
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    let path = if path.starts_with('/') { path } else { "/" };
    HeaderValue::try_from(format!("{scheme}://{host}{port}{path}")).ok()
}

#[cfg(test)]
mod tests {
    use http::header::HOST;

    use super::*;

    fn sent_to(to: &ListenerRedirect, target: &str, host: &str) -> Option<String> {
        let request = Request::get(target).header(HOST, host).body(()).unwrap();
        let reply = redirect(to, &request).ok()?;
        Some(reply.headers()[LOCATION].to_str().unwrap().to_owned())
    }

    #[test]
    fn host_path_and_query_are_kept_and_the_port_is_not() {
        let mut to = ListenerRedirect::default();
        let sent = |to: &_, target| sent_to(to, target, "a.example:8080").unwrap();
        assert_eq!(sent(&to, "/v1?a=b"), "https://a.example/v1?a=b");
        assert_eq!(sent(&to, "http://b.example:80/v1"), "https://b.example/v1");
        assert_eq!(sent(&to, "*"), "https://a.example/");
        assert_eq!(
            sent(&to, "//evil.example/"),
            "https://a.example//evil.example/"
        );
        to.port = Some(8443);
        assert_eq!(
            sent_to(&to, "/", "[::1]:80").unwrap(),
            "https://[::1]:8443/"
        );
    }

    #[test]
    fn a_host_that_is_none_is_not_sent_anywhere() {
        for host in ["", "a@b", "a b", "a/b", ":80"] {
            assert_eq!(
                sent_to(&ListenerRedirect::default(), "/", host),
                None,
                "{host}"
            );
        }
    }
}
