//! Upstream client: who is asked about names, and what they may say.

use std::{net::IpAddr, sync::Arc, time::Duration};

use tokio::net::lookup_host;

/// Whoever knows the addresses of names.
pub(super) enum Source {
    System,
    #[cfg(feature = "dns")]
    Dns(Box<super::dns::Servers>),
    #[cfg(test)]
    Script(super::tests::Script),
}

/// The addresses of a name, at least one, and how long that holds.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) addresses: Vec<IpAddr>,
    pub(super) ttl: Duration,
}

/// Why there are no addresses.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{why}")]
pub(super) struct Failure {
    pub(super) why: Arc<str>,
    /// The name does not exist, so that what was known of it is no longer true.
    pub(super) is_final: bool,
    /// How long that holds.
    pub(super) ttl: Duration,
}

impl Source {
    pub(super) async fn ask(&self, host: &str) -> Result<Answer, Failure> {
        match self {
            Self::System => ask_system(host).await,
            #[cfg(feature = "dns")]
            Self::Dns(servers) => servers.ask(host).await,
            #[cfg(test)]
            Self::Script(script) => script.ask(host).await,
        }
    }
}

async fn ask_system(host: &str) -> Result<Answer, Failure> {
    let found = lookup_host((host, 0)).await;
    let found = found.map_err(|error| Failure::passing(error.to_string()))?;
    let mut addresses = Vec::new();
    for address in found.map(|address| address.ip()) {
        if !addresses.contains(&address) {
            addresses.push(address);
        }
    }
    Answer::of(addresses, Duration::ZERO)
}

impl Answer {
    pub(super) fn of(addresses: Vec<IpAddr>, ttl: Duration) -> Result<Self, Failure> {
        if addresses.is_empty() {
            return Err(Failure::passing("the name has no address"));
        }
        Ok(Self { addresses, ttl })
    }
}

impl Failure {
    /// One after which asking again may help.
    pub(super) fn passing(why: impl Into<Arc<str>>) -> Self {
        Self {
            why: why.into(),
            is_final: false,
            ttl: Duration::ZERO,
        }
    }

    /// The lookup ended without saying anything.
    pub(super) fn cut_off() -> Self {
        Self::passing("the lookup was cut off")
    }
}
