//! What an exchange that fails is reported as, and when it is given up.

use std::{error::Error as _, time::Duration};

use http_body_util::channel::Channel;
use tokio::{sync::Notify, time::Instant};

use super::*;

const MINUTE: Duration = Duration::from_secs(60);

async fn fails(request: Request<Full<Bytes>>) -> ClientError {
    client().call(request).await.unwrap_err()
}

/// What the body brought before it failed, and the failure.
async fn broken(upstream: &Upstream) -> (Vec<u8>, ErrorKind) {
    let mut body = client().call(upstream.get()).await.unwrap().into_body();
    let mut all = Vec::new();
    let error = loop {
        match body.frame().await.expect("an error, not an end") {
            Ok(frame) => all.extend_from_slice(&frame.into_data().unwrap()),
            Err(error) => break error,
        }
    };
    assert!(error.is_sent());
    assert!(
        body.frame().await.is_none(),
        "after an error the body has ended"
    );
    (all, error.kind())
}

/// An upstream that says one thing and closes the connection.
async fn saying(reply: &'static [u8]) -> Upstream {
    Upstream::start(move |mut peer| async move {
        peer.request().await;
        peer.send(reply).await;
    })
    .await
}

/// An upstream that tells when it has read a request, says one thing and then nothing more.
async fn falling_silent(after: &'static [u8]) -> (Upstream, Arc<Notify>) {
    let asked = Arc::new(Notify::new());
    let notify = Arc::clone(&asked);
    let upstream = Upstream::start(move |mut peer| {
        let notify = Arc::clone(&notify);
        async move {
            peer.request().await;
            peer.send(after).await;
            notify.notify_one();
            peer.gone().await;
        }
    })
    .await;
    (upstream, asked)
}

#[tokio::test]
async fn a_body_cut_short_of_its_length_is_an_error_not_an_end() {
    let upstream = saying(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhello").await;
    assert_eq!(
        broken(&upstream).await,
        (b"hello".to_vec(), ErrorKind::Closed)
    );
}

#[tokio::test]
async fn a_chunked_body_without_its_last_chunk_is_an_error_not_an_end() {
    let wire: &'static [u8] = [CHUNKED, b"3\r\none\r\n3\r\ntwo\r\n"].concat().leak();
    let upstream = saying(wire).await;
    assert_eq!(
        broken(&upstream).await,
        (b"onetwo".to_vec(), ErrorKind::Closed)
    );
}

#[tokio::test]
async fn a_malformed_chunk_is_a_protocol_error_after_the_good_ones() {
    let wire: &'static [u8] = [CHUNKED, b"3\r\none\r\nxyz\r\n"].concat().leak();
    let (upstream, _) = falling_silent(wire).await;
    assert_eq!(
        broken(&upstream).await,
        (b"one".to_vec(), ErrorKind::Protocol)
    );
}

#[tokio::test]
async fn a_reset_midway_is_an_error() {
    let reset = Arc::new(Notify::new());
    let wait = Arc::clone(&reset);
    let upstream = Upstream::start(move |mut peer| {
        let wait = Arc::clone(&wait);
        async move {
            peer.request().await;
            peer.send(&[CHUNKED, b"3\r\none\r\n"].concat()).await;
            wait.notified().await;
            peer.stream.set_zero_linger().unwrap();
        }
    })
    .await;
    let mut body = client().call(upstream.get()).await.unwrap().into_body();
    assert_eq!(data(&mut body).await, "one");
    reset.notify_one();
    let error = body.frame().await.unwrap().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Reset);
}

#[tokio::test]
async fn a_refused_connection_is_told_from_a_sent_request() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    drop(listener);
    let error = fails(Request::get(url).body(Full::default()).unwrap()).await;
    assert_eq!(error.kind(), ErrorKind::Connect);
    assert!(!error.is_sent());
    assert!(error.source().is_some());
}

#[tokio::test]
async fn a_name_that_cannot_exist_is_not_found() {
    let url = format!("http://{}.invalid/", "a".repeat(64));
    let error = fails(Request::get(url).body(Full::default()).unwrap()).await;
    assert_eq!(error.kind(), ErrorKind::Dns);
    assert!(!error.is_sent());
}

#[tokio::test]
async fn a_uri_that_names_no_origin_or_brings_credentials_is_refused() {
    for url in [
        "/v1/models",
        "ftp://127.0.0.1/",
        "http://user:secret@127.0.0.1/",
    ] {
        let error = fails(Request::get(url).body(Full::default()).unwrap()).await;
        assert_eq!(error.kind(), ErrorKind::Request, "{url}");
        assert!(!format!("{error:?}").contains("secret"));
    }
}

#[tokio::test]
async fn what_is_not_http_is_a_protocol_error() {
    for wire in [&b"SSH-2.0-OpenSSH_9.6\r\n"[..], b"HTTP/1.1 2x0 OK\r\n\r\n"] {
        let error = fails(saying(wire).await.get()).await;
        assert_eq!(error.kind(), ErrorKind::Protocol);
        assert!(error.is_sent());
    }
}

