//! The end of the line: bytes carried between a caller and an upstream that no longer speak HTTP.

use std::any::Any;
use std::future::poll_fn;
use std::io;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use hyper_util::rt::TokioIo;
use portcullis_core::body::Body;
use portcullis_core::context::{self, Attempt, Outcome};
use portcullis_core::error::{Error, codes};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep, timeout};

use super::broken;
use super::upgrade::Caller;
use crate::backend::codes::UPGRADE_IDLE;
use crate::upstream::UpgradedStream;

/// What is read from one side before the other has taken it.
const BUFFER: usize = 8 * 1024;

/// The record of an upgraded call. Dropped before its end, it says that the gateway stopped.
pub(super) struct Meter {
    context: context::Context,
    attempt: Option<Attempt>,
    /// From the caller to the upstream, and back.
    passed: [u64; 2],
    upgraded: bool,
    held: Option<Box<dyn Any + Send>>,
}

impl Meter {
    /// `held` is dropped when the call has ended.
    pub(super) fn new(
        context: context::Context,
        attempt: Attempt,
        held: impl Send + 'static,
    ) -> Self {
        Self {
            context,
            attempt: Some(attempt),
            passed: [0; 2],
            upgraded: false,
            held: Some(Box::new(held)),
        }
    }

    /// Notes what the call has become.
    pub(super) fn begin(&mut self, operation: &'static str) {
        self.upgraded = true;
        self.context
            .record(|exchange| exchange.operation = Some(operation));
    }

    /// The call went on as plain HTTP: it ends with the reply's body.
    pub(super) fn until_end(mut self, body: Body) -> Body {
        body.on_end(move |end| self.finish(end.how.into()))
    }

    /// The upstream's answer makes no sense.
    pub(super) fn broken(mut self, words: &'static str) -> Error {
        let attempt = self.attempt.take().expect("it ends only once");
        broken(attempt, words)
    }

    fn finish(&mut self, outcome: Outcome) {
        let Some(attempt) = self.attempt.take() else {
            return;
        };
        let [received, sent] = self.passed;
        if self.upgraded {
            self.context.record(|exchange| {
                exchange.bytes_in += received;
                exchange.bytes_out += sent;
                if exchange.outcome == Outcome::Completed {
                    exchange.outcome = outcome;
                }
            });
        }
        self.held = None;
        attempt.finish(outcome);
    }
}

impl Drop for Meter {
    fn drop(&mut self) {
        self.finish(if self.upgraded {
            Outcome::Failed(&codes::STOPPING)
        } else {
            Outcome::ClientLeft
        });
    }
}

/// When a tunnel ends.
#[derive(Clone, Copy, Debug)]
pub(super) struct Until {
    /// Both sides have been silent for so long.
    pub(super) silent: Duration,
    /// Both sides have finished, rather than the upstream alone. With protocols that have no use for half a
    /// connection, callers are slow to close theirs.
    pub(super) both: bool,
}

/// Carries bytes as soon as the caller has been answered, `until` its end, or until one of the sides breaks.
pub(super) fn start(caller: Caller, upstream: UpgradedStream, until: Until, mut meter: Meter) {
    let tunnel = async move {
        let outcome = match timeout(until.silent, caller.upgrade).await {
            Ok(Ok(stream)) => carry(TokioIo::new(stream), upstream, until, &mut meter.passed).await,
            Ok(Err(_)) => Outcome::ClientLeft,
            Err(_) => Outcome::Failed(&UPGRADE_IDLE),
        };
        meter.finish(outcome);
    };
    match caller.tunnels {
        Some(tunnels) => tunnels.run(tunnel),
        None => drop(tokio::spawn(tunnel)),
    }
}

/// Which of the two a read or a write has failed at.
enum Broken {
    Reading,
    Writing,
}

async fn carry(
    caller: impl AsyncRead + AsyncWrite,
    upstream: impl AsyncRead + AsyncWrite,
    until: Until,
    passed: &mut [u64; 2],
) -> Outcome {
    let (mut caller, mut upstream) = (pin!(caller), pin!(upstream));
    let (mut up, mut down) = (Pipe::new(), Pipe::new());
    let mut silence = pin!(sleep(until.silent));
    poll_fn(|cx| {
        let before = *passed;
        let sent = up.poll(cx, caller.as_mut(), upstream.as_mut(), &mut passed[0]);
        let received = down.poll(cx, upstream.as_mut(), caller.as_mut(), &mut passed[1]);
        match (sent, received) {
            (_, Poll::Ready(Ok(()))) if !until.both => return Poll::Ready(Outcome::Completed),
            (Poll::Ready(Err(Broken::Reading)), _) | (_, Poll::Ready(Err(Broken::Writing))) => {
                return Poll::Ready(Outcome::ClientLeft);
            }
            (Poll::Ready(Err(Broken::Writing)), _) | (_, Poll::Ready(Err(Broken::Reading))) => {
                return Poll::Ready(Outcome::Failed(&codes::UPSTREAM_CUT));
            }
            (Poll::Ready(Ok(())), Poll::Ready(Ok(()))) => {
                return Poll::Ready(Outcome::Completed);
            }
            _ => {}
        }
        if before != *passed {
            silence.as_mut().reset(Instant::now() + until.silent);
        }
        let silent: Pin<&mut Sleep> = silence.as_mut();
        silent.poll(cx).map(|()| Outcome::Failed(&UPGRADE_IDLE))
    })
    .await
}

