//! The end of the line: which of several fit endpoints a call goes to.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use http::{HeaderMap, HeaderName};
use smallvec::SmallVec;

use super::{Endpoint, Patience};

/// How the endpoints of a group share the calls.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Balance {
    /// Of two drawn by weight, the one with less to do: fewer calls under way, and sooner answers.
    #[default]
    PowerOfTwoChoices,
    /// In turn, by weight.
    RoundRobin,
    /// The one with the fewest calls under way for its weight.
    LeastRequests,
    /// Calls of one key go to one endpoint, as long as it is fit; other endpoints coming and going move no
    /// more keys than they must. A call without the key goes by `PowerOfTwoChoices`.
    Hash(Affinity),
}

/// Where the key of [`Balance::Hash`] is found.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Affinity {
    /// The value of a header.
    Header(HeaderName),
}

impl Affinity {
    /// The key of a call with these headers.
    pub fn of(&self, headers: &HeaderMap) -> Option<u64> {
        let Self::Header(name) = self;
        headers.get(name).map(|value| hash(&value.as_bytes()))
    }
}

/// An endpoint that may be chosen, and its share.
#[derive(Clone, Copy, Debug)]
pub(super) struct Candidate<'a> {
    pub(super) index: usize,
    pub(super) endpoint: &'a Endpoint,
    pub(super) share: u64,
}

pub(super) type Candidates<'a> = SmallVec<[Candidate<'a>; 8]>;

impl<'a> Candidate<'a> {
    pub(super) fn new(index: usize, endpoint: &'a Endpoint, patience: &Patience) -> Self {
        Self {
            index,
            endpoint,
            share: endpoint.share(patience),
        }
    }

    fn load(&self) -> u64 {
        self.endpoint.state.load() as u64
    }
}

impl Balance {
    /// One of the candidates, by its index among the endpoints; none if there are none.
    pub(super) fn pick(
        &self,
        candidates: &Candidates<'_>,
        turn: &AtomicUsize,
        key: Option<u64>,
    ) -> Option<usize> {
        match (self, key, &candidates[..]) {
            (_, _, []) => None,
            (_, _, [only]) => Some(only.index),
            (Self::RoundRobin, _, all) => Some(in_turn(all, turn.fetch_add(1, Relaxed))),
            (Self::LeastRequests, _, all) => Some(least_busy(all)),
            (Self::Hash(_), Some(key), all) => Some(by_key(all, key)),
            (Self::PowerOfTwoChoices | Self::Hash(_), _, all) => Some(of_two(all)),
        }
    }
}

fn of_two(all: &[Candidate<'_>]) -> usize {
    let (first, second) = (draw(all), draw(all));
    // Only a clear difference counts: otherwise small differences would undo the weights.
    let clearly_less = cost(second) * 1.25 < cost(first);
    if clearly_less { second } else { first }.index
}

/// How long a further call would take, about: each call under way adds its time.
fn cost(one: &Candidate<'_>) -> f64 {
    let time = one.endpoint.state.latency.mean();
    let time = time.map_or(0.001, |time| time.as_secs_f64());
    time * (1.0 + one.load() as f64 * 256.0 / one.share as f64)
}

fn draw<'c, 'a>(all: &'c [Candidate<'a>]) -> &'c Candidate<'a> {
    let total: u64 = all.iter().map(|one| one.share).sum();
    at(all, fastrand::u64(..total.max(1)))
}

/// The candidate in whose share a place among all shares falls.
fn at<'c, 'a>(all: &'c [Candidate<'a>], mut place: u64) -> &'c Candidate<'a> {
    let (last, others) = all.split_last().expect("there are candidates");
    for one in others {
        if place < one.share {
            return one;
        }
        place -= one.share;
    }
    last
}

