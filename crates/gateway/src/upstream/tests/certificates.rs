//! Who an upstream must prove to be, and who the client is to it.

use serde_json::{Value, json};

use super::{
    authority::{Authority, Serving, by, told, transport},
    *,
};

fn https(upstream: &Upstream) -> String {
    format!("https://{}/", upstream.address)
}

/// What comes of a call with this `tls`.
async fn call(upstream: &Upstream, tls: Value) -> Result<String, ClientError> {
    let client = client();
    let request = by(&client, &https(upstream), &json!({ "tls": tls }));
    Ok(text(client.call(request).await?).await)
}

async fn refused(upstream: &Upstream, tls: Value, because: &str) {
    let error = call(upstream, tls).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Tls);
    assert!(!error.is_sent());
    assert!(told(&error).contains(because), "{}", told(&error));
}

#[tokio::test]
async fn an_authority_of_ones_own_is_the_only_one_trusted() {
    let (ours, theirs) = (Authority::new(), Authority::new());
    let (upstream, _) = Serving::with(ours.sign(&["127.0.0.1"])).start().await;
    let tls = json!({"caCertificates": [theirs.pem(), ours.pem()]});
    assert_eq!(call(&upstream, tls).await.unwrap(), "HTTP/1.1");
    let tls = json!({"caCertificates": [theirs.pem()]});
    refused(&upstream, tls, "UnknownIssuer").await;
    let tls = json!({"caCertificates": [theirs.pem()], "wellKnownCACertificates": "System"});
    refused(&upstream, tls, "UnknownIssuer").await;
}

#[tokio::test]
async fn a_certificate_of_another_name_or_another_time_is_refused_with_the_reason() {
    let authority = Authority::new();
    let tls = json!({"caCertificates": [authority.pem()]});
    let other = Serving::with(authority.sign(&["other.example"]));
    refused(&other.start().await.0, tls.clone(), "not valid for name").await;
    let old = Serving::with(authority.sign_until(&["127.0.0.1"], 2020));
    refused(&old.start().await.0, tls, "expired").await;
}

#[tokio::test]
async fn a_hostname_is_asked_for_and_looked_for_instead_of_the_host() {
    let authority = Authority::new();
    let pair = authority.sign(&["vllm.internal"]);
    let (upstream, asked) = Serving::with(pair).start().await;
    let mut tls = json!({"caCertificates": [authority.pem()], "hostname": "vllm.internal"});
    call(&upstream, tls.clone()).await.unwrap();
    assert_eq!(*asked.lock().unwrap(), ["vllm.internal"]);
    tls["hostname"] = "other.internal".into();
    refused(&upstream, tls, "not valid for name").await;
}

#[tokio::test]
async fn one_of_the_names_wanted_must_be_borne_whatever_the_host_is() {
    let authority = Authority::new();
    let identity = "spiffe://cluster.local/ns/llm/sa/vllm";
    let pair = authority.sign(&["*.pool.internal", identity]);
    let (upstream, asked) = Serving::with(pair).start().await;
    let host = |name: &str| json!({"type": "Hostname", "hostname": name});
    let uri = |name: &str| json!({"type": "URI", "uri": name});
    let wanting = |names: Vec<Value>| json!({"caCertificates": [authority.pem()], "hostname": "sni.example", "subjectAltNames": names});
    for names in [
        vec![host("a.pool.internal")],
        vec![uri(identity)],
        vec![host("b"), uri("spiffe://x/y"), uri(identity)],
    ] {
        call(&upstream, wanting(names)).await.unwrap();
    }
    assert_eq!(*asked.lock().unwrap(), ["sni.example"; 3]);
    for names in [
        vec![host("sni.example")],
        vec![host("a.b.pool.internal")],
        vec![host("cluster.local")],
        vec![uri("spiffe://cluster.local/ns/llm/sa/vllm/x")],
        vec![uri("spiffe://cluster.local/ns/llm")],
        vec![uri("SPIFFE://cluster.local/ns/llm/sa/vllm")],
    ] {
        refused(&upstream, wanting(names), "none of the names").await;
    }
}

#[tokio::test]
async fn a_name_wanted_does_not_make_a_stranger_trusted() {
    let pair = Authority::new().sign(&["a.example"]);
    let (upstream, _) = Serving::with(pair).start().await;
    let names = json!([{"type": "Hostname", "hostname": "a.example"}]);
    let tls = json!({"caCertificates": [Authority::new().pem()], "subjectAltNames": names});
    refused(&upstream, tls, "UnknownIssuer").await;
}

