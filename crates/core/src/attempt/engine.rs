//! The engine: attempts one after the other, or beside each other, until one proves itself.

use std::sync::Arc;
use std::task::{Context as Task, Poll};
use std::time::Duration;

use http::{HeaderName, HeaderValue};
use tokio::time::{Instant, sleep, timeout};
use tower_service::Service;

use super::budget::Purse;
use super::flight::{Flight, Flights, Landed};
use super::marks::Marks;
use super::{Again, Budget, HedgeAfter, Learnt, Proof, Proven, Rejected, Served, Settings, Wishes};
use crate::BoxFuture;
use crate::backend::{Chosen, Endpoints, NoEndpoint, Pick, Wanted};
use crate::body::Ended;
use crate::context::{Context, HasContext, Reason, Turn};
use crate::error::{Error, Fault, codes};
use crate::protocol::{ArcService, Protocol, Reply};

/// How long a credential is left out that is at a limit and does not say until when.
const USUAL_WAIT: Duration = Duration::from_secs(1);
/// The shortest time after which a second attempt is made.
const SHORTEST_HEDGE: Duration = Duration::from_millis(1);
const ATTEMPTS: HeaderName = HeaderName::from_static("portcullis-attempts");

/// A service that sends each call to one of several endpoints, and on to others when one fails. Clones share
/// everything.
#[expect(missing_debug_implementations, reason = "a proof need not print")]
pub struct Engine<P: Protocol, F>(Arc<Shared<P, F>>);

struct Shared<P: Protocol, F> {
    endpoints: Arc<Endpoints>,
    /// In the order of the endpoints.
    services: Box<[ArcService<P>]>,
    settings: Settings,
    retries: Purse,
    hedges: Purse,
    proof: F,
}

impl<P: Protocol, F: Proof<P>> Engine<P, F> {
    /// Sends calls to `endpoints` by `services`, one for each endpoint and in their order.
    ///
    /// # Panics
    ///
    /// If there are more or fewer services than endpoints.
    pub fn new(
        endpoints: Arc<Endpoints>,
        services: Vec<ArcService<P>>,
        settings: Settings,
        proof: F,
    ) -> Self {
        assert_eq!(
            endpoints.all().len(),
            services.len(),
            "a service for each endpoint"
        );
        Self(Arc::new(Shared {
            endpoints,
            services: services.into(),
            settings,
            retries: Purse::new(),
            hedges: Purse::new(),
            proof,
        }))
    }
}

impl<P: Protocol, F> Clone for Engine<P, F> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<P: Protocol, F: Proof<P>> Service<P::Request> for Engine<P, F> {
    type Response = P::Response;
    type Error = Error;
    type Future = BoxFuture<'static, Result<P::Response, Error>>;

    fn poll_ready(&mut self, _: &mut Task<'_>) -> Poll<Result<(), Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: P::Request) -> Self::Future {
        let engine = self.0.clone();
        let asked = engine.proof.asked(&request);
        let held = engine
            .settings
            .hold_back
            .filter(|_| engine.proof.can_hold(&asked));
        let mut run: BoxFuture<'static, _> =
            Box::pin(Call::run(engine.clone(), asked.clone(), request));
        let Some(hold_back) = held else {
            return run;
        };
        Box::pin(async move {
            match timeout(hold_back, &mut run).await {
                Ok(reply) => reply,
                Err(_) => match engine.proof.hold(asked, run) {
                    Ok(reply) => Ok(reply),
                    Err(rest) => rest.await,
                },
            }
        })
    }
}

/// One call on its way.
struct Call<P: Protocol, F: Proof<P>> {
    engine: Arc<Shared<P, F>>,
    asked: F::Asked,
    request: P::Request,
    context: Context,
    settings: Settings,
    deadline: Option<Instant>,
    key: Option<u64>,
    marks: Marks,
    made: u32,
    again: u32,
    /// When the last endpoint that failed wants to be asked again.
    after: Option<Duration>,
    /// What to tell the caller, and the endpoint it comes from, whose place is given back.
    best: Option<(Rejected<P>, usize)>,
    flights: Flights<P>,
}

impl<P: Protocol, F: Proof<P>> Call<P, F> {
    async fn run(
        engine: Arc<Shared<P, F>>,
        asked: F::Asked,
        mut request: P::Request,
    ) -> Result<P::Response, Error> {
        let context = request.context().clone();
        let wishes = context.attributes(|attributes| attributes.get::<Wishes>().copied());
        let settings = engine.settings.with(wishes);
        engine.retries.deposit(settings.retry.budget);
        if let Some(hedge) = settings.hedge {
            engine.hedges.deposit(Budget::new(hedge.max_percent, 0.0));
        }
        let affinity = engine.endpoints.affinity();
        let call = Self {
            key: affinity.and_then(|affinity| engine.proof.key(&request, affinity)),
            deadline: context.deadline().map(Instant::from_std),
            marks: Marks::new(engine.endpoints.all().len()),
            asked,
            request,
            context,
            settings,
            made: 0,
            again: 0,
            after: None,
            best: None,
            flights: Flights::new(),
            engine,
        };
        call.attempts().await
    }

