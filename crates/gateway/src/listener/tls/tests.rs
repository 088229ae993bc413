//! Certificates: read, chosen, refused, and about to end.

use std::cell::RefCell;
use std::time::Duration;

use portcullis_core::config::{Address, ListenerTls, Secret, ServerCertificate};
use prometheus_client::encoding::text;
use prometheus_client::registry::Registry;
use rcgen::{CertificateParams, KeyPair};
use tokio::time::Instant;

use super::expiry::watch_by;
use super::*;
use crate::listener::handle::{ListenerHandle, Shared};
use crate::listener::sites::Sites;
use crate::listener::{ListenerConfig, check};

/// A certificate for these names that signs itself, and its key.
fn pems(names: &[&str], change: impl FnOnce(&mut CertificateParams)) -> (String, String) {
    let names: Vec<_> = names.iter().map(ToString::to_string).collect();
    let mut params = CertificateParams::new(names).unwrap();
    change(&mut params);
    let key = KeyPair::generate().unwrap();
    let certificate = params.self_signed(&key).unwrap();
    (certificate.pem(), key.serialize_pem())
}

fn certified((certificate, key): (String, String)) -> ServerCertificate {
    ServerCertificate::new(Secret::new(certificate), Secret::new(key))
}

fn of_names(names: &[&str]) -> ServerCertificate {
    certified(pems(names, |_| {}))
}

fn build(certificates: Vec<ServerCertificate>) -> Result<Tls, ConfigError> {
    let at = Pointer::root().key("tls");
    Tls::build(&ListenerTls::new(certificates), &at, None)
}

fn refused(certificate: &str, key: &str) -> String {
    let certificate = certified((certificate.to_owned(), key.to_owned()));
    build(vec![certificate]).unwrap_err().to_string()
}

#[test]
fn each_mistake_is_told_with_its_place() {
    let (certificate, key) = pems(&["a.example"], |_| {});
    let (_, other) = pems(&["a.example"], |_| {});
    let encrypted = key.replace("PRIVATE KEY", "ENCRYPTED PRIVATE KEY");
    let broken = certificate.replace("MII", "!!!");
    let begun = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n";
    for (certificate, key, at, says) in [
        (
            &*certificate,
            &*other,
            "/tls/certificates/0/key",
            "not the one",
        ),
        (
            &certificate,
            &encrypted,
            "/tls/certificates/0/key",
            "encrypted",
        ),
        (
            &certificate,
            &certificate,
            "/tls/certificates/0/key",
            "no private key",
        ),
        (
            &certificate,
            "",
            "/tls/certificates/0/key",
            "no private key",
        ),
        (
            &key,
            &key,
            "/tls/certificates/0/certificate",
            "no certificate",
        ),
        (
            &broken,
            &key,
            "/tls/certificates/0/certificate",
            "malformed",
        ),
        (
            begun,
            &key,
            "/tls/certificates/0/certificate",
            "cannot be read",
        ),
    ] {
        let told = refused(certificate, key);
        assert!(told.starts_with(at) && told.contains(says), "{told}");
        assert!(!told.contains("MI"), "{told}");
    }
    assert!(build(Vec::new()).is_err());
}

#[test]
fn authorities_are_checked_too() {
    let client = |authorities: Vec<Secret>| {
        let mut wanted = ListenerTls::new(vec![of_names(&["a.example"])]);
        let mode = ClientCertificateMode::Required;
        wanted.client_certificates = Some(ClientCertificates::new(mode, authorities));
        let told = Tls::build(&wanted, &Pointer::root(), None).map(|_| ());
        told.map_err(|error| error.to_string())
    };
    let authority = pems(&["ca"], |_| {}).0;
    assert_eq!(client(vec![Secret::new(authority)]), Ok(()));
    assert!(client(Vec::new()).unwrap_err().contains("no authority"));
    let told = client(vec![Secret::new("nothing".to_owned())]).unwrap_err();
    assert!(
        told.starts_with("/clientCertificates/certificateAuthorities/0: "),
        "{told}"
    );
}

