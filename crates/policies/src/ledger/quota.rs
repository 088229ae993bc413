//! How much there is for how long, and what has been used of it: arithmetic without a clock.

use std::time::Duration;

use jiff::tz::Offset;
use jiff::{Timestamp, ToSpan};

/// An amount, of requests, tokens, money or calls at once, and the time it is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quota {
    amount: u64,
    burst: u64,
    window: Window,
}

/// The time an amount is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Window {
    /// What is used comes back evenly, the whole amount within this time.
    Rolling(Duration),
    /// A day in UTC.
    Day,
    /// A month of the calendar, in UTC.
    Month,
    /// What is used comes back when its call ends.
    Held,
}

/// A point in time, by both clocks: one that only goes forward, and the calendar.
#[derive(Clone, Copy, Debug)]
pub struct Moment {
    /// Since some beginning.
    pub elapsed: Duration,
    /// By the calendar.
    pub date: Timestamp,
}

/// What one key has used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Used {
    /// Used and reserved. Never less than nothing; more than there is after a call that took more than it asked for.
    amount: u64,
    /// When it was last brought up to date, in nanoseconds.
    at: u64,
    period: i64,
    /// Reservations not settled yet.
    open: u32,
}

/// What was reserved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ticket {
    pub(super) amount: u64,
    period: i64,
}

/// How much is left of a quota.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// All there can be.
    pub limit: u64,
    /// What is left.
    pub remaining: u64,
    /// When all of it is there again, if nothing more is used.
    pub reset: Duration,
}

/// There is not enough.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Short {
    /// What there is.
    pub standing: Standing,
    /// When there is enough, if nothing more is used; never, if more is wanted than there can be.
    pub after: Option<Duration>,
}

impl Quota {
    /// So much in each window. No amount is taken for 1.
    pub fn new(amount: u64, window: Window) -> Self {
        Self {
            amount: amount.max(1),
            burst: 0,
            window,
        }
    }

    /// So much more at once, after a time of rest. Counts in rolling windows only.
    #[must_use]
    pub fn burst(mut self, more: u64) -> Self {
        self.burst = more;
        self
    }

    /// The most that can be used at once.
    pub fn capacity(&self) -> u64 {
        match self.window {
            Window::Rolling(_) => self.amount.saturating_add(self.burst),
            Window::Day | Window::Month | Window::Held => self.amount,
        }
    }

    /// Takes `amount` if there is as much.
    pub(super) fn reserve(
        &self,
        used: &mut Used,
        amount: u64,
        now: Moment,
    ) -> Result<Ticket, Short> {
        self.update(used, now);
        let missing = used
            .amount
            .saturating_add(amount)
            .saturating_sub(self.capacity());
        if missing > 0 {
            return Err(Short {
                standing: self.left(used, now),
                after: (amount <= self.capacity()).then(|| self.back(missing, now)),
            });
        }
        Ok(self.take(used, amount, now))
    }

    /// Takes `amount` whether it is there or not.
    pub(super) fn take(&self, used: &mut Used, amount: u64, now: Moment) -> Ticket {
        self.update(used, now);
        used.amount = used.amount.saturating_add(amount);
        used.open = used.open.saturating_add(1);
        Ticket {
            amount,
            period: used.period,
        }
    }

    /// Replaces what was reserved by what was used.
    pub(super) fn settle(&self, used: &mut Used, ticket: Ticket, spent: u64, now: Moment) {
        self.update(used, now);
        used.open = used.open.saturating_sub(1);
        // What belongs to a day that is over counts for that day.
        if ticket.period == used.period {
            let with = used.amount.saturating_add(spent);
            used.amount = with.saturating_sub(ticket.amount);
        }
    }

    /// What is left.
    pub(super) fn standing(&self, used: &mut Used, now: Moment) -> Standing {
        self.update(used, now);
        self.left(used, now)
    }

    /// Whether forgetting it would change nothing.
    pub(super) fn is_idle(&self, used: &mut Used, now: Moment) -> bool {
        self.update(used, now);
        used.amount == 0 && used.open == 0
    }

    /// How much more is used than there is.
    #[cfg(test)]
    pub(super) fn over(&self, used: &Used) -> u64 {
        used.amount.saturating_sub(self.capacity())
    }

    fn left(&self, used: &Used, now: Moment) -> Standing {
        Standing {
            limit: self.capacity(),
            remaining: self.capacity().saturating_sub(used.amount),
            reset: match used.amount {
                0 => Duration::ZERO,
                amount => self.back(amount, now),
            },
        }
    }

    fn update(&self, used: &mut Used, now: Moment) {
        match self.window {
            Window::Rolling(per) => {
                let now = nanos(now.elapsed);
                let back = mul_div(now.saturating_sub(used.at), self.amount, nanos(per));
                if back >= u128::from(used.amount) {
                    (used.amount, used.at) = (0, now.max(used.at));
                } else if back > 0 {
                    let back = u64::try_from(back).expect("less than what is used");
                    used.amount -= back;
                    // Rounded up: what comes back by rounding is never more than is due.
                    let took = mul_div(back, nanos(per), self.amount) + 1;
                    used.at = used
                        .at
                        .saturating_add(u64::try_from(took).unwrap_or(u64::MAX));
                }
            }
            Window::Day | Window::Month => {
                let period = self.period(now.date);
                if period != used.period {
                    (used.amount, used.period) = (0, period);
                }
            }
            Window::Held => {}
        }
    }

    /// How long it takes for `amount` to come back.
    fn back(&self, amount: u64, now: Moment) -> Duration {
        match self.window {
            Window::Rolling(per) => {
                let wait = mul_div(amount, nanos(per), self.amount) + 2;
                Duration::from_nanos(u64::try_from(wait).unwrap_or(u64::MAX))
            }
            Window::Day | Window::Month => self.rest(now.date),
            Window::Held => Duration::from_secs(1),
        }
    }

    /// The number of the day or month of a date.
    fn period(&self, date: Timestamp) -> i64 {
        let day = Offset::UTC.to_datetime(date).date();
        match self.window {
            Window::Month => i64::from(day.year()) * 12 + i64::from(day.month()),
            _ => date.as_second().div_euclid(24 * 60 * 60),
        }
    }

    /// From a date to the end of its day or month.
    fn rest(&self, date: Timestamp) -> Duration {
        let day = Offset::UTC.to_datetime(date).date();
        let next = match self.window {
            Window::Month => day.first_of_month().checked_add(1.month()),
            _ => day.checked_add(1.day()),
        };
        let next = next.ok().and_then(|day| {
            let midnight = day.at(0, 0, 0, 0);
            Offset::UTC.to_timestamp(midnight).ok()
        });
        let rest = next.map(|next| next.duration_since(date).unsigned_abs());
        rest.unwrap_or(Duration::from_secs(1))
    }
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

fn mul_div(a: u64, b: u64, by: u64) -> u128 {
    u128::from(a) * u128::from(b) / u128::from(by.max(1))
}