    async fn attempts(mut self) -> Result<P::Response, Error> {
        let first = self.first().await?;
        let mut next = Some((first, Reason::First));
        while let Some((chosen, reason)) = next {
            let hedge_after = self.hedge_after(&chosen);
            self.launch(chosen, reason);
            let landed = self.land(hedge_after).await;
            let Landed { came, turn, chosen } = landed;
            match came {
                Ok(proven) => return Ok(self.serve(proven, &turn, chosen)),
                Err(rejected) => {
                    let ends = rejected.class.rule().again == Again::Never;
                    self.learn(&rejected, &chosen);
                    self.keep(rejected, chosen.index());
                    // Its place is free, and so is that of a probe, before anybody looks for one.
                    drop(chosen);
                    if ends {
                        break;
                    }
                }
            }
            next = self.next().await;
        }
        self.give_up()
    }

    /// Waits until nothing is left under way, or one has proved itself or says that nobody else could. A second
    /// attempt begins after `hedge_after`.
    async fn land(&mut self, mut hedge_after: Option<Duration>) -> Landed<P> {
        loop {
            let landed = match hedge_after.take() {
                None => self.flights.next().await,
                Some(after) => match timeout(after, self.flights.next()).await {
                    Ok(landed) => landed,
                    Err(_) => {
                        self.hedge();
                        continue;
                    }
                },
            };
            match landed.came {
                Err(rejected)
                    if !self.flights.is_empty() && rejected.class.rule().again != Again::Never =>
                {
                    self.learn(&rejected, &landed.chosen);
                    self.keep(rejected, landed.chosen.index());
                }
                came => return Landed { came, ..landed },
            }
        }
    }

    async fn first(&mut self) -> Result<Chosen, Error> {
        let wanted = Wanted {
            fit: &|_| true,
            key: self.key,
            last_resort: true,
        };
        let chosen = self.engine.endpoints.choose(wanted, self.deadline).await;
        chosen.map_err(|none| match none {
            NoEndpoint::Full => {
                let full = &codes::ENDPOINTS_FULL;
                Error::new(full, full.about).retry_after(USUAL_WAIT)
            }
            NoEndpoint::Out(_) | NoEndpoint::None => {
                Error::new(&codes::NO_ENDPOINT, codes::NO_ENDPOINT.about)
            }
        })
    }

    /// Where to go after a failure.
    async fn next(&mut self) -> Option<(Chosen, Reason)> {
        let retry = self.settings.retry;
        if self.made > retry.attempts || !self.engine.proof.is_replayable(&self.request) {
            return None;
        }
        if let Pick::Chosen(chosen) = self.pick(false) {
            return Some((chosen, Reason::Failover));
        }
        let anywhere = (0..self.engine.endpoints.all().len()).any(|at| self.marks.is_open(at));
        if !(anywhere && self.engine.retries.withdraw(retry.budget)) {
            return None;
        }
        // Where endpoints are left out, their own time says the same.
        let after = self.after.filter(|_| !self.engine.endpoints.leaves_out());
        let pause_for = retry.pause(self.again).max(after.unwrap_or_default());
        if after.is_some_and(|after| after > retry.max_wait) {
            return None;
        }
        self.again += 1;
        pause(self.deadline, pause_for).await?;
        match self.pick(true) {
            Pick::Chosen(chosen) => Some(self.with_reason(chosen)),
            Pick::Out(wait) if wait <= retry.max_wait => {
                pause(self.deadline, wait + retry.pause(0)).await?;
                match self.pick(true) {
                    Pick::Chosen(chosen) => Some(self.with_reason(chosen)),
                    _ => None,
                }
            }
            _ => None,
        }
    }

    fn with_reason(&self, chosen: Chosen) -> (Chosen, Reason) {
        match self.marks.is_fresh(chosen.index()) {
            true => (chosen, Reason::Failover),
            false => (chosen, Reason::Retry),
        }
    }

    /// An endpoint that has not been asked yet; with `again`, one that has is as good.
    fn pick(&self, again: bool) -> Pick {
        let marks = &self.marks;
        let fit = |at| marks.is_fresh(at) || again && marks.is_open(at);
        self.engine.endpoints.pick(Wanted {
            fit: &fit,
            key: self.key,
            last_resort: false,
        })
    }

