//! What a call has reserved, until it has ended.

use std::sync::Arc;

use portcullis_core::context::{Context, Hold, Tokens};
use smallvec::SmallVec;

use super::limits::{Limit, Measure};
use super::table::Entry;

/// Reservations of one call. They are settled once, when the call has ended; dropped before that, as when the
/// caller leaves, they are settled by what is known then.
#[derive(Debug)]
pub(crate) struct Pending {
    context: Context,
    charges: SmallVec<[(Arc<Limit>, Entry); 2]>,
    /// Keeps the record of the call, in which its attempts say what they used, until it has been read.
    hold: Option<Hold>,
}

impl Pending {
    pub(super) fn new(context: Context) -> Self {
        Self {
            context,
            charges: SmallVec::new(),
            hold: None,
        }
    }

    pub(super) fn push(&mut self, limit: Arc<Limit>, entry: Entry) {
        if matches!(limit.measure, Measure::Tokens | Measure::Money(_)) && self.hold.is_none() {
            self.hold = Some(self.context.hold());
        }
        self.charges.push((limit, entry));
    }

    /// Whether what is used is known only when the call has ended.
    pub(crate) fn waits(&self) -> bool {
        let mut limits = self.charges.iter().map(|(limit, _)| limit);
        limits.any(|limit| !matches!(limit.measure, Measure::Requests))
    }

    /// Gives everything back: the call does not go on.
    pub(super) fn cancel(mut self) {
        self.settle(|_, _| 0);
    }

    /// Settles a call that got no reply: what its attempts used counts, and what they did not say is nothing.
    pub(crate) fn failed(mut self) {
        let spent = Spent::of(&self.context);
        self.settle(|limit, _| spent.by(limit).unwrap_or(0));
    }

    fn settle(&mut self, spent: impl Fn(&Limit, &Entry) -> u64) {
        for (limit, entry) in self.charges.drain(..) {
            limit.settle(&entry, spent(&limit, &entry));
        }
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        if self.charges.is_empty() {
            return;
        }
        let spent = Spent::of(&self.context);
        // Where nobody counts, the estimate is all that is known.
        self.settle(|limit, entry| spent.by(limit).unwrap_or(entry.amount()));
    }
}

/// What each attempt of a call used, as far as they have ended: its provider, its model, its tokens.
struct Spent(SmallVec<[Attempted; 1]>);

type Attempted = (&'static str, Arc<str>, Tokens);

impl Spent {
    fn of(context: &Context) -> Self {
        let mut spent = SmallVec::new();
        context.record(|exchange| {
            spent.extend(exchange.attempts.iter().map(|attempt| {
                let model = attempt.model.clone().or_else(|| exchange.model.clone());
                let tokens = attempt.usage.unwrap_or_default();
                (
                    attempt.provider.unwrap_or_default(),
                    model.unwrap_or_default(),
                    tokens,
                )
            }));
        });
        Self(spent)
    }

    /// By one measure; nothing where no attempt is known, or one has no price.
    fn by(&self, limit: &Limit) -> Option<u64> {
        match &limit.measure {
            // A request was made, whatever became of it; and a place is free again.
            Measure::Requests => Some(1),
            Measure::Calls => Some(0),
            _ if self.0.is_empty() => None,
            Measure::Tokens => {
                let used = self
                    .0
                    .iter()
                    .map(|(_, _, t)| t.input.saturating_add(t.output));
                Some(used.fold(0, u64::saturating_add))
            }
            Measure::Money(prices) => {
                let costs = self.0.iter().map(|(provider, model, tokens)| {
                    match tokens.input > 0 || tokens.output > 0 {
                        true => prices
                            .price(provider, model)
                            .map(|price| price.of(*tokens).picodollars()),
                        false => Some(0),
                    }
                });
                let costs: Option<SmallVec<[u64; 4]>> = costs.collect();
                Some(costs?.into_iter().fold(0, u64::saturating_add))
            }
        }
    }
}
