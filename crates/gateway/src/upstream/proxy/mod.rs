//! Upstream client: HTTP proxies on the way out, as configuration or the environment names them.

mod bypass;
mod tunnel;

use std::{fmt, sync::Arc};

use http::{HeaderValue, Uri};
use percent_encoding::percent_decode_str;
use portcullis_core::config::{ConfigError, Pointer, Secret, TransportProxy};

use self::bypass::Bypass;
pub(super) use self::tunnel::tunnel;
use super::tls::{SystemRoots, Tls};

/// The proxies for each scheme, and who is reached without one.
#[derive(Debug)]
pub(super) struct Proxies {
    https: Option<Proxy>,
    http: Option<Proxy>,
    bypass: Bypass,
}

/// One proxy.
#[derive(Clone)]
pub(super) struct Proxy {
    pub(super) host: Box<str>,
    pub(super) port: u16,
    /// For a proxy that is spoken to over TLS.
    pub(super) tls: Option<Arc<Tls>>,
    authorization: Option<HeaderValue>,
}

impl Proxies {
    /// As configuration wants them. Places in the error are relative to `wanted`.
    pub(super) fn wanted(
        wanted: &TransportProxy,
        roots: &SystemRoots,
        environment: impl Fn(&str) -> Option<String>,
    ) -> Result<Self, ConfigError> {
        match (&wanted.url, wanted.from_environment) {
            (Some(url), false) => Self::one(url, wanted, roots),
            (None, true) => Self::from_environment(wanted, roots, environment),
            (Some(_), true) => Err(ConfigError::new(
                Pointer::root().key("url"),
                "the proxy is either named here or taken from the environment",
            )
            .hint("leave out `url` or `fromEnvironment`")),
            (None, false) => Err(ConfigError::new(Pointer::root(), "missing key `url`")
                .hint("or take it from the environment: `fromEnvironment: true`")),
        }
    }

    fn one(url: &str, wanted: &TransportProxy, roots: &SystemRoots) -> Result<Self, ConfigError> {
        let at = |key: &str| Pointer::root().key(key);
        let read = read(url).map_err(|what| ConfigError::new(at("url"), what));
        let (mut proxy, over_tls) = read?;
        if proxy.authorization.is_some() {
            return Err(
                ConfigError::new(at("url"), "a URL here takes no user name or password")
                    .hint("give them as `username` and `password`"),
            );
        }
        proxy.authorization = credentials(wanted)?;
        let own = wanted.tls.as_deref();
        if !over_tls && own.is_some() {
            return Err(
                ConfigError::new(at("tls"), "the proxy is not spoken to over TLS")
                    .on_key()
                    .hint("its URL begins with `http://`"),
            );
        }
        if over_tls {
            let tls = Tls::wanted(own.unwrap_or(&<_>::default()), roots);
            proxy.tls = Some(tls.map_err(|e| e.under(&at("tls")))?.into());
        }
        Ok(Self {
            bypass: Bypass::read(&wanted.no_proxy).map_err(|e| e.under(&at("noProxy")))?,
            https: Some(proxy.clone()),
            http: Some(proxy),
        })
    }

    fn from_environment(
        wanted: &TransportProxy,
        roots: &SystemRoots,
        environment: impl Fn(&str) -> Option<String>,
    ) -> Result<Self, ConfigError> {
        let mut own = TransportProxy::default();
        own.from_environment = true;
        if *wanted != own {
            let what = "beside `fromEnvironment` there is nothing to say of the proxy";
            return Err(ConfigError::new(Pointer::root(), what));
        }
        let found = |names: &[&str]| {
            let first = names.iter().find_map(|name| {
                let text = environment(name).filter(|text| !text.is_empty())?;
                Some((*name, text))
            });
            first.map_or(Ok(None), |(name, text)| variable(name, &text, roots))
        };
        let exempt = ["no_proxy", "NO_PROXY"];
        let exempt = exempt.iter().find_map(|name| environment(name));
        Ok(Self {
            https: found(&["https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"])?,
            // Not `HTTP_PROXY`: a CGI script's caller may set it with a header.
            http: found(&["http_proxy", "all_proxy", "ALL_PROXY"])?,
            bypass: Bypass::lenient(exempt.as_deref().unwrap_or("")),
        })
    }

