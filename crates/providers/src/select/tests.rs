use portcullis_core::body::{Body, Ended};
use portcullis_core::context::Exchange;
use portcullis_core::error::{Error, codes};
use portcullis_core::llm::{Llm, LlmInput, LlmRequest, LlmResponse, Operation};
use portcullis_core::protocol::{ArcService, Reply};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::dialect::{ModelEntry, render_models};
use crate::fake::{Fake, reply, request};
use crate::listing;

/// A backend that lists `models`, and says to any other call who it is and what it was asked for.
fn backend(name: &'static str, models: &'static [&'static str]) -> ArcService<Llm> {
    ArcService::from_fn(move |request: LlmRequest| async move {
        if let LlmInput::Opaque(body) = &request.body {
            body.take().expect("every call has a body of its own");
        }
        if request.operation == Operation::ListModels {
            assert_eq!(request.head.uri.path(), "/v1/models");
            let models: Vec<_> = models.iter().map(|id| ModelEntry::named(*id)).collect();
            let list = render_models(request.dialect.name(), &models);
            return Ok(listing::reply(&request, list));
        }
        let body = match &request.body {
            LlmInput::Json(payload) => String::from_utf8(payload.raw().to_vec()).unwrap(),
            LlmInput::Opaque(_) => String::new(),
        };
        let said = format!("{name} {} {body}", request.model);
        Ok(listing::reply(&request, said.into()))
    })
}

fn broken() -> ArcService<Llm> {
    ArcService::from_fn(|_| {
        std::future::ready(Err(Error::new(
            &codes::UPSTREAM_UNREACHABLE,
            "no connection",
        )))
    })
}

fn fake() -> Fake {
    Fake::json("{}")
        .with(
            "a",
            backend("a", &["claude-a", "gpt-a", "shared", "x-mini"]),
        )
        .with(
            "b",
            backend("b", &["claude-b", "gpt-b", "shared", "real-1", "real-2"]),
        )
        .with("c", backend("c", &["anything", "claude-b"]))
        .with("broken", broken())
}

async fn call(config: &Value, call: http::Request<Body>) -> (Result<String, Error>, Exchange) {
    let fake = fake();
    let service = fake.backend("models", config.clone()).unwrap();
    let (replied, record) = fake.call(&service, call).await;
    let said = replied.map(|reply| String::from_utf8(reply.body().to_vec()).unwrap());
    (said, record)
}

/// Who was asked, for what, when the caller asks for `model`.
async fn served(config: &Value, model: &str) -> Result<String, Error> {
    let body = json!({ "model": model }).to_string();
    let chat = request("POST /v1/chat/completions", &[], body);
    call(config, chat).await.0
}

async fn ids(config: &Value) -> (Vec<String>, Exchange) {
    let (said, record) = call(config, request("GET /v1/models", &[], "")).await;
    let list: Value = serde_json::from_str(&said.unwrap()).unwrap();
    assert_eq!(list["object"], "list");
    let data = list["data"].as_array().unwrap().iter();
    (
        data.map(|m| m["id"].as_str().unwrap().to_owned()).collect(),
        record,
    )
}

#[tokio::test]
async fn the_most_specific_pattern_wins_in_any_order() {
    let mut routes = vec![
        json!({"match": "*", "backend": "a", "rewrite": "any"}),
        json!({"match": "*-mini", "backend": "a", "rewrite": "mini"}),
        json!({"match": "*-5-mini", "backend": "a", "rewrite": "5-mini"}),
        json!({"match": "gpt-*", "backend": "b", "rewrite": "gpt"}),
        json!({"match": "gpt-5-*", "backend": "b", "rewrite": "gpt-5"}),
        json!({"match": "gpt-5-mini", "backend": "b", "rewrite": "exact"}),
    ];
    for _ in 0..routes.len() {
        routes.rotate_left(1);
        let config = Value::from(routes.clone());
        for (model, wanted) in [
            ("gpt-5-mini", "b exact"),
            ("gpt-5-nano", "b gpt-5"),
            ("gpt-4-mini", "b gpt"),
            ("o3-5-mini", "a 5-mini"),
            ("o3-mini", "a mini"),
            ("claude", "a any"),
        ] {
            let said = served(&config, model).await.unwrap();
            assert!(said.starts_with(wanted), "{model}: {said}");
        }
    }
}

#[tokio::test]
async fn a_rewrite_is_a_splice_and_its_star_what_the_pattern_s_star_matched() {
    let config = json!([
        {"match": "fast", "backend": "a", "rewrite": "gpt-5-mini"},
        {"match": "team/*", "backend": "b", "rewrite": "*"},
        {"match": "*:eu", "backend": "b", "rewrite": "eu/*/v1"},
        {"match": "same", "backend": "a"},
    ]);
    for (model, wanted) in [
        ("fast", r#"a gpt-5-mini {"model":"gpt-5-mini"}"#),
        ("team/x", r#"b x {"model":"x"}"#),
        ("y:eu", r#"b eu/y/v1 {"model":"eu/y/v1"}"#),
        ("same", r#"a same {"model":"same"}"#),
    ] {
        assert_eq!(served(&config, model).await.unwrap(), wanted);
    }
}

#[tokio::test]
async fn a_model_nobody_serves_is_not_found() {
    let config = json!([{"match": "claude-*", "backend": "a"}]);
    let e = served(&config, "gpt-5").await.unwrap_err();
    assert_eq!(
        (e.code(), e.status().as_u16()),
        (&codes::MODEL_NOT_FOUND, 404)
    );
    assert_eq!(e.to_string(), "no backend here serves the model `gpt-5`");
    assert_eq!(e.at_param(), Some("model"));
}

#[tokio::test]
async fn an_unnamed_call_goes_to_the_only_backend_or_where_the_star_points() {
    let files = || request("GET /v1/files", &[], "");
    let only = json!([{"match": "claude-*", "backend": "a"}]);
    assert_eq!(call(&only, files()).await.0.unwrap(), "a  ");
    let star = json!([{"match": "claude-*", "backend": "a"}, {"match": "*", "backend": "b"}]);
    assert_eq!(call(&star, files()).await.0.unwrap(), "b  ");
    let two = json!([{"match": "claude-*", "backend": "a"}, {"match": "gpt-*", "backend": "b"}]);
    let e = call(&two, files()).await.0.unwrap_err();
    assert_eq!(e.code(), &codes::MODEL_NOT_FOUND);
    assert!(e.to_string().contains("`x-portcullis-model`"));
    let named = request("GET /v1/files", &[("x-portcullis-model", "gpt-5")], "");
    assert_eq!(call(&two, named).await.0.unwrap(), "b gpt-5 ");
}

#[tokio::test]
async fn every_model_callers_can_name_is_listed_under_the_name_they_use() {
    let config = json!([
        {"match": "fast", "backend": "broken", "rewrite": "gpt-5-mini"},
        {"match": "claude-*", "backend": "a"},
        {"match": "eu/*", "backend": "b", "rewrite": "real-*"},
        {"match": "any-*", "backend": "a", "rewrite": "gpt-a"},
        {"match": "*", "backend": "c"},
    ]);
    let (ids, record) = ids(&config).await;
    // `claude-b` is listed by `c`, but a call for it would go to `a`.
    assert_eq!(ids, ["anything", "claude-a", "eu/1", "eu/2", "fast"]);
    assert!(record.losses.is_empty());
}

#[tokio::test]
async fn a_backend_that_fails_to_list_is_left_out_and_recorded() {
    let config = json!([
        {"match": "gpt-*", "backend": "broken"},
        {"match": "claude-*", "backend": "a"},
    ]);
    let (ids, record) = ids(&config).await;
    assert_eq!(ids, ["claude-a"]);
    assert_eq!(
        record.losses,
        ["the models of `gpt-*` are not listed: no connection"]
    );
}

#[tokio::test]
async fn anthropics_callers_get_the_list_in_their_shape() {
    let config = json!([{"match": "claude-*", "backend": "a"}]);
    let versioned = [("anthropic-version", "2026-10-21")];
    let get = request("GET /v1/models?limit=20&after_id=z", &versioned, "");
    let list: Value = serde_json::from_str(&call(&config, get).await.0.unwrap()).unwrap();
    assert_eq!(list["data"][0]["id"], "claude-a");
    assert_eq!(list["data"][0]["lifecycle"], "active");
    assert_eq!(list["has_more"], false);
}

#[tokio::test]
async fn one_model_is_told_from_the_list_of_the_backend_that_serves_it() {
    let config = json!([
        {"match": "fast", "backend": "broken", "rewrite": "x"},
        {"match": "claude-*", "backend": "a"},
        {"match": "gpt-*", "backend": "broken"},
        {"match": "any-*", "backend": "a", "rewrite": "gpt-a"},
    ]);
    let get = |id: &str| request(&format!("GET /v1/models/{id}"), &[], "");
    for id in ["fast", "claude-a", "gpt-5", "any-thing"] {
        let one: Value = serde_json::from_str(&call(&config, get(id)).await.0.unwrap()).unwrap();
        assert_eq!(one["id"], id);
        assert_eq!(one["object"], "model");
    }
    for id in ["claude-b", "o3"] {
        let e = call(&config, get(id)).await.0.unwrap_err();
        assert_eq!(e.code(), &codes::MODEL_NOT_FOUND, "{id}");
    }
}

#[tokio::test]
async fn providers_of_several_dialects_are_joined_in_one_list() {
    let fake = Fake::new(|seen| {
        let body = match seen.uri.host() {
            Some("api.anthropic.com") => {
                r#"{"data":[{"type":"model","id":"claude-x","display_name":"X"}],"has_more":false}"#
            }
            _ => {
                r#"{"object":"list","data":[{"id":"gpt-x","object":"model","created":7,"owned_by":"o","more":1.0}]}"#
            }
        };
        Ok(reply(200, &[("content-type", "application/json")], body))
    });
    let provider = |name: &str| fake.backend("llm", json!({"provider": name, "apiKey": "k"}));
    let (openai, anthropic) = (provider("openai").unwrap(), provider("anthropic").unwrap());
    let fake = fake.with("openai", openai).with("anthropic", anthropic);
    let config = json!([
        {"match": "claude-*", "backend": "anthropic"},
        {"match": "*", "backend": "openai"},
    ]);
    let service = fake.backend("models", config).unwrap();
    let (replied, record) = fake
        .call(&service, request("GET /v1/models", &[], ""))
        .await;
    assert_eq!(
        replied.unwrap().body(),
        r#"{"object":"list","data":[{"id":"claude-x","object":"model","created":0,"owned_by":"portcullis"},{"id":"gpt-x","object":"model","created":7,"owned_by":"o","more":1.0}]}"#
    );
    assert_eq!((fake.seen().len(), record.attempts.len()), (2, 2));
    assert!(record.losses.is_empty());
}

#[tokio::test]
async fn a_list_behind_a_policy_that_watches_its_end_is_still_read() {
    let inner = backend("a", &["m"]);
    let (tell, ends) = std::sync::mpsc::channel();
    let watched = ArcService::from_fn(move |request: LlmRequest| {
        let (inner, tell) = (inner.clone(), tell.clone());
        async move {
            let reply: LlmResponse = inner.send(request).await?;
            Ok(reply.on_end(move |end| tell.send(end.how).unwrap()))
        }
    });
    let fake = Fake::json("{}").with("w", watched);
    let config = json!([{"match": "*", "backend": "w"}]);
    let service = fake.backend("models", config).unwrap();
    let (replied, _) = fake
        .call(&service, request("GET /v1/models", &[], ""))
        .await;
    assert!(
        replied
            .unwrap()
            .body()
            .windows(8)
            .any(|at| at == br#""id":"m""#)
    );
    assert_eq!(ends.try_recv(), Ok(Ended::Completed));
}

#[test]
fn configurations_that_make_no_sense_are_refused_where_they_stand() {
    for (config, words) in [
        (
            json!([]),
            "/models: no model goes anywhere: the list is empty",
        ),
        (
            json!([{"match": "a", "backend": "a"}, {"match": "b", "backend": "nope"}]),
            "/models/1/backend: there is no backend `nope`",
        ),
        (
            json!([{"match": "a", "backend": "a"}, {"match": "a", "backend": "b"}]),
            "/models/1/match: the pattern `a` stands twice, see /models/0",
        ),
        (
            json!([{"match": "", "backend": "a"}]),
            "/models/0/match: a pattern cannot be empty",
        ),
        (
            json!([{"match": "a*b", "backend": "a"}]),
            "/models/0/match: a pattern has at most one `*`, at its beginning or its end",
        ),
        (
            json!([{"match": "**", "backend": "a"}]),
            "/models/0/match: a pattern has at most one `*`, at its beginning or its end",
        ),
        (
            json!([{"match": "a*", "backend": "a", "rewrite": "*b*"}]),
            "/models/0/rewrite: the name to ask for has at most one `*`",
        ),
        (
            json!([{"match": "a", "backend": "a", "rewrite": ""}]),
            "/models/0/rewrite: a pattern cannot be empty",
        ),
        (
            json!([{"match": "a", "backend": "a", "rewrite": "b-*"}]),
            "/models/0/rewrite: a `*` here needs one in `match` to stand for",
        ),
    ] {
        let e = fake().backend("models", config).unwrap_err();
        assert_eq!(e.to_string(), words);
    }
    let e = fake()
        .backend("models", json!([{"match": "a", "backnd": "a"}]))
        .unwrap_err();
    assert_eq!(e.at.as_str(), "/models/0/backnd");
}

proptest! {
    #[test]
    fn what_a_star_matched_fills_the_pattern_back_to_the_name(
        before in "[a-z/-]{0,4}", after in "[a-z/-]{0,4}", name in "[a-z/-]{0,10}",
    ) {
        let pattern = Pattern::template(&format!("{before}*{after}")).unwrap();
        prop_assert_eq!(pattern.to_string(), format!("{before}*{after}"));
        if let Some(matched) = pattern.matched(&name) {
            prop_assert_eq!(pattern.fill(matched), name.as_str());
        } else {
            prop_assert!(!(name.starts_with(&before) && name[before.len()..].ends_with(&after)));
        }
        let filled = pattern.fill(&name);
        prop_assert_eq!(pattern.matched(&filled), Some(&*name));
    }

    #[test]
    fn a_pattern_without_a_star_matches_itself_alone(text in "[a-z]{1,4}", name in "[a-z]{1,4}") {
        let pattern = Pattern::parse(&text).unwrap();
        prop_assert_eq!(pattern.matched(&name).is_some(), text == name);
        prop_assert!(!pattern.has_star());
    }
}
