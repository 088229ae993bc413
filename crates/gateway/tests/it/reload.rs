//! The whole line while its configuration changes: what goes live, what stays, and what nobody notices.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use http::Method;
use portcullis::source::FileSource;
use portcullis::{Gateway, ReloadResult};
use portcullis_testkit::{Client, Upstream, unused_addr};

use crate::files::{Files, said, says};
use crate::support::*;

#[tokio::test]
async fn a_change_goes_live_and_its_listener_stays_bound() {
    let files = Files::start(&[("a.yaml", &says("a", "one"))]).await;
    let address = files.address("a/listener/web");
    assert_eq!(said(address).await, "one");
    files.change(&says("a", "two")).await;
    assert_eq!(said(address).await, "two");
    assert_eq!(files.gateway.status().generation, 2);
}

#[tokio::test]
async fn a_bad_edit_is_refused_with_its_place_and_the_last_good_one_serves_on() {
    let (a, b) = (says("a", "a1"), says("b", "b1"));
    let admin = format!("{b}admin: {{address: \"127.0.0.1:0\"}}\n");
    let files = Files::with(&[("a.yaml", &a), ("b.yaml", &admin)], true).await;
    let hash = files.gateway.status().hash.clone();
    files.write(
        "a.yaml",
        &a.replace("status: 200, body: a1", "status: 200, bdoy: a2"),
    );
    files.write("b.yaml", &admin.replace("b1", "b2"));
    let partial = || files.gateway.status().last.result == ReloadResult::Partial;
    eventually("the change is noticed", partial).await;
    assert_eq!(said(files.address("a/listener/web")).await, "a1");
    assert_eq!(said(files.address("b/listener/web")).await, "b2");
    assert_ne!(files.gateway.status().hash, hash);

    let admin_at = files.running.admin().unwrap();
    let get = |path: &str| {
        let url = format!("http://{admin_at}{path}");
        async move { Client::new().get(&url).await.unwrap() }
    };
    assert_eq!(get("/readyz").await.status, 200);
    let report = get("/config/report").await.text();
    let report: serde_json::Value = serde_json::from_str(&report).unwrap();
    assert_eq!(report["last"]["result"], "partial");
    let objects = report["last"]["objects"].as_array().unwrap();
    let wrong = objects.iter().find(|o| o["refused"] == true).unwrap();
    assert_eq!(wrong["object"], "a/route//*");
    let fault = &wrong["errors"][0];
    let place = (fault["line"].as_u64(), fault["column"].as_u64());
    assert_eq!(place, (Some(5), Some(43)), "{fault}");
    assert!(fault["file"].as_str().unwrap().ends_with("a.yaml"));
    assert!(fault["hint"].as_str().unwrap().contains("`body`"));

    let page = files.metrics().await;
    for line in [
        "portcullis_config_reloads_total{result=\"partial\"} 1\n",
        "portcullis_config_last_reload_success 0\n",
        "portcullis_config_generation 2\n",
        &format!(
            "portcullis_config_info{{hash={:?}}} 1\n",
            report["hash"].as_str().unwrap()
        ),
    ] {
        assert!(page.contains(line), "{line}: {page}");
    }
    files.write("a.yaml", &says("a", "a3"));
    let success = || files.gateway.status().last.result == ReloadResult::Success;
    eventually("the correction is noticed", success).await;
    assert_eq!(said(files.address("a/listener/web")).await, "a3");
}

#[tokio::test]
async fn where_everything_is_refused_the_status_and_the_error_say_why() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.yaml");
    std::fs::write(&path, says("a", "one")).unwrap();
    let source = FileSource::new(&path);
    let gateway = Gateway::builder().source(source).build().await.unwrap();
    let _running = gateway.run().await.unwrap();
    let address = gateway.addresses()[0].1;
    for bad in ["schemaVersion: 1\nroutes: {\n", "", "schemaVersion: 2\n"] {
        std::fs::write(&path, bad).unwrap();
        let error = gateway.reload().await.unwrap_err().to_string();
        assert!(error.contains("a.yaml:"), "{error}");
        assert_eq!(gateway.status().last.result, ReloadResult::Refused);
        assert_eq!(said(address).await, "one");
    }
    std::fs::remove_file(&path).unwrap();
    assert!(gateway.reload().await.is_err());
    assert_eq!(said(address).await, "one");
    assert_eq!(gateway.status().generation, 1);
}

