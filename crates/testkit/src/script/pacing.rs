//! How a body is split into writes, and the time between them.

use std::{str::FromStr, time::Duration};

use crate::script::UnknownFault;

/// Where a body is split. Each part is an HTTP/1 chunk (or HTTP/2 data frame) of its own, written
/// and flushed before the next.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Chunking {
    /// `per-event`: one event per write; a reply that is no stream is one write.
    #[default]
    PerEvent,
    /// `one-write`: the whole body in one write.
    OneWrite,
    /// `every-N`: a write every N bytes (at least 1), wherever that falls.
    EveryBytes(usize),
}

/// How a body is sent. The default is an event per write without delay.
///
/// `FromStr` reads the names given here, joined by commas: `every-7,delay-20`.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Pacing {
    /// Where it is split.
    pub chunking: Chunking,
    /// `delay-MILLIS`: the time between writes, on tokio's clock.
    pub delay: Duration,
}

impl Pacing {
    /// A split without delay.
    pub fn new(chunking: Chunking) -> Self {
        Self {
            chunking,
            delay: Duration::ZERO,
        }
    }

    /// The same split with a delay between writes.
    pub fn delay(mut self, delay: Duration) -> Self {
        self.delay = delay;
        self
    }
}

impl FromStr for Pacing {
    type Err = UnknownFault;

    fn from_str(names: &str) -> Result<Self, UnknownFault> {
        let mut pacing = Self::default();
        for name in names.split(',').map(str::trim) {
            let unknown = || UnknownFault(name.to_owned());
            let number = |digits: &str| digits.parse().map_err(|_| unknown());
            if let Some(size) = name.strip_prefix("every-") {
                pacing.chunking = Chunking::EveryBytes(number(size)? as usize);
            } else if let Some(millis) = name.strip_prefix("delay-") {
                pacing.delay = Duration::from_millis(number(millis)?);
            } else {
                pacing.chunking = match name {
                    "per-event" => Chunking::PerEvent,
                    "one-write" => Chunking::OneWrite,
                    _ => return Err(unknown()),
                };
            }
        }
        Ok(pacing)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_in_any_order() {
        let expected = Pacing::new(Chunking::EveryBytes(7)).delay(Duration::from_millis(20));
        assert_eq!("every-7,delay-20".parse(), Ok(expected));
        assert_eq!("delay-20, every-7".parse(), Ok(expected));
        assert_eq!("one-write".parse(), Ok(Pacing::new(Chunking::OneWrite)));
        assert!("sometimes".parse::<Pacing>().is_err());
    }
}
