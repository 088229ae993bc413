//! Upstream: how the HTTP client is told to reach an endpoint, and which addresses it may dial.

use std::any::Any;
use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

/// How connections to an endpoint are made: the checked form of [`config::Transport`](crate::config::Transport).
///
/// It travels in the extensions of a request. Made by [`BuildContext::transport`](crate::assemble::BuildContext::transport)
/// for the HTTP client of the same program, which alone knows what is in it. A clone counts a reference, and
/// connections are shared only by requests with clones of one transport; a client may make the same
/// transport of equal configuration.
#[derive(Clone)]
pub struct Transport(Arc<dyn Any + Send + Sync>);

impl Transport {
    /// Hides what a client has made for itself.
    #[must_use]
    pub fn new<T: Any + Send + Sync>(made: Arc<T>) -> Self {
        Self(made)
    }

    /// What a client hid, if it was a `T`.
    #[must_use]
    pub fn made<T: Any + Send + Sync>(self) -> Option<Arc<T>> {
        self.0.downcast().ok()
    }

    /// Whether two are clones of one.
    #[must_use]
    pub fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl fmt::Debug for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Transport")
    }
}

/// A rule on the addresses a request may be sent to.
///
/// It travels in the extensions of a request. The HTTP client asks it about every address after name
/// lookup, or about the address written in the URL, and dials only those that pass, without a second
/// lookup. Connections are shared only by requests with clones of one check.
#[derive(Clone)]
pub struct AddressCheck(Arc<Check>);

type Check = dyn Fn(SocketAddr) -> Result<(), AddressRefused> + Send + Sync;

/// Why an address may not be dialled, in words for the log; the caller never sees them.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("address {address} is refused: {why}")]
pub struct AddressRefused {
    /// The address.
    pub address: SocketAddr,
    /// One lowercase phrase.
    pub why: Box<str>,
}

impl AddressCheck {
    /// Asks `check` about each address. It runs before each new connection and must not block.
    pub fn new(
        check: impl Fn(SocketAddr) -> Result<(), AddressRefused> + Send + Sync + 'static,
    ) -> Self {
        Self(Arc::new(check))
    }

    /// Whether `address` may be dialled.
    ///
    /// # Errors
    ///
    /// Says why not.
    pub fn check(&self, address: SocketAddr) -> Result<(), AddressRefused> {
        (self.0)(address)
    }

    /// Whether two are clones of one.
    #[must_use]
    pub fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// A number that clones share and checks alive at the same time do not.
    #[must_use]
    pub fn identity(&self) -> usize {
        Arc::as_ptr(&self.0).cast::<()>().addr()
    }
}

impl AddressRefused {
    /// Refuses `address`, because of `why`: one lowercase phrase.
    pub fn new(address: SocketAddr, why: impl Into<Box<str>>) -> Self {
        Self {
            address,
            why: why.into(),
        }
    }
}

impl fmt::Debug for AddressCheck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AddressCheck")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_transport_is_known_by_its_clones_alone() {
        let made = Arc::new(7_u32);
        let one = Transport::new(Arc::clone(&made));
        assert!(one.is(&one.clone()));
        assert!(!one.is(&Transport::new(Arc::new(7_u32))));
        assert!(one.clone().made::<u64>().is_none());
        assert!(
            one.made::<u32>()
                .is_some_and(|found| Arc::ptr_eq(&found, &made))
        );
    }

    #[test]
    fn a_check_refuses_with_words_for_the_log() {
        let check = AddressCheck::new(|address| {
            if address.ip().is_loopback() {
                return Err(AddressRefused::new(address, "it is a loopback address"));
            }
            Ok(())
        });
        let refused = check.check("127.0.0.1:80".parse().unwrap()).unwrap_err();
        assert_eq!(
            refused.to_string(),
            "address 127.0.0.1:80 is refused: it is a loopback address"
        );
        assert!(check.check("192.0.2.1:80".parse().unwrap()).is_ok());
        assert!(check.is(&check.clone()));
        assert_eq!(check.identity(), check.clone().identity());
    }
}