#[test]
fn a_host_belongs_to_the_certificate_shown_or_to_none() {
    let sets = [
        &["a.example"][..],
        &["*.a.example", "c.example"],
        &["x.a.example"],
    ];
    let tls = build(sets.map(of_names).into()).unwrap();
    for (asked, host, covered) in [
        (Some("a.example"), "a.example", true),
        (Some("a.example"), "A.example.:443", true),
        (Some("a.example"), "c.example", false),
        (Some("b.a.example"), "c.example", true),
        (Some("b.a.example"), "d.a.example:8443", true),
        (Some("b.a.example"), "x.a.example", true),
        (Some("x.a.example"), "b.a.example", false),
        (Some("a.example"), "of.nobody", true),
        (Some("of.nobody"), "a.example", true),
        (None, "a.example", true),
        (None, "c.example", false),
        (None, "127.0.0.1", true),
    ] {
        let told = tls.certificates.covers(asked, host);
        assert_eq!(told, covered, "{asked:?} {host}");
    }
}

#[test]
fn a_certificate_that_does_not_hold_today_is_warned_of() {
    let warned = |from: i32, to: i32| {
        let change = |params: &mut CertificateParams| {
            params.not_before = rcgen::date_time_ymd(from, 1, 1);
            params.not_after = rcgen::date_time_ymd(to, 1, 1);
        };
        let certificate = certified(pems(&["a.example"], change));
        let address: Address = "127.0.0.1:0"
            .parse::<std::net::SocketAddr>()
            .unwrap()
            .into();
        let mut listener = portcullis_core::config::Listener::new("web", address);
        listener.tls = Some(ListenerTls::new(vec![certificate]));
        let warnings = check(&listener).unwrap();
        warnings
            .first()
            .map(ToString::to_string)
            .unwrap_or_default()
    };
    assert!(warned(2000, 2001).starts_with("/tls/certificates/0/certificate: "));
    assert!(warned(2000, 2001).contains("has expired"));
    assert!(warned(2090, 2091).contains("only holds in"));
    assert_eq!(warned(2000, 2090), "");
}

/// A listener whose certificate ends at the beginning of 2030.
fn until_2030() -> ListenerConfig {
    let change = |params: &mut CertificateParams| {
        params.not_after = rcgen::date_time_ymd(2030, 1, 1);
    };
    let address: std::net::SocketAddr = "127.0.0.1:1".parse().unwrap();
    let mut config = ListenerConfig::new("web", address);
    config.tls = Some(ListenerTls::new(vec![certified(pems(
        &["a.example"],
        change,
    ))]));
    config
}

const Y2030: i64 = 1_893_456_000;

#[tokio::test(start_paused = true)]
async fn the_end_of_a_certificate_is_warned_of_thrice_before_and_once_at_it() {
    let config = until_2030();
    let shared = Shared::new(
        Sites::new(std::slice::from_ref(&config), None).unwrap(),
        config.address,
        std::sync::Weak::new(),
    );
    let (start, metric) = (Instant::now(), NotAfter::default());
    let now = || Y2030 - 40 * DAY + i64::try_from(start.elapsed().as_secs()).unwrap();
    let told = RefCell::new(Vec::new());
    let days = |warning| {
        told.borrow_mut()
            .push((warning, start.elapsed().as_secs() / 86_400));
    };
    let watching = watch_by(now, &shared, &metric, days);
    let _ = tokio::time::timeout(Duration::from_secs(50 * 86_400), watching).await;
    let told: Vec<_> = told.into_inner().into_iter().map(|(_, day)| day).collect();
    assert_eq!(told, [10, 33, 39, 40]);
}

#[tokio::test(start_paused = true)]
async fn the_metric_has_the_certificates_of_now_only() {
    let config = until_2030();
    let shared = Shared::new(
        Sites::new(std::slice::from_ref(&config), None).unwrap(),
        config.address.clone(),
        std::sync::Weak::new(),
    );
    let handle = ListenerHandle(Arc::new(shared));
    let metric = NotAfter::default();
    let mut registry = Registry::default();
    metric.register(&mut registry);
    let page = || {
        let mut page = String::new();
        text::encode(&mut page, &registry).unwrap();
        page
    };
    let watching = watch_by(|| 0, &handle.0, &metric, |_| {});
    let changes = async {
        tokio::task::yield_now().await;
        let line = "{listener=\"web\",certificate=\"a.example\"} 1893456000";
        assert!(page().contains(line), "{}", page());
        let mut other = config;
        other.tls = Some(ListenerTls::new(vec![of_names(&["b.example"])]));
        handle.update(&[other]).unwrap();
        tokio::task::yield_now().await;
        assert!(page().contains("b.example") && !page().contains("a.example"));
    };
    tokio::select! {
        biased;
        never = watching => match never {},
        () = changes => {}
    }
    assert!(!page().contains("b.example"), "and none when it is gone");
}