    fn launch(&mut self, chosen: Chosen, reason: Reason) {
        let engine = self.engine.clone();
        let turn = Arc::new(Turn::new(reason));
        let request = engine.proof.copy(&self.request, turn.clone());
        let chosen = Arc::new(chosen);
        self.made += 1;
        self.marks.tried(chosen.index());
        let sent = engine.services[chosen.index()].send(request);
        let asked = self.asked.clone();
        let run = Box::pin(async move {
            match sent.await {
                Ok(reply) => engine.proof.prove(asked, reply).await,
                Err(e) => Err(engine.proof.fail(&asked, e)),
            }
        });
        self.flights.push(Flight { run, turn, chosen });
    }

    fn hedge_after(&self, chosen: &Chosen) -> Option<Duration> {
        let after = match self.settings.hedge?.after {
            HedgeAfter::Delay(delay) => delay,
            HedgeAfter::Quantile(q) => chosen.endpoint().state.latency.quantile(q)?,
        };
        (self.made <= self.settings.retry.attempts).then_some(after.max(SHORTEST_HEDGE))
    }

    fn hedge(&mut self) {
        let Some(hedge) = self.settings.hedge else {
            return;
        };
        if !self.engine.proof.is_replayable(&self.request) {
            return;
        }
        if let Pick::Chosen(chosen) = self.pick(false)
            && self
                .engine
                .hedges
                .withdraw(Budget::new(hedge.max_percent, 0.0))
        {
            self.launch(chosen, Reason::Hedge);
        }
    }

    /// Tells the endpoint's health, and this call, what an attempt came to.
    fn learn(&mut self, rejected: &Rejected<P>, chosen: &Chosen) {
        let rule = rejected.class.rule();
        self.after = rejected.after;
        match (rule.learnt, rejected.after) {
            (Learnt::Fit, _) => chosen.succeeded(),
            (Learnt::Nothing, _) => {}
            (Learnt::Failed, None) => chosen.failed(),
            (Learnt::Failed, Some(after)) => chosen.wait(after, false),
            (Learnt::Wait, after) => chosen.wait(after.unwrap_or(USUAL_WAIT), true),
            (Learnt::Credential, _) => chosen.rejected(),
        }
        let this = chosen.endpoint();
        for (at, other) in self.engine.endpoints.all().iter().enumerate() {
            let barred = match rule.again {
                Again::Never | Again::Anywhere => false,
                Again::Elsewhere => at == chosen.index(),
                Again::OtherCredential => {
                    let same = this.credential.as_ref().zip(other.credential.as_ref());
                    at == chosen.index() || same.is_some_and(|(a, b)| Arc::ptr_eq(a, b))
                }
                Again::Larger => {
                    let windows = this.context_window.zip(other.context_window);
                    windows.is_none_or(|(this, other)| other <= this)
                }
            };
            if barred {
                self.marks.bar(at);
            }
        }
    }

    /// Keeps what says most to the caller; of two that say as much, the later.
    fn keep(&mut self, rejected: Rejected<P>, from: usize) {
        let telling = |rejected: &Rejected<P>| rejected.class.rule().telling;
        let kept = self.best.as_ref().map(|(kept, _)| telling(kept));
        if kept.is_none_or(|kept| kept <= telling(&rejected)) {
            self.best = Some((rejected, from));
        }
    }

    fn serve(mut self, proven: Proven<P>, turn: &Turn, chosen: Arc<Chosen>) -> P::Response {
        self.flights.supersede();
        chosen.proved();
        if chosen.is_probe() {
            chosen.succeeded();
        }
        if let Some(rest) = proven.rest {
            chosen.wait(rest, true);
        }
        if let Some(model) = turn.model() {
            self.context.serve_model(model.clone());
        }
        let reply = self.told(proven.reply, chosen.index());
        reply.on_end(move |end| match end.how {
            Ended::Failed(code) if code.fault == Fault::Upstream => chosen.failed(),
            Ended::Failed(_) => {}
            Ended::Completed | Ended::Left => chosen.succeeded(),
        })
    }

    fn told(&self, mut reply: P::Response, from: usize) -> P::Response {
        if self.settings.tell {
            let served = Served {
                endpoint: &self.engine.endpoints.all()[from].name,
                attempts: self.made,
            };
            self.engine.proof.tell(&mut reply, &served);
        }
        reply
    }

    /// Tells the caller what came of the attempts.
    fn give_up(mut self) -> Result<P::Response, Error> {
        self.flights.supersede();
        let (rejected, from) = self.best.take().expect("an attempt has failed");
        match rejected.reply {
            Ok(reply) => Ok(self.told(reply, from)),
            Err(e) if self.settings.tell => Err(e.header(ATTEMPTS, HeaderValue::from(self.made))),
            Err(e) => Err(e),
        }
    }
}

/// Waits, unless the call's time would be over by then.
async fn pause(deadline: Option<Instant>, span: Duration) -> Option<()> {
    if deadline.is_some_and(|deadline| Instant::now() + span >= deadline) {
        return None;
    }
    sleep(span).await;
    Some(())
}

#[cfg(test)]
mod tests;
