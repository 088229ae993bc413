//! Upstream client: the response body, which drives its own connection.

use std::{
    fmt,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, Waker, ready},
    time::Duration,
};

use bytes::{Bytes, BytesMut};
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;

use super::{ClientError, ErrorKind, h1::Link, line::Permit, pool::Origin, timeout::Watch};

/// Frames of this size or more are passed on as they are: copying them would cost more than it
/// saves.
const LARGE: usize = 8 * 1024;
/// The room made for a merged frame at first, so that it seldom has to be moved to grow.
const ROOM: usize = 8 * 1024;
/// How often a connection is looked at in one poll that finds nothing, before other tasks have their turn.
const LOOKS: usize = 4;
/// A merged frame is handed on when it has reached this size, even if more is ready.
const ENOUGH: usize = 64 * 1024;

/// The body of a response.
///
/// Data frames that are ready at the same moment are merged as long as they are small (below 8 KiB
/// each), into frames of hardly more than 64 KiB. A frame that is ready alone, or large, is passed
/// on without a copy. What is ready is returned at once; the body never waits for more. Lengths and
/// trailers are as the upstream sent them.
///
/// When the response is complete its connection becomes available for other requests, unless the
/// request body was still being sent. Dropping the body before that closes the connection (HTTP/1)
/// or resets the stream (HTTP/2).
///
/// # Errors
///
/// [`ErrorKind::IdleTimeout`], [`ErrorKind::Reset`], [`ErrorKind::Closed`] when the connection ends
/// before the body does, [`ErrorKind::Protocol`], and [`ErrorKind::Body`] when a request body that
/// was still being sent fails. Data received before the error is delivered first. After an error
/// the body has ended.
pub struct ResponseBody {
    incoming: Incoming,
    carrier: Carrier,
    idle: Duration,
    /// What comes next, already received.
    held: Option<Result<Frame<Bytes>, ClientError>>,
    /// Why the connection ended, if it did with an error.
    cause: Option<hyper::Error>,
    /// What the last look left to wait for.
    wait: Wait,
    ended: bool,
}

/// What the rest of the body arrives on.
enum Carrier {
    Http1(Box<Link>, Arc<Origin>),
    Http2(
        #[expect(dead_code, reason = "held for its drop")] Permit,
        Watch,
    ),
    /// Given back, or closed.
    Gone,
}

/// Who moves the bytes: this body, so that nothing arrives while it does not look, or a task.
enum Driven {
    Here,
    Elsewhere,
}

/// Where a wait for the connection stands.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Wait {
    /// Nobody waits: a look may find something.
    None,
    /// The last look found nothing.
    Begun,
    /// And the time it takes is watched.
    Timed,
}

/// One look at what the connection has handed over.
enum Taken {
    Data(Bytes),
    Nothing,
    /// Not data: the body has ended, or what comes next is in `held`.
    Other,
}

impl ResponseBody {
    /// `link` is none when the connection ended along with the head.
    pub(super) fn http1(
        incoming: Incoming,
        link: Option<Box<Link>>,
        origin: &Arc<Origin>,
        idle: Duration,
    ) -> Self {
        let carrier = match link {
            Some(link) => Carrier::Http1(link, Arc::clone(origin)),
            None => Carrier::Gone,
        };
        Self::new(incoming, carrier, idle)
    }

    pub(super) fn http2(incoming: Incoming, permit: Permit, idle: Duration) -> Self {
        Self::new(incoming, Carrier::Http2(permit, Watch::default()), idle)
    }

    fn new(incoming: Incoming, carrier: Carrier, idle: Duration) -> Self {
        let mut body = Self {
            incoming,
            carrier,
            idle,
            held: None,
            cause: None,
            wait: Wait::None,
            ended: false,
        };
        if body.incoming.is_end_stream() {
            body.finish();
        }
        body
    }