#[tokio::test]
async fn a_client_certificate_is_shown_to_who_asks() {
    let authority = Authority::new();
    let serving = Serving {
        clients: Some(&authority),
        ..Serving::with(authority.sign(&["127.0.0.1"]))
    };
    let (upstream, _) = serving.start().await;
    let mut tls = json!({"caCertificates": [authority.pem()]});
    let error = call(&upstream, tls.clone()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Tls, "{}", told(&error));
    tls["clientCertificate"] = Authority::new().sign(&["gateway.internal"]).pem();
    let error = call(&upstream, tls.clone()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Tls, "{}", told(&error));
    tls["clientCertificate"] = authority.sign(&["gateway.internal"]).pem();
    assert_eq!(call(&upstream, tls).await.unwrap(), "HTTP/1.1");
}

#[tokio::test]
async fn an_older_version_than_wanted_is_not_spoken() {
    let authority = Authority::new();
    let serving = Serving {
        versions: &[&rustls::version::TLS12],
        ..Serving::with(authority.sign(&["127.0.0.1"]))
    };
    let (upstream, _) = serving.start().await;
    let mut tls = json!({"caCertificates": [authority.pem()]});
    call(&upstream, tls.clone()).await.unwrap();
    tls["minVersion"] = "1.3".into();
    refused(&upstream, tls, "ProtocolVersion").await;
}

#[tokio::test]
async fn without_verification_anybody_is_accepted() {
    let pair = Authority::new().sign_until(&["other.example"], 2020);
    let (upstream, _) = Serving::with(pair).start().await;
    let tls = json!({"insecureSkipVerify": true});
    assert_eq!(call(&upstream, tls).await.unwrap(), "HTTP/1.1");
}

#[test]
fn what_makes_no_sense_is_refused_where_it_stands() {
    let authority = Authority::new();
    let (one, other) = (authority.sign(&["a"]).pem(), authority.sign(&["b"]).pem());
    let crossed = json!({"certificate": one["certificate"], "key": other["key"]});
    let keyless = json!({"certificate": one["certificate"], "key": one["certificate"]});
    let pool = |key: &str, value: u32| json!({"pool": {key: value}});
    let san = |name: Value| json!({"tls": {"subjectAltNames": [name]}});
    for (wanted, at) in [
        (
            json!({"tls": {"caCertificates": ["no pem"]}}),
            "/tls/caCertificates/0",
        ),
        (
            json!({"tls": {"caCertificates": [one["key"]]}}),
            "/tls/caCertificates/0",
        ),
        (
            json!({"tls": {"clientCertificate": crossed}}),
            "/tls/clientCertificate/key",
        ),
        (
            json!({"tls": {"clientCertificate": keyless}}),
            "/tls/clientCertificate/key",
        ),
        (json!({"tls": {"hostname": "a b"}}), "/tls/hostname"),
        (json!({"tls": {"minVersion": "1.1"}}), "/tls/minVersion"),
        (
            json!({"tls": {"insecureSkipVerify": true, "caCertificates": [authority.pem()]}}),
            "/tls/insecureSkipVerify",
        ),
        (san(json!({"type": "Hostname"})), "/tls/subjectAltNames/0"),
        (
            san(json!({"type": "Hostname", "uri": "a:b"})),
            "/tls/subjectAltNames/0",
        ),
        (
            san(json!({"type": "Hostname", "hostname": "*.a"})),
            "/tls/subjectAltNames/0/hostname",
        ),
        (
            san(json!({"type": "URI", "uri": "no-scheme"})),
            "/tls/subjectAltNames/0/uri",
        ),
        (json!({"unix": ""}), "/unix"),
        (json!({"unix": "x".repeat(108)}), "/unix"),
        (json!({"unix": "x", "proxy": {"url": "http://p"}}), "/proxy"),
        (json!({"proxy": {"url": "p"}}), "/proxy/url"),
        (pool("maxConnections", 0), "/pool/maxConnections"),
        (json!({"http": "http3"}), "/http"),
    ] {
        let refused = transport(&client(), &wanted).unwrap_err();
        assert_eq!(refused.at.as_str(), at, "{wanted}: {refused}");
        assert!(!refused.to_string().contains("PRIVATE"), "{refused}");
    }
}
