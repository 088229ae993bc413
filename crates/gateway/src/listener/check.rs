//! Before the first stretch of the line: what of a listener's settings cannot be.

use http::StatusCode;
use portcullis_core::config::{self, Address, ConfigError, ListenerLimits, Pointer};
#[cfg(feature = "providers")]
use portcullis_core::route::HostMatch;

use super::ListenerConfig;
use super::sites::Sites;
use super::tls;

/// The sizes of a frame HTTP/2 allows (RFC 9113, section 4.2), and the largest window (section 6.9.1).
const FRAME: std::ops::Range<u64> = 1 << 14..1 << 24;
const MAX_WINDOW: u64 = (1 << 31) - 1;

/// Checks a listener as binding it would, without binding it. What is returned does not stop it, but was
/// hardly meant: certificates that do not hold today.
///
/// # Errors
///
/// When it could not be bound whatever the system says, with the place of the mistake.
pub fn check(listener: &config::Listener) -> Result<Vec<ConfigError>, ConfigError> {
    let sites = Sites::new(&[ListenerConfig::from(listener)], None)?;
    let at = listener.at.key("tls").key("certificates");
    let mut warnings = Vec::new();
    let today = tls::now();
    for (_, certificates) in sites.certificates() {
        for (index, certificate) in certificates.iter().enumerate() {
            let (from, to) = certificate.validity;
            let what = if to < today {
                format!(
                    "the certificate has expired {} days ago",
                    (today - to) / tls::DAY
                )
            } else if from > today {
                format!(
                    "the certificate only holds in {} days",
                    (from - today) / tls::DAY
                )
            } else {
                continue;
            };
            warnings.push(ConfigError::new(at.index(index).key("certificate"), what));
        }
    }
    Ok(warnings)
}

/// Checks what listeners must have in common, and what tells them apart, if they have one address.
///
/// # Errors
///
/// When they cannot share it, with the place of the first difference.
pub fn check_shared(sharing: &[&config::Listener]) -> Result<(), ConfigError> {
    let configs: Vec<_> = sharing
        .iter()
        .map(|one| ListenerConfig::from(*one))
        .collect();
    alike(&configs)
}

/// Whether a request for `host` that comes in at the listener's address is for it, rather than for one of
/// the `others` there.
#[cfg(feature = "providers")]
pub(crate) fn answers<'l>(
    listener: &config::Listener,
    others: impl IntoIterator<Item = &'l config::Listener>,
    host: Option<&str>,
) -> bool {
    let rank = |one: &config::Listener| {
        let Some(hostname) = &one.hostname else {
            return Some((false, 0));
        };
        let hostname = HostMatch::new(hostname).ok()?;
        let matches = host.is_some_and(|host| hostname.is_match(host));
        matches.then(|| (!hostname.is_wildcard(), hostname.to_string().len()))
    };
    let Some(ours) = rank(listener) else {
        return false;
    };
    let sharing = others
        .into_iter()
        .filter(|other| other.address == listener.address);
    sharing.filter_map(rank).all(|theirs| theirs <= ours)
}

/// What a listener says for itself.
pub(super) fn listener(config: &ListenerConfig) -> Result<(), ConfigError> {
    let wrong = |key, what| Err(ConfigError::new(config.at.key(key), what));
    if config.backlog == 0 {
        return wrong("backlog", "nobody could connect");
    }
    match &config.address {
        Address::Unix(_) if config.reuse_port => {
            return wrong("reusePort", "a unix socket has no port");
        }
        Address::Ip(_) if config.socket_mode.is_some() => {
            return wrong("socketMode", "only a unix socket has permissions");
        }
        _ => {}
    }
    mode(config)?;
    if let Some(redirect) = &config.redirect {
        let status = StatusCode::from_u16(redirect.status_code);
        if !matches!(status.map(|s| s.as_u16()), Ok(301 | 302 | 307 | 308)) {
            let at = config.at.key("redirect").key("statusCode");
            return Err(ConfigError::new(at, "not one of 301, 302, 307 and 308"));
        }
    }
    Ok(())
}

