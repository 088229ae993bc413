use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use proptest::prelude::*;

use super::*;
use crate::attempt::{Class, Hedge, Retry};
use crate::backend::{Balance, Endpoint, Group, Patience, Queue, Standing};
use crate::body::End;
use crate::context::{Context, HasContext};
use crate::protocol::Protocol;

/// A protocol of one word, answered by one.
#[derive(Debug)]
struct Word;

#[derive(Clone, Debug, Default)]
struct Ask(Context);

struct Answer {
    status: u16,
    by: usize,
    attempts: Option<u32>,
    ends: Vec<Box<dyn FnOnce(End) + Send>>,
}

impl Protocol for Word {
    const NAME: &'static str = "word";
    type Request = Ask;
    type Response = Answer;
}

impl HasContext for Ask {
    fn context(&mut self) -> &Context {
        &self.0
    }
}

impl Reply for Answer {
    fn status(&self) -> http::StatusCode {
        http::StatusCode::from_u16(self.status).unwrap()
    }

    fn on_end(mut self, f: impl FnOnce(End) + Send + 'static) -> Self {
        self.ends.push(Box::new(f));
        self
    }
}

impl Drop for Answer {
    fn drop(&mut self) {
        for f in self.ends.drain(..) {
            f(End {
                how: Ended::Completed,
                bytes: 0,
            });
        }
    }
}

#[derive(Clone, Copy)]
struct ByStatus;

impl Proof<Word> for ByStatus {
    type Asked = ();

    fn asked(&self, _: &Ask) {}

    fn key(&self, _: &Ask, _: &crate::backend::Affinity) -> Option<u64> {
        None
    }

    fn copy(&self, request: &Ask, turn: Arc<Turn>) -> Ask {
        Ask(request.0.of_turn(turn))
    }

    fn is_replayable(&self, _: &Ask) -> bool {
        true
    }

    fn prove(
        &self,
        (): (),
        reply: Answer,
    ) -> BoxFuture<'static, Result<Proven<Word>, Rejected<Word>>> {
        let judged = match Class::of_status(reply.status()) {
            None => Ok(Proven { reply, rest: None }),
            Some(class) => Err(Rejected {
                class,
                after: None,
                reply: Ok(reply),
            }),
        };
        Box::pin(std::future::ready(judged))
    }

    fn tell(&self, reply: &mut Answer, served: &Served<'_>) {
        reply.attempts = Some(served.attempts);
    }
}

/// What an endpoint does with a call, and after how long.
type Script = Arc<dyn Fn(usize) -> (u64, u16) + Send + Sync>;

struct Bench {
    engine: Engine<Word, ByStatus>,
    endpoints: Arc<Endpoints>,
    /// How often each was asked, and how often while it was out: by endpoint.
    asked: Arc<Mutex<HashMap<usize, usize>>>,
}

fn bench(
    groups: &[usize],
    settings: Settings,
    script: impl Fn(usize) -> (u64, u16) + Send + Sync + 'static,
) -> Bench {
    let patience = Patience {
        failures: 3,
        ..Patience::default()
    };
    let script: Script = Arc::new(script);
    let mut names = 0..;
    let groups = groups.iter().map(|size| {
        let endpoints = names
            .by_ref()
            .take(*size)
            .map(|at| Endpoint::new(format!("e{at}")));
        Group::new(endpoints.collect(), Balance::default())
    });
    let endpoints = Arc::new(Endpoints::new(groups.collect(), patience, Queue::default()));
    let asked = Arc::new(Mutex::new(HashMap::new()));
    let services = (0..endpoints.all().len()).map(|by| {
        let (asked, script, all) = (asked.clone(), script.clone(), endpoints.clone());
        ArcService::from_fn(move |ask: Ask| {
            *asked.lock().unwrap().entry(by).or_default() += 1;
            only_probes(&all, by);
            let (millis, status) = script(by);
            async move {
                sleep(Duration::from_millis(millis)).await;
                drop(ask);
                Ok(Answer {
                    status,
                    by,
                    attempts: None,
                    ends: Vec::new(),
                })
            }
        })
    });
    let services = services.collect();
    Bench {
        engine: Engine::new(endpoints.clone(), services, settings, ByStatus),
        endpoints,
        asked,
    }
}

impl Bench {
    async fn call(&self) -> Answer {
        self.engine.clone().call(Ask::default()).await.unwrap()
    }

    fn asked(&self, at: usize) -> usize {
        self.asked
            .lock()
            .unwrap()
            .get(&at)
            .copied()
            .unwrap_or_default()
    }
}

fn settings(attempts: u32) -> Settings {
    Settings {
        retry: Retry::times(attempts),
        tell: true,
        ..Settings::default()
    }
}

#[tokio::test(start_paused = true)]
async fn the_budget_and_not_the_number_of_calls_bounds_how_often_one_is_asked_again() {
    let mut settings = settings(5);
    settings.retry.budget = Budget::new(10.0, 0.0);
    let bench = bench(&[1], settings, |_| (0, 500));
    for _ in 0..100 {
        assert_eq!(bench.call().await.status, 500);
    }
    assert!((100..=110).contains(&bench.asked(0)), "{}", bench.asked(0));
}

#[tokio::test(start_paused = true)]
async fn no_pause_goes_beyond_the_calls_deadline() {
    let bench = bench(&[1], settings(5), |_| (0, 500));
    let ask = Ask::default();
    ask.0
        .limit((Instant::now() + Duration::from_millis(120)).into_std());
    let began = Instant::now();
    let reply = bench.engine.clone().call(ask).await.unwrap();
    assert_eq!(
        reply.status, 500,
        "what the upstream said, and not a timeout"
    );
    assert!(began.elapsed() < Duration::from_millis(120));
}

