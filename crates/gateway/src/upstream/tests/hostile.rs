//! Upstreams that lie, babble and never end: every one ends in a bounded time and memory, with an error.

use std::time::Duration;

use super::*;

/// An upstream that says one thing and then keeps the connection open.
async fn saying(reply: Vec<u8>) -> Upstream {
    Upstream::start(move |mut peer| {
        let reply = reply.clone();
        async move {
            peer.request().await;
            // The client may hang up in the middle.
            let _ = peer.stream.write_all(&reply).await;
            peer.gone().await;
        }
    })
    .await
}

/// An upstream that says one thing over and over.
async fn repeating(first: &'static [u8], again: &'static [u8]) -> Upstream {
    Upstream::start(move |mut peer| async move {
        peer.request().await;
        let again = again.repeat(4096 / again.len());
        let mut sent = peer.stream.write_all(first).await;
        while sent.is_ok() {
            sent = peer.stream.write_all(&again).await;
        }
    })
    .await
}

/// The whole body, or what went wrong on the way to it.
async fn read(upstream: &Upstream) -> Result<Bytes, ErrorKind> {
    let mut request = upstream.get();
    request.extensions_mut().insert(Timeouts {
        first_byte: Duration::from_millis(200),
        idle: Duration::from_millis(200),
        ..Timeouts::default()
    });
    let response = client().call(request).await.map_err(|e| e.kind())?;
    let body = response.into_body().collect().await;
    Ok(body.map_err(|e| e.kind())?.to_bytes())
}

#[tokio::test]
async fn a_head_that_makes_no_sense_is_a_protocol_error() {
    for head in [
        "HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nab",
        "HTTP/1.1 200 OK\r\ncontent-length: 1, 2\r\n\r\nab",
        "HTTP/1.1 200 OK\r\ncontent-length: -1\r\n\r\n",
        "HTTP/1.1 200 OK\r\ncontent-length: +1\r\n\r\na",
        "HTTP/1.1 200 OK\r\ncontent-length: 99999999999999999999\r\n\r\n",
        "HTTP/1.1 200 OK\r\nx: a\0b\r\n\r\n",
        "HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
        "HTTP/1.1 200 OK\r\nspace : x\r\n\r\n",
        "HTTP/1.1 2000 OK\r\n\r\n",
        "HTTP/3.0 200 OK\r\n\r\n",
        "ICY 200 OK\r\n\r\n",
        "\x16\x03\x01\x02\x00",
    ] {
        let upstream = saying(head.as_bytes().to_vec()).await;
        assert_eq!(read(&upstream).await, Err(ErrorKind::Protocol), "{head:?}");
    }
}

#[tokio::test]
async fn more_headers_than_the_limit_are_a_protocol_error() {
    let many = "x: y\r\n".repeat(101);
    let head = format!("HTTP/1.1 200 OK\r\n{many}content-length: 0\r\n\r\n");
    let upstream = saying(head.into_bytes()).await;
    assert_eq!(read(&upstream).await, Err(ErrorKind::Protocol));
}

#[tokio::test]
async fn a_head_without_end_is_a_protocol_error() {
    for (first, again) in [
        (&b"HTTP/1.1 200 OK\r\n"[..], &b"x-more: and more\r\n"[..]),
        (b"HTTP/1.1 200 OK\r\nx: ", b"y"),
        (b"HTTP/1.1 200 ", b"OK "),
    ] {
        let upstream = repeating(first, again).await;
        assert_eq!(read(&upstream).await, Err(ErrorKind::Protocol));
    }
}

#[tokio::test]
async fn interim_replies_without_end_are_a_timeout() {
    for again in [
        &b"HTTP/1.1 100 Continue\r\n\r\n"[..],
        b"HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n",
    ] {
        let upstream = repeating(b"", again).await;
        assert_eq!(read(&upstream).await, Err(ErrorKind::FirstByteTimeout));
    }
}

#[tokio::test]
async fn trailers_without_end_are_a_protocol_error() {
    let first = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\na\r\n0\r\n";
    let upstream = repeating(first, b"x-more: and more\r\n").await;
    assert_eq!(read(&upstream).await, Err(ErrorKind::Protocol));
}

#[tokio::test]
async fn chunks_that_never_begin_bring_an_end() {
    let chunked = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
    for (again, kind) in [
        (&b"f"[..], ErrorKind::Protocol),
        (b"1;x=y;", ErrorKind::Protocol),
        // A size of zeros only never gets too large.
        (b"0", ErrorKind::IdleTimeout),
    ] {
        let upstream = repeating(chunked, again).await;
        assert_eq!(read(&upstream).await, Err(kind));
    }
}

#[tokio::test]
async fn what_follows_a_reply_is_no_reply_to_the_next_call() {
    let upstream = Upstream::start(|mut peer| async move {
        while peer.request().await.is_some() {
            let more = [HELLO, b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nevil"].concat();
            peer.send(&more).await;
        }
    })
    .await;
    let client = client();
    for _ in 0..3 {
        let response = client.call(upstream.get()).await.unwrap();
        assert_eq!(text(response).await, "hello");
        settle().await;
    }
    assert_eq!(
        upstream.connections(),
        3,
        "such a connection is not used again"
    );
}

#[tokio::test]
async fn an_http2_head_without_end_is_a_protocol_error() {
    let upstream = Upstream::start(|mut peer| async move {
        // Settings, then the head of the first stream, then further parts of it.
        peer.send(&[0, 0, 0, 4, 0, 0, 0, 0, 0]).await;
        let _ = peer.stream.read_u8().await;
        let mut sent = peer
            .stream
            .write_all(&[0, 0, 1, 1, 0, 0, 0, 0, 1, 0x88])
            .await;
        let part = [&[0, 0x40, 0, 9, 0, 0, 0, 0, 1][..], &[0x40; 0x4000]].concat();
        while sent.is_ok() {
            sent = peer.stream.write_all(&part).await;
        }
    })
    .await;
    let mut request = upstream.get();
    request.extensions_mut().insert(HttpVersion::Http2);
    let error = client().call(request).await.unwrap_err();
    assert!(matches!(
        error.kind(),
        ErrorKind::Protocol | ErrorKind::Reset
    ));
}
