//! The whole line under load while its configuration changes again and again.

use std::io::Write;
use std::time::{Duration, Instant};

use http::Method;
use portcullis_testkit::{Client, Upstream};
use tokio::task::JoinSet;

use crate::files::Files;
use crate::support::*;

/// How many times the configuration changes: more by `PORTCULLIS_SWAPS`, as 1000.
pub(crate) fn swaps(usual: u32) -> u32 {
    let given = std::env::var("PORTCULLIS_SWAPS");
    given.map_or(usual, |n| n.parse().unwrap())
}

/// Bytes of memory in use, where the system tells.
pub(crate) fn memory() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/self/statm").ok()?;
    Some(text.split(' ').nth(1)?.parse::<u64>().ok()? * 4096)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_changes_under_load_fail_no_call_and_keep_no_memory() {
    let upstream = Upstream::start().await.unwrap();
    let text = config(&upstream, "");
    let change = |n: u32| {
        let listener = format!("listeners: [{{name: more{n}, address: \"127.0.0.1:0\"}}, ");
        let text = text.replace(
            "name: rest",
            &format!(
                "name: rest, policies: [{{bodyLimit: {{request: {}KiB}}}}]",
                n + 100
            ),
        );
        if n.is_multiple_of(10) {
            text.replace("listeners: [", &listener)
        } else {
            text
        }
    };
    let files = Files::start(&[("a.yaml", &text)]).await;
    let url = format!(
        "http://{}/v1/chat/completions",
        files.address("default/listener/web")
    );
    let (stop, stopped) = tokio::sync::watch::channel(false);
    let mut calls = JoinSet::new();
    for number in 0..64 + 4 {
        let (url, stopped) = (url.clone(), stopped.clone());
        let pace = if number < 64 {
            "per-event,delay-40"
        } else {
            "per-event,delay-1"
        };
        calls.spawn(async move {
            let mut whole = 0;
            while !*stopped.borrow() {
                let (client, headers) = (Client::new(), [("x-pace", pace)]);
                let reply = client.stream(Method::POST, &url, &headers, CHAT).await;
                let (body, proper) = reply.unwrap().drain().await;
                assert!(
                    proper && body.ends_with(b"data: [DONE]\n\n"),
                    "call {number}"
                );
                whole += 1;
            }
            whole
        });
    }
    let (all, start) = (swaps(200), Instant::now());
    let mut warm = None;
    for n in 0..all {
        files.change(&change(n)).await;
        // What the fake provider remembers is no memory of the gateway's.
        upstream.forget();
        if n == all / 4 {
            warm = memory();
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let after = memory();
    stop.send(true).unwrap();
    let mut whole = 0;
    while let Some(call) = soon("a call", calls.join_next()).await {
        whole += call.unwrap();
    }
    let took = start.elapsed();
    // For whoever runs the long one.
    let told = format!("{all} changes in {took:?}, {whole} calls, {warm:?} to {after:?} bytes\n");
    std::io::stdout().write_all(told.as_bytes()).unwrap();
    assert!(whole > 64);
    if let (Some(warm), Some(after)) = (warm, after) {
        let grown = after.saturating_sub(warm);
        assert!(grown < 16 << 20, "{grown} bytes more after {all} changes");
    }
    assert_eq!(files.gateway.status().generation, u64::from(all) + 1);
}
