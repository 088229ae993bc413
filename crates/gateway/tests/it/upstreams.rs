//! How an endpoint is reached, as configuration says it.

use std::fs;
use std::path::Path;

use portcullis::core::config::{Kind, ObjectId};
use portcullis::core::error::codes;
use portcullis::source::ValueSource;
use portcullis::{Gateway, registry};
use portcullis_testkit::{Client, Reply, Upstream};
use rcgen::{CertifiedKey, KeyPair, generate_simple_self_signed};
use rustls::ServerConfig;
use rustls::pki_types::PrivateKeyDer;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream, UnixListener};
use tokio_rustls::TlsAcceptor;

use crate::support::*;

/// A gateway whose only endpoint is at `base_url` and reached like this.
async fn line(upstream: Upstream, base_url: &str, transport: &str) -> Line {
    Line::configured(upstream, &config_of(base_url, transport), |builder| builder).await
}

fn config_of(base_url: &str, transport: &str) -> String {
    format!(
        r#"
schemaVersion: 1
listeners: [{{name: web, address: "127.0.0.1:0"}}]
routes: [{{backend: llm}}]
backends:
- name: llm
  llm: {{provider: openai-compatible, baseUrl: "{base_url}/v1", transport: {transport}}}
"#
    )
}

async fn ask(line: &Line) -> Reply {
    let url = line.url("/v1/chat/completions");
    Client::new().post(&url, CHAT).await.unwrap()
}

/// What the record says of the only attempt.
async fn recorded(line: &Line) -> String {
    let record = line.records.only().await;
    record.attempts[0].error.as_deref().unwrap_or("").to_owned()
}

/// A certificate for `llm.internal`, as a file in `directory` too.
fn certificate(directory: &Path) -> CertifiedKey<KeyPair> {
    let pair = generate_simple_self_signed(["llm.internal".to_owned()]).unwrap();
    fs::write(directory.join("ca.pem"), pair.cert.pem()).unwrap();
    fs::write(directory.join("client.pem"), pair.cert.pem()).unwrap();
    fs::write(
        directory.join("client.key"),
        pair.signing_key.serialize_pem(),
    )
    .unwrap();
    fs::write(directory.join("key"), "sk-x\n").unwrap();
    pair
}

/// TLS in front of the upstream: its address.
async fn secured(upstream: &Upstream, pair: &CertifiedKey<KeyPair>) -> String {
    let provider = rustls::crypto::aws_lc_rs::default_provider();
    let key = PrivateKeyDer::try_from(pair.signing_key.serialize_der()).unwrap();
    let config = ServerConfig::builder_with_provider(provider.into())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![pair.cert.der().clone()], key)
        .unwrap();
    let acceptor = TlsAcceptor::from(std::sync::Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (address, far) = (listener.local_addr().unwrap(), upstream.addr());
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                let Ok(mut near) = acceptor.accept(stream).await else {
                    return;
                };
                let mut far = TcpStream::connect(far).await.unwrap();
                let _ = copy_bidirectional(&mut near, &mut far).await;
            });
        }
    });
    format!("https://{address}")
}

#[tokio::test]
async fn an_endpoint_is_known_by_a_certificate_in_a_file() {
    let directory = tempfile::tempdir().unwrap();
    let pair = certificate(directory.path());
    let ca = directory.path().join("ca.pem");
    let upstream = Upstream::start().await.unwrap();
    let url = secured(&upstream, &pair).await;
    let trusting = format!(
        "{{tls: {{caCertificates: [{{file: {}}}], hostname: llm.internal}}}}",
        ca.display()
    );
    let line = line(upstream, &url, &trusting).await;
    assert_eq!(ask(&line).await.status, 200);
}

#[tokio::test]
async fn a_certificate_that_does_not_pass_is_told_in_the_record_and_not_to_the_caller() {
    let directory = tempfile::tempdir().unwrap();
    let pair = certificate(directory.path());
    let ca = directory.path().join("ca.pem");
    let other = tempfile::tempdir().unwrap();
    certificate(other.path());
    let other = other.path().join("ca.pem");
    for (ca, hostname, because) in [
        (&ca, "127.0.0.1", "not valid for name"),
        (&other, "llm.internal", "invalid peer certificate"),
    ] {
        let upstream = Upstream::start().await.unwrap();
        let url = secured(&upstream, &pair).await;
        let ca = ca.display();
        let transport =
            format!("{{tls: {{caCertificates: [{{file: {ca}}}], hostname: {hostname}}}}}");
        let line = line(upstream, &url, &transport).await;
        let reply = ask(&line).await;
        assert_eq!(reply.status.as_u16(), 502);
        let code = codes::UPSTREAM_UNREACHABLE.name;
        assert_eq!(reply.header("portcullis-error"), Some(code));
        assert!(!reply.text().contains("certificate"), "{}", reply.text());
        let recorded = recorded(&line).await;
        assert!(recorded.contains(because), "{recorded}");
    }
}

