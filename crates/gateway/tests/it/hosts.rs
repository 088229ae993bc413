//! Listeners of one gateway: which of them a request is for, by address, name and host.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::sync::Arc;

use portcullis::source::ValueSource;
use portcullis::{Gateway, Running};
use portcullis_testkit::Client;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use rustls::version::TLS13;
use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::door::*;

/// A route for each listener that answers with the listener's name.
fn routes(names: &[&str]) -> String {
    let mut text = String::from("routes:\n");
    for name in names {
        let backend = format!("{{directResponse: {{status: 200, body: \"at {name}\"}}}}");
        writeln!(text, "- {{listeners: [{name}], backend: {backend}}}").unwrap();
    }
    text
}

async fn run(config: &str) -> Running {
    let source = ValueSource::text(config);
    let gateway = Gateway::builder().source(source).build().await;
    let gateway = gateway.unwrap_or_else(|error| panic!("{error}"));
    gateway.run().await.unwrap()
}

/// A port nobody listens at now.
fn free() -> SocketAddr {
    let socket = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    socket.local_addr().unwrap()
}

/// Two listeners over TLS at one address, each with its certificate in files.
async fn encrypted() -> (Authority, TempDir, Running) {
    let (authority, files, address) = (Authority::new(), tempfile::tempdir().unwrap(), free());
    let mut config = String::from("schemaVersion: 1\nlisteners:\n");
    for (name, hostname, names) in [
        ("a", "a.example", &["a.example", "b.w.example"][..]),
        ("rest", "*.w.example", &["*.w.example"]),
    ] {
        let pems = authority.certify(names);
        let [certificate, key] =
            ["crt", "key"].map(|end| files.path().join(format!("{name}.{end}")));
        std::fs::write(&certificate, pems.certificate).unwrap();
        std::fs::write(&key, pems.key).unwrap();
        writeln!(
            config,
            "- name: {name}\n  address: {address}\n  hostname: \"{hostname}\"\n  tls: {{certificates: [{{certificate: {{file: {certificate:?}}}, key: {{file: {key:?}}}}}]}}"
        )
        .unwrap();
    }
    let running = run(&(config + &routes(&["a", "rest"]))).await;
    (authority, files, running)
}

async fn h2(
    authority: &Authority,
    running: &Running,
    name: &'static str,
) -> std::io::Result<Http2> {
    let mut client: ClientConfig = authority.client(&TLS13);
    client.alpn_protocols = vec![b"h2".to_vec()];
    let stream = TcpStream::connect(running.addresses()[0].1).await?;
    let name = ServerName::try_from(name).unwrap();
    let connector = TlsConnector::from(Arc::new(client));
    Ok(http2(connector.connect(name, stream).await?).await)
}

#[tokio::test]
async fn a_request_for_another_listeners_host_is_answered_421() {
    let (authority, _files, running) = encrypted().await;
    let at_a = h2(&authority, &running, "a.example").await.unwrap();
    let at_rest = h2(&authority, &running, "c.w.example").await.unwrap();
    for (client, host, expected) in [
        (&at_a, "a.example", (200, "at a")),
        (&at_a, "A.example:8443", (200, "at a")),
        (&at_rest, "c.w.example", (200, "at rest")),
        (&at_rest, "b.w.example", (200, "at rest")),
    ] {
        let (status, body) = call(client, &format!("https://{host}/")).await;
        assert_eq!((status, &*body), expected, "{host}");
    }
    for (client, host) in [
        (&at_a, "b.w.example"),
        (&at_a, "c.w.example"),
        (&at_a, "of.nobody"),
        (&at_rest, "a.example"),
    ] {
        let chat = format!("https://{host}/v1/chat/completions");
        let (status, body) = call(client, &chat).await;
        assert_eq!(status, 421, "{host}");
        assert!(
            body.starts_with("{\"error\":"),
            "as OpenAI writes it: {body}"
        );
        assert!(body.contains("misdirected"), "{body}");
    }
    assert_eq!(
        call(&at_a, "https://a.example/").await.0,
        200,
        "and goes on"
    );
}

#[tokio::test]
async fn a_name_no_listener_is_for_gets_no_certificate() {
    let (authority, _files, running) = encrypted().await;
    let error = h2(&authority, &running, "of.nobody").await.unwrap_err();
    assert!(error.to_string().contains("alert"), "{error}");
}

