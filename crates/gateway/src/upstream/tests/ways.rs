//! Ways to an upstream: a unix socket, a proxy, only certain addresses.

use std::sync::Mutex;

use portcullis_core::upstream::{AddressCheck, AddressRefused};
use serde_json::{Value, json};
use tokio::{io::copy_bidirectional, net::UnixListener};

use super::{
    authority::{Authority, Serving, by, told},
    *,
};

const OPEN: &str = "HTTP/1.1 200 Connection established\r\n\r\n";

/// A proxy that gives each request `answer`, and when it is `OPEN`, a tunnel.
async fn proxy(answer: &'static str) -> (Upstream, Arc<Mutex<Vec<String>>>) {
    let asked = Arc::new(Mutex::new(Vec::new()));
    let heads = Arc::clone(&asked);
    let upstream = Upstream::start(move |mut peer| {
        let heads = Arc::clone(&heads);
        async move {
            let Some(head) = peer.request().await else {
                return;
            };
            let target = head.split(' ').nth(1).unwrap().to_owned();
            heads.lock().unwrap().push(head);
            peer.send(answer.as_bytes()).await;
            if answer == OPEN {
                let mut far = TcpStream::connect(target).await.unwrap();
                let _ = copy_bidirectional(&mut peer.stream, &mut far).await;
            }
            peer.gone().await;
        }
    })
    .await;
    (upstream, asked)
}

fn via(proxy: &Upstream) -> Value {
    json!({"proxy": {"url": format!("http://{}", proxy.address)}})
}

/// Passes addresses with this port, counting how often it was asked.
fn only(port: u16) -> (AddressCheck, Arc<AtomicUsize>) {
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    let check = AddressCheck::new(move |address| {
        count.fetch_add(1, SeqCst);
        if address.port() == port {
            return Ok(());
        }
        Err(AddressRefused::new(address, "it is not the one allowed"))
    });
    (check, asked)
}

#[tokio::test]
async fn a_unix_socket_is_spoken_to_as_the_host_of_the_url() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("llm.sock");
    let listener = UnixListener::bind(&path).unwrap();
    let served = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut head = vec![0; 1024];
        let length = stream.read(&mut head).await.unwrap();
        stream.write_all(HELLO).await.unwrap();
        String::from_utf8(head[..length].to_vec()).unwrap()
    });
    let client = client();
    let request = by(
        &client,
        "http://vllm.internal:8000/v1",
        &json!({"unix": path}),
    );
    assert_eq!(text(client.call(request).await.unwrap()).await, "hello");
    let head = served.await.unwrap();
    assert!(head.contains("host: vllm.internal:8000\r\n"), "{head}");

    let gone = json!({"unix": directory.path().join("gone")});
    let error = client
        .call(by(&client, "http://a/", &gone))
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Connect);
}

#[tokio::test]
async fn tls_is_spoken_over_a_unix_socket_too() {
    let authority = Authority::new();
    let acceptor = Serving::with(authority.sign(&["vllm.internal"])).acceptor();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("llm.sock");
    let listener = UnixListener::bind(&path).unwrap();
    tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        http2::serve(acceptor.accept(stream).await.unwrap()).await;
    });
    let client = client();
    let wanted =
        json!({"unix": path, "http": "auto", "tls": {"caCertificates": [authority.pem()]}});
    let request = by(&client, "https://vllm.internal/", &wanted);
    assert_eq!(text(client.call(request).await.unwrap()).await, "HTTP/2.0");
}

#[tokio::test]
async fn a_proxy_is_asked_for_a_tunnel_and_shown_its_credentials() {
    let upstream = Upstream::replying(HELLO).await;
    let (proxy, asked) = proxy(OPEN).await;
    let client = client();
    let mut wanted = via(&proxy);
    wanted["proxy"]["username"] = "u".into();
    wanted["proxy"]["password"] = "p".into();
    for _ in 0..2 {
        let request = by(&client, &upstream.url(), &wanted);
        assert_eq!(text(client.call(request).await.unwrap()).await, "hello");
    }
    let at = upstream.address;
    let head =
        format!("CONNECT {at} HTTP/1.1\r\nhost: {at}\r\nproxy-authorization: Basic dTpw\r\n\r\n");
    assert_eq!(*asked.lock().unwrap(), [head], "one tunnel, used twice");
    wanted["proxy"]["noProxy"] = json!(["127.0.0.0/8"]);
    let request = by(&client, &upstream.url(), &wanted);
    assert_eq!(text(client.call(request).await.unwrap()).await, "hello");
    assert_eq!((upstream.connections(), proxy.connections()), (2, 1));
}

