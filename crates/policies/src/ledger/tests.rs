//! Claims about what is counted: with a clock of their own, whatever the order of events.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;

use super::quota::Used;
use super::*;

fn at(millis: u64) -> Moment {
    let date: Timestamp = "2026-01-31T22:00:00Z".parse().unwrap();
    let elapsed = Duration::from_millis(millis);
    Moment {
        elapsed,
        date: date + SignedDuration::try_from(elapsed).unwrap(),
    }
}

fn per_minute(amount: u64) -> Quota {
    Quota::new(amount, Window::Rolling(Duration::from_secs(60)))
}

#[test]
fn what_is_used_comes_back_evenly() {
    let (quota, mut used) = (per_minute(60), Used::default());
    for _ in 0..60 {
        quota.reserve(&mut used, 1, at(0)).unwrap();
    }
    let short = quota.reserve(&mut used, 1, at(0)).unwrap_err();
    let after = short.after.unwrap();
    assert!(
        after >= Duration::from_secs(1) && after < Duration::from_millis(1001),
        "{after:?}"
    );
    assert_eq!(short.standing.remaining, 0);
    assert!(quota.reserve(&mut used, 1, at(999)).is_err());
    assert!(quota.reserve(&mut used, 1, at(1001)).is_ok());
    assert!(quota.reserve(&mut used, 31, at(31_002)).is_err());
    assert!(quota.reserve(&mut used, 29, at(31_002)).is_ok());
}

#[test]
fn a_burst_is_there_after_a_rest_and_comes_back_at_the_same_pace() {
    let (quota, mut used) = (per_minute(60).burst(40), Used::default());
    assert!(quota.reserve(&mut used, 100, at(0)).is_ok());
    assert!(quota.reserve(&mut used, 2, at(1001)).is_err());
    assert!(quota.reserve(&mut used, 1, at(1001)).is_ok());
}

#[test]
fn a_call_that_used_more_than_it_reserved_is_worked_off_first() {
    let (quota, mut used) = (per_minute(60), Used::default());
    let ticket = quota.reserve(&mut used, 1, at(0)).unwrap();
    quota.settle(&mut used, ticket, 180, at(0));
    let short = quota.reserve(&mut used, 1, at(0)).unwrap_err();
    assert_eq!(short.after.unwrap().as_secs(), 121);
    assert!(quota.reserve(&mut used, 1, at(120_990)).is_err());
    assert!(quota.reserve(&mut used, 1, at(121_001)).is_ok());
}

#[test]
fn what_never_fits_has_no_time_to_wait_for() {
    let short = per_minute(60).reserve(&mut Used::default(), 61, at(0));
    assert_eq!(short.unwrap_err().after, None);
}

#[test]
fn a_day_and_a_month_end_at_midnight_and_late_ends_count_for_their_own() {
    for window in [Window::Day, Window::Month] {
        let (quota, mut used) = (Quota::new(10, window), Used::default());
        let ticket = quota.reserve(&mut used, 10, at(0)).unwrap();
        let short = quota.reserve(&mut used, 1, at(0)).unwrap_err();
        assert_eq!(short.after, Some(Duration::from_secs(2 * 60 * 60)));
        let after = at(2 * 60 * 60 * 1000);
        assert!(quota.reserve(&mut used, 4, after).is_ok());
        quota.settle(&mut used, ticket, 100, after);
        assert_eq!(quota.standing(&mut used, after).remaining, 6);
    }
}

#[test]
fn a_changed_amount_keeps_what_was_used() {
    let table = Table::new(100);
    let now = table.now();
    table
        .reserve(&per_minute(100), "a", 90, now, false)
        .unwrap();
    let (_, standing) = table.reserve(&per_minute(200), "a", 0, now, false).unwrap();
    assert_eq!(standing.remaining, 110);
}

#[test]
fn a_full_table_forgets_keys_at_rest_and_then_counts_the_rest_together() {
    let (table, quota) = (Table::new(16 * 4), per_minute(1));
    let mut now = table.now();
    let mut passed = 0;
    for key in 0..10_000 {
        passed += usize::from(
            table
                .reserve(&quota, &key.to_string(), 1, now, false)
                .is_ok(),
        );
    }
    assert!(table.len() <= 16 * 4);
    assert!((64..=80).contains(&passed), "{passed}");
    now.elapsed += Duration::from_secs(3600);
    // All of them were open, which is not at rest.
    assert!(table.reserve(&quota, "new", 1, now, false).is_ok());
    assert!(table.reserve(&quota, "newer still", 0, now, false).is_ok());
    assert_eq!(table.len(), 16 * 4);
}

