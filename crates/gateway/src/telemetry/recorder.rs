//! Beside the line: the sink every call's record goes to first, and its thread.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use portcullis_core::context::{Exchange, ExchangeSink, Prices};
use tokio::sync::oneshot;

use super::metrics::Tally;
use super::queue::{Queue, Record};
use super::{AccessLog, Metrics};

/// What a [`Recorder`] does with records.
#[non_exhaustive]
pub struct RecorderConfig {
    /// Where calls are counted.
    pub metrics: Metrics,
    /// Where a line is written for each call; by default nowhere.
    pub access_log: Option<AccessLog>,
    /// What models cost; by default nothing is known.
    pub prices: Option<Arc<dyn Prices>>,
    /// Who gets the records afterwards. Each sink but the last gets a copy. They are called on the
    /// recorder's thread: one that waits holds the others up, one that panics loses that record.
    pub sinks: Vec<Arc<dyn ExchangeSink>>,
    /// Records that may wait for the thread, 65,536 by default: some 50 MB. What finds no room is dropped
    /// and counted in `portcullis_records_dropped_total`.
    pub capacity: usize,
    /// How long records gather before they are handled together, 20 ms by default.
    pub gather: Duration,
}

impl Default for RecorderConfig {
    fn default() -> Self {
        Self {
            metrics: Metrics::default(),
            access_log: None,
            prices: None,
            sinks: Vec::new(),
            capacity: 64 * 1024,
            gather: Duration::from_millis(20),
        }
    }
}

impl fmt::Debug for RecorderConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RecorderConfig")
            .field("access_log", &self.access_log)
            .field("sinks", &self.sinks.len())
            .field("capacity", &self.capacity)
            .field("gather", &self.gather)
            .finish_non_exhaustive()
    }
}

/// Takes the record of every call and handles it on a thread of its own.
///
/// Dropping it handles what is queued, and waits for that.
#[derive(Debug)]
pub struct Recorder {
    queue: Arc<Queue>,
    metrics: Metrics,
    thread: Option<JoinHandle<()>>,
}

impl Recorder {
    /// Starts the thread.
    ///
    /// # Errors
    ///
    /// When the system refuses to start a thread.
    pub fn start(config: RecorderConfig) -> std::io::Result<Arc<Self>> {
        let metrics = config.metrics.clone();
        let queue = Arc::new(Queue::new(config.capacity, metrics.records_dropped()));
        let gather = config.gather;
        let mut handling = Handling {
            tally: Tally::new(config.metrics),
            access_log: config.access_log,
            log_failed: false,
            prices: config.prices,
            sinks: config.sinks,
        };
        let thread = std::thread::Builder::new().name("portcullis-records".into());
        let thread = thread.spawn({
            let queue = queue.clone();
            move || handling.run(&queue, gather)
        })?;
        Ok(Arc::new(Self {
            queue,
            metrics,
            thread: Some(thread),
        }))
    }

    /// The metrics records are counted in.
    pub fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// Waits until every record that had come before has been handled.
    pub async fn flush(&self) {
        let (done, wait) = oneshot::channel();
        self.queue.order(|orders| orders.flushes.push(done));
        // The sender is gone only if the thread is, and then there is nothing to wait for.
        let _ = wait.await;
    }

    /// Writes the access log elsewhere, or nowhere, from the next record on.
    pub fn set_access_log(&self, log: Option<AccessLog>) {
        self.queue.order(|orders| orders.access_log = Some(log));
    }

    /// Prices calls anew, from the records on that come after a [`flush`](Self::flush): those that wait together are
    /// priced alike.
    pub fn set_prices(&self, prices: Arc<dyn Prices>) {
        self.queue.order(|orders| orders.prices = Some(prices));
    }
}

impl ExchangeSink for Recorder {
    fn record(&self, exchange: Box<Exchange>) {
        self.queue.push(exchange);
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        self.queue.close();
        let Some(thread) = self.thread.take() else {
            return;
        };
        // A sink may hold the recorder's last reference; the thread cannot wait for itself.
        if thread.thread().id() != std::thread::current().id() && thread.join().is_err() {
            tracing::error!("the recorder's thread had panicked");
        }
    }
}

