//! One reply's behaviour, and a queue of them.

use std::collections::VecDeque;

use crate::{
    script::{Fault, Pacing},
    shape::Shape,
};

/// How one request is answered. The default is a correct reply without delay.
#[derive(Clone, Debug, Default)]
pub struct Behaviour {
    /// What goes wrong, if anything.
    pub fault: Option<Fault>,
    /// How the body is split and delayed.
    pub pacing: Pacing,
    /// A recorded reply instead of an invented one.
    pub shape: Option<&'static Shape>,
}

impl Behaviour {
    /// The same with another pacing.
    pub fn paced(mut self, pacing: Pacing) -> Self {
        self.pacing = pacing;
        self
    }

    /// The same, replying with a recorded shape.
    pub fn shaped(mut self, shape: &'static Shape) -> Self {
        self.shape = Some(shape);
        self
    }
}

impl From<Fault> for Behaviour {
    fn from(fault: Fault) -> Self {
        Self {
            fault: Some(fault),
            ..Self::default()
        }
    }
}

impl From<Pacing> for Behaviour {
    fn from(pacing: Pacing) -> Self {
        Self::default().paced(pacing)
    }
}

impl From<&'static Shape> for Behaviour {
    fn from(shape: &'static Shape) -> Self {
        Self::default().shaped(shape)
    }
}

/// Behaviours for the next requests, one each in the order they arrive, and the one for all later
/// requests (at first: correct replies). A request that carries `x-fault`, `x-pace` or `x-shape`
/// says itself how it is answered and takes nothing from the queue.
#[derive(Clone, Debug, Default)]
pub struct Script {
    queue: VecDeque<Behaviour>,
    default: Behaviour,
}

impl Script {
    /// An empty queue, correct replies after it.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds the behaviour of one more request.
    pub fn then(mut self, behaviour: impl Into<Behaviour>) -> Self {
        self.queue.push_back(behaviour.into());
        self
    }

    /// Sets the behaviour of all requests behind the queue.
    pub fn always(mut self, behaviour: impl Into<Behaviour>) -> Self {
        self.default = behaviour.into();
        self
    }

    pub(crate) fn next(&mut self) -> Behaviour {
        self.queue
            .pop_front()
            .unwrap_or_else(|| self.default.clone())
    }
}
