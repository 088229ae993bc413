//! Which version of HTTP is spoken, and what becomes of calls when an HTTP/2 connection is on its way out.

use futures_util::future::join_all;
use serde_json::{Value, json};

use super::{
    authority::{Authority, Serving, by},
    *,
};

/// A server over TLS that offers these protocols, and how to reach it in whichever it agrees to.
async fn offering(protocols: &'static [&'static str]) -> (Upstream, Value) {
    let authority = Authority::new();
    let serving = Serving {
        protocols,
        ..Serving::with(authority.sign(&["127.0.0.1"]))
    };
    let wanted = json!({"http": "auto", "tls": {"caCertificates": [authority.pem()]}});
    (serving.start().await.0, wanted)
}

async fn crowd(upstream: &Upstream, wanted: &Value) -> Vec<String> {
    let client = client();
    let url = format!("https://{}/", upstream.address);
    let calls = (0..20).map(|_| {
        let request = by(&client, &url, wanted);
        async { text(client.call(request).await.unwrap()).await }
    });
    join_all(calls).await
}

#[tokio::test]
async fn the_version_is_agreed_on_in_the_handshake() {
    let (upstream, wanted) = offering(&["h2", "http/1.1"]).await;
    let versions = crowd(&upstream, &wanted).await;
    assert!(versions.iter().all(|version| version == "HTTP/2.0"));
    assert_eq!(upstream.connections(), 1, "a crowd agrees once");
    for protocols in [&["http/1.1"][..], &[]] {
        let (upstream, wanted) = offering(protocols).await;
        let versions = crowd(&upstream, &wanted).await;
        assert!(versions.iter().all(|version| version == "HTTP/1.1"));
    }
}

#[tokio::test]
async fn an_upgrade_falls_back_to_http1_where_http2_has_none() {
    let (upstream, wanted) = offering(&["h2", "http/1.1"]).await;
    let client = client();
    for upgrade in [false, true] {
        let url = format!("https://{}/", upstream.address);
        let mut request = by(&client, &url, &wanted);
        if upgrade {
            request.extensions_mut().insert(Upgrade);
            let headers = request.headers_mut();
            headers.insert("connection", "upgrade".parse().unwrap());
            headers.insert("upgrade", "websocket".parse().unwrap());
        }
        let version = text(client.call(request).await.unwrap()).await;
        assert_eq!(version, if upgrade { "HTTP/1.1" } else { "HTTP/2.0" });
    }
}

#[tokio::test]
async fn in_clear_there_is_nothing_to_agree_on() {
    let upstream = Upstream::replying(HELLO).await;
    let client = client();
    let request = by(&client, &upstream.url(), &json!({"http": "auto"}));
    assert_eq!(text(client.call(request).await.unwrap()).await, "hello");
}

#[tokio::test]
async fn an_upstream_that_gives_up_http2_is_spoken_to_in_http1() {
    let authority = Authority::new();
    let acceptors = [&["h2"][..], &["http/1.1"]].map(|protocols| {
        let pair = authority.sign(&["127.0.0.1"]);
        let serving = Serving {
            protocols,
            ..Serving::with(pair)
        };
        serving.acceptor()
    });
    let upstream = Upstream::start(move |peer| {
        let acceptor = acceptors[peer.number.min(1)].clone();
        async move {
            let Ok(stream) = acceptor.accept(peer.stream).await else {
                return;
            };
            http2::serve(stream).await;
        }
    })
    .await;
    let client = client();
    let wanted = json!({"http": "auto", "tls": {"caCertificates": [authority.pem()]}, "pool": {"maxLifetime": "1ms"}});
    let url = format!("https://{}/", upstream.address);
    for version in ["HTTP/2.0", "HTTP/1.1"] {
        let request = by(&client, &url, &wanted);
        assert_eq!(text(client.call(request).await.unwrap()).await, version);
        tokio::time::pause();
        tokio::time::advance(std::time::Duration::from_millis(2)).await;
        tokio::time::resume();
    }
}

const PREFACE: usize = 24;
const SETTINGS: &[u8] = &[0, 0, 0, 4, 0, 0, 0, 0, 0];

