//! How many connections there may be, how old they get, and who waits for one.

use std::time::Duration;

use futures_util::future::join_all;
use serde_json::{Value, json};
use tokio::sync::Semaphore;

use super::{
    authority::{by, told},
    *,
};

const MINUTE: Duration = Duration::from_secs(60);

/// A server that answers one request for each permit.
async fn permitted() -> (Upstream, Arc<Semaphore>) {
    let permits = Arc::new(Semaphore::new(0));
    let granted = Arc::clone(&permits);
    let upstream = Upstream::start(move |mut peer| {
        let granted = Arc::clone(&granted);
        async move {
            while peer.request().await.is_some() {
                granted.acquire().await.unwrap().forget();
                peer.send(HELLO).await;
            }
        }
    })
    .await;
    (upstream, permits)
}

fn bounded(pool: &Value) -> Value {
    json!({ "pool": pool })
}

#[tokio::test]
async fn calls_beyond_the_bound_wait_and_take_over_the_connections() {
    let (upstream, permits) = permitted().await;
    let client = client();
    let wanted = bounded(&json!({"maxConnections": 2}));
    let calls = (0..20).map(|_| {
        let request = by(&client, &upstream.url(), &wanted);
        async { text(client.call(request).await.unwrap()).await }
    });
    permits.add_permits(20);
    assert!(join_all(calls).await.iter().all(|text| text == "hello"));
    assert_eq!(upstream.connections(), 2);
    assert_eq!((client.stats().open, client.stats().idle), (2, 2));
}

#[tokio::test]
async fn whoever_has_waited_longest_is_served_first() {
    let (upstream, permits) = permitted().await;
    let client = client();
    let wanted = bounded(&json!({"maxConnections": 1}));
    let order = Arc::new(std::sync::Mutex::new(Vec::new()));
    let mut calls = Vec::new();
    for number in 0..5 {
        let call = client.call(by(&client, &upstream.url(), &wanted));
        let order = Arc::clone(&order);
        calls.push(tokio::spawn(async move {
            text(call.await.unwrap()).await;
            order.lock().unwrap().push(number);
        }));
        settle().await;
    }
    permits.add_permits(5);
    join_all(calls).await;
    assert_eq!(*order.lock().unwrap(), [0, 1, 2, 3, 4]);
}

#[tokio::test]
async fn a_wait_that_is_given_up_gives_its_place_on() {
    let (upstream, permits) = permitted().await;
    let client = client();
    let wanted = bounded(&json!({"maxConnections": 1}));
    let call = || tokio::spawn(client.call(by(&client, &upstream.url(), &wanted)));
    let first = call();
    settle().await;
    let (second, third) = (call(), call());
    settle().await;
    second.abort();
    first.abort();
    settle().await;
    permits.add_permits(2);
    assert_eq!(text(third.await.unwrap().unwrap()).await, "hello");
}

#[tokio::test]
async fn nobody_waits_longer_than_for_a_connection_or_in_too_long_a_queue() {
    let (upstream, _permits) = permitted().await;
    let client = client();
    let wanted = bounded(&json!({"maxConnections": 1, "maxWaiting": 1}));
    let call = || tokio::spawn(client.call(by(&client, &upstream.url(), &wanted)));
    let _first = call();
    settle().await;
    let second = call();
    settle().await;
    let error = call().await.unwrap().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Busy);
    assert!(!error.is_sent());
    assert!(told(&error).contains("1 connections are open and 1 calls wait"));
    tokio::time::pause();
    let error = second.await.unwrap().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Busy);
}

#[tokio::test]
async fn a_connection_takes_no_calls_after_its_time() {
    let upstream = Upstream::replying(HELLO).await;
    let client = client();
    let wanted = bounded(&json!({"maxLifetime": "1m", "idleTimeout": "1h"}));
    let call = async || {
        let request = by(&client, &upstream.url(), &wanted);
        text(client.call(request).await.unwrap()).await;
        upstream.connections()
    };
    assert_eq!((call().await, call().await), (1, 1));
    tokio::time::pause();
    tokio::time::advance(2 * MINUTE).await;
    tokio::time::resume();
    assert_eq!((call().await, call().await), (2, 2));
}

#[tokio::test]
async fn equal_transports_share_connections_and_others_do_not() {
    let upstream = Upstream::replying(HELLO).await;
    let client = client();
    for (pool, connections) in [(10, 1), (10, 1), (11, 2), (10, 2)] {
        let wanted = bounded(&json!({ "maxIdle": pool }));
        let request = by(&client, &upstream.url(), &wanted);
        text(client.call(request).await.unwrap()).await;
        assert_eq!(upstream.connections(), connections);
    }
}

#[tokio::test]
async fn a_bound_of_shared_connections_makes_calls_wait_for_a_stream() {
    let upstream = http2::upstream(2).await;
    let client = client();
    let wanted = json!({"http": "http2", "pool": {"maxConnections": 2, "maxWaiting": 8}});
    let endless = format!("http://{}/endless", upstream.address);
    let mut bodies = Vec::new();
    for _ in 0..4 {
        let request = by(&client, &endless, &wanted);
        let mut body = client.call(request).await.unwrap().into_body();
        data(&mut body).await;
        bodies.push(body);
    }
    assert_eq!(upstream.connections(), 2);
    let waiting: Vec<_> = (0..8)
        .map(|_| tokio::spawn(client.call(by(&client, &upstream.url(), &wanted))))
        .collect();
    settle().await;
    let error = client.call(by(&client, &upstream.url(), &wanted)).await;
    assert_eq!(error.unwrap_err().kind(), ErrorKind::Busy);
    drop(bodies.pop());
    for call in waiting {
        assert_eq!(call.await.unwrap().unwrap().status(), 200);
    }
    assert_eq!(upstream.connections(), 2);
}
