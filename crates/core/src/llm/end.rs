//! The one table that says whether a stream is finished, cut or failed.

use super::{Batch, EventKind};
use crate::body::Ended;

/// What has been seen of a stream.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Seen {
    /// Content of any kind.
    pub content: bool,
    /// A finish reason.
    pub finish: bool,
    /// The dialect's terminal event or sentinel.
    pub done: bool,
    /// An error event.
    pub error: bool,
    /// Events of kind [`EventKind::Content`]: about one token each.
    pub pieces: u64,
    /// Events the dialect could not parse; passed on unchanged.
    pub unparsable: u64,
}

impl Seen {
    /// Takes in the events of a batch.
    pub fn note(&mut self, batch: &Batch) {
        for event in batch.events() {
            match event.kind() {
                EventKind::Content => {
                    self.content = true;
                    self.pieces += 1;
                }
                EventKind::Finish => self.finish = true,
                EventKind::Done => self.done = true,
                EventKind::Error => self.error = true,
                EventKind::Unparsable => self.unparsable += 1,
                EventKind::Usage | EventKind::KeepAlive | EventKind::Other => {}
            }
        }
    }
}

/// How a stream ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StreamEnd {
    /// The reply is whole.
    Finished,
    /// It stopped before the reply was whole.
    Cut,
    /// The upstream said that it failed.
    Failed,
    /// The caller left.
    Left,
}

impl StreamEnd {
    /// Judges a stream by what was seen and how its body ended.
    ///
    /// | seen | body ended | stream |
    /// |---|---|---|
    /// | an error event | any way | failed |
    /// | a finish reason, or the terminal event | any way | finished; a missing sentinel is fine |
    /// | neither | read to its end, or broken | cut |
    /// | neither | the caller left | left |
    pub fn judge(seen: Seen, ended: Ended) -> Self {
        match (seen, ended) {
            (Seen { error: true, .. }, _) => Self::Failed,
            (Seen { finish: true, .. } | Seen { done: true, .. }, _) => Self::Finished,
            (_, Ended::Left) => Self::Left,
            (_, Ended::Completed | Ended::Failed(_)) => Self::Cut,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::codes;

    #[test]
    fn the_table_holds_row_by_row() {
        let broken = Ended::Failed(&codes::UPSTREAM_BROKEN);
        let none = Seen {
            content: true,
            ..Seen::default()
        };
        let finish = Seen {
            finish: true,
            ..none
        };
        let done = Seen { done: true, ..none };
        let error = Seen {
            error: true,
            ..finish
        };
        for ended in [Ended::Completed, Ended::Left, broken] {
            assert_eq!(StreamEnd::judge(error, ended), StreamEnd::Failed);
            assert_eq!(StreamEnd::judge(finish, ended), StreamEnd::Finished);
            assert_eq!(StreamEnd::judge(done, ended), StreamEnd::Finished);
        }
        assert_eq!(StreamEnd::judge(none, Ended::Completed), StreamEnd::Cut);
        assert_eq!(StreamEnd::judge(none, broken), StreamEnd::Cut);
        assert_eq!(StreamEnd::judge(none, Ended::Left), StreamEnd::Left);
    }
}
