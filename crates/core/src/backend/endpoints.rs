//! The end of the line: the endpoints of a backend, in groups, and the one a call goes to.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use tokio::time::Instant;

use super::choice::{Candidate, Candidates};
use super::endpoint::Probe;
use super::room::Waiting;
use super::{Balance, Endpoint, Patience, Queue, Standing};

/// Endpoints of one priority. The first group that has a fit one serves.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Group {
    /// The endpoints.
    pub endpoints: Vec<Endpoint>,
    /// How they share the calls.
    pub balance: Balance,
}

impl Group {
    /// A group of these.
    pub fn new(endpoints: Vec<Endpoint>, balance: Balance) -> Self {
        Self { endpoints, balance }
    }
}

/// All endpoints of a backend. Their indices count through the groups.
#[derive(Debug)]
pub struct Endpoints {
    all: Box<[Endpoint]>,
    /// The end of each group, and how its endpoints share the calls.
    groups: Box<[(usize, Balance)]>,
    patience: Patience,
    queue: Queue,
    waiting: Waiting,
    turn: AtomicUsize,
    /// Whether all were out at the last look, which is said once.
    all_out: AtomicBool,
}

/// What a call asks of its endpoint.
#[expect(missing_debug_implementations, reason = "it holds a closure")]
#[derive(Clone, Copy)]
pub struct Wanted<'a> {
    /// Which endpoints may be chosen, by index.
    pub fit: &'a (dyn Fn(usize) -> bool + Sync),
    /// The key of [`Balance::Hash`].
    pub key: Option<u64>,
    /// Whether an endpoint that is out may be used where there is no other.
    pub last_resort: bool,
}

/// What there is for a call.
#[derive(Debug)]
pub enum Pick {
    /// This endpoint.
    Chosen(Chosen),
    /// Every fit endpoint has as many calls as it takes.
    Full,
    /// None now; the first one is back after this time.
    Out(Duration),
    /// None at all.
    None,
}

/// Why there is no endpoint for a call, after waiting for one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoEndpoint {
    /// Every fit one has as many calls as it takes, and the queue is full or the wait was too long.
    Full,
    /// None now; the first one is back after this time.
    Out(Duration),
    /// None at all.
    None,
}

impl Endpoints {
    /// The endpoints of `groups`, the first of which comes first.
    pub fn new(groups: Vec<Group>, patience: Patience, queue: Queue) -> Self {
        let mut all = Vec::new();
        let mut ends = Vec::new();
        for group in groups {
            all.extend(group.endpoints);
            ends.push((all.len(), group.balance));
        }
        Self {
            all: all.into(),
            groups: ends.into(),
            patience,
            queue,
            waiting: Waiting::default(),
            turn: AtomicUsize::new(0),
            all_out: AtomicBool::new(false),
        }
    }

    /// All of them.
    pub fn all(&self) -> &[Endpoint] {
        &self.all
    }

    /// Whether endpoints that fail are left out at all.
    pub fn leaves_out(&self) -> bool {
        !self.patience.longest.is_zero()
    }

    /// How the endpoints share calls by a key, if any group does.
    pub fn affinity(&self) -> Option<&super::Affinity> {
        self.groups.iter().find_map(|(_, balance)| match balance {
            Balance::Hash(affinity) => Some(affinity),
            _ => None,
        })
    }

    /// An endpoint for a call; waits for a place where all that are fit are full, until `deadline` at most.
    ///
    /// # Errors
    ///
    /// When there is none, or none in time.
    pub async fn choose(
        self: &Arc<Self>,
        wanted: Wanted<'_>,
        deadline: Option<Instant>,
    ) -> Result<Chosen, NoEndpoint> {
        if self.waiting.is_empty() || wanted.last_resort {
            match self.pick(wanted) {
                Pick::Full => {}
                pick => return pick.into_result(),
            }
        }
        let waiter = self.waiting.join(self.queue.max).ok_or(NoEndpoint::Full)?;
        let latest = Instant::now() + self.queue.timeout;
        let latest = deadline.map_or(latest, |deadline| deadline.min(latest));
        loop {
            match self.pick(wanted) {
                Pick::Full => {}
                pick => return pick.into_result(),
            }
            if tokio::time::timeout_at(latest, waiter.freed())
                .await
                .is_err()
            {
                return Err(NoEndpoint::Full);
            }
        }
    }

    /// An endpoint for a call, if there is one now.
    pub fn pick(self: &Arc<Self>, wanted: Wanted<'_>) -> Pick {
        let mut full = false;
        let mut from = 0;
        for (end, balance) in &self.groups {
            let fit = (from..*end).filter(|at| self.all[*at].weight > 0 && (wanted.fit)(*at));
            from = *end;
            let mut candidates = Candidates::new();
            for at in fit {
                let endpoint = &self.all[at];
                match endpoint.standing() {
                    Standing::Due => {
                        if let Some(chosen) = self.probe(at) {
                            return Pick::Chosen(chosen);
                        }
                    }
                    Standing::In if endpoint.has_room() => {
                        candidates.push(Candidate::new(at, endpoint, &self.patience));
                    }
                    Standing::In => full = true,
                    Standing::Out => {}
                }
            }
            while let Some(at) = balance.pick(&candidates, &self.turn, wanted.key) {
                if let Some(chosen) = self.enter(at, Probe::default()) {
                    return Pick::Chosen(chosen);
                }
                full = true;
                candidates.retain(|one| one.index != at);
            }
        }
        if full {
            return Pick::Full;
        }
        self.of_those_out(wanted)
    }

