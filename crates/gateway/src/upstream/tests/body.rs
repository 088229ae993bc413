//! What of a response body is delivered when, in which frames.

use http::StatusCode;
use http_body::Body as _;
use tokio::sync::Notify;

use super::*;

/// `count` chunks of a server-sent event each.
fn events(count: usize) -> (Vec<u8>, Vec<u8>) {
    let (mut wire, mut plain) = (Vec::new(), Vec::new());
    for number in 0..count {
        let event = format!("data: {{\"token\":{number}}}\n\n");
        wire.extend_from_slice(format!("{:x}\r\n{event}\r\n", event.len()).as_bytes());
        plain.extend_from_slice(event.as_bytes());
    }
    (wire, plain)
}

#[tokio::test]
async fn a_burst_of_chunks_is_one_frame() {
    let (chunks, plain) = events(40);
    let wire: &'static [u8] = [CHUNKED, &chunks, b"0\r\n\r\n"].concat().leak();
    let upstream = Upstream::replying(wire).await;
    let client = client();
    let body = client.call(upstream.get()).await.unwrap().into_body();
    let (lengths, all) = frames(body).await;
    assert_eq!(lengths, [plain.len()]);
    assert_eq!(all, plain);
    assert_eq!(client.stats().idle, 1);
}

#[tokio::test]
async fn an_event_is_delivered_before_the_next_one_is_sent() {
    let next = Arc::new(Notify::new());
    let wait = Arc::clone(&next);
    let upstream = Upstream::start(move |mut peer| {
        let wait = Arc::clone(&wait);
        async move {
            peer.request().await;
            peer.send(CHUNKED).await;
            for event in [
                &b"3\r\none\r\n"[..],
                b"3\r\ntwo\r\n3\r\n+++\r\n",
                b"0\r\n\r\n",
            ] {
                wait.notified().await;
                peer.send(event).await;
            }
        }
    })
    .await;
    let mut body = client().call(upstream.get()).await.unwrap().into_body();
    next.notify_one();
    assert_eq!(data(&mut body).await, "one");
    next.notify_one();
    assert_eq!(data(&mut body).await, "two+++");
    next.notify_one();
    assert!(body.frame().await.is_none());
}

#[tokio::test]
async fn merged_frames_are_bounded_and_complete() {
    let (chunks, plain) = events(20_000);
    let wire: &'static [u8] = [CHUNKED, &chunks, b"0\r\n\r\n"].concat().leak();
    let upstream = Upstream::replying(wire).await;
    let body = client().call(upstream.get()).await.unwrap().into_body();
    let (lengths, all) = frames(body).await;
    assert!(
        lengths.iter().all(|length| *length <= 72 * 1024),
        "{lengths:?}"
    );
    assert!(all == plain);
}

#[tokio::test]
async fn small_and_large_chunks_keep_their_order() {
    let (mut wire, mut plain) = (CHUNKED.to_vec(), Vec::new());
    for (number, size) in [1, 20_000, 3, 3, 9_000, 9_000, 70_000, 1]
        .into_iter()
        .enumerate()
    {
        let chunk = vec![b'a' + number as u8; size];
        wire.extend_from_slice(format!("{size:x}\r\n").as_bytes());
        wire.extend_from_slice(&[&chunk[..], b"\r\n"].concat());
        plain.extend_from_slice(&chunk);
    }
    wire.extend_from_slice(b"0\r\n\r\n");
    let upstream = Upstream::replying(wire.leak()).await;
    let body = client().call(upstream.get()).await.unwrap().into_body();
    assert!(frames(body).await.1 == plain);
}

#[tokio::test]
async fn a_body_of_known_length_keeps_it_on_the_way() {
    let wire = [
        b"HTTP/1.1 200 OK\r\ncontent-length: 300000\r\n\r\n",
        &[b'x'; 300_000][..],
    ];
    let wire: &'static [u8] = wire.concat().leak();
    let upstream = Upstream::replying(wire).await;
    let mut body = client().call(upstream.get()).await.unwrap().into_body();
    let mut left = 300_000;
    while left > 0 {
        assert_eq!(body.size_hint().exact(), Some(left));
        assert!(!body.is_end_stream());
        left -= data(&mut body).await.len() as u64;
    }
    assert!(body.is_end_stream());
    assert!(body.frame().await.is_none());
}