#[tokio::test]
async fn in_clear_text_the_host_of_each_request_picks_the_listener() {
    let address = free();
    let listeners = format!(
        r#"
schemaVersion: 1
listeners:
- {{name: a, address: "{address}", hostname: a.example}}
- {{name: deep, address: "{address}", hostname: "*.x.example"}}
- {{name: wide, address: "{address}", hostname: "*.example"}}
- {{name: other, address: "127.0.0.1:0"}}
"#
    );
    let running = run(&(listeners + &routes(&["a", "deep", "wide", "other"]))).await;
    assert_eq!(running.addresses().len(), 4);
    let url = format!("http://{address}/");
    for client in [Client::new(), Client::http2()] {
        let mut connection = client.connect(&url).await.unwrap();
        for (host, expected) in [
            ("a.example", (200, "at a")),
            ("b.x.example", (200, "at deep")),
            ("x.example", (200, "at wide")),
            ("a.example.", (200, "at a")),
        ] {
            let url = format!("http://{host}:{}/", address.port());
            let reply = connection.send(http::Method::GET, &url, &[], "").await;
            let reply = reply.unwrap();
            assert_eq!((reply.status.as_u16(), &*reply.text()), expected, "{host}");
        }
        let url = "http://of.nobody/v1/chat/completions";
        let reply = connection
            .send(http::Method::POST, url, &[], "{}")
            .await
            .unwrap();
        assert_eq!(reply.status, 404);
        assert_eq!(reply.headers["portcullis-error"], "host_unknown");
        assert!(reply.text().starts_with("{\"error\":"));
    }
}

#[tokio::test]
async fn a_listener_may_only_send_clients_to_https() {
    let config = r#"
schemaVersion: 1
listeners: [{name: clear, address: "127.0.0.1:0", redirect: {port: 8443}}]
"#;
    let running = run(config).await;
    let url = format!("http://{}/v1/models?a=b", running.addresses()[0].1);
    let reply = Client::new().get(&url).await.unwrap();
    assert_eq!(reply.status, 308);
    assert_eq!(
        reply.headers["location"],
        "https://127.0.0.1:8443/v1/models?a=b"
    );
    let reply = Client::http2().get(&url).await.unwrap();
    assert_eq!(
        reply.headers["location"],
        "https://127.0.0.1:8443/v1/models?a=b"
    );
}

#[tokio::test]
async fn mistakes_of_a_listener_are_shown_in_their_place() {
    let two = |one: &str, two: &str| {
        format!(
            "[{{name: a, address: \"127.0.0.1:1\", {one}}}, {{name: b, address: \"127.0.0.1:1\", {two}}}]"
        )
    };
    let one = |one: &str| format!("[{{name: a, address: \"127.0.0.1:1\", {one}}}]");
    for (listeners, says) in [
        (
            two("hostname: a.example", "hostname: A.example"),
            "for different hosts",
        ),
        (
            two("hostname: a.example", "hostname: b.example, backlog: 7"),
            "the same `backlog`",
        ),
        (
            one("hostname: \"a*b\""),
            "a `*` that is not the whole first label",
        ),
        (one("proxyProtocol: {}"), "nobody is trusted"),
        (
            one("proxyProtocol: {trustedSources: [10.0.0.0/33]}"),
            "the prefix is longer",
        ),
        (
            one("redirect: {statusCode: 303}"),
            "not one of 301, 302, 307 and 308",
        ),
        (one("socketMode: \"0660\""), "only a unix socket"),
        (one("limits: {maxConnections: 0}"), "within zero"),
        (
            one("limits: {http2: {maxFrameSize: 1}}"),
            "a frame is of 16 KiB",
        ),
        (one("tls: {certificates: []}"), "there is no certificate"),
        (
            one("tls: {certificates: [{certificate: a, key: b}]}"),
            "no certificate in it",
        ),
    ] {
        let config = format!("schemaVersion: 1\nlisteners: {listeners}\n");
        let source = ValueSource::text(&config);
        let refused = Gateway::builder().source(source).build().await;
        let told = refused.map(|_| ()).unwrap_err().to_string();
        assert!(told.contains(says) && told.contains(":2:"), "{told}");
    }
}
