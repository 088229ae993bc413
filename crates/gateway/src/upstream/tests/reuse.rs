//! When a connection is used again, replaced, kept or closed.

use std::time::Duration;

use http_body_util::channel::Channel;
use tokio::sync::{Notify, mpsc};

use super::*;

#[tokio::test]
async fn a_finished_exchange_leaves_its_connection_for_the_next() {
    let upstream = Upstream::replying(HELLO).await;
    let client = client();
    for _ in 0..3 {
        assert_eq!(
            text(client.call(upstream.post("hi")).await.unwrap()).await,
            "hello"
        );
    }
    assert_eq!(upstream.connections(), 1);
    let stats = client.stats();
    assert_eq!((stats.open, stats.idle), (1, 1));
    assert_eq!(stats.origins[0].authority, upstream.address.to_string());
}

#[tokio::test]
async fn a_reply_without_a_body_frees_its_connection_at_once() {
    let upstream = Upstream::replying(b"HTTP/1.1 204 No Content\r\n\r\n").await;
    let client = client();
    let response = client.call(upstream.get()).await.unwrap();
    assert_eq!(client.stats().idle, 1);
    drop(response);
    assert_eq!(client.stats().idle, 1);
}

#[tokio::test]
async fn the_connection_is_free_when_the_last_byte_is_delivered() {
    let upstream = Upstream::replying(HELLO).await;
    let client = client();
    let mut body = client.call(upstream.get()).await.unwrap().into_body();
    data(&mut body).await;
    assert_eq!(client.stats().idle, 1);
}

#[tokio::test]
async fn exchanges_at_the_same_time_use_a_connection_each() {
    let upstream = Upstream::replying(HELLO).await;
    let client = client();
    let first = client.call(upstream.get()).await.unwrap();
    let second = client.call(upstream.get()).await.unwrap();
    assert_eq!((client.stats().open, client.stats().idle), (2, 0));
    text(first).await;
    text(second).await;
    assert_eq!((client.stats().open, client.stats().idle), (2, 2));
}

#[tokio::test]
async fn a_connection_closed_while_idle_is_replaced_and_the_request_sent_once() {
    let (close, closed) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (seen, mut requests) = mpsc::unbounded_channel();
    let signals = (Arc::clone(&close), Arc::clone(&closed));
    let upstream = Upstream::start(move |mut peer| {
        let ((close, closed), seen) = (signals.clone(), seen.clone());
        async move {
            seen.send(peer.request().await.unwrap()).unwrap();
            peer.send(HELLO).await;
            close.notified().await;
            drop(peer);
            closed.notify_one();
        }
    })
    .await;
    let client = client();
    text(client.call(upstream.post("first")).await.unwrap()).await;
    close.notify_one();
    closed.notified().await;
    settle().await;
    assert_eq!(client.stats().idle, 1, "nobody looks at an idle connection");
    text(client.call(upstream.post("second")).await.unwrap()).await;
    assert_eq!(upstream.connections(), 2);
    assert!(requests.recv().await.unwrap().ends_with("first"));
    assert!(requests.recv().await.unwrap().ends_with("second"));
    assert!(requests.is_empty());
}

#[tokio::test]
async fn a_request_the_upstream_may_have_seen_is_not_sent_again() {
    let upstream = Upstream::start(|mut peer| async move {
        if peer.number == 0 {
            peer.request().await;
            peer.send(HELLO).await;
        }
        peer.request().await;
    })
    .await;
    let client = client();
    text(client.call(upstream.get()).await.unwrap()).await;
    let error = client.call(upstream.get()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Closed);
    assert!(error.is_sent());
    assert_eq!(upstream.connections(), 1);
}

#[tokio::test]
async fn a_connection_with_a_request_still_under_way_is_not_used_again() {
    let upstream = Upstream::start(|mut peer| async move {
        peer.request().await;
        peer.send(HELLO).await;
        peer.gone().await;
    })
    .await;
    let client = client();
    let (_unfinished, body) = Channel::<Bytes, BoxError>::new(1);
    let response = client
        .call(Request::post(upstream.url()).body(body).unwrap())
        .await
        .unwrap();
    assert_eq!(text(response).await, "hello");
    assert_eq!((client.stats().open, client.stats().idle), (0, 0));
}

#[tokio::test]
async fn an_upstream_that_wants_to_close_is_not_used_again() {
    let reply = b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\nok";
    let upstream = Upstream::replying(reply).await;
    let client = client();
    text(client.call(upstream.get()).await.unwrap()).await;
    assert_eq!(client.stats().open, 0);
}

#[tokio::test]
async fn no_more_connections_are_kept_than_allowed() {
    let upstream = Upstream::replying(HELLO).await;
    let client = Client::new(ClientConfig {
        idle_per_origin: 1,
        ..ClientConfig::default()
    });
    let first = client.call(upstream.get()).await.unwrap();
    let second = client.call(upstream.get()).await.unwrap();
    text(first).await;
    text(second).await;
    assert_eq!((client.stats().open, client.stats().idle), (1, 1));
}

#[tokio::test]
async fn connections_idle_for_too_long_are_closed_and_their_origin_forgotten() {
    let upstream = Upstream::replying(HELLO).await;
    let client = client();
    text(client.call(upstream.get()).await.unwrap()).await;
    tokio::time::pause();
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(client.stats().idle, 1);
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(client.stats().open, 0);
    assert!(client.stats().origins.is_empty());
}

#[tokio::test]
async fn dropping_the_client_closes_idle_connections_and_ends_its_task() {
    let gone = Arc::new(Notify::new());
    let notify = Arc::clone(&gone);
    let upstream = Upstream::start(move |mut peer| {
        let notify = Arc::clone(&notify);
        async move {
            peer.request().await;
            peer.send(HELLO).await;
            peer.gone().await;
            notify.notify_one();
        }
    })
    .await;
    let before = tokio::runtime::Handle::current()
        .metrics()
        .num_alive_tasks();
    let client = client();
    text(client.call(upstream.get()).await.unwrap()).await;
    drop(client);
    gone.notified().await;
    settle().await;
    let after = tokio::runtime::Handle::current()
        .metrics()
        .num_alive_tasks();
    assert_eq!(before, after);
}

#[tokio::test]
async fn the_upstream_is_sent_a_path_and_the_host_of_the_uri() {
    let (seen, mut requests) = mpsc::unbounded_channel();
    let upstream = Upstream::start(move |mut peer| {
        let seen = seen.clone();
        async move {
            seen.send(peer.request().await.unwrap()).unwrap();
            peer.send(HELLO).await;
        }
    })
    .await;
    let mut request = upstream.get();
    request
        .headers_mut()
        .insert("host", "elsewhere.example".parse().unwrap());
    client().call(request).await.unwrap();
    let head = requests.recv().await.unwrap();
    assert!(
        head.starts_with("POST /v1/chat?stream HTTP/1.1\r\n"),
        "{head}"
    );
    assert!(
        head.contains(&format!("\r\nhost: {}\r\n", upstream.address)),
        "{head}"
    );
    assert!(!head.contains("elsewhere"));
}
