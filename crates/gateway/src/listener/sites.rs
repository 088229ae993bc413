//! The first stretch of the line: the listeners that share a socket, and which of them a request is for.

use std::sync::{Arc, OnceLock};

use portcullis_core::config::{ConfigError, ListenerLimits, ListenerRedirect, Pointer};
use portcullis_core::error::{Code, Error};
use portcullis_core::route::HostMatch;
use rustls::ServerConfig;
use tokio::sync::Semaphore;

use super::connection::Server;
use super::presence::CountersOf;
use super::proxy::Proxies;
use super::tls::{self, Certificates, Tls};
use super::{ConnectionCounters, ListenerConfig, check, codes};

/// One listener of those that share a socket.
#[derive(Debug)]
pub(super) struct Site {
    pub(super) name: Arc<str>,
    pub(super) redirect: Option<ListenerRedirect>,
    hostname: Option<HostMatch>,
    tls: Option<Tls>,
    counters: OnceLock<Arc<ConnectionCounters>>,
}

impl Site {
    fn new(config: &ListenerConfig, previous: Option<&Self>) -> Result<Self, ConfigError> {
        let at = &config.at;
        let hostname = config.hostname.as_deref().map(HostMatch::new).transpose();
        let previous = previous.and_then(|site| site.tls.as_ref());
        let tls = config.tls.as_ref();
        let tls = tls.map(|tls| Tls::build(tls, &at.key("tls"), previous));
        Ok(Self {
            name: config.name.clone(),
            redirect: config.redirect.clone(),
            hostname: hostname
                .map_err(|error| ConfigError::new(at.key("hostname"), error.to_string()))?,
            tls: tls.transpose()?,
            counters: OnceLock::new(),
        })
    }

    /// Where its connections are counted.
    pub(super) fn counters(&self, of: &CountersOf) -> &Arc<ConnectionCounters> {
        self.counters.get_or_init(|| Arc::new(of.of(&self.name)))
    }

    /// How narrow its hostname is: an exact one before a wildcard, a longer one before a shorter one.
    fn narrowness(&self) -> (bool, usize) {
        self.hostname.as_ref().map_or((false, 0), |hostname| {
            (!hostname.is_wildcard(), hostname.to_string().len())
        })
    }

    fn is_for(&self, host: Option<&str>) -> bool {
        match (&self.hostname, host) {
            (None, _) => true,
            (Some(hostname), Some(host)) => hostname.is_match(host),
            (Some(_), None) => false,
        }
    }
}

/// The listeners that share a socket as they are configured now, and what is the same for all of them.
#[derive(Debug)]
pub(super) struct Sites {
    /// The narrowest hostname first.
    all: Box<[Site]>,
    /// Which of them configuration names first.
    first: usize,
    pub(super) server: Server,
    pub(super) limits: ListenerLimits,
    pub(super) proxies: Option<Proxies>,
    /// A permit for each handshake that may be under way.
    pub(super) handshakes: Arc<Semaphore>,
    refusing: Option<Arc<ServerConfig>>,
    /// Whether every request is for the only listener there is.
    open: bool,
}

impl Sites {
    /// Checks the listeners and puts them together. Sessions of clients go over from `previous`.
    pub(super) fn new(
        configs: &[ListenerConfig],
        previous: Option<&Self>,
    ) -> Result<Self, ConfigError> {
        check::alike(configs)?;
        let Some(first) = configs.first() else {
            return Err(ConfigError::new(Pointer::root(), "there is no listener"));
        };
        check::limits(&first.limits, &first.at.key("limits"))?;
        let mut all = Vec::with_capacity(configs.len());
        for config in configs {
            check::listener(config)?;
            let last = previous.and_then(|sites| sites.named(&config.name));
            all.push(Site::new(config, last)?);
        }
        all.sort_by_key(|site| std::cmp::Reverse(site.narrowness()));
        let limits = first.limits.clone();
        let position = all.iter().position(|site| *site.name == *first.name);
        let lone = all.len() == 1 && all[0].hostname.is_none();
        let certificates = all[0].tls.as_ref().map_or(0, |tls| tls.certificates.len());
        Ok(Self {
            server: Server::new(&limits),
            proxies: Proxies::new(first)?,
            handshakes: permits(&limits, previous),
            refusing: all[0].tls.is_some().then(tls::refusing),
            open: lone && certificates <= 1,
            all: all.into(),
            first: position.unwrap_or_default(),
            limits,
        })
    }

