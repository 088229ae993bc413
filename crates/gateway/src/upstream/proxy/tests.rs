use super::*;

fn wanted(written: &serde_json::Value) -> Result<Proxies, ConfigError> {
    with(written, &[])
}

fn with(value: &serde_json::Value, environment: &[(&str, &str)]) -> Result<Proxies, ConfigError> {
    let wanted = portcullis_core::config::decode(value, &Pointer::root())?;
    let look = |name: &str| {
        let found = environment.iter().find(|(known, _)| *known == name);
        found.map(|(_, text)| (*text).to_owned())
    };
    Proxies::wanted(&wanted, &SystemRoots::default(), look)
}

#[test]
fn a_proxy_is_for_every_scheme_but_not_for_the_exempt() {
    let proxies = wanted(&serde_json::json!({
        "url": "http://proxy:3128", "username": "u", "password": "p:w", "noProxy": [".internal"],
    }))
    .unwrap();
    for https in [true, false] {
        let proxy = proxies.of(https, "api.example").unwrap();
        assert_eq!((&*proxy.host, proxy.port), ("proxy", 3128));
        assert_eq!(proxy.authorization.as_ref().unwrap(), "Basic dTpwOnc=");
        assert!(!format!("{proxy:?}").contains("Basic"));
        assert!(proxies.of(https, "a.internal").is_none());
    }
}

#[test]
fn the_environment_counts_only_when_it_is_asked() {
    let environment = [
        ("HTTPS_PROXY", "http://u%40x:p%3A@secure:1"),
        ("HTTP_PROXY", "http://evil:1"),
        ("ALL_PROXY", "rest:2"),
        ("NO_PROXY", "internal, 10.0.0.0/8"),
    ];
    let proxies = with(&serde_json::json!({"fromEnvironment": true}), &environment).unwrap();
    let https = proxies.of(true, "a").unwrap();
    assert_eq!((&*https.host, https.port), ("secure", 1));
    assert_eq!(https.authorization.as_ref().unwrap(), "Basic dUB4OnA6");
    let http = proxies.of(false, "a").unwrap();
    assert_eq!((&*http.host, http.port), ("rest", 2));
    assert!(proxies.of(true, "a.internal").is_none());
    assert!(proxies.of(true, "10.1.1.1").is_none());
    let none = with(&serde_json::json!({"fromEnvironment": true}), &[]).unwrap();
    assert!(none.of(true, "a").is_none());
}

#[test]
fn proxies_that_make_no_sense_are_refused_where_they_stand() {
    for (value, at) in [
        (serde_json::json!({}), ""),
        (serde_json::json!({"url": "proxy:3128"}), "/url"),
        (serde_json::json!({"url": "socks5://proxy"}), "/url"),
        (serde_json::json!({"url": "http://u:secret@proxy"}), "/url"),
        (serde_json::json!({"url": "http://proxy/path"}), "/url"),
        (
            serde_json::json!({"url": "http://p", "fromEnvironment": true}),
            "/url",
        ),
        (
            serde_json::json!({"url": "http://p", "password": "x"}),
            "/password",
        ),
        (
            serde_json::json!({"url": "http://p", "username": "a:b"}),
            "/username",
        ),
        (serde_json::json!({"url": "http://p", "tls": {}}), "/tls"),
        (
            serde_json::json!({"url": "https://p", "tls": {"hostname": ""}}),
            "/tls/hostname",
        ),
        (
            serde_json::json!({"url": "http://p", "noProxy": ["a b"]}),
            "/noProxy/0",
        ),
        (
            serde_json::json!({"fromEnvironment": true, "username": "u"}),
            "",
        ),
    ] {
        let refused = wanted(&value).unwrap_err();
        assert_eq!(refused.at.as_str(), at, "{value}");
        assert!(!refused.to_string().contains("secret"));
    }
    let bad = [("https_proxy", "http://u:secret@p/x")];
    let refused = with(&serde_json::json!({"fromEnvironment": true}), &bad).unwrap_err();
    assert!(refused.to_string().contains("`https_proxy`"), "{refused}");
    assert!(!refused.to_string().contains("secret"));
}
