//! Calls that go wrong: at the upstream, which is told how by a header, or at the client.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use http::Method;
use portcullis_testkit::Client;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep, timeout};

use crate::traffic::Counts;

/// The gateway must have let go of every call by then.
const PATIENCE: Duration = Duration::from_secs(25);
const PAUSE: Duration = Duration::from_millis(10);

const STREAM: &str = r#"{"model":"gpt-test","stream":true,"messages":[{"role":"user","content":"Name three rivers."}]}"#;

/// How upstreams fail; the names are those of the fake upstream.
const FAULTS: [&str; 12] = [
    "reset",
    "garbage",
    "status-500",
    "status-429-retry-1",
    "cut-after-2",
    "reset-after-2",
    "cut-after-bytes-100",
    "garbage-event-1",
    "error-event-after-1",
    "no-sentinel",
    "stall-after-2",
    "headers-then-silent",
];

/// How clients do.
const CLIENTS: [&str; 8] = [
    "client leaves within its head",
    "client leaves within its body",
    "client leaves before the answer",
    "client leaves within the answer",
    "client reads slowly",
    "client sends noise",
    "client speaks half of HTTP/2",
    "client sends a document that is none",
];

/// Does harm of all kinds in turn until the end.
pub(crate) async fn run(address: SocketAddr, n: usize, end: Instant, counts: Arc<Counts>) {
    let kinds = FAULTS.iter().chain(&CLIENTS).cycle().skip(n * 7);
    for kind in kinds {
        if Instant::now() >= end {
            return;
        }
        let done = timeout(PATIENCE, harm(address, kind)).await;
        // A connection that breaks is what was wanted; one that stays is counted apart.
        counts.harm(if done.is_ok() {
            kind
        } else {
            "STILL OPEN AFTER 25 s"
        });
        sleep(PAUSE).await;
    }
}

async fn harm(address: SocketAddr, kind: &str) -> Result<()> {
    if FAULTS.contains(&kind) {
        let url = format!("http://{address}/v1/chat/completions");
        let headers = [("content-type", "application/json"), ("x-fault", kind)];
        let stream = Client::new()
            .stream(Method::POST, &url, &headers, STREAM)
            .await?;
        stream.drain().await;
        return Ok(());
    }
    let mut socket = TcpStream::connect(address).await?;
    let call = call(STREAM);
    match kind {
        "client leaves within its head" => socket.write_all(&call.as_bytes()[..40]).await?,
        "client leaves within its body" => {
            socket
                .write_all(&call.as_bytes()[..call.len() - 20])
                .await?;
        }
        "client leaves before the answer" => socket.write_all(call.as_bytes()).await?,
        "client leaves within the answer" => {
            socket.write_all(call.as_bytes()).await?;
            socket.read_exact(&mut [0; 200]).await?;
        }
        "client reads slowly" => {
            socket.write_all(call.as_bytes()).await?;
            while socket.read(&mut [0; 64]).await? > 0 {
                sleep(Duration::from_millis(20)).await;
            }
        }
        "client sends noise" => {
            exchange(&mut socket, b"\x16\x03\x01\x00\xff noise\r\n\r\n").await?;
        }
        "client speaks half of HTTP/2" => {
            socket
                .write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0")
                .await?;
            socket.read_exact(&mut [0; 9]).await?;
        }
        _ => exchange(&mut socket, self::call("{\"model\":").as_bytes()).await?,
    }
    Ok(())
}

/// Sends bytes and reads until the other side closes.
async fn exchange(socket: &mut TcpStream, bytes: &[u8]) -> Result<()> {
    socket.write_all(bytes).await?;
    socket.read_to_end(&mut Vec::new()).await?;
    Ok(())
}

fn call(body: &str) -> String {
    format!(
        "POST /v1/chat/completions HTTP/1.1\r\nhost: gateway.test\r\nconnection: close\r\n\
         content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
}