#[tokio::test(start_paused = true)]
async fn a_hedge_serves_when_the_first_is_slow_and_the_first_when_it_is_not() {
    let mut settings = settings(1);
    settings.hedge = Some(Hedge::new(
        HedgeAfter::Delay(Duration::from_millis(100)),
        100.0,
    ));
    let slow = bench(&[1, 1], settings, |by| {
        (if by == 0 { 5000 } else { 10 }, 200)
    });
    let began = Instant::now();
    let reply = slow.call().await;
    assert_eq!((reply.by, reply.attempts), (1, Some(2)));
    assert_eq!(began.elapsed().as_millis(), 110);
    assert_eq!(
        slow.endpoints.all()[0].state.load(),
        0,
        "the loser is let go of at once"
    );
    let quick = bench(&[1, 1], settings, |_| (50, 200));
    assert_eq!(quick.call().await.attempts, Some(1));
    assert_eq!(quick.asked(1), 0);
}

#[tokio::test(start_paused = true)]
async fn a_slow_first_serves_when_its_hedge_fails() {
    let mut settings = settings(1);
    settings.hedge = Some(Hedge::new(
        HedgeAfter::Delay(Duration::from_millis(100)),
        100.0,
    ));
    let bench = bench(&[1, 1], settings, |by| {
        if by == 0 { (500, 200) } else { (10, 500) }
    });
    assert_eq!(bench.call().await.by, 0);
}

/// The simulation behind the promise: with a heavy tail, hedging at the 95th percentile at least halves the
/// 99th, at no more than 5 % extra requests.
#[tokio::test(start_paused = true)]
async fn hedging_halves_the_tail_at_a_twentieth_more_requests() {
    async fn p99(hedge: Option<Hedge>) -> (u128, usize) {
        let mut settings = settings(1);
        settings.hedge = hedge;
        let mut random = fastrand::Rng::with_seed(7);
        let draws = Mutex::new(std::iter::from_fn(move || {
            let tail = random.f64() < 0.03;
            Some(if tail { 4000 } else { 200 + random.u64(..200) })
        }));
        let script = move |_| (draws.lock().unwrap().next().unwrap(), 200);
        let bench = bench(&[2], settings, script);
        let mut times = Vec::new();
        for _ in 0..4000 {
            let began = Instant::now();
            bench.call().await;
            times.push(began.elapsed().as_millis());
        }
        times.sort_unstable();
        (
            times[times.len() * 99 / 100],
            bench.asked(0) + bench.asked(1) - 4000,
        )
    }
    let (without, none) = p99(None).await;
    let (with, extra) = p99(Some(Hedge::new(HedgeAfter::Quantile(0.95), 5.0))).await;
    assert_eq!(none, 0);
    assert!(with * 2 <= without, "{with} against {without} ms");
    assert!(extra <= 200, "{extra} of 4000");
}

/// The primary is down for half a minute, then up for as long, for two minutes.
#[tokio::test(start_paused = true)]
async fn a_flapping_primary_is_left_and_come_back_to() {
    let began = Instant::now();
    let down = move || (began.elapsed().as_secs() / 30).is_multiple_of(2);
    let script = move |by| (20, if by == 0 && down() { 503 } else { 200 });
    let bench = bench(&[1, 1], settings(2), script);
    let mut back = [false; 2];
    while began.elapsed() < Duration::from_secs(120) {
        let before = bench.asked(0);
        let calls = [(); 5].map(|()| {
            let mut engine = bench.engine.clone();
            tokio::spawn(async move { engine.call(Ask::default()).await.unwrap().status })
        });
        for call in calls {
            assert_eq!(call.await.unwrap(), 200, "served throughout");
        }
        let round = began.elapsed().as_secs() as usize / 60;
        if !down() && bench.asked(0) - before == 5 {
            back[round] = true;
        }
        sleep(Duration::from_millis(80)).await;
    }
    assert_eq!(back, [true; 2], "back within the 30 s it was up");
}

/// Whoever is out while another is in gets its probe, one at a time, and nothing else.
fn only_probes(endpoints: &Endpoints, at: usize) {
    let all = endpoints.all();
    let another = all.iter().any(|one| one.standing() == Standing::In);
    if another && all[at].standing() != Standing::In {
        assert!(all[at].out_for().is_zero(), "its time is not over");
        assert_eq!(all[at].state.load(), 1, "one probe at a time");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn attempts_stay_within_bounds_and_whoever_could_serve_does(
        statuses in proptest::collection::vec(
            prop_oneof![Just(200u16), Just(500), Just(503), Just(429), Just(404), Just(401), Just(400)], 1..6),
        attempts in 0u32..7,
        calls in 1usize..30,
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time().start_paused(true).build().unwrap();
        runtime.block_on(async {
            let of = statuses.clone();
            let groups = vec![1; statuses.len()];
            let bench = bench(&groups, settings(attempts), move |by| (1, of[by]) );
            let mut made = 0;
            for _ in 0..calls {
                let reply = bench.call().await;
                let told = reply.attempts.unwrap() as usize;
                assert!(told <= attempts as usize + 1);
                made += told;
                let final_before = statuses.iter().position(|s| *s == 400);
                let serves = statuses.iter().position(|s| *s == 200);
                if let Some(serves) = serves
                    && final_before.is_none_or(|at| at > serves)
                    && attempts as usize >= serves
                {
                    assert_eq!(reply.status, 200);
                }
            }
            let total: usize = (0..statuses.len()).map(|at| bench.asked(at)).sum();
            assert_eq!(total, made, "every attempt is told");
        });
    }
}
