use portcullis_core::assemble::{AnyService, Build, Policy, PolicyKind, Registry};
use portcullis_core::config::{Kind, ObjectId, Pointer, PolicyEntry};
use portcullis_core::protocol::{ArcLayer, Http, Protocol};

use super::*;

/// A policy of typed calls that lets none pass.
struct Closed;

/// A policy of HTTP requests.
struct OnHttp;

#[derive(serde::Deserialize, JsonSchema)]
struct Nothing {}

impl PolicyKind for Closed {
    const NAME: &'static str = "closed";
    type Config = Nothing;
}

impl PolicyKind for OnHttp {
    const NAME: &'static str = "onHttp";
    type Config = Nothing;
}

impl<P: Protocol> Policy<P> for Closed {
    fn layer(&self, _: Nothing, _: &BuildContext<'_>) -> Result<ArcLayer<P>, ConfigError> {
        let closed = |_| async { Err(Error::new(&codes::MODEL_NOT_FOUND, "closed")) };
        Ok(ArcLayer::new(tower::layer::layer_fn(
            move |_: ArcService<P>| ArcService::<P>::from_fn(closed),
        )))
    }
}

impl Policy<Http> for OnHttp {
    fn layer(&self, _: Nothing, _: &BuildContext<'_>) -> Result<ArcLayer<Http>, ConfigError> {
        unreachable!("there is no HTTP behind echo")
    }
}

struct Offline(Registry);

impl Build for Offline {
    fn registry(&self) -> &Registry {
        &self.0
    }

    fn client(&self) -> ArcService<Http> {
        unreachable!("echo asks nobody")
    }

    fn resolve(&self, _: &ObjectId, _: &str) -> Result<AnyService, ConfigError> {
        unreachable!("echo asks nobody")
    }
}

fn build(policies: &Value) -> Result<ArcService<Llm>, ConfigError> {
    let mut registry = Registry::new();
    registry.policy::<Llm, _>(Closed).policy::<Http, _>(OnHttp);
    let owner = ObjectId::new("default", Kind::Backend, "demo");
    let policies: Vec<PolicyEntry> = decode(policies, &Pointer::root()).unwrap();
    let offline = Offline(registry);
    let cx = BuildContext::new(&offline, &owner, Pointer::root(), &policies);
    EchoBackend.service(EchoConfig::default(), &cx)
}

async fn call(echo: ArcService<Llm>) -> (Context, Result<http::Response<Body>, Error>) {
    let context = Context::default();
    let body = json!({"model": "m", "messages": [{"role": "user", "content": "hi"}]});
    let request = http::Request::post("/v1/chat/completions").extension(context.clone());
    let request = request.body(Body::from(body.to_string())).unwrap();
    let codec = LlmCodec::new([Arc::new(Named("openai-chat")) as Arc<dyn Dialect>]);
    (context, codec.serve(request, echo).await)
}

#[tokio::test]
async fn a_call_is_recorded_as_an_attempt_at_echo() {
    let (context, reply) = call(build(&json!([])).unwrap()).await;
    assert_eq!(reply.unwrap().status(), 200);
    context.record(|exchange| assert_eq!(&*exchange.attempts[0].endpoint, MODEL));
}

#[tokio::test]
async fn policies_of_the_backend_stand_before_echo() {
    let (_, reply) = call(build(&json!([{"closed": {}}])).unwrap()).await;
    assert_eq!(reply.unwrap_err().code(), &codes::MODEL_NOT_FOUND);
}

#[test]
fn a_policy_of_requests_to_an_upstream_is_refused() {
    let refused = build(&json!([{"onHttp": {}}])).unwrap_err();
    assert!(
        refused.to_string().contains("this backend makes none"),
        "{refused}"
    );
}
