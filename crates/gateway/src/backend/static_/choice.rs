//! The end of the line: which of several endpoints a call goes to.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};

use super::health::{Health, Patience, Standing};

/// Picks the less busy of two endpoints drawn by weight, among those that are in.
#[derive(Debug)]
pub(super) struct Choice {
    places: Box<[Place]>,
    patience: Patience,
    /// Whether all were out at the last look, which is said once.
    all_out: AtomicBool,
}

#[derive(Debug)]
struct Place {
    name: Arc<str>,
    weight: u32,
    /// Calls under way.
    load: AtomicUsize,
    health: Health,
}

/// A call to the endpoint chosen for it. It counts as under way until dropped.
#[derive(Debug)]
pub(super) struct Chosen {
    choice: Arc<Choice>,
    pub(super) index: usize,
    probe: bool,
}

impl Choice {
    pub(super) fn new(weights: Vec<u32>, names: Vec<Arc<str>>, patience: Patience) -> Self {
        let places = weights.into_iter().zip(names).map(|(weight, name)| Place {
            name,
            weight,
            load: AtomicUsize::new(0),
            health: Health::new(),
        });
        Self {
            places: places.collect(),
            patience,
            all_out: AtomicBool::new(false),
        }
    }

    /// None when every weight is 0.
    pub(super) fn choose(self: &Arc<Self>) -> Option<Chosen> {
        let (index, probe) = self.pick()?;
        self.places[index].load.fetch_add(1, Relaxed);
        Some(Chosen {
            choice: self.clone(),
            index,
            probe,
        })
    }

    fn pick(&self) -> Option<(usize, bool)> {
        if let [only] = &*self.places {
            return (only.weight > 0).then_some((0, false));
        }
        let due = |place: &Place| place.weight > 0 && place.health.standing() == Standing::Due;
        if let Some(index) = self.places.iter().position(due)
            && self.places[index].health.probe()
        {
            return Some((index, true));
        }
        if let Some(index) = self.draw(|place| place.health.standing() == Standing::In) {
            return Some((index, false));
        }
        let index = self.draw(|_| true)?;
        if !self.all_out.swap(true, Relaxed) {
            let endpoint = &*self.places[index].name;
            tracing::warn!(
                endpoint,
                "every endpoint is failing: all are used as if none were"
            );
        }
        Some((index, false))
    }

    fn draw(&self, fit: impl Fn(&Place) -> bool) -> Option<usize> {
        let first = self.draw_one(&fit)?;
        let second = self.draw_one(&fit)?;
        // Who refuses at once has little under way, and is not to be called the more for it.
        let busy = |index: usize, other: usize| {
            let place = &self.places[index];
            let load = place.load.load(Relaxed) as u64;
            let load = load * u64::from(self.places[other].weight);
            (place.health.falters(), load)
        };
        let less = busy(second, first) < busy(first, second);
        Some(if less { second } else { first })
    }

    fn draw_one(&self, fit: impl Fn(&Place) -> bool) -> Option<usize> {
        // An endpoint may come or go between the two looks; then the last one fit is as good.
        let weight = |place: &Place| {
            if fit(place) {
                u64::from(place.weight)
            } else {
                0
            }
        };
        let total: u64 = self.places.iter().map(weight).sum();
        let mut left = fastrand::u64(..total.max(1));
        let mut last = None;
        for (index, place) in self.places.iter().enumerate() {
            let weight = weight(place);
            if weight > 0 {
                last = Some(index);
                if left < weight {
                    break;
                }
                left -= weight;
            }
        }
        last
    }
}

impl Chosen {
    /// Notes that the endpoint has answered as it should.
    pub(super) fn succeeded(&self) {
        let place = &self.choice.places[self.index];
        if place.health.succeeded() {
            self.choice.all_out.store(false, Relaxed);
            tracing::info!(endpoint = &*place.name, "endpoint is back");
        }
    }

