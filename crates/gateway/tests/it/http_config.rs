//! The configuration of the backends that carry plain HTTP: the guide's, and what is refused of it.

use portcullis::Gateway;
use portcullis::source::ValueSource;

async fn built(config: &str) -> Result<(), String> {
    let source = ValueSource::text(config);
    let gateway = Gateway::builder().source(source).build().await;
    gateway.map(drop).map_err(|e| e.to_string())
}

#[tokio::test]
async fn the_configurations_in_the_guide_are_valid() {
    let guide = include_str!("../../../../docs/http-backends.md").replace("\r\n", "\n");
    let blocks: Vec<_> = guide.split("```yaml\n").skip(1).collect();
    assert_eq!(blocks.len(), 2);
    for block in blocks {
        let config = block.split("```").next().unwrap();
        assert_eq!(built(config).await, Ok(()));
    }
}

#[tokio::test]
async fn what_cannot_be_meant_is_refused_where_it_stands() {
    for (backend, place, what) in [
        ("static: {}", "{}", "needs a `host`, or `endpoints`"),
        (
            "static: {host: a, endpoints: [{host: b}]}",
            "endpoints",
            "not both",
        ),
        ("static: {host: 'http://a'}", "'http", "not a host"),
        ("static: {host: 'a:0'}", "'a:0", "not a port"),
        ("static: {host: 'u@a'}", "'u@a", "not a host"),
        (
            "static: {endpoints: [{host: 'a:1', port: 2}]}",
            "'a:1",
            "stands here and in `port`",
        ),
        (
            "static: {endpoints: [{host: a, weight: 1000001}]}",
            "1000001",
            "at most 1000000",
        ),
        (
            "static: {host: a, forwardedHeaders: {trustedProxies: [10.0.0.1/8]}}",
            "10.0.0.1",
            "behind the prefix",
        ),
        ("static: {host: a, upgrades: [h2c]}", "h2c", "h2c"),
        (
            "static: {host: a, health: {ejectFor: 10}}",
            "10}",
            "needs a unit",
        ),
        ("static: {host: a, weight: 1}", "weight", "`weight`"),
        (
            "static: {host: a, retry: {attempts: 11}}",
            "11",
            "at most 10",
        ),
        (
            "static: {host: a, retry: {codes: [200]}}",
            "[200]",
            "from 400 on",
        ),
        ("forward: {}", "{}", "`allow`"),
        ("forward: {allow: []}", "[]}", "may go nowhere"),
        (
            "forward: {allow: ['10.0.0.1/8']}",
            "'10",
            "behind the prefix",
        ),
        (
            "forward: {allow: ['http://a.example']}",
            "'http",
            "has no scheme",
        ),
        ("forward: {allow: ['*.*']}", "'*.*", "not a host name"),
        (
            "forward: {allow: ['127.1']}",
            "'127",
            "four decimal numbers",
        ),
        (
            "forward: {allow: ['*'], deny: ['a:0']}",
            "'a:0",
            "from 1 to 65535",
        ),
        (
            "forward: {allow: ['*'], transport: {unix: /run/a}}",
            "unix",
            "would not be the destination's",
        ),
        (
            "forward: {allow: ['*'], transport: {proxy: {url: 'http://p'}}}",
            "proxy",
            "would not be",
        ),
    ] {
        let config = format!(
            "{{schemaVersion: 1, backends: [{{name: b, {backend}}}], routes: [{{backend: b}}]}}"
        );
        let refused = built(&config).await.unwrap_err();
        assert!(refused.contains(what), "{backend}: {refused}");
        let begins = config.find(backend).unwrap();
        let column = begins + backend.find(place).unwrap() + 1;
        assert!(
            refused.contains(&format!("<text>:1:{column}\n")),
            "{backend}: {refused}"
        );
    }
}
