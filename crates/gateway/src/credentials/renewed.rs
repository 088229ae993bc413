//! Upstream: keys that run out, kept and renewed in time.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

use arc_swap::ArcSwapOption;
use portcullis_core::BoxFuture;
use portcullis_core::error::{BoxError, Error};
use portcullis_providers::codes::UNSIGNED;
use portcullis_providers::sign::{AwsKeySource, AwsKeys};
use tokio::sync::Mutex;
use tokio::time::Instant;

/// Keys are renewed aside from here on.
const EARLY: Duration = Duration::from_secs(5 * 60);

/// And are not used any more from here on: a request takes time, and clocks differ.
const LATE: Duration = Duration::from_secs(10);

/// After a failure nobody asks again for so long: the callers that wait get the same answer.
const PAUSE: Duration = Duration::from_secs(2);

/// Keys, and until when they hold.
#[derive(Debug)]
pub(super) struct Lent {
    pub(super) keys: AwsKeys,
    pub(super) until: Option<SystemTime>,
}

impl Lent {
    /// How long they still hold, less `margin`; `None` when that is over.
    fn left(&self, margin: Duration) -> Option<Duration> {
        let Some(until) = self.until else {
            return Some(Duration::MAX);
        };
        until
            .checked_sub(margin)?
            .duration_since(SystemTime::now())
            .ok()
    }
}

/// Asks for keys.
pub(super) trait Lookup: fmt::Debug + Send + Sync + 'static {
    /// Gets keys anew.
    fn look_up(self: Arc<Self>) -> BoxFuture<'static, Result<Lent, BoxError>>;
}

/// Keys as they were last looked up. One lookup at a time, however many calls wait for it; and none waits while the keys at
/// hand hold.
#[derive(Debug)]
pub(super) struct Renewed<L>(Arc<Inner<L>>);

#[derive(Debug)]
struct Inner<L> {
    lookup: Arc<L>,
    held: ArcSwapOption<Lent>,
    /// Whether somebody renews them aside.
    aside: AtomicBool,
    /// When and how the last lookup failed.
    failed: Mutex<Option<(Instant, String)>>,
}

impl<L: Lookup> Renewed<L> {
    pub(super) fn new(lookup: Arc<L>) -> Self {
        Self(Arc::new(Inner {
            lookup,
            held: ArcSwapOption::empty(),
            aside: AtomicBool::new(false),
            failed: Mutex::new(None),
        }))
    }
}

impl<L: Lookup> Inner<L> {
    fn held(&self, margin: Duration) -> Option<Arc<Lent>> {
        let held = self.held.load_full()?;
        held.left(margin).is_some().then_some(held)
    }

    /// Looks keys up, unless somebody did while this waited its turn.
    async fn renew(&self, margin: Duration) -> Result<(), Error> {
        let mut failed = self.failed.lock().await;
        if self.held(margin).is_some() {
            return Ok(());
        }
        let refuse = |why: String| Err(Error::new(&UNSIGNED, UNSIGNED.about).because(why));
        if let Some((at, why)) = &*failed
            && at.elapsed() < PAUSE
        {
            return refuse(why.clone());
        }
        match self.lookup.clone().look_up().await {
            Ok(lent) => {
                self.held.store(Some(Arc::new(lent)));
                *failed = None;
                Ok(())
            }
            Err(e) => {
                let why = chain(&*e);
                *failed = Some((Instant::now(), why.clone()));
                refuse(why)
            }
        }
    }
}

impl<L: Lookup> AwsKeySource for Renewed<L> {
    fn keys(&self) -> Option<AwsKeys> {
        self.0.held(LATE).map(|held| held.keys.clone())
    }

    fn renew(&self) -> Option<BoxFuture<'static, Result<(), Error>>> {
        if self.0.held(EARLY).is_some() {
            return None;
        }
        let inner = self.0.clone();
        if inner.held(LATE).is_none() {
            return Some(Box::pin(async move { inner.renew(LATE).await }));
        }
        if !inner.aside.swap(true, Ordering::AcqRel) {
            tokio::spawn(async move {
                if let Err(e) = inner.renew(EARLY).await {
                    tracing::warn!(cause = %e.chain(), "keys for AWS could not be renewed");
                }
                inner.aside.store(false, Ordering::Release);
            });
        }
        None
    }
}

/// The words of an error with those of its causes.
fn chain(e: &(dyn std::error::Error + 'static)) -> String {
    let mut words = e.to_string();
    let mut cause = e.source();
    while let Some(e) = cause {
        words.push_str(": ");
        words.push_str(&e.to_string());
        cause = e.source();
    }
    words
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicU64;

    use super::*;

    /// Lends keys for so long, counts how often, and fails at first.
    #[derive(Debug)]
    struct Lender {
        asked: AtomicU64,
        failures: u64,
        lasting: Option<Duration>,
    }

    impl Lookup for Lender {
        fn look_up(self: Arc<Self>) -> BoxFuture<'static, Result<Lent, BoxError>> {
            Box::pin(async move {
                tokio::task::yield_now().await;
                if self.asked.fetch_add(1, Ordering::Relaxed) < self.failures {
                    return Err("no metadata".into());
                }
                let secret = portcullis_core::config::Secret::new("s".into());
                Ok(Lent {
                    keys: AwsKeys::new("id", &secret, None),
                    until: self.lasting.map(|time| SystemTime::now() + time),
                })
            })
        }
    }

    fn lender(failures: u64, lasting: Option<Duration>) -> (Arc<Lender>, Arc<Renewed<Lender>>) {
        let lender = Arc::new(Lender {
            asked: AtomicU64::new(0),
            failures,
            lasting,
        });
        (lender.clone(), Arc::new(Renewed::new(lender)))
    }

    #[tokio::test(start_paused = true)]
    async fn however_many_wait_keys_are_looked_up_once() {
        let (lender, source) = lender(0, None);
        assert!(source.keys().is_none());
        let waiting: Vec<_> = (0..8).map(|_| source.renew().unwrap()).collect();
        for waits in waiting.into_iter().map(tokio::spawn) {
            waits.await.unwrap().unwrap();
        }
        assert_eq!(lender.asked.load(Ordering::Relaxed), 1);
        assert!(source.keys().is_some() && source.renew().is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn keys_that_soon_run_out_are_renewed_aside() {
        let (lender, source) = lender(0, Some(EARLY / 2));
        source.renew().unwrap().await.unwrap();
        assert!(source.renew().is_none(), "they hold still");
        assert!(source.renew().is_none());
        for _ in 0..4 {
            tokio::task::yield_now().await;
        }
        assert_eq!(lender.asked.load(Ordering::Relaxed), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn keys_that_have_run_out_are_not_signed_with() {
        let (_, source) = lender(0, Some(LATE / 2));
        source.renew().unwrap().await.unwrap();
        assert!(source.keys().is_none());
        assert!(source.renew().is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn a_failure_is_everybodys_for_a_while_and_then_tried_again() {
        let (lender, source) = lender(1, None);
        let ask = async || source.renew().unwrap().await;
        let e = ask().await.unwrap_err();
        assert_eq!(*e.code(), UNSIGNED);
        assert!(e.chain().contains("no metadata") && !e.to_string().contains("metadata"));
        assert!(ask().await.is_err());
        assert_eq!(lender.asked.load(Ordering::Relaxed), 1);
        tokio::time::advance(PAUSE).await;
        ask().await.unwrap();
        assert!(source.keys().is_some());
    }
}
