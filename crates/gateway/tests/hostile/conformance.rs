//! HTTP/2 by the book: h2spec's verdicts on the listener beside those on hyper with nothing around it.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::io::Write;
use std::net::SocketAddr;
use std::process::Stdio;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use portcullis::Gateway;
use portcullis::source::ValueSource;
use tokio::net::TcpListener;
use tokio::process::Command;

/// Cases on which the two may differ, each with its reason. Empty: they do not.
const EXCEPTIONS: &[(&str, &str)] = &[];

/// Cases by name, and whether they were passed.
type Verdicts = BTreeMap<String, bool>;

#[tokio::test(flavor = "multi_thread")]
async fn the_listener_speaks_http_2_as_well_as_hyper_does() {
    let Some(h2spec) = std::env::var_os("PORTCULLIS_H2SPEC") else {
        let why = "skipped: PORTCULLIS_H2SPEC does not say where h2spec is";
        writeln!(std::io::stderr(), "{why}").unwrap();
        return;
    };
    let config = "schemaVersion: 1\nlisteners: [{name: web, address: \"127.0.0.1:0\"}]\n\
                  routes: [{backend: {directResponse: {status: 200, body: hello}}}]\n";
    let builder = Gateway::builder().source(ValueSource::text(config));
    let running = builder.build().await.unwrap().run().await.unwrap();
    let (listener, bare) = (running.addresses()[0].1, hyper().await);
    let (mut ours, mut hypers) = (Verdicts::new(), Verdicts::new());
    // Some cases race with the answer: what was passed once is passed.
    for _ in 0..4 {
        let (a, b) = tokio::join!(verdicts(&h2spec, listener), verdicts(&h2spec, bare));
        for (all, new) in [(&mut ours, a), (&mut hypers, b)] {
            for (case, passed) in new {
                *all.entry(case).or_default() |= passed;
            }
        }
        if ours == hypers {
            break;
        }
    }
    assert!(ours.len() > 140, "{} cases were run", ours.len());
    let excepted = |case: &String| EXCEPTIONS.iter().any(|(name, _)| name == case);
    let differ: Vec<_> = ours
        .iter()
        .filter(|(case, passed)| hypers.get(*case) != Some(passed) && !excepted(case))
        .collect();
    assert!(
        differ.is_empty(),
        "ours, where hyper's are otherwise: {differ:#?}"
    );
    let failed: Vec<_> = ours.iter().filter(|(_, passed)| !**passed).collect();
    writeln!(
        std::io::stderr(),
        "{} cases; failed by both: {failed:#?}",
        ours.len()
    )
    .unwrap();
}

/// A server of hyper's, with the one setting the listener has by default.
async fn hyper() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    let answer = |_: Request<Incoming>| async {
        Ok::<_, Infallible>(Response::new(Full::new(Bytes::from_static(b"hello"))))
    };
    tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            let mut server = http2::Builder::new(TokioExecutor::new());
            server.timer(TokioTimer::new()).max_concurrent_streams(200);
            let connection = server.serve_connection(TokioIo::new(socket), service_fn(answer));
            // h2spec ends its connections in every way there is.
            tokio::spawn(async { connection.await.ok() });
        }
    });
    addr
}

async fn verdicts(h2spec: &std::ffi::OsStr, addr: SocketAddr) -> Verdicts {
    let report = tempfile::NamedTempFile::new().unwrap();
    let mut command = Command::new(h2spec);
    command
        .args([
            "--host",
            &addr.ip().to_string(),
            "--port",
            &addr.port().to_string(),
        ])
        .args(["--strict", "--timeout", "2"])
        .arg("--junit-report")
        .arg(report.path())
        .stdout(Stdio::null());
    // It ends with 1 when a case failed.
    command.status().await.expect("h2spec runs");
    read(&std::fs::read_to_string(report.path()).unwrap())
}

/// Reads the cases of a JUnit report: those with anything inside but skips and errors were not passed.
fn read(report: &str) -> Verdicts {
    let mut verdicts = Verdicts::new();
    for case in report.split("<testcase ").skip(1) {
        let attribute = |name: &str| {
            let (_, value) = case.split_once(&format!("{name}=\"")).unwrap();
            value.split_once('"').unwrap().0.to_owned()
        };
        let name = format!("{} {}", attribute("package"), attribute("classname"));
        let passed = !case.contains("<failure>") && !case.contains("<error>");
        let (mut numbered, mut n) = (name.clone(), 1);
        while verdicts.contains_key(&numbered) {
            n += 1;
            numbered = format!("{name} ({n})");
        }
        verdicts.insert(numbered, passed);
    }
    verdicts
}
