//! Claims about budgets.

use std::sync::Arc;

use http::HeaderMap;
use portcullis_core::assemble::{Chain, Level, Registry, Scope};
use portcullis_core::config::{ConfigError, Kind, ObjectId, Pointer, PolicyEntry};
use portcullis_core::context::{Context, Money, Price, Prices, Rates};
use portcullis_core::error::Error;
use portcullis_core::llm::{Llm, LlmRequest};
use portcullis_core::protocol::{ArcLayer, ArcService};
use serde_json::{Value, json};

use crate::codes;
use crate::testing::Names;
use crate::testing::llm::{chat, upstream};

/// A dollar a thousand tokens, of every model but one.
#[derive(Debug)]
struct List;

impl Prices for List {
    fn price(&self, _: &str, model: &str) -> Option<Price> {
        let rates = Rates {
            input: Money::from_picodollars(1_000_000_000),
            output: Money::from_picodollars(1_000_000_000),
            ..Rates::default()
        };
        (model != "unpriced").then(|| Price {
            rates,
            tiers: Vec::new(),
        })
    }
}

fn chain(body: Value, priced: bool) -> Result<Chain<Llm>, ConfigError> {
    let mut registry = Registry::new();
    crate::register(&mut registry);
    let owner = ObjectId::new("default", Kind::Route, "tested");
    let mut entry = PolicyEntry::new("budget", body);
    entry.at = Pointer::root().key("p");
    let scope = Scope {
        level: Level::Route,
        owner: &owner,
        policies: &[entry],
    };
    Chain::build(
        &Names::of(registry, priced.then(|| Arc::new(List) as _)),
        &[scope],
    )
}

fn budget(limit: &Value, used: u64) -> ArcService<Llm> {
    let chain = chain(json!({"limits": [limit]}), true).unwrap();
    ArcLayer::stack(&chain.typed, upstream(used))
}

async fn whole(service: &ArcService<Llm>, request: LlmRequest) -> Result<HeaderMap, Error> {
    let reply = service.send(request).await?;
    let headers = reply.head.headers.clone();
    reply.into_http().into_body().collect(1000).await?;
    Ok(headers)
}

async fn of(service: &ArcService<Llm>, model: &str) -> Result<HeaderMap, Error> {
    whole(service, chat(model, 75, &Context::default()).await).await
}

#[tokio::test]
async fn a_budget_in_tokens_ends_with_its_day() {
    let service = budget(
        &json!({"tokens": 250, "per": "Day", "key": "llm.model"}),
        90,
    );
    assert!(of(&service, "a").await.is_ok());
    assert!(of(&service, "a").await.is_ok());
    let error = of(&service, "a").await.unwrap_err();
    assert_eq!(error.code(), &codes::BUDGET_EXCEEDED);
    assert!(error.after().unwrap().as_secs() <= 24 * 3600);
    assert!(of(&service, "b").await.is_ok());
}

#[tokio::test]
async fn a_budget_in_dollars_counts_what_the_attempts_cost() {
    // A call reserves 10 cents, and costs 30.
    let service = budget(&json!({"usd": 1.0, "per": "Month"}), 300);
    for _ in 0..3 {
        assert!(of(&service, "a").await.is_ok());
    }
    assert!(of(&service, "a").await.is_ok(), "10 cents are left");
    assert_eq!(
        of(&service, "a").await.unwrap_err().code(),
        &codes::BUDGET_EXCEEDED
    );
}

#[tokio::test]
async fn an_unknown_price_is_not_nothing() {
    let service = budget(&json!({"usd": 1.0, "per": "Month"}), 1);
    let error = of(&service, "unpriced").await.unwrap_err();
    assert_eq!(error.code(), &codes::PRICE_UNKNOWN);
    assert_eq!(error.at_param(), Some("model"));
    // With something to reserve it passes, and what was reserved counts.
    let reserving = budget(&json!({"usd": 1.0, "reserveUsd": 0.4, "per": "Month"}), 1);
    for passes in [true, true, false] {
        assert_eq!(of(&reserving, "unpriced").await.is_ok(), passes);
    }
}

#[tokio::test]
async fn callers_are_warned_and_a_soft_budget_lets_them_pass() {
    let service = budget(
        &json!({"tokens": 400, "per": "Day", "mode": "Soft", "warnAt": 70}),
        200,
    );
    let mut warned = Vec::new();
    for _ in 0..4 {
        let headers = of(&service, "a").await.unwrap();
        warned.push(
            headers
                .get("portcullis-budget-used")
                .map(|v| v.to_str().unwrap().to_owned()),
        );
    }
    assert_eq!(
        warned,
        [
            None,
            Some("75".into()),
            Some("100".into()),
            Some("100".into())
        ]
    );
}

#[test]
fn budgets_that_make_no_sense_are_refused_at_their_place() {
    for (limit, priced, said) in [
        (
            json!({"per": "Day"}),
            true,
            "/p/limits/0: exactly one of `tokens` and `usd` is needed",
        ),
        (
            json!({"per": "Day", "tokens": 1, "usd": 1}),
            true,
            "/p/limits/0: exactly one of",
        ),
        (
            json!({"per": "Day", "usd": 0}),
            true,
            "/p/limits/0/usd: expected dollars from",
        ),
        (
            json!({"per": "Day", "usd": 1e12}),
            true,
            "/p/limits/0/usd: expected dollars from",
        ),
        (
            json!({"per": "Day", "usd": 1}),
            false,
            "/p/limits/0/usd: a budget in dollars needs a list of prices, and there is none (give it in `tokens`)",
        ),
        (
            json!({"per": "Day", "tokens": 1, "warnAt": 0}),
            true,
            "/p/limits/0/warnAt: expected a whole number from 1 to 100",
        ),
    ] {
        let error = chain(json!({"limits": [limit]}), priced)
            .unwrap_err()
            .to_string();
        assert!(error.starts_with(said), "{error}");
    }
}