    fn of_those_out(self: &Arc<Self>, wanted: Wanted<'_>) -> Pick {
        let fit = |at: &usize| self.all[*at].weight > 0 && (wanted.fit)(*at);
        let out: Vec<usize> = (0..self.all.len()).filter(fit).collect();
        let Some(soonest) = out.iter().copied().min_by_key(|at| self.all[*at].out_for()) else {
            return Pick::None;
        };
        if !wanted.last_resort {
            return Pick::Out(self.all[soonest].out_for());
        }
        // Whoever was asked to wait waits, as long as there is another.
        let failing = out
            .into_iter()
            .filter(|at| !self.all[*at].was_asked_to_wait());
        let failing: Candidates<'_> = failing
            .map(|at| Candidate::new(at, &self.all[at], &self.patience))
            .collect();
        let at = Balance::PowerOfTwoChoices
            .pick(&failing, &self.turn, None)
            .unwrap_or(soonest);
        if !self.all_out.swap(true, Relaxed) {
            let endpoint = &*self.all[at].name;
            tracing::warn!(
                endpoint,
                "every endpoint is failing: the failing ones are used until one is back"
            );
        }
        self.enter(at, Probe::default())
            .map_or(Pick::Full, Pick::Chosen)
    }

    fn probe(self: &Arc<Self>, at: usize) -> Option<Chosen> {
        let endpoint = &self.all[at];
        let probe = endpoint.probe()?;
        let chosen = self.enter(at, probe);
        if chosen.is_none() {
            endpoint.probe_ended(probe);
        }
        chosen
    }

    fn enter(self: &Arc<Self>, at: usize, probe: Probe) -> Option<Chosen> {
        self.all[at].enter().then(|| Chosen {
            endpoints: self.clone(),
            index: at,
            probe,
            begun: Instant::now(),
        })
    }
}

impl Pick {
    fn into_result(self) -> Result<Chosen, NoEndpoint> {
        match self {
            Self::Chosen(chosen) => Ok(chosen),
            Self::Full => Err(NoEndpoint::Full),
            Self::Out(wait) => Err(NoEndpoint::Out(wait)),
            Self::None => Err(NoEndpoint::None),
        }
    }
}

/// A call to the endpoint chosen for it. It counts as under way until dropped.
#[derive(Debug)]
pub struct Chosen {
    endpoints: Arc<Endpoints>,
    index: usize,
    probe: Probe,
    begun: Instant,
}

impl Chosen {
    /// Which endpoint it is.
    pub fn index(&self) -> usize {
        self.index
    }

    /// The endpoint.
    pub fn endpoint(&self) -> &Endpoint {
        &self.endpoints.all[self.index]
    }

    /// Whether the endpoint was out, and this call is to find out whether it is back.
    pub fn is_probe(&self) -> bool {
        self.probe.any()
    }

    /// Notes how soon its first content came.
    pub fn proved(&self) {
        self.endpoint().state.latency.note(self.begun.elapsed());
    }

    /// Notes that it has answered as it should.
    pub fn succeeded(&self) {
        let (endpoint, patience) = (self.endpoint(), &self.endpoints.patience);
        let mut back = endpoint.state.health.succeeded(self.begun, patience);
        if let Some(credential) = &endpoint.credential {
            back |= credential.succeeded(self.begun, patience);
        }
        if back {
            self.endpoints.all_out.store(false, Relaxed);
            tracing::info!(endpoint = &*endpoint.name, "endpoint is back");
        }
    }

    /// Notes that it has not.
    pub fn failed(&self) {
        let (endpoint, patience) = (self.endpoint(), &self.endpoints.patience);
        if !self.endpoints.leaves_out() {
            return;
        }
        if let Some(out) = endpoint.state.health.failed(patience, self.probe.any()) {
            self.say(out, "endpoint is failing and left out");
        }
    }

    /// Notes that its credential was not accepted.
    pub fn rejected(&self) {
        let endpoint = self.endpoint();
        if !self.endpoints.leaves_out() {
            return;
        }
        let health = endpoint.credential.as_deref();
        let health = health.unwrap_or(&endpoint.state.health);
        if health.standing() == Standing::In || self.probe.any() {
            let out = health.take_out(&self.endpoints.patience);
            self.say(out, "credential is not accepted and left out");
        }
    }

    /// Notes that it asked for no further calls for a time; with `credential`, from nobody who uses the same.
    pub fn wait(&self, span: Duration, credential: bool) {
        let endpoint = self.endpoint();
        if !self.endpoints.leaves_out() {
            return;
        }
        let shared = endpoint.credential.as_deref().filter(|_| credential);
        let health = shared.unwrap_or(&endpoint.state.health);
        let out = health.wait(span, &self.endpoints.patience);
        self.say(out, "endpoint asked to wait and is left out");
    }

    fn say(&self, out: Duration, what: &'static str) {
        let (endpoint, seconds) = (&*self.endpoint().name, out.as_secs_f64());
        tracing::warn!(endpoint, seconds, "{what}");
        let fit = |one: &Endpoint| one.weight > 0 && one.standing() != Standing::Out;
        if !self.endpoints.all.iter().any(fit) && !self.endpoints.all_out.swap(true, Relaxed) {
            tracing::warn!(
                endpoint,
                "it was the last one: the failing ones are used until one is back"
            );
        }
    }
}

impl Drop for Chosen {
    fn drop(&mut self) {
        let endpoint = self.endpoint();
        endpoint.leave();
        if self.probe.any() {
            endpoint.probe_ended(self.probe);
        }
        self.endpoints.waiting.freed();
    }
}

#[cfg(test)]
mod tests;
