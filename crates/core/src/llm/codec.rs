//! From an HTTP exchange to one LLM call and back.

use std::sync::Arc;

use http::header::CONTENT_ENCODING;
use http::{HeaderValue, Method, request};

use super::{Dialect, Head, Llm, LlmInput, LlmRequest, LlmResponse, Operation, TakeOnce, peek};
use crate::body::{Body, MaxUnpacked, Unpack};
use crate::context::Context;
use crate::error::{Error, codes};
use crate::payload::Payload;
use crate::protocol::{ArcService, Codec, Protocol};
use crate::respond::{PickRender, Problem, Render};

/// The largest request document held in memory unless told otherwise: 32 MiB.
pub const MAX_REQUEST: u64 = 32 << 20;

/// Reads LLM calls of any of the dialects it was given.
#[derive(Clone, Debug)]
pub struct LlmCodec {
    dialects: Arc<[Arc<dyn Dialect>]>,
    max_request: u64,
    unpack: Option<Arc<dyn Unpack>>,
}

/// What a call is, by its HTTP head alone.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Claim {
    /// The wire format it is written in.
    pub dialect: Arc<dyn Dialect>,
    /// What it asks for.
    pub operation: Operation,
}

impl Claim {
    /// What routing needs to know of the call. The body counts only where the operation
    /// [reads it](Operation::reads_body).
    ///
    /// # Errors
    ///
    /// As [`Dialect::head`].
    pub fn read(&self, head: &request::Parts, body: &[u8]) -> Result<Head, Error> {
        if self.operation.reads_body() {
            return self.dialect.head(self.operation, head, body);
        }
        Ok(Head {
            model: named_model(head, self.operation).unwrap_or_default(),
            ..Head::default()
        })
    }
}

impl LlmCodec {
    /// A codec for these dialects, asked in this order. A call none of them claims belongs to the first
    /// whose vendor the headers name, as an operation the gateway does not model.
    pub fn new(dialects: impl Into<Arc<[Arc<dyn Dialect>]>>) -> Self {
        Self {
            dialects: dialects.into(),
            max_request: MAX_REQUEST,
            unpack: None,
        }
    }

    /// Reads compressed request documents too, by what is given; without it they are refused. They go on
    /// as if they had been sent plain.
    #[must_use]
    pub fn unpack(mut self, unpack: Arc<dyn Unpack>) -> Self {
        self.unpack = Some(unpack);
        self
    }

    /// Bounds the request documents it holds in memory, in bytes. Bodies it does not read are not bound
    /// by this.
    #[must_use]
    pub fn max_request(mut self, bytes: u64) -> Self {
        self.max_request = bytes;
        self
    }

    /// Whose call this is, if a dialect claims it. `CONNECT` and `TRACE` are nobody's: the one is no call, and
    /// the other would have an upstream repeat the gateway's credential.
    pub fn claim(&self, head: &request::Parts) -> Option<Claim> {
        if matches!(head.method, Method::CONNECT | Method::TRACE) {
            return None;
        }
        let path = api_path(head.uri.path());
        self.dialects.iter().find_map(|dialect| {
            let operation = dialect.claim(head, path)?;
            Some(Claim {
                dialect: dialect.clone(),
                operation,
            })
        })
    }

    /// Reads the call an HTTP request makes, as [`serve`](Codec::serve) does first.
    ///
    /// # Errors
    ///
    /// When no dialect claims it, its body cannot be read, or its head makes no sense in its dialect.
    pub async fn decode(&self, request: http::Request<Body>) -> Result<LlmRequest, Error> {
        let (mut head, body) = request.into_parts();
        let context = head.extensions.get_or_insert_default::<Context>().clone();
        let claim = self.claim(&head).ok_or_else(|| {
            let what = format!(
                "no dialect here has a call {} {}",
                head.method,
                head.uri.path()
            );
            Error::new(&codes::ROUTE_NOT_FOUND, what)
        })?;
        let (facts, body) = if claim.operation.reads_body() {
            let raw = self.read(&mut head, body).await?;
            let facts = claim.read(&head, &raw)?;
            (facts, LlmInput::Json(Payload::from(raw)))
        } else {
            let mut facts = claim.read(&head, &[])?;
            let mut body = body;
            if facts.model.is_empty() && claim.operation == Operation::Other {
                let (model, whole) = Box::pin(peek::model(&head, body)).await;
                body = whole;
                facts.model = model.unwrap_or_default();
            }
            (
                facts,
                LlmInput::Opaque(TakeOnce::new(counted(body, &context))),
            )
        };
        let model: Arc<str> = facts.model.into();
        context.record(|exchange| {
            exchange.protocol = Llm::NAME;
            exchange.dialect = Some(claim.dialect.name());
            exchange.operation = Some(claim.operation.name());
            exchange.stream = facts.stream;
            exchange.model = (!model.is_empty()).then(|| model.clone());
            if let LlmInput::Json(payload) = &body {
                exchange.bytes_in = payload.raw().len() as u64;
            }
        });
        Ok(LlmRequest {
            context,
            head: Arc::new(head),
            dialect: claim.dialect,
            operation: claim.operation,
            model,
            stream: facts.stream,
            usage_asked: facts.usage_asked,
            body,
        })
    }

