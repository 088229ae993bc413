//! Two endpoints that share one call by clone; the second speaks another dialect.

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::StatusCode;
use portcullis_core::body::Body;
use portcullis_core::context::{Exchange, Outcome};
use portcullis_core::error::{Error, codes};
use portcullis_core::llm::{Dialect, Llm, LlmInput, LlmOutput, LlmRequest, LlmResponse, Metered};
use portcullis_core::payload::{Doc, Payload};
use portcullis_core::protocol::{ArcService, Encode, EncodeLayer, Http, Protocol, Reply};
use portcullis_core::{BoxFuture, Response};
use tower::Layer;

use crate::call::{MAX, call, post, read_now, recorded, upstream};
use crate::dialect::{PLAIN, TERSE, Toy, named};

/// A provider: which dialect it speaks, and under what name it knows the model.
struct Provider {
    speaks: Toy,
    model: &'static str,
}

impl Provider {
    /// The call in the provider's words. Same dialect: the caller's bytes with another model in them.
    fn write(&self, asked: &LlmRequest, payload: &Payload<Doc>) -> Result<Bytes, Error> {
        if asked.dialect.name() == self.speaks.name() {
            let mut payload = payload.clone();
            let mut head = asked.head.clone();
            asked
                .dialect
                .set_model(&mut head, &mut payload, self.model)?;
            return Ok(payload.raw().clone());
        }
        let caller = named(asked.dialect.name());
        let prompt = payload
            .view()
            .ok()
            .and_then(|view| view.get(payload.raw(), caller.prompt)?.as_str())
            .ok_or_else(|| Error::new(&codes::INVALID_FIELD, "no prompt"))?;
        Ok(self.speaks.request(self.model, asked.stream, &prompt))
    }

    /// A whole reply in the caller's words.
    fn read(&self, caller: Toy, reply: Bytes) -> Bytes {
        let mut tokens = Default::default();
        match self.speaks.text_of(&reply) {
            Some(text)
                if caller != self.speaks && Dialect::usage(&self.speaks, &reply, &mut tokens) =>
            {
                caller.whole(&text, [tokens.input, tokens.output])
            }
            _ => reply,
        }
    }
}

impl Encode<Llm> for Provider {
    type Asked = ();

    fn request(&self, asked: &LlmRequest) -> Result<(http::Request<Body>, ()), Error> {
        let body = match &asked.body {
            LlmInput::Json(payload) => self.write(asked, payload)?.into(),
            LlmInput::Opaque(once) => once.take().ok_or_else(|| {
                let code = &codes::NOT_REPLAYABLE;
                Error::new(code, code.about)
            })?,
        };
        let request = http::Request::post("https://upstream.example/");
        Ok((request.body(body).unwrap(), ()))
    }

    fn response(
        &self,
        asked: LlmRequest,
        (): (),
        reply: Response,
    ) -> BoxFuture<'static, Result<LlmResponse, Error>> {
        let provider = Self { ..*self };
        Box::pin(async move {
            let (head, body) = reply.into_parts();
            let caller = named(asked.dialect.name());
            let body = provider.read(caller, body.collect(MAX).await?);
            Ok(LlmResponse::new(
                head,
                asked.dialect,
                LlmOutput::Whole(body.into()),
            ))
        })
    }
}

/// Asks one endpoint after the other until one neither fails nor says that it is at a limit. It knows of
/// its protocol only that requests can be cloned and replies have a status.
fn group<P: Protocol>(endpoints: Vec<ArcService<P>>) -> ArcService<P>
where
    P::Request: Clone + Sync,
{
    let endpoints: Arc<[_]> = endpoints.into();
    ArcService::from_fn(move |request: P::Request| {
        let endpoints = endpoints.clone();
        async move {
            let (last, others) = endpoints.split_last().unwrap();
            for endpoint in others {
                match endpoint.send(request.clone()).await {
                    Ok(reply) if reply.status() != StatusCode::TOO_MANY_REQUESTS => {
                        return Ok(reply);
                    }
                    Ok(_) | Err(_) => {}
                }
            }
            last.send(request).await
        }
    })
}

/// What a policy on an endpoint saw of one attempt.
#[derive(Debug, PartialEq, Eq)]
struct Saw {
    asked_in: &'static str,
    model: Arc<str>,
    view: Option<usize>,
    answered_in: &'static str,
}

type Log = Arc<Mutex<Vec<Saw>>>;

/// A per-attempt policy that looks at everything it can.
fn look(inner: ArcService<Llm>, log: Log) -> ArcService<Llm> {
    ArcService::from_fn(move |request: LlmRequest| {
        let view = match &request.body {
            LlmInput::Json(payload) => payload
                .view()
                .ok()
                .map(|view| std::ptr::from_ref(view).addr()),
            LlmInput::Opaque(_) => None,
        };
        let (asked_in, model) = (request.dialect.name(), request.model.clone());
        let (reply, log) = (inner.send(request), log.clone());
        async move {
            let reply = reply.await?;
            let answered_in = reply.dialect.name();
            log.lock().unwrap().push(Saw {
                asked_in,
                model,
                view,
                answered_in,
            });
            Ok(reply)
        }
    })
}