/// Reads frames until the head of a request has come, and returns its stream.
async fn request_head(peer: &mut Peer) -> u32 {
    loop {
        let mut head = [0; 9];
        peer.stream.read_exact(&mut head).await.unwrap();
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
        let mut payload = vec![0; length as usize];
        peer.stream.read_exact(&mut payload).await.unwrap();
        if head[3] == 1 {
            return u32::from_be_bytes([head[5], head[6], head[7], head[8]]);
        }
    }
}

/// A server whose first connection answers the first request with `frames`, made of its stream, and whose
/// others serve. A request is answered with its body.
async fn turning_away(frames: fn(u32) -> Vec<u8>) -> Upstream {
    let second = http2::upstream(100).await;
    Upstream::start(move |mut peer| {
        let second = second.address;
        async move {
            if peer.number > 0 {
                let mut far = TcpStream::connect(second).await.unwrap();
                let _ = tokio::io::copy_bidirectional(&mut peer.stream, &mut far).await;
                return;
            }
            let mut preface = [0; PREFACE];
            peer.stream.read_exact(&mut preface).await.unwrap();
            peer.send(SETTINGS).await;
            let stream = request_head(&mut peer).await;
            peer.send(&frames(stream)).await;
            peer.gone().await;
        }
    })
    .await
}

/// GOAWAY that names `last` as the last stream that will be served, without an error.
fn go_away(last: u32) -> Vec<u8> {
    let head = [0, 0, 8, 7, 0, 0, 0, 0, 0];
    [&head[..], &last.to_be_bytes(), &[0; 4]].concat()
}

/// RST_STREAM.
fn reset(stream: u32, reason: u8) -> Vec<u8> {
    let head = [0, 0, 4, 3, 0];
    [&head[..], &stream.to_be_bytes(), &[0, 0, 0, reason]].concat()
}

const REFUSED_STREAM: u8 = 7;
const CANCEL: u8 = 8;

fn http2_post(upstream: &Upstream) -> Request<Full<Bytes>> {
    let mut request = upstream.post("body");
    request.extensions_mut().insert(HttpVersion::Http2);
    request
}

#[tokio::test]
async fn a_request_the_upstream_has_not_begun_with_is_sent_again() {
    for frames in [(|_| go_away(0)) as fn(u32) -> Vec<u8>, |stream| {
        reset(stream, REFUSED_STREAM)
    }] {
        let upstream = turning_away(frames).await;
        let response = client().call(http2_post(&upstream)).await.unwrap();
        assert_eq!(text(response).await, "body");
    }
}

#[tokio::test]
async fn a_request_the_upstream_may_have_begun_with_is_not_sent_again() {
    let upstream = turning_away(|stream| reset(stream, CANCEL)).await;
    let error = client().call(http2_post(&upstream)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Reset);
    assert!(error.is_sent());
    assert_eq!(upstream.connections(), 1);
}

#[tokio::test]
async fn a_body_that_is_gone_is_not_sent_again_but_known_to_be_unprocessed() {
    let upstream = turning_away(|_| go_away(0)).await;
    let (mut sender, body) = http_body_util::channel::Channel::<Bytes, BoxError>::new(1);
    sender.send_data("half".into()).await.unwrap();
    let mut request = Request::post(upstream.url()).body(body).unwrap();
    request.extensions_mut().insert(HttpVersion::Http2);
    let error = client().call(request).await.unwrap_err();
    assert!(!error.is_sent());
    assert_eq!(upstream.connections(), 1);
    drop(sender);
}

#[tokio::test]
async fn connections_fill_to_half_before_the_load_is_spread() {
    let upstream = http2::upstream(4).await;
    let client = client();
    let endless = format!("http://{}/endless", upstream.address);
    let mut bodies = Vec::new();
    for _ in 0..5 {
        let mut request = Request::get(&endless)
            .body(Full::<Bytes>::default())
            .unwrap();
        request.extensions_mut().insert(HttpVersion::Http2);
        let mut body = client.call(request).await.unwrap().into_body();
        data(&mut body).await;
        bodies.push(body);
    }
    assert_eq!(
        upstream.connections(),
        2,
        "another one only when the first is full"
    );
    bodies.truncate(1);
    for _ in 0..3 {
        let response = client.call(http2_post(&upstream)).await.unwrap();
        assert_eq!(text(response).await, "body");
    }
    assert_eq!((client.stats().open, client.stats().idle), (2, 1));
}
