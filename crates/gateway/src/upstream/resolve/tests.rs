//! What is remembered of names, with a clock that stands still.

use std::{
    collections::VecDeque,
    sync::atomic::{AtomicUsize, Ordering::SeqCst},
};

use tokio::time::{advance, sleep};

use super::{
    ask::{Answer, Failure},
    *,
};

/// Answers in this order; the last one again and again.
pub(super) struct Script {
    answers: Mutex<VecDeque<Scripted>>,
    asked: Arc<AtomicUsize>,
}

#[derive(Clone)]
enum Scripted {
    Says(&'static [&'static str], u64),
    Unknown(u64),
    Fails,
    Hangs,
}

use Scripted::{Fails, Hangs, Says, Unknown};

impl Script {
    pub(super) async fn ask(&self, _: &str) -> Result<Answer, Failure> {
        self.asked.fetch_add(1, SeqCst);
        let next = {
            let mut answers = self.answers.lock();
            match answers.len() {
                1 => answers[0].clone(),
                _ => answers.pop_front().expect("a script has answers"),
            }
        };
        sleep(Duration::from_millis(10)).await;
        let seconds = Duration::from_secs;
        match next {
            Says(addresses, ttl) => {
                let addresses = addresses.iter().map(|address| address.parse().unwrap());
                Answer::of(addresses.collect(), seconds(ttl))
            }
            Unknown(ttl) => Err(Failure {
                is_final: true,
                ttl: seconds(ttl),
                ..Failure::passing("no such name")
            }),
            Fails => Err(Failure::passing("no server answers")),
            Hangs => std::future::pending().await,
        }
    }
}

/// A resolver whose answers hold from 2 s to a minute, and an hour longer if they must.
fn resolver(answers: &[Scripted]) -> (Resolver, Arc<AtomicUsize>) {
    let asked = Arc::new(AtomicUsize::new(0));
    let script = Script {
        answers: Mutex::new(answers.iter().cloned().collect()),
        asked: Arc::clone(&asked),
    };
    let span = Span {
        min: Duration::from_secs(2),
        max: Duration::from_secs(60),
        stale: Duration::from_secs(3600),
    };
    (Resolver::new(Source::Script(script), span), asked)
}

/// The addresses of a name, or why there are none.
async fn found(resolver: &Resolver) -> Result<String, String> {
    match resolver.look_up("a.example").await {
        Ok(addresses) => {
            let all: Vec<_> = addresses.iter().map(ToString::to_string).collect();
            Ok(all.join(" "))
        }
        Err(failure) => Err(failure.to_string()),
    }
}

const ONE: &[&str] = &["192.0.2.1"];
const TWO: &[&str] = &["192.0.2.2"];

#[tokio::test(start_paused = true)]
async fn an_answer_holds_for_its_time_within_bounds() {
    for (ttl, holds) in [(0, 2), (30, 30), (86_400, 60)] {
        let (resolver, asked) = resolver(&[Says(ONE, ttl), Says(TWO, ttl)]);
        assert_eq!(found(&resolver).await.unwrap(), ONE[0]);
        advance(Duration::from_secs(holds) - Duration::from_millis(1)).await;
        assert_eq!(found(&resolver).await.unwrap(), ONE[0]);
        assert_eq!(asked.load(SeqCst), 1);
        advance(Duration::from_millis(1)).await;
        assert_eq!(found(&resolver).await.unwrap(), TWO[0]);
    }
}

#[tokio::test(start_paused = true)]
async fn everybody_who_asks_meanwhile_shares_one_lookup_that_survives_the_first() {
    let (resolver, asked) = resolver(&[Says(ONE, 30)]);
    let first = tokio::spawn({
        let resolver = resolver.clone();
        async move { found(&resolver).await }
    });
    tokio::task::yield_now().await;
    first.abort();
    let others = (0..10).map(|_| found(&resolver));
    let all = futures_util::future::join_all(others).await;
    assert!(all.iter().all(|found| found.as_deref() == Ok(ONE[0])));
    assert_eq!(asked.load(SeqCst), 1);
}

#[tokio::test(start_paused = true)]
async fn an_old_answer_serves_while_no_new_one_can_be_had_for_a_bounded_time() {
    let (resolver, asked) = resolver(&[Says(ONE, 30), Fails]);
    found(&resolver).await.unwrap();
    advance(Duration::from_secs(31)).await;
    for _ in 0..3 {
        assert_eq!(found(&resolver).await.unwrap(), ONE[0]);
    }
    assert_eq!(asked.load(SeqCst), 2, "a failure is not repeated at once");
    advance(Duration::from_secs(2)).await;
    assert_eq!(found(&resolver).await.unwrap(), ONE[0]);
    assert_eq!(asked.load(SeqCst), 3);
    advance(Duration::from_secs(3600)).await;
    assert_eq!(found(&resolver).await.unwrap_err(), "no server answers");
}

#[tokio::test(start_paused = true)]
async fn a_server_that_hangs_costs_little_when_there_is_an_old_answer() {
    let (resolver, _) = resolver(&[Says(ONE, 30), Hangs]);
    found(&resolver).await.unwrap();
    advance(Duration::from_secs(31)).await;
    let start = Instant::now();
    assert_eq!(found(&resolver).await.unwrap(), ONE[0]);
    assert!(start.elapsed() <= PATIENCE + Duration::from_millis(2));
}

#[tokio::test(start_paused = true)]
async fn a_name_that_is_gone_is_not_served_and_that_is_believed_for_a_short_time() {
    let (resolver, asked) = resolver(&[Says(ONE, 30), Unknown(3600), Says(TWO, 30)]);
    found(&resolver).await.unwrap();
    advance(Duration::from_secs(31)).await;
    assert_eq!(found(&resolver).await.unwrap_err(), "no such name");
    advance(Duration::from_secs(9)).await;
    assert_eq!(found(&resolver).await.unwrap_err(), "no such name");
    assert_eq!(asked.load(SeqCst), 2);
    advance(Duration::from_secs(1)).await;
    assert_eq!(found(&resolver).await.unwrap(), TWO[0]);
}

#[tokio::test(start_paused = true)]
async fn addresses_take_turns_within_their_family() {
    let all = &[
        "2001:db8::1",
        "2001:db8::2",
        "192.0.2.1",
        "192.0.2.2",
        "192.0.2.3",
    ];
    let (resolver, _) = resolver(&[Says(all, 60)]);
    for expected in [
        "2001:db8::1 2001:db8::2 192.0.2.1 192.0.2.2 192.0.2.3",
        "2001:db8::2 2001:db8::1 192.0.2.2 192.0.2.3 192.0.2.1",
        "2001:db8::1 2001:db8::2 192.0.2.3 192.0.2.1 192.0.2.2",
    ] {
        assert_eq!(found(&resolver).await.unwrap(), expected);
    }
}

#[tokio::test(start_paused = true)]
async fn the_number_of_names_remembered_is_bounded() {
    let (resolver, _) = resolver(&[Says(ONE, 30)]);
    for number in 0..10_000 {
        let name = format!("{number}.example");
        resolver.look_up(&name).await.unwrap();
    }
    assert!(resolver.0.memory.lock().len() <= 4096);
}