#[tokio::test]
async fn any_split_of_a_reply_gives_the_same_body_and_trailers() {
    const REPLY: &[u8] = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ntrailer: x-sum\r\n\r\n\
        5\r\nhello\r\n6;ext=1\r\n world\r\n0\r\nx-sum: 11\r\n\r\n";
    let split = Arc::new(AtomicUsize::new(0));
    let at = Arc::clone(&split);
    let upstream = Upstream::start(move |mut peer| {
        let at = Arc::clone(&at);
        async move {
            while peer.request().await.is_some() {
                let (first, second) = REPLY.split_at(at.load(SeqCst));
                peer.send(first).await;
                settle().await;
                peer.send(second).await;
            }
        }
    })
    .await;
    let client = client();
    for at in 1..REPLY.len() {
        split.store(at, SeqCst);
        let response = client.call(upstream.get()).await.unwrap();
        let collected = response.into_body().collect().await.unwrap();
        assert_eq!(collected.trailers().unwrap()["x-sum"], "11");
        assert_eq!(collected.to_bytes(), "hello world");
    }
    assert_eq!(
        upstream.connections(),
        1,
        "a reply with trailers leaves its connection free"
    );
}

#[tokio::test]
async fn a_body_that_ends_with_its_connection_is_complete() {
    let upstream = Upstream::start(|mut peer| async move {
        peer.request().await;
        peer.send(b"HTTP/1.1 200 OK\r\n\r\nall there is").await;
    })
    .await;
    let response = client().call(upstream.get()).await.unwrap();
    assert_eq!(text(response).await, "all there is");
}

#[tokio::test]
async fn interim_replies_are_skipped() {
    let wire = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n\
        HTTP/1.1 201 Created\r\ncontent-length: 2\r\n\r\nok";
    let upstream = Upstream::replying(wire).await;
    let response = client().call(upstream.get()).await.unwrap();
    assert_eq!(response.status(), StatusCode::CREATED);
    assert_eq!(text(response).await, "ok");
}

/// An upstream that starts a stream and tells when the client has gone.
async fn endless(gone: &Arc<Notify>, reply: &'static [u8]) -> Upstream {
    let gone = Arc::clone(gone);
    Upstream::start(move |mut peer| {
        let gone = Arc::clone(&gone);
        async move {
            peer.request().await;
            peer.send(reply).await;
            peer.gone().await;
            gone.notify_one();
        }
    })
    .await
}

#[tokio::test]
async fn dropping_the_body_midway_closes_the_connection() {
    let gone = Arc::new(Notify::new());
    let wire: &'static [u8] = [CHUNKED, b"3\r\none\r\n"].concat().leak();
    let upstream = endless(&gone, wire).await;
    let client = client();
    let mut body = client.call(upstream.get()).await.unwrap().into_body();
    assert_eq!(data(&mut body).await, "one");
    drop(body);
    gone.notified().await;
    assert_eq!(client.stats().open, 0);
}

#[tokio::test]
async fn dropping_the_call_before_the_head_closes_the_connection() {
    let gone = Arc::new(Notify::new());
    let upstream = endless(&gone, b"HTTP/1.1 200").await;
    let client = client();
    let call = tokio::spawn(client.call(upstream.get()));
    while client.stats().open == 0 {
        settle().await;
    }
    call.abort();
    gone.notified().await;
    assert_eq!(client.stats().open, 0);
}

#[tokio::test]
async fn a_request_body_is_sent_while_it_is_produced() {
    let upstream = Upstream::start(|mut peer| async move {
        let head = peer.request().await.unwrap();
        assert!(head.contains("transfer-encoding: chunked"), "{head}");
        let mut wire = [0; 18];
        peer.stream.read_exact(&mut wire).await.unwrap();
        assert_eq!(&wire[..], b"2\r\nhi\r\n1\r\n!\r\n0\r\n\r\n"[..18].as_ref());
        peer.send(HELLO).await;
    })
    .await;
    let (mut sender, body) = http_body_util::channel::Channel::<Bytes, BoxError>::new(1);
    let call = tokio::spawn(client().call(Request::post(upstream.url()).body(body).unwrap()));
    sender.send_data("hi".into()).await.unwrap();
    settle().await;
    sender.send_data("!".into()).await.unwrap();
    drop(sender);
    assert_eq!(text(call.await.unwrap().unwrap()).await, "hello");
}