struct Handling {
    tally: Tally,
    access_log: Option<AccessLog>,
    log_failed: bool,
    prices: Option<Arc<dyn Prices>>,
    sinks: Vec<Arc<dyn ExchangeSink>>,
}

impl Handling {
    fn run(&mut self, queue: &Queue, gather: Duration) {
        let mut spare = Vec::new();
        loop {
            let (orders, closed) = queue.wait(gather);
            queue.drain(&mut spare, |records| self.handle(records));
            self.write();
            if let Some(log) = orders.access_log {
                self.access_log = log;
                self.log_failed = false;
            }
            if let Some(prices) = orders.prices {
                self.prices = Some(prices);
            }
            for done in orders.flushes {
                // Whoever waited may have given up.
                let _ = done.send(());
            }
            if closed {
                return;
            }
        }
    }

    fn handle(&mut self, records: &mut Vec<Record>) {
        for record in &mut *records {
            if let Some(prices) = &self.prices {
                price(record, &**prices);
            }
            self.tally.count(record);
            if let Some(log) = &mut self.access_log {
                log.push(record);
                if log.is_full() {
                    self.write();
                }
            }
        }
        let Some((last, others)) = self.sinks.split_last() else {
            return;
        };
        for record in records.drain(..) {
            for sink in others {
                hand_on(&**sink, record.clone());
            }
            hand_on(&**last, record);
        }
    }

    /// Writes the lines gathered. A failure is told once, and counted each time.
    fn write(&mut self) {
        let Some(log) = &mut self.access_log else {
            return;
        };
        let written = log.write();
        if let Err(error) = &written {
            self.tally.log_failed();
            if !self.log_failed {
                tracing::error!(%error, "cannot write the access log; lines are lost");
            }
        }
        self.log_failed = written.is_err();
    }
}

/// Notes what each attempt cost, where that is known.
fn price(record: &mut Exchange, prices: &dyn Prices) {
    for attempt in &mut record.attempts {
        let (Some(provider), Some(model)) = (attempt.provider, &attempt.model) else {
            continue;
        };
        attempt.cost = attempt
            .usage
            .and_then(|tokens| Some(prices.price(provider, model)?.of(tokens)));
    }
}