/// One direction.
struct Pipe {
    buffer: Box<[u8]>,
    /// What of the buffer is still to be written.
    from: usize,
    to: usize,
    flushed: bool,
    state: State,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Open,
    /// The reader has ended, and the writer is being told.
    Ending,
    Ended,
}

impl Pipe {
    fn new() -> Self {
        Self {
            buffer: vec![0; BUFFER].into(),
            from: 0,
            to: 0,
            flushed: true,
            state: State::Open,
        }
    }

    /// Moves what can be moved. Ready when the reader has ended and the writer knows, or one of them broke.
    fn poll(
        &mut self,
        cx: &mut Context<'_>,
        mut reader: Pin<&mut impl AsyncRead>,
        mut writer: Pin<&mut impl AsyncWrite>,
        passed: &mut u64,
    ) -> Poll<Result<(), Broken>> {
        loop {
            if self.from < self.to {
                let written = writer
                    .as_mut()
                    .poll_write(cx, &self.buffer[self.from..self.to]);
                match ready!(written) {
                    Ok(n @ 1..) => self.wrote(n, passed),
                    Ok(0) | Err(_) => return Poll::Ready(Err(Broken::Writing)),
                }
                continue;
            }
            match self.state {
                State::Open => match self.read(cx, reader.as_mut()) {
                    Poll::Ready(Ok(())) => {}
                    Poll::Ready(Err(_)) => return Poll::Ready(Err(Broken::Reading)),
                    Poll::Pending => {
                        if !self.flushed {
                            let flushed = ready!(writer.as_mut().poll_flush(cx));
                            self.flushed = true;
                            if flushed.is_err() {
                                return Poll::Ready(Err(Broken::Writing));
                            }
                        }
                        return Poll::Pending;
                    }
                },
                State::Ending => {
                    // It may have closed already, having said all it had to say.
                    let _ = ready!(writer.as_mut().poll_shutdown(cx));
                    self.state = State::Ended;
                }
                State::Ended => return Poll::Ready(Ok(())),
            }
        }
    }

    fn wrote(&mut self, n: usize, passed: &mut u64) {
        self.from += n;
        self.flushed = false;
        *passed += n as u64;
    }

    fn read(
        &mut self,
        cx: &mut Context<'_>,
        reader: Pin<&mut impl AsyncRead>,
    ) -> Poll<io::Result<()>> {
        let mut buffer = ReadBuf::new(&mut self.buffer);
        ready!(reader.poll_read(cx, &mut buffer))?;
        (self.from, self.to) = (0, buffer.filled().len());
        if self.to == 0 {
            self.state = State::Ending;
        }
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};

    use super::*;

    type Carried = tokio::task::JoinHandle<(Outcome, [u64; 2])>;

    /// The far ends of a tunnel, and its end.
    fn tunnel(both: bool) -> (DuplexStream, DuplexStream, Carried) {
        let (caller, near) = duplex(64);
        let (far, upstream) = duplex(64);
        let carried = tokio::spawn(async move {
            let mut passed = [0; 2];
            let silent = Duration::from_secs(10);
            let until = Until { silent, both };
            (carry(near, far, until, &mut passed).await, passed)
        });
        (caller, upstream, carried)
    }

    #[tokio::test]
    async fn one_side_may_go_on_after_the_other_has_finished() {
        let (mut caller, mut upstream, carried) = tunnel(true);
        caller.write_all(b"all I have").await.unwrap();
        caller.shutdown().await.unwrap();
        let mut got = String::new();
        upstream.read_to_string(&mut got).await.unwrap();
        assert_eq!(got, "all I have");
        let long = vec![7; 100_000];
        let answer = async {
            upstream.write_all(&long).await.unwrap();
            upstream.shutdown().await.unwrap();
        };
        let mut got = Vec::new();
        let ((), read) = tokio::join!(answer, caller.read_to_end(&mut got));
        assert_eq!((read.unwrap(), got == long), (100_000, true));
        assert_eq!(carried.await.unwrap(), (Outcome::Completed, [10, 100_000]));
    }

    #[tokio::test]
    async fn the_upstreams_end_is_the_end_where_half_a_connection_is_of_no_use() {
        let (mut caller, mut upstream, carried) = tunnel(false);
        upstream.write_all(b"bye").await.unwrap();
        drop(upstream);
        let (outcome, passed) = carried.await.unwrap();
        assert_eq!((outcome, passed), (Outcome::Completed, [0, 3]));
        let mut got = String::new();
        caller.read_to_string(&mut got).await.unwrap();
        assert_eq!(got, "bye");
    }

    #[tokio::test(start_paused = true)]
    async fn silence_of_both_ends_it_and_the_talk_of_one_does_not() {
        let (mut caller, mut upstream, carried) = tunnel(true);
        let start = Instant::now();
        for _ in 0..5 {
            sleep(Duration::from_secs(9)).await;
            upstream.write_all(b"x").await.unwrap();
            caller.read_u8().await.unwrap();
        }
        let (outcome, passed) = carried.await.unwrap();
        assert_eq!((outcome, passed), (Outcome::Failed(&UPGRADE_IDLE), [0, 5]));
        assert_eq!(start.elapsed(), Duration::from_secs(55));
    }

    #[tokio::test(start_paused = true)]
    async fn a_reader_that_does_not_read_holds_its_writer_back() {
        let (mut caller, upstream, carried) = tunnel(true);
        let long = vec![7; 100_000];
        caller.write_all(&long).await.unwrap_err();
        let (outcome, [sent, _]) = carried.await.unwrap();
        assert_eq!((outcome, sent), (Outcome::Failed(&UPGRADE_IDLE), 64));
        drop(upstream);
    }
}