#[tokio::test]
async fn tls_goes_through_a_tunnel_and_also_to_the_proxy() {
    let authority = Authority::new();
    let (upstream, _) = Serving::with(authority.sign(&["127.0.0.1"])).start().await;
    let acceptor = Serving::with(authority.sign(&["proxy.internal"])).acceptor();
    let secure = Upstream::start(move |peer| {
        let acceptor = acceptor.clone();
        async move {
            let mut stream = acceptor.accept(peer.stream).await.unwrap();
            let mut head = vec![0; 1024];
            let length = stream.read(&mut head).await.unwrap();
            let head = String::from_utf8(head[..length].to_vec()).unwrap();
            stream.write_all(OPEN.as_bytes()).await.unwrap();
            let target = head.split(' ').nth(1).unwrap();
            let mut far = TcpStream::connect(target).await.unwrap();
            let _ = copy_bidirectional(&mut stream, &mut far).await;
        }
    })
    .await;
    let client = client();
    let ours = json!({"caCertificates": [authority.pem()]});
    let url = format!("https://{}/", upstream.address);
    let (plain, _) = proxy(OPEN).await;
    let mut wanted = via(&plain);
    wanted["tls"] = ours.clone();
    let request = by(&client, &url, &wanted);
    assert_eq!(text(client.call(request).await.unwrap()).await, "HTTP/1.1");
    let mut proxy_tls = ours.clone();
    proxy_tls["hostname"] = "proxy.internal".into();
    let url_of_proxy = format!("https://{}", secure.address);
    let wanted =
        json!({"http": "http2", "tls": ours, "proxy": {"url": url_of_proxy, "tls": proxy_tls}});
    let request = by(&client, &url, &wanted);
    assert_eq!(text(client.call(request).await.unwrap()).await, "HTTP/2.0");
}

#[tokio::test]
async fn a_proxy_that_opens_no_tunnel_is_told_with_its_answer() {
    for (answer, because) in [
        (
            "HTTP/1.1 407 Proxy Authentication Required\r\n\r\n",
            "it wants other credentials",
        ),
        (
            "HTTP/1.1 502 Bad Gateway\r\ncontent-length: 4\r\n\r\nsorr",
            "answered 502 Bad Gateway",
        ),
        (
            "HTTP/1.1 200 OK\r\n\r\nHTTP/1.1 200 OK\r\n",
            "something of its own",
        ),
        ("SSH-2.0-OpenSSH\r\n\r\n", "invalid HTTP version"),
    ] {
        let (proxy, _) = proxy(answer).await;
        let client = client();
        let request = by(&client, "http://llm.invalid/", &via(&proxy));
        let error = client.call(request).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Proxy);
        assert!(!error.is_sent());
        assert!(told(&error).contains(because), "{}", told(&error));
    }
    let endless: &'static str = format!("HTTP/1.1 200 OK\r\nx: {}", "x".repeat(64 * 1024)).leak();
    let (proxy, _) = proxy(endless).await;
    let client = client();
    let request = by(&client, "http://llm.invalid/", &via(&proxy));
    assert_eq!(
        client.call(request).await.unwrap_err().kind(),
        ErrorKind::Proxy
    );
}

#[tokio::test]
async fn a_proxy_that_cannot_be_reached_is_not_passed_by() {
    let upstream = Upstream::replying(HELLO).await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let nobody = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let client = client();
    let request = by(&client, &upstream.url(), &json!({"proxy": {"url": nobody}}));
    assert_eq!(
        client.call(request).await.unwrap_err().kind(),
        ErrorKind::Proxy
    );
    assert_eq!(upstream.connections(), 0);
}

#[tokio::test]
async fn an_address_that_does_not_pass_is_not_dialled() {
    let upstream = Upstream::replying(HELLO).await;
    let client = client();
    for host in ["127.0.0.1", "localhost", "2130706433", "0x7f.1"] {
        let url = format!("http://{host}:{}/", upstream.address.port());
        let (check, asked) = only(1);
        let mut request = Request::get(url).body(Full::<Bytes>::default()).unwrap();
        request.extensions_mut().insert(check);
        let error = client.call(request).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::AddressRefused, "{host}");
        assert!(told(&error).contains("not the one allowed"));
        assert!(asked.load(SeqCst) > 0);
    }
    assert_eq!(upstream.connections(), 0);
}

#[tokio::test]
async fn connections_are_shared_only_under_the_very_same_check() {
    let upstream = Upstream::replying(HELLO).await;
    let client = client();
    let call = async |check: Option<&AddressCheck>| {
        let mut request = upstream.get();
        if let Some(check) = check {
            request.extensions_mut().insert(check.clone());
        }
        text(client.call(request).await.unwrap()).await;
        upstream.connections()
    };
    let port = upstream.address.port();
    let ((one, asked), (other, _)) = (only(port), only(port));
    assert_eq!(call(None).await, 1);
    assert_eq!(call(Some(&one)).await, 2);
    assert_eq!(call(Some(&one)).await, 2);
    assert_eq!(call(Some(&other)).await, 3);
    assert_eq!(call(None).await, 3);
    assert_eq!(asked.load(SeqCst), 1, "only before a connection is made");
}

#[tokio::test]
async fn a_proxy_is_given_the_checked_address_and_a_socket_none() {
    let upstream = Upstream::replying(HELLO).await;
    let port = upstream.address.port();
    let (proxy, asked) = proxy(OPEN).await;
    let client = client();
    let mut request = by(&client, &format!("http://localhost:{port}/"), &via(&proxy));
    request.extensions_mut().insert(only(1).0);
    let error = client.call(request).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AddressRefused);
    let mut request = by(&client, &upstream.url(), &via(&proxy));
    request.extensions_mut().insert(only(port).0);
    assert_eq!(text(client.call(request).await.unwrap()).await, "hello");
    assert_eq!(asked.lock().unwrap().len(), 1);
    assert!(asked.lock().unwrap()[0].starts_with(&format!("CONNECT 127.0.0.1:{port} ")));
    let mut request = by(&client, "http://a/", &json!({"unix": "/nowhere"}));
    request.extensions_mut().insert(only(80).0);
    let error = client.call(request).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AddressRefused);
}