fn hand_on(sink: &dyn ExchangeSink, record: Box<Exchange>) {
    if catch_unwind(AssertUnwindSafe(|| sink.record(record))).is_err() {
        tracing::error!("a sink of records panicked");
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::sync::mpsc;

    use parking_lot::Mutex;
    use portcullis_core::config::AccessLogFormat;
    use portcullis_core::context::{Money, Price, Rates};

    use super::*;
    use crate::telemetry::sample;

    struct Collect(Mutex<Vec<Record>>);

    impl ExchangeSink for Collect {
        fn record(&self, exchange: Box<Exchange>) {
            self.0.lock().push(exchange);
        }
    }

    /// Panics for every record.
    struct Broken;

    impl ExchangeSink for Broken {
        fn record(&self, _: Box<Exchange>) {
            panic!("as the test wants it");
        }
    }

    /// Sends each write on; waits for a permit before, when there are permits.
    struct Gate(mpsc::Sender<Vec<u8>>, Option<mpsc::Receiver<()>>);

    impl Write for Gate {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.send(bytes.to_vec()).unwrap();
            if let Some(permits) = &self.1 {
                permits.recv().unwrap();
            }
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    fn never_by_itself() -> RecorderConfig {
        RecorderConfig {
            gather: Duration::from_secs(3600),
            ..RecorderConfig::default()
        }
    }

    #[tokio::test]
    async fn every_sink_gets_every_record_even_beside_one_that_panics() {
        let (one, two) = (Mutex::default(), Mutex::default());
        let (one, two) = (Arc::new(Collect(one)), Arc::new(Collect(two)));
        let recorder = Recorder::start(RecorderConfig {
            sinks: vec![one.clone(), Arc::new(Broken), two.clone()],
            ..never_by_itself()
        });
        let recorder = recorder.unwrap();
        for _ in 0..3 {
            recorder.record(sample::exchange(|_| {}));
        }
        recorder.flush().await;
        assert_eq!((one.0.lock().len(), two.0.lock().len()), (3, 3));
    }

    #[tokio::test]
    async fn calls_are_priced_and_by_new_prices_from_the_moment_they_are_set() {
        /// Only `gpt-5-mini` has a price: so many picodollars a token.
        #[derive(Debug)]
        struct Flat(u64);
        impl Prices for Flat {
            fn price(&self, provider: &str, model: &str) -> Option<Price> {
                let each = Money::from_picodollars(self.0);
                let rates = Rates {
                    input: each,
                    output: each,
                    ..Rates::default()
                };
                (provider == "openai" && model == "gpt-5-mini").then(|| Price {
                    rates,
                    tiers: Vec::new(),
                })
            }
        }
        let sink = Arc::new(Collect(Mutex::default()));
        let recorder = Recorder::start(RecorderConfig {
            prices: Some(Arc::new(Flat(1))),
            sinks: vec![sink.clone()],
            ..never_by_itself()
        });
        let recorder = recorder.unwrap();
        recorder.record(sample::chat());
        recorder.flush().await;
        recorder.set_prices(Arc::new(Flat(2)));
        recorder.flush().await;
        recorder.record(sample::chat());
        let mut unknown = sample::chat();
        unknown.attempts[1].model = Some("other".into());
        recorder.record(unknown);
        recorder.flush().await;
        let costs: Vec<_> = sink.0.lock().iter().map(|record| record.cost()).collect();
        let known = |amount| Some(Money::from_picodollars(amount));
        assert_eq!(costs, [known(46), known(92), None]);
    }

    #[test]
    fn dropping_it_writes_all_lines_in_one_write() {
        let (send, writes) = mpsc::channel();
        let log = AccessLog::new(AccessLogFormat::Json, Gate(send, None));
        let recorder = Recorder::start(RecorderConfig {
            access_log: Some(log),
            ..never_by_itself()
        });
        let recorder = recorder.unwrap();
        for _ in 0..5 {
            recorder.record(sample::exchange(|_| {}));
        }
        drop(recorder);
        let writes: Vec<_> = writes.iter().collect();
        assert_eq!(writes.len(), 1);
        assert_eq!(writes[0].iter().filter(|b| **b == b'\n').count(), 5);
    }

    #[test]
    fn records_are_handled_without_being_asked_for() {
        let (send, writes) = mpsc::channel();
        let log = AccessLog::new(AccessLogFormat::Json, Gate(send, None));
        let recorder = Recorder::start(RecorderConfig {
            access_log: Some(log),
            ..RecorderConfig::default()
        });
        let recorder = recorder.unwrap();
        for _ in 0..2 {
            recorder.record(sample::exchange(|_| {}));
            writes.recv().unwrap();
        }
    }

    #[tokio::test]
    async fn what_finds_its_queue_full_is_dropped_and_counted() {
        let (send, writes) = mpsc::channel();
        let (permit, permits) = mpsc::channel();
        let log = AccessLog::new(AccessLogFormat::Json, Gate(send, Some(permits)));
        let recorder = Recorder::start(RecorderConfig {
            access_log: Some(log),
            gather: Duration::ZERO,
            capacity: 1,
            ..RecorderConfig::default()
        });
        let recorder = recorder.unwrap();
        recorder.record(sample::exchange(|_| {}));
        writes.recv().unwrap();
        // The thread is stuck in the write: one more waits in this thread's shard, the rest is dropped.
        for _ in 0..4 {
            recorder.record(sample::exchange(|_| {}));
        }
        assert_eq!(recorder.metrics().records_dropped().get(), 3);
        permit.send(()).unwrap();
        permit.send(()).unwrap();
        recorder.flush().await;
        assert_eq!(writes.try_iter().count(), 1);
    }

    #[tokio::test]
    async fn the_log_can_be_moved_and_turned_off() {
        let (send, writes) = mpsc::channel();
        let log = || AccessLog::new(AccessLogFormat::Text, Gate(send.clone(), None));
        let recorder = Recorder::start(never_by_itself()).unwrap();
        recorder.record(sample::exchange(|_| {}));
        recorder.set_access_log(Some(log()));
        recorder.flush().await;
        recorder.record(sample::exchange(|_| {}));
        recorder.set_access_log(None);
        recorder.flush().await;
        recorder.record(sample::exchange(|_| {}));
        recorder.flush().await;
        assert_eq!(writes.try_iter().count(), 1);
    }
}
