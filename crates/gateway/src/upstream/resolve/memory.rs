//! Upstream client: what is known of names, for how long, and who is asking about them.

use std::{collections::HashMap, net::IpAddr, sync::Arc, time::Duration};

use futures_util::future::{BoxFuture, Shared};
use tokio::time::Instant;

use super::{
    Span,
    ask::{Answer, Failure},
};

/// No more names are remembered; all that nobody asks about are forgotten at that point.
const MOST: usize = 4096;
/// A failed lookup is not repeated sooner.
const BETWEEN_FAILURES: Duration = Duration::from_secs(1);
/// That a name does not exist is not believed longer.
const MOST_NEGATIVE: Duration = Duration::from_secs(10);

/// A lookup under way, of which everybody gets the result.
pub(super) type Asking = Shared<BoxFuture<'static, Result<Arc<[IpAddr]>, Failure>>>;

/// What there is to say about a name.
pub(super) enum Look {
    Known(Arc<[IpAddr]>),
    Failed(Failure),
    /// Somebody asks; meanwhile there may be an answer past its time.
    Asked(Asking, Option<Arc<[IpAddr]>>),
}

/// Every name somebody has asked about.
pub(super) struct Memory {
    span: Span,
    names: HashMap<Box<str>, Entry>,
}

#[derive(Default)]
struct Entry {
    known: Option<Known>,
    failed: Option<(Failure, Instant)>,
    asking: Option<Asking>,
}

struct Known {
    addresses: Vec<IpAddr>,
    until: Instant,
    /// How often it was given out, so that its addresses take turns.
    given: usize,
}

impl Memory {
    pub(super) fn new(span: Span) -> Self {
        Self {
            span,
            names: HashMap::new(),
        }
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.names.len()
    }

    /// What is known of `host`; asks if it is not known, or no longer.
    pub(super) fn look(&mut self, host: &str, now: Instant, ask: impl FnOnce() -> Asking) -> Look {
        if self.names.len() >= MOST && !self.names.contains_key(host) {
            self.names.retain(|_, entry| entry.asking.is_some());
        }
        let stale_for = self.span.stale;
        let entry = self.names.entry(host.into()).or_default();
        let known = entry.known.as_mut();
        if let Some(known) = known.filter(|known| now < known.until) {
            return Look::Known(known.give());
        }
        let usable = |known: &&mut Known| now < known.until + stale_for;
        let stale = entry.known.as_mut().filter(usable).map(Known::give);
        if let Some((failure, until)) = &entry.failed
            && now < *until
        {
            return match stale {
                Some(stale) => Look::Known(stale),
                None => Look::Failed(failure.clone()),
            };
        }
        Look::Asked(entry.asking.get_or_insert_with(ask).clone(), stale)
    }

    /// Remembers how a lookup ended.
    pub(super) fn note(
        &mut self,
        host: &str,
        answer: Result<Answer, Failure>,
        now: Instant,
    ) -> Result<Arc<[IpAddr]>, Failure> {
        let span = self.span;
        let entry = self.names.entry(host.into()).or_default();
        entry.asking = None;
        match answer {
            Ok(answer) => {
                let ttl = answer.ttl.min(span.max).max(span.min);
                entry.failed = None;
                let known = entry.known.insert(Known {
                    addresses: answer.addresses,
                    until: now + ttl,
                    given: 0,
                });
                Ok(known.give())
            }
            Err(failure) => {
                if failure.is_final {
                    entry.known = None;
                }
                let wait = failure.ttl.clamp(BETWEEN_FAILURES, MOST_NEGATIVE);
                entry.failed = Some((failure.clone(), now + wait));
                Err(failure)
            }
        }
    }
}

impl Known {
    /// The addresses, those of each family turned by one each time.
    fn give(&mut self) -> Arc<[IpAddr]> {
        let first_is_v4 = self.addresses.first().is_some_and(IpAddr::is_ipv4);
        let (mut first, mut second): (Vec<_>, Vec<_>) = self
            .addresses
            .iter()
            .partition(|address| address.is_ipv4() == first_is_v4);
        for family in [&mut first, &mut second] {
            let by = self.given % family.len().max(1);
            family.rotate_left(by);
        }
        self.given = self.given.wrapping_add(1);
        first.into_iter().chain(second).collect()
    }
}