#[test]
fn a_settled_key_at_rest_makes_room() {
    let (table, quota) = (Table::new(16), per_minute(1));
    let mut now = table.now();
    for key in 0..1000 {
        let key = key.to_string();
        let (entry, _) = table.reserve(&quota, &key, 1, now, false).unwrap();
        table.settle(&quota, &entry, 1, now);
        now.elapsed += Duration::from_secs(120);
    }
    assert!(table.len() <= 16);
}

#[derive(Clone, Debug)]
enum Step {
    Wait(u64),
    Begin { estimate: u64, used: u64 },
    End(prop::sample::Index),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        (0_u64..20_000).prop_map(Step::Wait),
        (0_u64..80, 0_u64..200).prop_map(|(estimate, used)| Step::Begin { estimate, used }),
        any::<prop::sample::Index>().prop_map(Step::End),
    ];
    prop::collection::vec(step, 1..200)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    /// What is used beyond the limit is never more than what calls in flight used beyond their estimates; over
    /// all time no more is used than there was; and what has ended leaves nothing behind.
    #[test]
    fn overshoot_is_at_most_the_error_of_the_estimates_in_flight(
        steps in steps(), amount in 1_u64..200, burst in 0_u64..50, window in 0..4,
    ) {
        let window = match window {
            0 => Window::Rolling(Duration::from_secs(60)),
            1 => Window::Rolling(Duration::from_millis(1)),
            2 => Window::Day,
            _ => Window::Held,
        };
        let quota = Quota::new(amount, window).burst(burst);
        let (mut used, mut now) = (Used::default(), 0);
        let mut flying = Vec::new();
        // Since the last call that was let in, at which nothing was over.
        let mut error = 0_u64;
        let (mut all, mut all_errors) = (0_u64, 0_u64);
        for step in steps {
            match step {
                Step::Wait(millis) => now += millis,
                Step::Begin { estimate, used: spent } => {
                    if let Ok(ticket) = quota.reserve(&mut used, estimate, at(now)) {
                        error = 0;
                        flying.push((ticket, estimate, spent));
                    }
                }
                Step::End(index) if !flying.is_empty() => {
                    let (ticket, estimate, spent) = flying.swap_remove(index.index(flying.len()));
                    quota.settle(&mut used, ticket, spent, at(now));
                    error += spent.saturating_sub(estimate);
                    all_errors += spent.saturating_sub(estimate);
                    all += spent;
                }
                Step::End(_) => {}
            }
            let over = quota.over(&used);
            prop_assert!(over <= error, "{over} over, with an error of {error}");
            if let Window::Rolling(per) = window {
                let in_flight: u64 = flying.iter().map(|(_, estimate, _)| estimate).sum();
                let due = u128::from(now) * 1_000_000 * u128::from(amount) / per.as_nanos();
                let bound = u128::from(quota.capacity() + all_errors) + due;
                prop_assert!(u128::from(all + in_flight) <= bound);
            }
        }
        for (ticket, _, _) in flying {
            quota.settle(&mut used, ticket, 0, at(now));
        }
        if window != Window::Held {
            now += 1_000_000_000;
            prop_assert!(quota.is_idle(&mut used, at(now)), "{used:?}");
        }
    }

    #[test]
    fn places_given_back_are_all_there_again(ends in prop::collection::vec(any::<prop::sample::Index>(), 0..100)) {
        let (quota, mut used) = (Quota::new(10, Window::Held), Used::default());
        let mut places = Vec::new();
        for end in ends {
            match quota.reserve(&mut used, 1, at(0)) {
                Ok(place) => places.push(place),
                Err(_) => {
                    prop_assert_eq!(places.len(), 10);
                    let place = places.swap_remove(end.index(places.len()));
                    quota.settle(&mut used, place, 0, at(0));
                }
            }
        }
        for place in places {
            quota.settle(&mut used, place, 0, at(0));
        }
        prop_assert!(quota.is_idle(&mut used, at(0)));
    }
}

/// Many threads at one key: no more passes than there is, and all of it comes back.
#[test]
fn threads_at_one_key_never_take_more_than_there_is() {
    use std::sync::atomic::{AtomicU64, Ordering};

    let (table, quota) = (Table::new(100), Quota::new(100, Window::Day));
    let (held, most) = (AtomicU64::new(0), AtomicU64::new(0));
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for amount in 1..500 {
                    let amount = amount % 40;
                    let now = table.now();
                    if let Ok((entry, _)) = table.reserve(&quota, "k", amount, now, false) {
                        let all = held.fetch_add(amount, Ordering::SeqCst) + amount;
                        most.fetch_max(all, Ordering::SeqCst);
                        held.fetch_sub(amount, Ordering::SeqCst);
                        table.settle(&quota, &entry, 0, now);
                    }
                }
            });
        }
    });
    assert!(most.load(Ordering::SeqCst) <= 100);
    let now = table.now();
    assert!(table.reserve(&quota, "k", 100, now, false).is_ok());
}