#[tokio::test]
async fn an_endpoint_behind_a_unix_socket_is_called() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("llm.sock");
    let listener = UnixListener::bind(&path).unwrap();
    let upstream = Upstream::start().await.unwrap();
    let far = upstream.addr();
    tokio::spawn(async move {
        let (mut near, _) = listener.accept().await.unwrap();
        let mut far = TcpStream::connect(far).await.unwrap();
        let _ = copy_bidirectional(&mut near, &mut far).await;
    });
    let transport = format!("{{unix: {}}}", path.display());
    let line = line(upstream, "http://llm.internal", &transport).await;
    assert_eq!(ask(&line).await.status, 200);
    assert_eq!(line.upstream.seen()[0].header("host"), Some("llm.internal"));
}

#[tokio::test]
async fn a_call_that_finds_every_connection_in_use_is_told_when_to_come_back() {
    let upstream = Upstream::start().await.unwrap();
    let url = upstream.url();
    let transport = "{pool: {maxConnections: 1, maxWaiting: 0}}";
    let line = line(upstream, &url, transport).await;
    let held = line.chat(&[("x-fault", "stall-after-3")]).await;
    let reply = ask(&line).await;
    assert_eq!(reply.status.as_u16(), 503);
    assert_eq!(reply.header("portcullis-error"), Some("upstream_busy"));
    assert_eq!(reply.header("retry-after"), Some("1"));
    drop(held);
    line.upstream.wait_for_cancel(PATIENCE).await.unwrap();
    assert_eq!(ask(&line).await.status, 200);
}

#[tokio::test]
async fn a_proxy_that_is_not_there_is_not_passed_by() {
    let upstream = Upstream::start().await.unwrap();
    let url = upstream.url();
    let nobody = portcullis_testkit::unused_addr().await.unwrap();
    let transport = format!("{{proxy: {{url: \"http://{nobody}\"}}}}");
    let line = line(upstream, &url, &transport).await;
    assert_eq!(ask(&line).await.status.as_u16(), 502);
    let recorded = recorded(&line).await;
    assert!(recorded.contains("the proxy opened no way"), "{recorded}");
    assert!(line.upstream.seen().is_empty());
}

#[tokio::test]
async fn a_certificate_nobody_verifies_is_warned_of_at_its_place() {
    let config = config_of("https://llm.internal", "{tls: {insecureSkipVerify: true}}");
    let gateway = Gateway::builder().source(ValueSource::text(&config));
    let gateway = gateway.build().await.unwrap();
    let status = gateway.status();
    let report = &status.last.report;
    let id = ObjectId::new("default", Kind::Backend, "llm");
    let warning = &report.of(&id).unwrap().warnings[0];
    assert!(
        warning
            .at
            .as_str()
            .ends_with("/llm/transport/tls/insecureSkipVerify")
    );
    assert!(warning.what.contains("not verified"));
}

#[tokio::test]
async fn what_makes_no_sense_is_refused_with_its_place_and_no_secret_shown() {
    let directory = tempfile::tempdir().unwrap();
    certificate(directory.path());
    let shown = directory.path().join("client.pem");
    let shown = shown.display();
    for (transport, what) in [
        (
            "{tls: {caCertificates: [nonsense]}}".to_owned(),
            "there is no certificate in PEM in it",
        ),
        (
            format!(
                "{{tls: {{clientCertificate: {{certificate: {{file: {shown}}}, key: hunter2}}}}}}"
            ),
            "there is no private key in PEM in it",
        ),
        (
            "{proxy: {url: \"http://proxy\", password: hunter2}}".to_owned(),
            "there is no `username` it belongs to",
        ),
    ] {
        let config = config_of("https://llm.internal", &transport);
        let gateway = Gateway::builder().source(ValueSource::text(&config));
        let error = gateway.build().await.unwrap_err().to_string();
        assert!(error.contains(what) && error.contains(":7:"), "{error}");
        assert!(!error.contains("hunter2"), "{error}");
    }
}

#[tokio::test]
async fn every_example_of_the_page_is_valid() {
    let page = include_str!("../../../../docs/upstreams.md");
    let directory = tempfile::tempdir().unwrap();
    certificate(directory.path());
    let blocks: Vec<_> = page.split("```yaml\n").skip(1).collect();
    assert_eq!(blocks.len(), 3);
    for block in blocks {
        let (config, _) = block.split_once("```").unwrap();
        if config.contains("dns:") && !cfg!(feature = "dns") {
            continue;
        }
        let certs = format!("file: {}/", directory.path().display());
        let config = config.replace("file: certs/", &certs);
        let builder = Gateway::builder().registry(registry());
        let built = builder.source(ValueSource::text(&config)).build().await;
        built.unwrap_or_else(|e| panic!("{e}\n{config}"));
    }
}