/// The permissions of a unix socket.
pub(super) fn mode(config: &ListenerConfig) -> Result<u32, ConfigError> {
    let Some(text) = &config.socket_mode else {
        return Ok(super::socket::MODE);
    };
    let octal = text.len() <= 4 && text.bytes().all(|b| matches!(b, b'0'..=b'7'));
    let mode = u32::from_str_radix(text, 8)
        .ok()
        .filter(|mode| octal && *mode <= 0o777);
    mode.ok_or_else(|| {
        ConfigError::new(config.at.key("socketMode"), "not permission bits")
            .hint("write octal digits in quotes, as in `\"0660\"`")
    })
}

/// Refuses bounds nothing could be served within.
pub(super) fn limits(limits: &ListenerLimits, at: &Pointer) -> Result<(), ConfigError> {
    let times = [
        ("headerReadTimeout", limits.header_read_timeout),
        ("idleTimeout", limits.idle_timeout),
        ("handshakeTimeout", limits.handshake_timeout),
    ];
    let counts = [
        ("maxConnections", limits.max_connections as u64),
        ("maxHeaderBytes", limits.max_header_bytes.get()),
        ("maxHeaders", limits.max_headers as u64),
        ("maxConcurrentStreams", limits.max_concurrent_streams.into()),
        ("maxHandshakes", limits.max_handshakes as u64),
        (
            "maxRequestsPerConnection",
            limits.max_requests_per_connection.unwrap_or(1),
        ),
    ];
    let times = times.iter().filter(|(_, time)| time.get().is_zero());
    let counts = counts.iter().filter(|(_, count)| *count == 0);
    let zero = times
        .map(|(key, _)| *key)
        .chain(counts.map(|(key, _)| *key));
    if let Some(key) = zero.into_iter().next() {
        return Err(ConfigError::new(
            at.key(key),
            "nothing could be served within zero",
        ));
    }
    let (http2, at) = (&limits.http2, at.key("http2"));
    if !FRAME.contains(&http2.max_frame_size.get()) {
        let what = "a frame is of 16 KiB at least and below 16 MiB";
        return Err(ConfigError::new(at.key("maxFrameSize"), what));
    }
    let windows = [
        ("streamWindow", http2.stream_window),
        ("connectionWindow", http2.connection_window),
    ];
    for (key, window) in windows {
        if !(1..=MAX_WINDOW).contains(&window.get()) {
            return Err(ConfigError::new(
                at.key(key),
                "a window is of 1 byte to 2 GiB",
            ));
        }
    }
    Ok(())
}

/// Checks what listeners of one address must have in common.
pub(super) fn alike(configs: &[ListenerConfig]) -> Result<(), ConfigError> {
    let Some((first, others)) = configs.split_first() else {
        return Ok(());
    };
    for other in others {
        let same = [
            ("tls", first.tls.is_some() == other.tls.is_some()),
            ("limits", first.limits == other.limits),
            (
                "proxyProtocol",
                first.proxy_protocol == other.proxy_protocol,
            ),
            ("reusePort", first.reuse_port == other.reuse_port),
            ("backlog", first.backlog == other.backlog),
            ("socketMode", first.socket_mode == other.socket_mode),
        ];
        if let Some((key, _)) = same.iter().find(|(_, same)| !same) {
            let what = format!("listeners at one address have the same `{key}`, or all have none");
            return Err(ConfigError::new(&other.at, what).other(first.at.clone()));
        }
    }
    for (index, config) in configs.iter().enumerate() {
        let mut before = configs[..index].iter();
        if let Some(other) = before.find(|other| same_host(other, config)) {
            let what = "listeners at one address are for different hosts";
            let error = ConfigError::new(&config.at, what).other(other.at.clone());
            return Err(error.hint("give each a `hostname` of its own"));
        }
    }
    Ok(())
}

fn same_host(a: &ListenerConfig, b: &ListenerConfig) -> bool {
    let lower = |c: &ListenerConfig| c.hostname.as_deref().map(str::to_ascii_lowercase);
    lower(a) == lower(b)
}