    fn named(&self, name: &str) -> Option<&Site> {
        self.all.iter().find(|site| *site.name == *name)
    }

    /// The listener the socket is named after.
    pub(super) fn first(&self) -> &Site {
        &self.all[self.first]
    }

    /// The listener a connection is for, where that is known before any request.
    pub(super) fn seated(&self, seat: Seat) -> Option<&Site> {
        if let [only] = &*self.all {
            return Some(only);
        }
        Some(&self.all[seat.0?])
    }

    pub(super) fn is_encrypted(&self) -> bool {
        self.refusing.is_some()
    }

    /// The names of the listeners, each with its certificates.
    pub(super) fn certificates(&self) -> impl Iterator<Item = (&Arc<str>, &Certificates)> {
        let encrypted = |site: &'_ Site| site.tls.is_some();
        let sites = self.all.iter().filter(move |site| encrypted(site));
        sites.filter_map(|site| Some((&site.name, &*site.tls.as_ref()?.certificates)))
    }

    /// How a client is answered that asks for this name, and by which listener; by none where none is for
    /// it. One that asks for no name gets the listener for every host, or else the narrowest.
    pub(super) fn handshake(&self, name: Option<&str>) -> Option<(Arc<ServerConfig>, Seat)> {
        let found = self.all.iter().position(|site| site.is_for(name));
        let seat = match (found, name) {
            (Some(index), _) => Seat(Some(index)),
            (None, None) => Seat(Some(0)),
            (None, Some(_)) => return Some((self.refusing.clone()?, Seat(None))),
        };
        let tls = self.all[seat.0?].tls.as_ref()?;
        Some((tls.config.clone(), seat))
    }

    /// The listener a request for `host` is for, on a connection with this seat.
    ///
    /// # Errors
    ///
    /// When none of this connection is.
    pub(super) fn admit<'h>(
        &self,
        seat: Seat,
        server_name: Option<&str>,
        host: impl FnOnce() -> Option<&'h str>,
    ) -> Result<&Site, Error> {
        if self.open {
            return Ok(&self.all[0]);
        }
        let host = host();
        let found = self.all.iter().position(|site| site.is_for(host));
        let Some(seated) = seat.0 else {
            let found = found.ok_or_else(|| refusal(&codes::HOST_UNKNOWN))?;
            return Ok(&self.all[found]);
        };
        let site = &self.all[seated];
        let certificates = site.tls.as_ref().map(|tls| &tls.certificates);
        let covered = certificates
            .zip(host)
            .is_none_or(|(certificates, host)| certificates.covers(server_name, host));
        if found != Some(seated) || !covered {
            return Err(refusal(&codes::MISDIRECTED));
        }
        Ok(site)
    }
}

/// The listener a connection belongs to, where that is known before any request: over TLS.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Seat(Option<usize>);

fn refusal(code: &'static Code) -> Error {
    Error::new(code, code.about)
}

fn permits(limits: &ListenerLimits, previous: Option<&Sites>) -> Arc<Semaphore> {
    let same = previous.filter(|sites| sites.limits.max_handshakes == limits.max_handshakes);
    match same {
        Some(sites) => sites.handshakes.clone(),
        None => Arc::new(Semaphore::new(
            limits.max_handshakes.min(Semaphore::MAX_PERMITS),
        )),
    }
}
