//! How often receiving a reply wakes the task that reads it.

use std::sync::LazyLock;
use std::task::{Context, Poll, Wake, Waker};

use http_body::Body as _;
use tokio::sync::Notify;

use super::*;

/// Counts how often the task would be scheduled.
#[derive(Default)]
struct Count(AtomicUsize);

impl Wake for Count {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, SeqCst);
    }
}

/// An upstream that sends `parts` one by one, each when told to, and then closes.
async fn in_parts(parts: &'static [&'static [u8]]) -> (Upstream, Arc<Notify>) {
    let next = Arc::new(Notify::new());
    let wait = Arc::clone(&next);
    let upstream = Upstream::start(move |mut peer| {
        let wait = Arc::clone(&wait);
        async move {
            peer.request().await;
            for part in parts {
                peer.send(part).await;
                wait.notified().await;
            }
        }
    })
    .await;
    (upstream, next)
}

/// Lets the upstream go on, until everything it does has been noticed.
async fn go_on(next: &Notify) {
    next.notify_one();
    settle().await;
    settle().await;
}

#[tokio::test]
async fn a_burst_wakes_the_reader_once_and_an_idle_connection_never() {
    const PARTS: &[&[u8]] = &[
        CHUNKED,
        b"1\r\na\r\n1\r\nb\r\n1\r\nc\r\n1\r\nd\r\n",
        b"0\r\n\r\n",
    ];
    let (upstream, next) = in_parts(PARTS).await;
    let client = client();
    let mut body = client.call(upstream.get()).await.unwrap().into_body();
    let count = Arc::new(Count::default());
    let waker = Waker::from(Arc::clone(&count));
    let mut cx = Context::from_waker(&waker);
    let mut poll = || Pin::new(&mut body).poll_frame(&mut cx);

    assert!(poll().is_pending());
    go_on(&next).await;
    assert_eq!(count.0.load(SeqCst), 1);
    let Poll::Ready(Some(Ok(frame))) = poll() else {
        panic!("no frame")
    };
    assert_eq!(frame.data_ref().unwrap(), "abcd");
    assert!(poll().is_pending());
    assert_eq!(
        count.0.load(SeqCst),
        1,
        "taking the burst woke the reader again"
    );

    go_on(&next).await;
    assert_eq!(count.0.load(SeqCst), 2);
    assert!(matches!(poll(), Poll::Ready(None)));
    assert_eq!(client.stats().idle, 1);
    go_on(&next).await;
    assert_eq!(
        count.0.load(SeqCst),
        2,
        "an idle connection woke its last reader"
    );
    assert_eq!(
        Arc::strong_count(&count),
        2,
        "an idle connection keeps its last reader"
    );
}

#[tokio::test]
async fn what_comes_while_nobody_asks_is_found_by_whoever_asks_next() {
    // Two frames too large to be merged, so that there is more to take after the first.
    static LARGE: LazyLock<Vec<u8>> = LazyLock::new(|| {
        let chunk = [b"2328\r\n", &[b'x'; 9000][..], b"\r\n"].concat();
        [&chunk[..], &chunk, b"1\r\ny\r\n"].concat()
    });
    static PARTS: LazyLock<Vec<&[u8]>> =
        LazyLock::new(|| vec![CHUNKED, b"1\r\na\r\n", &LARGE, b"1\r\nb\r\n", b"0\r\n\r\n"]);
    let (upstream, next) = in_parts(&PARTS).await;
    let mut body = client().call(upstream.get()).await.unwrap().into_body();
    let mut cx = Context::from_waker(Waker::noop());
    assert!(Pin::new(&mut body).poll_frame(&mut cx).is_pending());
    let mut lengths = Vec::new();
    for _ in 1..PARTS.len() {
        go_on(&next).await;
        while let Poll::Ready(Some(frame)) = Pin::new(&mut body).poll_frame(&mut cx) {
            lengths.push(frame.unwrap().into_data().unwrap().len());
        }
    }
    assert_eq!(lengths, [1, 9000, 9000, 1, 1]);
    assert!(body.is_end_stream());
}