/// One endpoint, put together as the gateway does: meter, typed policies, encoding, HTTP.
fn endpoint(
    name: &str,
    provider: Provider,
    log: &Log,
    client: ArcService<Http>,
) -> ArcService<Llm> {
    let encoded = EncodeLayer::new(Arc::new(provider)).layer(client);
    let watched = look(ArcService::new(encoded), log.clone());
    ArcService::new(Metered::new(watched, name.into()))
}

/// A group of a full endpoint in plain and a working one in terse; what the upstreams got; what the policies saw.
fn full_then_terse() -> (ArcService<Llm>, Arc<Mutex<Vec<Bytes>>>, Log) {
    let (asked, log) = (Arc::<Mutex<Vec<Bytes>>>::default(), Log::default());
    let first = upstream({
        let asked = asked.clone();
        move |request| {
            asked.lock().unwrap().push(request.into_body());
            let mut reply = http::Response::new(Body::from("at a limit, says the upstream"));
            *reply.status_mut() = StatusCode::TOO_MANY_REQUESTS;
            reply
        }
    });
    let second = upstream({
        let asked = asked.clone();
        move |request| {
            asked.lock().unwrap().push(request.into_body());
            http::Response::new(TERSE.whole("hello", [2, 1]).into())
        }
    });
    let provider = |speaks, model| Provider { speaks, model };
    let group = group(vec![
        endpoint("one", provider(PLAIN, "p-1"), &log, first),
        endpoint("two", provider(TERSE, "t-1"), &log, second),
    ]);
    (group, asked, log)
}

async fn ask(group: ArcService<Llm>, path: &str, body: Bytes) -> (Response, Exchange) {
    let (context, records) = recorded();
    let hold = context.hold();
    let reply = call(group, post(path, body, &context)).await;
    drop((hold, context));
    (reply, *records.try_recv().unwrap())
}

#[tokio::test]
async fn the_second_endpoint_answers_in_the_callers_dialect() {
    let (group, asked, log) = full_then_terse();
    let (reply, record) = ask(group, "/v1/plain", PLAIN.request("fast", false, "hi")).await;
    assert_eq!(reply.status(), StatusCode::OK);
    let body = read_now(reply.into_body()).unwrap();
    assert_eq!(body, PLAIN.whole("hello", [2, 1]));

    let asked = asked.lock().unwrap();
    assert_eq!(asked[0], PLAIN.request("p-1", false, "hi"));
    assert_eq!(asked[1], TERSE.request("t-1", false, "hi"));

    let log = log.lock().unwrap();
    for saw in &*log {
        assert_eq!((saw.asked_in, saw.answered_in), ("plain", "plain"));
        assert_eq!(&*saw.model, "fast");
    }
    assert_eq!(log.len(), 2);
    assert!(log[0].view.is_some());
    assert_eq!(
        log[0].view, log[1].view,
        "both look at one view, parsed once"
    );

    let attempts = record
        .attempts
        .iter()
        .map(|a| (&*a.endpoint, a.status.unwrap().as_u16()));
    assert_eq!(attempts.collect::<Vec<_>>(), [("one", 429), ("two", 200)]);
    assert_eq!(record.attempts[0].usage, None);
    assert_eq!(record.usage().unwrap().input, 2);
    assert_eq!(record.dialect, Some("plain"));
}

#[tokio::test]
async fn what_the_last_upstream_said_is_the_callers_with_its_bytes() {
    let log = Log::default();
    let full = || {
        upstream(|_| {
            let mut reply = http::Response::new(Body::from("its own words"));
            *reply.status_mut() = StatusCode::TOO_MANY_REQUESTS;
            reply.headers_mut().insert("retry-after", 7.into());
            reply
        })
    };
    let plain = |model| Provider {
        speaks: PLAIN,
        model,
    };
    let group = group(vec![
        endpoint("one", plain("a"), &log, full()),
        endpoint("two", plain("b"), &log, full()),
    ]);
    let (reply, record) = ask(group, "/v1/plain", PLAIN.request("fast", false, "hi")).await;
    assert_eq!(reply.status(), StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(reply.headers()["retry-after"], "7");
    assert!(!reply.headers().contains_key("portcullis-error"));
    assert_eq!(read_now(reply.into_body()).unwrap(), "its own words");
    let outcomes = record.attempts.iter().map(|a| a.outcome);
    assert_eq!(outcomes.collect::<Vec<_>>(), [Outcome::Completed; 2]);
}

#[tokio::test]
async fn a_body_that_is_not_read_cannot_be_sent_twice() {
    let (group, asked, _) = full_then_terse();
    let (reply, record) = ask(group, "/v1/plain/files", "raw audio".into()).await;
    assert_eq!(*asked.lock().unwrap(), ["raw audio"]);
    assert_eq!(reply.headers()["portcullis-error"], "not_replayable");
    let outcomes = record.attempts.iter().map(|a| a.outcome);
    let refused = Outcome::Failed(&codes::NOT_REPLAYABLE);
    assert_eq!(outcomes.collect::<Vec<_>>(), [Outcome::Completed, refused]);
}
