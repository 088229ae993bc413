//! Policies of all levels merged into one line, for a protocol core has never heard of.

use std::sync::Arc;

use http::{Method, StatusCode};
use portcullis_core::assemble::{
    AnyService, Build, BuildContext, Chain, Level, Merge, Placed, Policy, PolicyKind, Registry,
    Scope,
};
use portcullis_core::body::Body;
use portcullis_core::config::{ConfigError, Kind, ObjectId, Pointer, PolicyEntry};
use portcullis_core::context::{Context, HasContext};
use portcullis_core::error::Error;
use portcullis_core::protocol::{ArcLayer, ArcService, DecodeLayer, Encode, Http, Protocol};
use portcullis_core::{BoxFuture, Response};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};
use tower::Layer;
use tower::layer::layer_fn;

use crate::mcp::{Ask, Mcp, McpCodec, McpOutput, McpReply, McpRequest, SESSION};

/// Where a call has passed, kept in its attributes.
#[derive(Clone, Default)]
struct Trail(Vec<String>);

fn pass(context: &Context, at: String) {
    context.attributes(|all| all.get_or_insert_default::<Trail>().0.push(at));
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Label {
    label: String,
}

/// A policy that notes its name and label in the trail of each call, in any protocol.
macro_rules! notes {
    ($kind:ident $name:literal $merge:ident $levels:ident) => {
        struct $kind;

        impl PolicyKind for $kind {
            const NAME: &'static str = $name;
            const MERGE: Merge = Merge::$merge;
            const LEVELS: &'static [Level] = Level::$levels;
            type Config = Label;
        }

        impl<P: Protocol> Policy<P> for $kind {
            fn layer(
                &self,
                body: Label,
                cx: &BuildContext<'_>,
            ) -> Result<ArcLayer<P>, ConfigError> {
                note_layer($name, &body, cx)
            }
        }
    };
}

notes!(Headers "headers" Replace ALL);
notes!(Authorize "authorize" Accumulate ALL);
notes!(Tools "tools" Replace ALL);
notes!(Retry "retry" Replace CALL);
notes!(Prompts "prompts" Replace ALL);

fn note_layer<P: Protocol>(
    name: &'static str,
    body: &Label,
    cx: &BuildContext<'_>,
) -> Result<ArcLayer<P>, ConfigError> {
    if body.label.is_empty() {
        return Err(cx.error(&Pointer::root().key("label"), "the label is empty"));
    }
    let at = format!("{name} {}", body.label);
    Ok(ArcLayer::new(layer_fn(move |inner: ArcService<P>| {
        let at = at.clone();
        ArcService::<P>::from_fn(move |mut request: P::Request| {
            pass(request.context(), at.clone());
            inner.send(request)
        })
    })))
}

/// A builder with two HTTP policies, one of which also works on messages, two for messages only, and one
/// for a protocol that is not built here.
struct Builder {
    registry: Registry,
}

impl Builder {
    fn new() -> Self {
        let mut registry = Registry::new();
        registry.policy::<Http, _>(Headers);
        registry.policy::<Http, _>(Authorize);
        registry.policy::<Mcp, _>(Authorize);
        registry.policy::<Mcp, _>(Tools);
        registry.policy::<Mcp, _>(Retry);
        registry.policy::<portcullis_core::llm::Llm, _>(Prompts);
        Self { registry }
    }
}

impl Build for Builder {
    fn registry(&self) -> &Registry {
        &self.registry
    }

    fn client(&self) -> ArcService<Http> {
        ArcService::from_fn(|mut request: portcullis_core::Request| async move {
            pass(request.context(), "client".to_owned());
            Ok(Response::new(Body::empty()))
        })
    }

    fn resolve(&self, _: &ObjectId, _: &str) -> Result<AnyService, ConfigError> {
        Err(ConfigError::new(Pointer::root(), "there are no backends"))
    }
}

/// The policies of one level, each as name and label, where they stand in a document.
fn level(level: Level, policies: &[(&str, &str)]) -> (Level, Vec<PolicyEntry>) {
    let list = Pointer::root().key(level.name()).key("policies");
    let entry = |(at, (name, label)): (usize, &(&str, &str))| {
        let mut entry = PolicyEntry::new(*name, json!({"label": label}));
        entry.at = list.index(at).key(name);
        entry
    };
    (level, policies.iter().enumerate().map(entry).collect())
}

fn owner() -> ObjectId {
    ObjectId::new("default", Kind::Route, "r")
}

type Levels = [(Level, Vec<PolicyEntry>)];

fn scopes<'a>(levels: &'a Levels, owner: &'a ObjectId) -> Vec<Scope<'a>> {
    let scope = |(level, policies): &'a (Level, Vec<PolicyEntry>)| Scope {
        level: *level,
        owner,
        policies,
    };
    levels.iter().map(scope).collect()
}

