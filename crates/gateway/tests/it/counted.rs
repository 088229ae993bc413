//! What listeners answer themselves is on record, and connections count under the listener they are for.

use std::net::SocketAddr;

use portcullis::Gateway;
use portcullis::core::context::Outcome;
use portcullis::source::ValueSource;
use portcullis_testkit::Client;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use crate::door::exchange;
use crate::files::Files;
use crate::support::{eventually, records, soon};

/// Two listeners at one address, one of which only sends clients elsewhere.
fn config(address: SocketAddr, second: &str) -> String {
    format!(
        "schemaVersion: 1\nadmin: {{address: \"127.0.0.1:0\"}}\nlisteners:\n\
         - {{name: first, address: \"{address}\", hostname: a.example}}\n\
         - {{name: {second}, address: \"{address}\", hostname: b.example, redirect: {{}}}}\n\
         routes: [{{backend: {{directResponse: {{status: 200, body: hello}}}}}}]\n"
    )
}

/// A port nobody listens at now.
fn free() -> SocketAddr {
    let socket = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    socket.local_addr().unwrap()
}

/// One request on a connection of its own.
async fn ask(address: SocketAddr, head: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = format!("{head}\r\nconnection: close\r\n\r\n");
    let reply = exchange(&mut stream, request.as_bytes());
    soon("a reply", reply).await.unwrap()
}

#[tokio::test]
async fn what_a_listener_answers_itself_is_on_record() {
    let address = free();
    let (sink, records) = records();
    let gateway = Gateway::builder()
        .source(ValueSource::text(config(address, "second").as_str()))
        .sink(sink)
        .build()
        .await
        .unwrap();
    let _running = gateway.run().await.unwrap();
    for (host, status, listener, code) in [
        ("of.nobody", 404, "first", Some("host_unknown")),
        ("b.example", 308, "second", None),
        ("a@b", 400, "first", Some("host_invalid")),
    ] {
        let reply = ask(
            address,
            &format!("GET /x HTTP/1.1\r\nx-request-id: mine\r\nhost: {host}"),
        )
        .await;
        assert!(reply.starts_with(&format!("HTTP/1.1 {status} ")), "{reply}");
        assert!(reply.contains("x-request-id: mine\r\n"), "{reply}");
        let record = records.only().await;
        assert_eq!(record.status.unwrap(), status, "{host}");
        assert_eq!(record.listener.as_deref(), Some(listener), "{host}");
        assert_eq!((&*record.path, record.id.as_str()), ("/x", "mine"));
        assert!(record.client.is_some());
        match record.outcome {
            Outcome::Failed(failed) => assert_eq!(Some(failed.name), code),
            Outcome::Completed => assert_eq!(code, None),
            other => panic!("{other:?}"),
        }
    }
    gateway.recorder().flush().await;
    let page = gateway.recorder().metrics().encode();
    assert!(
        page.contains("status=\"404\",outcome=\"host_unknown\"} 1\n"),
        "{page}"
    );
}

#[tokio::test]
async fn connections_count_under_the_listener_they_are_for_and_its_present_name() {
    let address = free();
    let files = Files::start(&[("a.yaml", &config(address, "second"))]).await;
    let page = || files.gateway.recorder().metrics().encode();
    let has = |line: &str| page().contains(&format!("\nportcullis_connections_{line}\n"));
    for host in ["a.example", "b.example", "b.example", "of.nobody"] {
        ask(address, &format!("GET / HTTP/1.1\r\nhost: {host}")).await;
    }
    eventually("the connections are counted", || {
        has("accepted_total{listener=\"second\"} 2") && has("accepted_total{listener=\"first\"} 2")
    })
    .await;
    eventually("none is open", || {
        has("open{listener=\"second\"} 0") && has("open{listener=\"first\"} 0")
    })
    .await;
    files.change(&config(address, "renamed")).await;
    let client = Client::new();
    let mut kept = client.connect(&format!("http://{address}/")).await.unwrap();
    let url = "http://b.example/";
    kept.send(http::Method::GET, url, &[], "").await.unwrap();
    assert!(has("open{listener=\"renamed\"} 1"), "{}", page());
    assert!(has("accepted_total{listener=\"renamed\"} 1"), "{}", page());
}

#[tokio::test]
async fn who_does_not_speak_http_is_counted() {
    let address = free();
    let files = Files::start(&[("a.yaml", &config(address, "second"))]).await;
    let reply = ask(address, "GET / HTTP/1.1\r\nhost: a.example\r\nx y: z").await;
    assert!(reply.starts_with("HTTP/1.1 400 "), "{reply}");
    let preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\nnot a frame of any kind, but long enough";
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(preface.as_bytes()).await.unwrap();
    let line = "\nportcullis_connections_malformed_total{listener=\"first\"} 2\n";
    eventually("both are counted", || {
        files.gateway.recorder().metrics().encode().contains(line)
    })
    .await;
}