    async fn read(&self, head: &mut request::Parts, body: Body) -> Result<bytes::Bytes, Error> {
        match head.headers.get(CONTENT_ENCODING) {
            None => body.collect(self.max_request).await,
            // Boxed, because it is rare and would make the future of every call larger.
            Some(_) => Box::pin(self.read_packed(head, body)).await,
        }
    }

    async fn read_packed(
        &self,
        head: &mut request::Parts,
        body: Body,
    ) -> Result<bytes::Bytes, Error> {
        let refused = || Error::new(&codes::BODY_ENCODED, codes::BODY_ENCODED.about);
        let mut codings = head.headers.get_all(CONTENT_ENCODING).iter();
        let (Some(coding), None) = (codings.next(), codings.next()) else {
            return Err(refused());
        };
        if coding == HeaderValue::from_static("identity") {
            return body.collect(self.max_request).await;
        }
        let bound = head.extensions.get::<MaxUnpacked>().map(|bound| bound.0);
        let max = self.max_request.min(bound.unwrap_or(u64::MAX));
        let unpacker = self.unpack.as_ref().ok_or_else(refused)?;
        let unpacked = unpacker.unpack(coding, body, max).ok_or_else(refused)?;
        head.headers.remove(CONTENT_ENCODING);
        unpacked.await
    }
}

/// A body whose bytes are recorded when it has ended; the record waits for that.
fn counted(body: Body, context: &Context) -> Body {
    if let Some(bytes) = body.bytes() {
        context.record(|exchange| exchange.bytes_in = bytes.len() as u64);
        return body;
    }
    let (context, hold) = (context.clone(), context.hold());
    body.on_end(move |end| {
        context.record(|exchange| exchange.bytes_in = end.bytes);
        drop(hold);
    })
}

impl PickRender for LlmCodec {
    /// The dialect's own writing for what looks like a call in one, problem details for all else.
    fn pick(&self, head: &request::Parts) -> Arc<dyn Render> {
        let versioned = api_path(head.uri.path()) != head.uri.path();
        match self.claim(head) {
            Some(claim) if versioned || claim.operation != Operation::Other => {
                claim.dialect.render_for(head)
            }
            _ => Arc::new(Problem),
        }
    }
}

impl Codec<Llm> for LlmCodec {
    async fn serve(
        &self,
        request: http::Request<Body>,
        inner: ArcService<Llm>,
    ) -> Result<http::Response<Body>, Error> {
        let request = self.decode(request).await?;
        // A list of models names none.
        if request.operation != Operation::ListModels && !request.context.may_call(&request.model) {
            let code = &codes::MODEL_NOT_ALLOWED;
            return Err(Error::new(code, code.about).param("model"));
        }
        inner.send(request).await.map(LlmResponse::into_http)
    }
}

/// The part of a path that is the provider's API: what follows the version segment (`/v1`, `/v1beta`, `/v1beta1`,
/// `/v2`); where there is none, what begins with Bedrock's `/model/`, or the whole path. Routes may put anything
/// before it.
///
/// ```
/// use portcullis_core::llm::api_path;
///
/// assert_eq!(api_path("/team-a/v1/chat/completions"), "/chat/completions");
/// assert_eq!(api_path("/chat/completions"), "/chat/completions");
/// assert_eq!(api_path("/v1"), "");
/// assert_eq!(api_path("/v2/chat"), "/chat");
/// assert_eq!(api_path("/aws/model/a.b%3A0/converse"), "/model/a.b%3A0/converse");
/// ```
pub fn api_path(path: &str) -> &str {
    let bytes = path.as_bytes();
    for at in memchr::memchr_iter(b'/', bytes) {
        let version = &bytes[at + 1..];
        let Some(version) = version.strip_prefix(b"v1").or(version.strip_prefix(b"v2")) else {
            continue;
        };
        let preview = version.strip_prefix(b"beta1");
        let preview = preview.or_else(|| version.strip_prefix(b"beta"));
        let rest = preview.unwrap_or(version);
        if matches!(rest.first(), None | Some(b'/')) {
            return &path[path.len() - rest.len()..];
        }
    }
    match memchr::memmem::find(bytes, b"/model/") {
        Some(at) => &path[at..],
        None => path,
    }
}

/// The header by which a call whose body is not read names the model, and so the backend, it is for. Without it,
/// and without a `model` in the query, the beginning of a form or a JSON document is looked at for one.
pub const MODEL_HEADER: &str = "x-portcullis-model";

fn named_model(head: &request::Parts, operation: Operation) -> Option<String> {
    if operation == Operation::GetModel && head.method != Method::POST {
        let id = api_path(head.uri.path()).strip_prefix("/models/")?;
        return percent_encoding::percent_decode_str(id)
            .decode_utf8()
            .ok()
            .map(Into::into);
    }
    let named = head.headers.get(MODEL_HEADER).and_then(|v| v.to_str().ok());
    let query = || {
        head.uri
            .query()?
            .split('&')
            .find_map(|pair| pair.strip_prefix("model="))
    };
    named.or_else(query).map(str::to_owned)
}