    /// The proxy for a host; `None`: it is reached without one.
    pub(super) fn of(&self, https: bool, host: &str) -> Option<&Proxy> {
        let proxy = if https { &self.https } else { &self.http };
        proxy.as_ref().filter(|_| !self.bypass.has(host))
    }
}

fn variable(name: &str, text: &str, roots: &SystemRoots) -> Result<Option<Proxy>, ConfigError> {
    let full = if text.contains("://") {
        text.to_owned()
    } else {
        format!("http://{text}")
    };
    let unfit = |what| {
        let at = Pointer::root().key("fromEnvironment");
        ConfigError::new(at, format!("environment variable `{name}`: {what}"))
    };
    let (mut proxy, over_tls) = read(&full).map_err(unfit)?;
    if over_tls {
        proxy.tls = Some(Tls::wanted(&<_>::default(), roots)?.into());
    }
    Ok(Some(proxy))
}

/// Reads a proxy's URL: the proxy, and whether it is spoken to over TLS.
fn read(url: &str) -> Result<(Proxy, bool), &'static str> {
    let form = "not the URL of a proxy, as `http://proxy:3128`";
    let uri: Uri = url.parse().map_err(|_| form)?;
    let over_tls = match uri.scheme_str() {
        Some("http") => false,
        Some("https") => true,
        _ => return Err(form),
    };
    let usual = if over_tls { 443 } else { 80 };
    let authority = uri.authority().ok_or(form)?;
    if uri.path() != "/" || uri.query().is_some() || authority.host().is_empty() {
        return Err(form);
    }
    let authorization = match authority.as_str().rsplit_once('@') {
        None => None,
        Some((userinfo, _)) => Some(from_userinfo(userinfo).ok_or(form)?),
    };
    let proxy = Proxy {
        host: authority.host().trim_matches(['[', ']']).into(),
        port: authority.port_u16().unwrap_or(usual),
        tls: None,
        authorization,
    };
    Ok((proxy, over_tls))
}

fn from_userinfo(userinfo: &str) -> Option<HeaderValue> {
    let (name, password) = userinfo.split_once(':').unwrap_or((userinfo, ""));
    let decoded = |text| percent_decode_str(text).decode_utf8().ok();
    basic(&decoded(name)?, &Secret::new(decoded(password)?.into()))
}

fn credentials(wanted: &TransportProxy) -> Result<Option<HeaderValue>, ConfigError> {
    let at = |key: &str| Pointer::root().key(key);
    let Some(name) = &wanted.username else {
        return match wanted.password {
            Some(_) => Err(ConfigError::new(
                at("password"),
                "there is no `username` it belongs to",
            )),
            None => Ok(None),
        };
    };
    let none = Secret::new(String::new());
    let header = basic(name, wanted.password.as_ref().unwrap_or(&none));
    header.map(Some).ok_or_else(|| {
        ConfigError::new(
            at("username"),
            "a user name has no `:` and no control characters",
        )
    })
}

/// The header of the Basic scheme (RFC 7617).
fn basic(name: &str, password: &Secret) -> Option<HeaderValue> {
    let control = |text: &str| text.chars().any(char::is_control);
    if name.contains(':') || control(name) || control(password.expose()) {
        return None;
    }
    let pair = Secret::new(format!("{name}:{}", password.expose()));
    let mut value: HeaderValue = format!("Basic {}", encode(pair.expose().as_bytes()))
        .parse()
        .expect("base64 is fit for a header");
    value.set_sensitive(true);
    Some(value)
}

fn encode(bytes: &[u8]) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(bytes)
}

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Proxy")
            .field("host", &self.host)
            .field("port", &self.port)
            .field("tls", &self.tls.is_some())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
