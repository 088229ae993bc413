//! The end of the line: one endpoint, what is known of it, and how many calls it has.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use super::{Health, Latency, Patience, Standing};

/// What is known of an endpoint, whatever configuration it is used by. Kept across reloads under its name.
#[derive(Debug, Default)]
pub struct EndpointState {
    /// Whether it is fit.
    pub health: Health,
    /// How soon it answers.
    pub latency: Latency,
    load: AtomicUsize,
}

impl EndpointState {
    /// Nothing known.
    pub fn new() -> Self {
        Self::default()
    }

    /// Calls under way.
    pub fn load(&self) -> usize {
        self.load.load(Relaxed)
    }
}

/// One endpoint as configured.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Endpoint {
    /// What it is called in records.
    pub name: Arc<str>,
    /// What is known of it.
    pub state: Arc<EndpointState>,
    /// What is known of the credential it uses; shared with all who use the same.
    pub credential: Option<Arc<Health>>,
    /// Its share of the calls of its group, relative to the other weights; 0 drains it.
    pub weight: u32,
    /// The most calls it takes at a time.
    pub max_concurrent: Option<usize>,
    /// The largest context its model takes, in tokens, where that is told.
    pub context_window: Option<u64>,
}

impl Endpoint {
    /// An endpoint of weight 1 without limits, of which nothing is known.
    pub fn new(name: impl Into<Arc<str>>) -> Self {
        Self {
            name: name.into(),
            state: Arc::default(),
            credential: None,
            weight: 1,
            max_concurrent: None,
            context_window: None,
        }
    }

    /// The worse of how the endpoint and its credential stand.
    pub fn standing(&self) -> Standing {
        let own = self.state.health.standing();
        match &self.credential {
            Some(credential) => worse(own, credential.standing()),
            None => own,
        }
    }

    /// How long it, or its credential, is out still.
    pub fn out_for(&self) -> Duration {
        let credential = self.credential.as_ref().map(|health| health.out_for());
        self.state
            .health
            .out_for()
            .max(credential.unwrap_or_default())
    }

    pub(super) fn was_asked_to_wait(&self) -> bool {
        let credential = self.credential.as_ref();
        self.state.health.was_asked_to_wait()
            || credential.is_some_and(|health| health.was_asked_to_wait())
    }

    /// Its weight, less while it is coming back; 1 is 1/256 of a weight.
    pub(super) fn share(&self, patience: &Patience) -> u64 {
        u64::from(self.weight) * self.state.health.ramp(patience)
    }

    pub(super) fn has_room(&self) -> bool {
        self.max_concurrent
            .is_none_or(|max| self.state.load() < max)
    }

    /// Takes a place; whether there was one.
    pub(super) fn enter(&self) -> bool {
        let before = self.state.load.fetch_add(1, Relaxed);
        let room = self.max_concurrent.is_none_or(|max| before < max);
        if !room {
            self.leave();
        }
        room
    }

    pub(super) fn leave(&self) {
        self.state.load.fetch_sub(1, Relaxed);
    }

    /// Takes the places for a probe of whatever is due; whether all were free.
    pub(super) fn probe(&self) -> Option<Probe> {
        let own = self.state.health.standing() == Standing::Due;
        let credential = self
            .credential
            .as_ref()
            .filter(|c| c.standing() == Standing::Due);
        if own && !self.state.health.probe() {
            return None;
        }
        if credential.is_some_and(|credential| !credential.probe()) {
            if own {
                self.state.health.probe_ended();
            }
            return None;
        }
        let credential = credential.is_some();
        Some(Probe { own, credential })
    }

    pub(super) fn probe_ended(&self, probe: Probe) {
        if probe.own {
            self.state.health.probe_ended();
        }
        if let (true, Some(credential)) = (probe.credential, &self.credential) {
            credential.probe_ended();
        }
    }
}

/// What a call probes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Probe {
    pub(super) own: bool,
    pub(super) credential: bool,
}

impl Probe {
    pub(super) fn any(self) -> bool {
        self.own || self.credential
    }
}

fn worse(one: Standing, other: Standing) -> Standing {
    match (one, other) {
        (Standing::Out, _) | (_, Standing::Out) => Standing::Out,
        (Standing::Due, _) | (_, Standing::Due) => Standing::Due,
        (Standing::In, Standing::In) => Standing::In,
    }
}