#[tokio::test]
async fn a_call_finishes_on_the_configuration_it_began_with() {
    let upstream = Upstream::start().await.unwrap();
    let files = Files::start(&[("a.yaml", &config(&upstream, ""))]).await;
    let url = format!(
        "http://{}/v1/chat/completions",
        files.address("default/listener/web")
    );
    let headers = [("x-pace", "per-event,delay-20")];
    let client = Client::new();
    let mut stream = client
        .stream(Method::POST, &url, &headers, CHAT)
        .await
        .unwrap();
    stream.next_chunk().await.unwrap().unwrap();
    let gone = says("default", "gone");
    files.change(&gone).await;
    assert_eq!(said(files.address("default/listener/web")).await, "gone");
    let (body, proper) = stream.drain().await;
    assert!(proper && body.ends_with(b"data: [DONE]\n\n"));
}

#[tokio::test]
async fn a_listener_that_moves_comes_or_goes_leaves_the_others_and_its_calls_alone() {
    let upstream = Upstream::start().await.unwrap();
    let free = [unused_addr().await.unwrap(), unused_addr().await.unwrap()];
    let text = |listeners: &str| {
        let all = config(&upstream, "");
        all.replace("listeners: [", &format!("listeners: [{listeners}"))
    };
    let more = |name: &str, address| format!("{{name: {name}, address: \"{address}\"}}, ");
    let files = Files::start(&[("a.yaml", &text(""))]).await;
    let web = files.address("default/listener/web");
    let mut steady = Client::new()
        .connect(&format!("http://{web}/"))
        .await
        .unwrap();
    let url = format!("http://{web}/v1/models");
    let mut still_there = async || {
        let reply = steady.send(Method::GET, &url, &[], "").await.unwrap();
        assert_eq!(reply.status, 200, "on the same connection");
    };
    still_there().await;

    files.change(&text(&more("other", free[0]))).await;
    let chat = format!("http://{}/v1/chat/completions", free[0]);
    let headers = [("x-pace", "per-event,delay-30")];
    let client = Client::new();
    let mut stream = client
        .stream(Method::POST, &chat, &headers, CHAT)
        .await
        .unwrap();
    stream.next_chunk().await.unwrap().unwrap();
    still_there().await;

    files.change(&text(&more("other", free[1]))).await;
    assert_eq!(files.address("default/listener/other"), free[1]);
    let url_moved = format!("http://{}/v1/models", free[1]);
    assert_eq!(Client::new().get(&url_moved).await.unwrap().status, 200);
    let (body, proper) = stream.drain().await;
    assert!(
        proper && body.ends_with(b"data: [DONE]\n\n"),
        "its call is whole"
    );
    still_there().await;

    files.change(&text(&more("renamed", free[1]))).await;
    assert_eq!(files.address("default/listener/renamed"), free[1]);
    assert_eq!(Client::new().get(&url_moved).await.unwrap().status, 200);

    files.change(&text("")).await;
    let mut closed = false;
    for _ in 0..2000 {
        closed = tokio::net::TcpListener::bind(free[1]).await.is_ok();
        if closed {
            break;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert!(closed, "the address of a listener that is gone is free");
    still_there().await;
    assert_eq!(files.gateway.addresses().len(), 1);
}

#[tokio::test]
async fn two_listeners_exchange_their_addresses() {
    let free = [unused_addr().await.unwrap(), unused_addr().await.unwrap()];
    let text = |[one, two]: [_; 2]| {
        format!(
            "schemaVersion: 1\nlisteners: [{{name: one, address: \"{one}\"}}, {{name: two, address: \"{two}\"}}]\n\
             routes:\n\
             - {{listeners: [one], backend: {{directResponse: {{status: 200, body: one}}}}}}\n\
             - {{listeners: [two], backend: {{directResponse: {{status: 200, body: two}}}}}}\n"
        )
    };
    let files = Files::start(&[("a.yaml", &text(free))]).await;
    assert_eq!(
        (&*said(free[0]).await, &*said(free[1]).await),
        ("one", "two")
    );
    files.change(&text([free[1], free[0]])).await;
    let settled = async || {
        // The one before may still take who came in the same moment.
        for _ in 0..200 {
            if (&*said(free[0]).await, &*said(free[1]).await) == ("two", "one") {
                return true;
            }
        }
        false
    };
    assert!(settled().await);
}

#[tokio::test]
async fn an_address_that_cannot_be_bound_is_reported_and_only_its_project_stays_as_it_was() {
    let taken = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let files = Files::start(&[("a.yaml", &says("a", "a1")), ("b.yaml", &says("b", "b1"))]).await;
    files.write("a.yaml", &says("a", "a2").replace("127.0.0.1:0", &address));
    files.write("b.yaml", &says("b", "b2"));
    let status = files.gateway.reload().await.unwrap();
    assert_eq!(status.last.result, ReloadResult::Partial);
    let findings = &status.last.findings;
    assert!(findings.contains("cannot bind the address"), "{findings}");
    assert!(findings.contains("a.yaml:3"), "{findings}");
    assert_eq!(said(files.address("a/listener/web")).await, "a1");
    assert_eq!(said(files.address("b/listener/web")).await, "b2");
    drop(taken);
    files.gateway.reload().await.unwrap();
    assert_eq!(said(address.parse().unwrap()).await, "a2");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_listener_that_moves_to_another_project_keeps_its_socket() {
    let address = unused_addr().await.unwrap();
    let has = |project: &str, words: &str| {
        says(project, words).replace("127.0.0.1:0", &address.to_string())
    };
    let files = Files::start(&[
        ("a.yaml", &has("a", "of-a")),
        ("b.yaml", &says("b", "idle")),
    ])
    .await;
    let stop = Arc::new(AtomicBool::new(false));
    let callers: Vec<_> = (0..4)
        .map(|_| {
            let stop = stop.clone();
            tokio::spawn(async move {
                let mut calls = 0;
                while !stop.load(Ordering::Relaxed) {
                    let words = said(address).await;
                    assert!(words == "of-a" || words == "of-b", "{words}");
                    calls += 1;
                }
                calls
            })
        })
        .collect();
    for _ in 0..5 {
        for (a, b, words) in [
            (says("a", "idle"), has("b", "of-b"), "of-b"),
            (has("a", "of-a"), says("b", "idle"), "of-a"),
        ] {
            files.write("a.yaml", &a);
            files.write("b.yaml", &b);
            let status = files.gateway.reload().await.unwrap();
            let findings = &status.last.findings;
            assert_eq!(status.last.result, ReloadResult::Success, "{findings}");
            while said(address).await != words {
                tokio::task::yield_now().await;
            }
        }
    }
    stop.store(true, Ordering::Relaxed);
    for caller in callers {
        assert!(soon("a caller", caller).await.unwrap() > 0);
    }
}

#[tokio::test]
async fn an_address_can_be_had_again_at_once() {
    let address = unused_addr().await.unwrap().to_string();
    let with = says("a", "one").replace(
        "listeners: [",
        &format!("listeners: [{{name: more, address: \"{address}\"}}, "),
    );
    let files = Files::start(&[("a.yaml", &with)]).await;
    for _ in 0..2 {
        files.change(&says("a", "one")).await;
        files.change(&with).await;
        assert_eq!(said(address.parse().unwrap()).await, "one");
    }
}

#[tokio::test]
async fn the_admin_listener_and_the_access_log_move_with_the_configuration() {
    let dir = tempfile::tempdir().unwrap();
    let free = unused_addr().await.unwrap();
    let text = |log: &str, address: &str| {
        let log = dir.path().join(log);
        let says = says("a", "one");
        format!("{says}admin: {{address: \"{address}\"}}\naccessLog: {{path: {log:?}}}\n")
    };
    let files = Files::start(&[("a.yaml", &text("one.log", "127.0.0.1:0"))]).await;
    let (web, first) = (
        files.address("a/listener/web"),
        files.running.admin().unwrap(),
    );
    said(web).await;
    files.gateway.recorder().flush().await;
    files.change(&text("two.log", &free.to_string())).await;
    files.gateway.recorder().flush().await;
    assert_eq!(files.running.admin(), Some(free));
    assert!(files.metrics().await.contains("portcullis_calls_total"));
    assert!(tokio::net::TcpStream::connect(first).await.is_err() || first == free);
    said(web).await;
    files.gateway.recorder().flush().await;
    let lines = |name: &str| {
        let text = std::fs::read_to_string(dir.path().join(name)).unwrap();
        text.lines().count()
    };
    assert_eq!((lines("one.log"), lines("two.log")), (1, 1));
    std::fs::rename(dir.path().join("two.log"), dir.path().join("old.log")).unwrap();
    files.gateway.reopen_access_log().unwrap();
    files.gateway.recorder().flush().await;
    said(web).await;
    files.gateway.recorder().flush().await;
    assert_eq!((lines("old.log"), lines("two.log")), (1, 1));
}

#[tokio::test]
async fn connections_to_upstreams_survive_a_change() {
    let upstream = Upstream::start().await.unwrap();
    let text = config(&upstream, "");
    let files = Files::start(&[("a.yaml", &text)]).await;
    let url = format!(
        "http://{}/v1/chat/completions",
        files.address("default/listener/web")
    );
    for round in 0..5 {
        assert_eq!(send(Method::POST, &url, &[], CHAT).await.status, 200);
        let rests = || files.gateway.upstreams().idle == 1;
        eventually("the connection rests", rests).await;
        files
            .change(&text.replace("name: rest", &format!("name: rest{round}")))
            .await;
    }
    assert_eq!(upstream.connections(), 1);
}