fn in_turn(all: &[Candidate<'_>], turn: usize) -> usize {
    if all.iter().all(|one| one.share == all[0].share) {
        return all[turn % all.len()].index;
    }
    // Multiples of the golden ratio fall evenly into any interval, however few there have been.
    let total: u64 = all.iter().map(|one| one.share).sum();
    let fraction = (turn as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let place = (u128::from(fraction) * u128::from(total)) >> 64;
    at(all, place as u64).index
}

fn least_busy(all: &[Candidate<'_>]) -> usize {
    let least = all.iter().min_by(|a, b| {
        let (one, other) = (a.load() * b.share, b.load() * a.share);
        one.cmp(&other)
    });
    let least = least.expect("there are candidates");
    let same = |one: &&Candidate<'_>| one.load() * least.share == least.load() * one.share;
    let equal: Candidates<'_> = all.iter().filter(same).copied().collect();
    draw(&equal).index
}

/// Weighted rendezvous hashing: each endpoint throws a die for the key, and the highest has it.
fn by_key(all: &[Candidate<'_>], key: u64) -> usize {
    let thrown = |one: &Candidate<'_>| {
        let die = hash(&(key, &*one.endpoint.name));
        let unit = (die >> 11) as f64 / (1_u64 << 53) as f64;
        one.share as f64 / -unit.max(f64::MIN_POSITIVE).ln()
    };
    let highest = all.iter().max_by(|a, b| thrown(a).total_cmp(&thrown(b)));
    highest.expect("there are candidates").index
}

/// The same for the same value in every process of one build.
fn hash(value: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn endpoints(weights: &[u32]) -> Vec<Endpoint> {
        let all = weights.iter().enumerate();
        all.map(|(at, weight)| Endpoint {
            weight: *weight,
            ..Endpoint::new(format!("e{at}"))
        })
        .collect()
    }

    fn counts(
        balance: &Balance,
        endpoints: &[Endpoint],
        keys: impl Iterator<Item = u64>,
    ) -> Vec<usize> {
        let (turn, patience) = (AtomicUsize::new(0), Patience::default());
        let mut counts = vec![0; endpoints.len()];
        for key in keys {
            let all = endpoints.iter().enumerate();
            let all = all
                .map(|(at, e)| Candidate::new(at, e, &patience))
                .collect();
            counts[balance.pick(&all, &turn, Some(key)).unwrap()] += 1;
        }
        counts
    }

    fn header() -> Balance {
        Balance::Hash(Affinity::Header(HeaderName::from_static("x-user")))
    }

    #[tokio::test]
    async fn every_way_keeps_to_the_weights_when_all_are_idle() {
        fastrand::seed(7);
        let endpoints = endpoints(&[3, 1]);
        for balance in [
            Balance::PowerOfTwoChoices,
            Balance::RoundRobin,
            Balance::LeastRequests,
            header(),
        ] {
            let got = counts(&balance, &endpoints, 0..4000);
            assert!((2850..3150).contains(&got[0]), "{balance:?}: {got:?}");
        }
    }

    #[tokio::test]
    async fn in_turn_is_exactly_in_turn_where_weights_are_equal() {
        let got = counts(&Balance::RoundRobin, &endpoints(&[2, 2, 2]), 0..30);
        assert_eq!(got, [10, 10, 10]);
    }

    #[tokio::test]
    async fn the_busier_of_two_is_spared_and_so_is_the_slower() {
        fastrand::seed(7);
        let endpoints = endpoints(&[1, 1]);
        (0..10).for_each(|_| assert!(endpoints[0].enter()));
        let got = counts(&Balance::PowerOfTwoChoices, &endpoints, 0..1000);
        assert!((200..300).contains(&got[0]), "{got:?}");
        assert_eq!(counts(&Balance::LeastRequests, &endpoints, 0..10), [0, 10]);
        (0..10).for_each(|_| endpoints[0].leave());
        endpoints[0]
            .state
            .latency
            .note(std::time::Duration::from_secs(1));
        endpoints[1]
            .state
            .latency
            .note(std::time::Duration::from_millis(100));
        let got = counts(&Balance::PowerOfTwoChoices, &endpoints, 0..1000);
        assert!((200..300).contains(&got[0]), "{got:?}");
    }

    #[tokio::test]
    async fn a_key_stays_where_it_is_unless_its_endpoint_goes() {
        let (turn, patience) = (AtomicUsize::new(0), Patience::default());
        let endpoints = endpoints(&[1, 2, 1]);
        let pick = |key, without: Option<usize>| {
            let fit = endpoints
                .iter()
                .enumerate()
                .filter(|(at, _)| Some(*at) != without);
            let fit = fit
                .map(|(at, e)| Candidate::new(at, e, &patience))
                .collect();
            header().pick(&fit, &turn, Some(key)).unwrap()
        };
        for key in 0..500 {
            let home = pick(key, None);
            assert_eq!(pick(key, None), home);
            for gone in (0..3).filter(|gone| *gone != home) {
                assert_eq!(pick(key, Some(gone)), home);
            }
        }
    }
}