/// The trail of a call through the chain built of `levels`, around the decoding and inside it.
async fn trail(levels: &Levels) -> Result<Vec<String>, ConfigError> {
    let owner = owner();
    let chain = Chain::<Mcp>::build(&Builder::new(), &scopes(levels, &owner))?;
    let end = ArcService::<Mcp>::from_fn(|request: McpRequest| async move {
        pass(&request.context, "end".to_owned());
        Ok(McpReply(McpOutput::Accepted))
    });
    let decoded = DecodeLayer::new(Arc::new(McpCodec)).layer(ArcLayer::stack(&chain.typed, end));
    let line = ArcLayer::stack(&chain.http, ArcService::new(decoded));
    let context = Context::default();
    let request = http::Request::builder().method(Method::POST).uri("/mcp");
    let message = Body::from(r#"{"method":"m"}"#);
    let mut request = request.header(SESSION, "s").body(message).unwrap();
    request.extensions_mut().insert(context.clone());
    let reply = line.send(request).await.unwrap();
    assert_eq!(reply.status(), StatusCode::ACCEPTED);
    Ok(context.attributes(|all| all.remove::<Trail>().unwrap().0))
}

async fn refused(levels: &Levels) -> String {
    trail(levels).await.unwrap_err().to_string()
}

#[tokio::test]
async fn outer_levels_are_outside_and_lists_keep_their_order() {
    let levels = [
        level(Level::Listener, &[("headers", "1"), ("authorize", "2")]),
        level(Level::Route, &[("authorize", "3")]),
    ];
    let wire = ["headers 1", "authorize 2", "authorize 3", "end"];
    assert_eq!(trail(&levels).await.unwrap(), wire);
}

#[tokio::test]
async fn what_reads_the_call_is_inside_what_does_not_on_any_level() {
    let levels = [
        level(Level::Listener, &[("headers", "1"), ("tools", "3")]),
        level(Level::Route, &[("authorize", "2"), ("retry", "4")]),
    ];
    let wire = ["headers 1", "authorize 2", "tools 3", "retry 4", "end"];
    assert_eq!(trail(&levels).await.unwrap(), wire);
}

#[tokio::test]
async fn the_inner_of_one_name_replaces_the_outer_in_its_own_place() {
    let levels = [
        level(Level::Listener, &[("headers", "gone"), ("authorize", "1")]),
        level(Level::Route, &[("authorize", "2"), ("headers", "3")]),
    ];
    let wire = ["authorize 1", "authorize 2", "headers 3", "end"];
    assert_eq!(trail(&levels).await.unwrap(), wire);
}

#[test]
fn what_is_replaced_is_still_listed_with_who_replaces_it() {
    let (levels, owner) = (
        [
            level(Level::Listener, &[("headers", "1"), ("authorize", "2")]),
            level(Level::Route, &[("headers", "3"), ("tools", "4")]),
        ],
        owner(),
    );
    let builder = Builder::new();
    let placed = Placed::merge(builder.registry(), "mcp", &scopes(&levels, &owner)).unwrap();
    let rows = placed
        .iter()
        .map(|p| (&*p.entry.name, p.level, p.replaced_by, p.typed));
    assert_eq!(
        rows.collect::<Vec<_>>(),
        [
            ("headers", Level::Listener, Some(Level::Route), false),
            ("authorize", Level::Listener, None, false),
            ("headers", Level::Route, None, false),
            ("tools", Level::Route, None, true),
        ]
    );
}

#[tokio::test]
async fn a_list_against_the_order_of_stages_is_refused_naming_both() {
    let levels = [level(Level::Route, &[("tools", "1"), ("headers", "2")])];
    assert_eq!(
        refused(&levels).await,
        "/route/policies/1/headers: `headers` works before the call is read, yet stands after \
         `tools`, which reads it, see /route/policies/0/tools (move `headers` before `tools`)"
    );
}

#[tokio::test]
async fn a_policy_without_meaning_on_a_level_is_refused_with_where_it_belongs() {
    let levels = [level(Level::Backend, &[("retry", "1")])];
    assert_eq!(
        refused(&levels).await,
        "/backend/policies/0/retry: policy `retry` has no meaning on a backend \
         (put it on a listener or a route)"
    );
}

#[tokio::test]
async fn a_policy_of_another_protocol_is_refused() {
    let levels = [level(Level::Route, &[("prompts", "1")])];
    let what = "/route/policies/0/prompts: policy `prompts` does not work on mcp calls";
    assert_eq!(refused(&levels).await, what);
}

#[tokio::test]
async fn one_name_stands_twice_on_a_level_only_under_different_ids() {
    let twice = [("authorize", "1"), ("authorize", "2")];
    let mut levels = [level(Level::Route, &twice)];
    assert_eq!(
        refused(&levels).await,
        "/route/policies/1/authorize: policy `authorize` stands twice on one level, see \
         /route/policies/0/authorize (join the two, or give each an `id`)"
    );
    levels[0].1[1].id = Some("second".to_owned());
    let wire = ["authorize 1", "authorize 2", "end"];
    assert_eq!(trail(&levels).await.unwrap(), wire);
}

#[tokio::test]
async fn an_unknown_policy_is_refused_with_the_nearest_name() {
    let levels = [level(Level::Route, &[("header", "1")])];
    let what = "/route/policies/0/header: unknown policy `header` (did you mean `headers`?)";
    assert_eq!(refused(&levels).await, what);
}

#[tokio::test]
async fn a_body_that_makes_no_sense_is_refused_at_its_place() {
    let mut levels = [level(Level::Route, &[("headers", "")])];
    let what = "/route/policies/0/headers/label: the label is empty";
    assert_eq!(refused(&levels).await, what);
    levels[0].1[0].body = json!({"lable": "1"});
    assert!(
        refused(&levels)
            .await
            .starts_with("/route/policies/0/headers/lable: ")
    );
}

/// Writes any message as an empty POST.
struct Post;

impl Encode<Mcp> for Post {
    type Asked = ();

    fn request(&self, _: &McpRequest) -> Result<(http::Request<Body>, ()), Error> {
        let request = http::Request::post("https://upstream.example/");
        Ok((request.body(Body::empty()).unwrap(), ()))
    }

    fn response(
        &self,
        _: McpRequest,
        (): (),
        _: Response,
    ) -> BoxFuture<'static, Result<McpReply, Error>> {
        Box::pin(async { Ok(McpReply(McpOutput::Message(Value::Null))) })
    }
}

#[tokio::test]
async fn an_endpoint_has_the_backends_policies_around_its_encoding_unless_it_has_its_own() {
    let (builder, owner) = (Builder::new(), owner());
    let (_, backend) = level(
        Level::Backend,
        &[("headers", "backend"), ("tools", "backend")],
    );
    let (_, own) = level(Level::Endpoint, &[("headers", "own")]);
    let cx = BuildContext::new(&builder, &owner, Pointer::root(), &backend);
    let post = Arc::new(Post);
    let endpoint = cx.endpoint::<Mcp, _>(&own, &Pointer::root(), post).unwrap();
    let context = Context::default();
    let asked = McpRequest {
        context: context.clone(),
        session: "s".into(),
        ask: Ask::Listen,
    };
    endpoint.send(asked).await.unwrap();
    let trail = context.attributes(|all| all.remove::<Trail>().unwrap().0);
    assert_eq!(trail, ["tools backend", "headers own", "client"]);
}