    /// The next data frame. `None`: see [`Taken::Other`].
    fn poll_first(&mut self, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        for _ in 0..LOOKS {
            if self.is_silent(cx) {
                return match self.wait {
                    Wait::Timed => Poll::Pending,
                    Wait::None | Wait::Begun => self.poll_late(cx).map(|()| None),
                };
            }
            match self.look(cx) {
                Taken::Data(data) => return Poll::Ready(Some(data)),
                Taken::Other => return Poll::Ready(None),
                Taken::Nothing => self.wait = Wait::Begun,
            }
            // Only what is driven here has a bell: elsewhere the look itself has asked to be woken.
            if !matches!(self.carrier, Carrier::Http1(..)) {
                return self.poll_late(cx).map(|()| None);
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// Whether a look would find nothing, and the task is woken once that changes.
    fn is_silent(&self, cx: &Context<'_>) -> bool {
        match &self.carrier {
            Carrier::Http1(link, _) => self.wait != Wait::None && !link.bell.has_rung(cx.waker()),
            Carrier::Http2(..) | Carrier::Gone => false,
        }
    }

    /// Adds to `first` what else is ready.
    fn gather(&mut self, first: Bytes) -> Bytes {
        if first.len() >= LARGE {
            return first;
        }
        let mut quiet = Context::from_waker(Waker::noop());
        let mut merged = Merged::One(first);
        while !self.ended && self.held.is_none() && merged.len() < ENOUGH {
            match self.look(&mut quiet) {
                Taken::Data(data) if data.len() < LARGE => merged.push(&data),
                Taken::Data(data) => self.held = Some(Ok(Frame::data(data))),
                Taken::Nothing => {
                    self.wait = Wait::Begun;
                    break;
                }
                Taken::Other => break,
            }
        }
        merged.finish()
    }

    /// Lets the connection work, then takes one frame.
    ///
    /// What happens inside one poll shall not wake the task again. So a connection driven here is looked at
    /// with its bell, and the channel between it and this body, which serves both ends, with a waker that does
    /// nothing.
    fn look(&mut self, cx: &mut Context<'_>) -> Taken {
        self.wait = Wait::None;
        let next = match self.drive() {
            Driven::Here => self.poll_incoming(&mut Context::from_waker(Waker::noop())),
            Driven::Elsewhere => self.poll_incoming(cx),
        };
        let Poll::Ready(next) = next else {
            return Taken::Nothing;
        };
        self.watch_stop();
        match next.map(|next| next.map(Frame::into_data)) {
            Some(Ok(Ok(data))) => {
                if self.incoming.is_end_stream() {
                    self.finish();
                }
                return Taken::Data(data);
            }
            Some(Ok(Err(trailers))) => {
                self.held = Some(Ok(trailers));
                self.finish();
            }
            Some(Err(error)) => {
                let error = match self.carrier {
                    Carrier::Http2(..) => ClientError::stream(error),
                    _ => ClientError::body(error, self.cause.take()),
                };
                self.fail(error);
            }
            None => self.finish(),
        }
        Taken::Other
    }

    fn drive(&mut self) -> Driven {
        match &mut self.carrier {
            Carrier::Http1(link, _) => {
                if let Poll::Ready(end) = link.look() {
                    self.cause = end.err();
                    self.carrier = Carrier::Gone;
                }
                Driven::Here
            }
            Carrier::Http2(..) => Driven::Elsewhere,
            Carrier::Gone => Driven::Here,
        }
    }

    fn poll_incoming(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        Pin::new(&mut self.incoming).poll_frame(cx)
    }

    fn watch_stop(&mut self) {
        match &mut self.carrier {
            Carrier::Http1(link, _) => link.watch.stop(),
            Carrier::Http2(_, watch) => watch.stop(),
            Carrier::Gone => {}
        }
    }

    /// Ready, with the error in `held`, when the wait has been too long.
    fn poll_late(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let late = match &mut self.carrier {
            // The bell rings for the timer too, so that one question answers for both.
            Carrier::Http1(link, _) => link.poll_late(self.idle),
            Carrier::Http2(_, watch) => watch.poll(cx, self.idle),
            Carrier::Gone => {
                self.fail(ClientError::sent(ErrorKind::Closed, None));
                return Poll::Ready(());
            }
        };
        self.wait = Wait::Timed;
        ready!(late);
        self.fail(ClientError::sent(ErrorKind::IdleTimeout, None));
        Poll::Ready(())
    }

    /// Ends with an error. A connection of its own closes now; a stream is reset when this body is
    /// dropped, and counts as in use until then.
    fn fail(&mut self, error: ClientError) {
        self.held = Some(Err(error));
        self.ended = true;
        if let Carrier::Http1(..) = self.carrier {
            self.carrier = Carrier::Gone;
        }
    }

    /// The response is complete: gives its connection back if another request may use it.
    fn finish(&mut self) {
        self.ended = true;
        if let Carrier::Http1(mut link, origin) =
            std::mem::replace(&mut self.carrier, Carrier::Gone)
            && link.rest()
        {
            origin.put(link);
        }
    }
}

impl Body for ResponseBody {
    type Data = Bytes;
    type Error = ClientError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, ClientError>>> {
        let this = &mut *self;
        if let Some(held) = this.held.take() {
            return Poll::Ready(Some(held));
        }
        if this.ended {
            return Poll::Ready(None);
        }
        match ready!(this.poll_first(cx)) {
            Some(first) => Poll::Ready(Some(Ok(Frame::data(this.gather(first))))),
            None => Poll::Ready(this.held.take()),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.ended && self.held.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        let held = match &self.held {
            Some(Ok(frame)) => frame.data_ref().map_or(0, |data| data.len() as u64),
            _ => 0,
        };
        let rest = self.incoming.size_hint();
        let mut hint = SizeHint::new();
        hint.set_lower(rest.lower().saturating_add(held));
        if let Some(upper) = rest.upper() {
            hint.set_upper(upper.saturating_add(held));
        }
        hint
    }
}

impl fmt::Debug for ResponseBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseBody")
            .field("ended", &self.ended)
            .finish_non_exhaustive()
    }
}

/// Data on its way into one frame. A single piece is not copied.
enum Merged {
    One(Bytes),
    Many(BytesMut),
}

impl Merged {
    fn len(&self) -> usize {
        match self {
            Self::One(first) => first.len(),
            Self::Many(all) => all.len(),
        }
    }

    fn push(&mut self, data: &Bytes) {
        if let Self::One(first) = self {
            let mut all = BytesMut::with_capacity(ROOM);
            all.extend_from_slice(first);
            *self = Self::Many(all);
        }
        if let Self::Many(all) = self {
            all.extend_from_slice(data);
        }
    }

    fn finish(self) -> Bytes {
        match self {
            Self::One(first) => first,
            Self::Many(all) => all.freeze(),
        }
    }
}