    /// Notes that it has not.
    pub(super) fn failed(&self) {
        let choice = &self.choice;
        let place = &choice.places[self.index];
        if choice.places.len() == 1 {
            return;
        }
        if let Some(out) = place.health.failed(choice.patience, self.probe) {
            let (endpoint, seconds) = (&*place.name, out.as_secs());
            tracing::warn!(endpoint, seconds, "endpoint is failing and left out");
        }
    }
}

impl Drop for Chosen {
    fn drop(&mut self) {
        let place = &self.choice.places[self.index];
        place.load.fetch_sub(1, Relaxed);
        if self.probe {
            place.health.probe_ended();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn choice(weights: &[u32]) -> Arc<Choice> {
        let names = weights.iter().map(|w| w.to_string().into()).collect();
        let patience = Patience {
            failures: 1,
            first: Duration::from_secs(10),
            longest: Duration::from_secs(10),
        };
        Arc::new(Choice::new(weights.to_vec(), names, patience))
    }

    fn counts(choice: &Arc<Choice>, calls: usize) -> Vec<usize> {
        let mut counts = vec![0; choice.places.len()];
        for _ in 0..calls {
            counts[choice.choose().unwrap().index] += 1;
        }
        counts
    }

    #[tokio::test]
    async fn idle_endpoints_are_chosen_by_weight_and_drained_ones_never() {
        fastrand::seed(7);
        let got = counts(&choice(&[3, 0, 1]), 4000);
        assert_eq!(got[1], 0);
        assert!((2850..3150).contains(&got[0]), "{got:?}");
        assert!(choice(&[0, 0]).choose().is_none());
        assert!(choice(&[0]).choose().is_none());
    }

    #[tokio::test]
    async fn the_busier_of_two_is_spared() {
        fastrand::seed(7);
        let choice = choice(&[1, 1]);
        let busy: Vec<_> = (0..40).map(|_| choice.choose().unwrap()).collect();
        let on_first = busy.iter().filter(|chosen| chosen.index == 0).count();
        assert!((17..=23).contains(&on_first), "{on_first}");
        drop(busy);
        assert!(choice.places.iter().all(|p| p.load.load(Relaxed) == 0));
    }

    #[tokio::test]
    async fn one_that_refuses_at_once_is_called_less_and_not_more() {
        fastrand::seed(7);
        let patience = Patience {
            failures: 0,
            first: Duration::ZERO,
            longest: Duration::ZERO,
        };
        let names = vec!["refuses".into(), "works".into()];
        let choice = Arc::new(Choice::new(vec![1, 1], names, patience));
        let (mut under_way, mut refused) = (Vec::new(), 0);
        for _ in 0..1000 {
            let chosen = choice.choose().unwrap();
            if chosen.index == 0 {
                chosen.failed();
                refused += 1;
            } else {
                under_way.push(chosen);
            }
        }
        assert!((150..400).contains(&refused), "{refused}");
    }

    #[tokio::test(start_paused = true)]
    async fn one_that_fails_is_left_out_and_comes_back_by_one_probe() {
        let choice = choice(&[1, 1]);
        let failing = |index| loop {
            let chosen = choice.choose().unwrap();
            if chosen.index == index {
                break chosen.failed();
            }
        };
        failing(0);
        assert_eq!(counts(&choice, 100), [0, 100]);
        tokio::time::sleep(Duration::from_secs(10)).await;
        let probe = choice.choose().unwrap();
        assert_eq!((probe.index, probe.probe), (0, true));
        assert_eq!(counts(&choice, 100), [0, 100]);
        // Nobody has waited for its answer.
        drop(probe);
        let probe = choice.choose().unwrap();
        assert_eq!(probe.index, 0);
        probe.succeeded();
        drop(probe);
        assert!(counts(&choice, 100)[0] > 20);
    }

    #[tokio::test(start_paused = true)]
    async fn when_all_fail_all_are_used() {
        let choice = choice(&[1, 1]);
        for _ in 0..2 {
            choice.choose().unwrap().failed();
        }
        let got = counts(&choice, 100);
        assert!(got.iter().all(|n| *n > 20), "{got:?}");
        assert!(choice.all_out.load(Relaxed));
    }
}