#[tokio::test]
async fn a_head_over_the_limit_is_a_protocol_error() {
    let field = format!("x-filler: {}\r\n", "x".repeat(1000));
    let wire = format!("HTTP/1.1 200 OK\r\n{}\r\n", field.repeat(70));
    let upstream = Upstream::replying(wire.into_bytes().leak()).await;
    assert_eq!(fails(upstream.get()).await.kind(), ErrorKind::Protocol);
}

#[tokio::test]
async fn a_request_body_that_fails_is_named_as_the_cause() {
    let (upstream, _) = falling_silent(b"").await;
    let (sender, body) = Channel::<Bytes, BoxError>::new(1);
    sender.abort("client left".into());
    let request = Request::post(upstream.url()).body(body).unwrap();
    let error = client().call(request).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Body);
    let cause = error.source().unwrap().source().unwrap();
    let cause = cause.source().unwrap();
    assert_eq!(cause.to_string(), "client left");
}

#[tokio::test]
async fn a_request_body_that_fails_during_the_reply_is_named_as_the_cause() {
    let wire: &'static [u8] = [CHUNKED, b"3\r\none\r\n"].concat().leak();
    let (upstream, _) = falling_silent(wire).await;
    let (sender, body) = Channel::<Bytes, BoxError>::new(1);
    let request = Request::post(upstream.url()).body(body).unwrap();
    let mut body = client().call(request).await.unwrap().into_body();
    assert_eq!(data(&mut body).await, "one");
    sender.abort("client left".into());
    let error = body.frame().await.unwrap().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Body);
}

#[tokio::test]
async fn no_head_in_time_is_a_timeout() {
    let (upstream, asked) = falling_silent(b"HTTP/1.1 200 OK\r\n").await;
    let client = client();
    let call = tokio::spawn(client.call(upstream.get()));
    asked.notified().await;
    tokio::time::pause();
    let start = Instant::now();
    let error = call.await.unwrap().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::FirstByteTimeout);
    assert!(error.is_sent());
    assert!(start.elapsed() > 9 * MINUTE && start.elapsed() < 11 * MINUTE);
    assert_eq!(client.stats().open, 0);
}

#[tokio::test]
async fn the_wait_for_the_head_starts_again_with_each_part_of_the_request() {
    let (upstream, asked) = falling_silent(b"").await;
    let (mut sender, body) = Channel::<Bytes, BoxError>::new(1);
    let mut request = Request::post(upstream.url()).body(body).unwrap();
    request.extensions_mut().insert(Timeouts {
        first_byte: 2 * MINUTE,
        ..Timeouts::default()
    });
    let call = tokio::spawn(client().call(request));
    asked.notified().await;
    tokio::time::pause();
    let start = Instant::now();
    for _ in 0..3 {
        tokio::time::sleep(MINUTE).await;
        sender.send_data("x".into()).await.unwrap();
    }
    let error = call.await.unwrap().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::FirstByteTimeout);
    assert!(start.elapsed() >= 5 * MINUTE && start.elapsed() < 6 * MINUTE);
}

#[tokio::test]
async fn a_body_that_stalls_is_a_timeout_counted_from_its_last_frame() {
    let wire: &'static [u8] = [CHUNKED, b"3\r\none\r\n"].concat().leak();
    let (upstream, _) = falling_silent(wire).await;
    let client = client();
    let mut request = upstream.get();
    request.extensions_mut().insert(Timeouts {
        idle: MINUTE,
        ..Timeouts::default()
    });
    let mut body = client.call(request).await.unwrap().into_body();
    assert_eq!(data(&mut body).await, "one");
    tokio::time::pause();
    tokio::time::sleep(MINUTE).await;
    let start = Instant::now();
    let error = body.frame().await.unwrap().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::IdleTimeout);
    assert!(start.elapsed() >= MINUTE && start.elapsed() < 2 * MINUTE);
    assert_eq!(client.stats().open, 0);
}

#[tokio::test]
async fn a_handshake_that_stalls_is_a_connect_timeout() {
    let accepted = Arc::new(Notify::new());
    let notify = Arc::clone(&accepted);
    let upstream = Upstream::start(move |mut peer| {
        let notify = Arc::clone(&notify);
        async move {
            peer.stream.readable().await.unwrap();
            notify.notify_one();
            peer.gone().await;
        }
    })
    .await;
    let url = format!("https://{}/", upstream.address);
    let client = Client::new(secure::trusting(secure::authority().cert.der()));
    let call = tokio::spawn(client.call(Request::get(url).body(Full::<Bytes>::default()).unwrap()));
    accepted.notified().await;
    tokio::time::pause();
    let error = call.await.unwrap().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectTimeout);
    assert!(!error.is_sent());
}
