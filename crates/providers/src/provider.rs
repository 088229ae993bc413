//! One endpoint of a vendor: typed calls written as HTTP, HTTP replies read as typed ones. No IO.

use std::sync::Arc;

use http::{HeaderMap, HeaderName, HeaderValue, Method};
use portcullis_core::BoxFuture;
use portcullis_core::body::Body;
use portcullis_core::error::{Error, codes};
use portcullis_core::llm::{
    EventKind, EventStream, Llm, LlmInput, LlmOutput, LlmRequest, LlmResponse, MAX_REQUEST,
    Operation, Step, TakeOnce, api_path,
};
use portcullis_core::payload::Payload;
use portcullis_core::protocol::Encode;
use portcullis_core::upstream::{Origin, Timeouts, strip_hop};

use crate::translate::{Kept, Spoken, Translation, Way};
use crate::vendor::{Ask, OPENAI_COMPATIBLE, Options, Place, Vendor};

/// How the usage of a streamed call is learnt where the upstream tells it only if asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum UsageMode {
    /// Ask for it, and keep the extra event from a caller who did not ask.
    #[default]
    Ask,
    /// Change nothing: usage is estimated for callers who do not ask. For hosts that refuse the question.
    Passive,
}

/// Writes and reads the calls of one endpoint: in the caller's own dialect where the endpoint speaks it, else
/// translated.
#[derive(Debug)]
pub struct Provider {
    origin: Origin,
    defaults: Vec<(HeaderName, HeaderValue)>,
    usage: UsageMode,
    max_reply: u64,
    spoken: Option<Spoken>,
    vendor: Vendor,
    options: Options,
}

impl Provider {
    /// Calls go to `origin`.
    pub fn new(origin: Origin) -> Self {
        Self {
            origin,
            defaults: Vec::new(),
            usage: UsageMode::Ask,
            max_reply: 64 << 20,
            spoken: None,
            vendor: OPENAI_COMPATIBLE,
            options: Options::default(),
        }
    }

    /// A header the upstream demands, sent where the caller did not.
    #[must_use]
    pub fn default_header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.defaults.push((name, value));
        self
    }

    /// How usage is learnt. Default: it is asked for.
    #[must_use]
    pub fn usage(mut self, usage: UsageMode) -> Self {
        self.usage = usage;
        self
    }

    /// The largest document held of a reply, in bytes. Default: 64 MiB.
    #[must_use]
    pub fn max_reply(mut self, bytes: u64) -> Self {
        self.max_reply = bytes;
        self
    }

    /// What the endpoint speaks. Default: whatever it is called in.
    #[must_use]
    pub(crate) fn speaking(mut self, spoken: Spoken) -> Self {
        self.spoken = Some(spoken);
        self
    }

    /// Whose endpoint it is: how its URLs are made. Default: as the dialects have them.
    #[must_use]
    pub fn vendor(mut self, vendor: Vendor, options: Options) -> Self {
        self.vendor = vendor;
        self.options = options;
        self
    }

    /// The call as HTTP in another dialect.
    fn translated(
        &self,
        request: &LlmRequest,
        translation: &Translation,
    ) -> Result<(http::Request<Body>, Option<Box<Kept>>), Error> {
        let (mut written, kept) = translation.request(request)?;
        let headers = translation.headers(&request.head.headers, &written);
        let ask = Ask {
            dialect: translation.upstream.name(),
            operation: request.operation,
            model: &request.model,
            stream: request.stream,
            path: &written.path,
            query: written.query,
            headers: &headers,
            options: &self.options,
        };
        let mut body = Payload::from(std::mem::take(&mut written.body));
        (self.vendor.body)(&ask, &mut body)?;
        let Place { path, query } = (self.vendor.place)(&ask);
        let body = body.raw().clone().into();
        let sent = self
            .origin
            .request(Method::POST, &path, query.as_deref(), &headers, body)?;
        Ok((sent, Some(Box::new(kept))))
    }

    /// The call as HTTP in its own dialect.
    fn native(&self, request: &LlmRequest) -> Result<http::Request<Body>, Error> {
        let head = &request.head;
        let ask = Ask {
            dialect: request.dialect.name(),
            operation: request.operation,
            model: &request.model,
            stream: request.stream,
            path: api_path(head.uri.path()),
            query: head.uri.query(),
            headers: &head.headers,
            options: &self.options,
        };
        let Place { path, query } = (self.vendor.place)(&ask);
        let body = self.body(request, &ask)?;
        let (method, headers) = (head.method.clone(), &head.headers);
        self.origin
            .request(method, &path, query.as_deref(), headers, body)
    }

    fn asks_usage(&self, request: &LlmRequest) -> bool {
        self.usage == UsageMode::Ask
            && request.operation == Operation::Chat
            && request.stream
            && !request.usage_asked
    }

    fn body(&self, request: &LlmRequest, ask: &Ask<'_>) -> Result<Body, Error> {
        match &request.body {
            LlmInput::Json(payload) => {
                let mut payload = payload.clone();
                if self.asks_usage(request) {
                    request.dialect.ask_usage(request, &mut payload)?;
                }
                (self.vendor.body)(ask, &mut payload)?;
                Ok(payload.raw().clone().into())
            }
            LlmInput::Opaque(once) => once
                .take()
                .ok_or_else(|| Error::new(&codes::NOT_REPLAYABLE, codes::NOT_REPLAYABLE.about)),
        }
    }
}

impl Encode<Llm> for Provider {
    type Asked = Option<Box<Kept>>;

    fn prepare<'a>(
        &'a self,
        request: &'a mut LlmRequest,
    ) -> Option<BoxFuture<'a, Result<(), Error>>> {
        let ready = self.origin.ready();
        let streamed = matches!(request.body, LlmInput::Opaque(_)) && self.origin.signs_body();
        if ready.is_none() && !streamed {
            return None;
        }
        Some(Box::pin(async move {
            if let Some(ready) = ready {
                ready.await?;
            }
            if streamed {
                hold(&mut request.body).await?;
            }
            Ok(())
        }))
    }

    fn request(
        &self,
        request: &LlmRequest,
    ) -> Result<(http::Request<Body>, Option<Box<Kept>>), Error> {
        let way = self
            .spoken
            .as_ref()
            .map(|spoken| spoken.way(&*request.dialect, request.operation));
        let (mut written, kept) = match way {
            Some(Way::Translated(translation)) => self.translated(request, &translation)?,
            _ => (self.native(request)?, None),
        };
        let headers = written.headers_mut();
        for (name, value) in &self.defaults {
            headers.entry(name).or_insert_with(|| value.clone());
        }
        let extensions = written.extensions_mut();
        extensions.insert(request.context.clone());
        if let Some(timeouts) = request.head.extensions.get::<Timeouts>() {
            extensions.insert(*timeouts);
        }
        Ok((written, kept))
    }

    fn response(
        &self,
        request: LlmRequest,
        kept: Option<Box<Kept>>,
        reply: http::Response<Body>,
    ) -> BoxFuture<'static, Result<LlmResponse, Error>> {
        let hides_usage = self.asks_usage(&request);
        let max_reply = self.max_reply;
        Box::pin(async move {
            let (mut head, body) = reply.into_parts();
            if head.status.is_informational() {
                // Nobody asked to switch protocols, and the caller would be told that it did.
                return Err(Error::new(
                    &codes::UPSTREAM_BROKEN,
                    codes::UPSTREAM_BROKEN.about,
                ));
            }
            strip_hop(&mut head.headers);
            let succeeds = head.status.is_success();
            let failed = |e| {
                let e = reply_error(e);
                if succeeds { e.begun() } else { e }
            };
            if let Some(kept) = kept {
                let translated = kept.response(request, head, body, max_reply);
                return translated.await.map_err(failed);
            }
            let dialect = request.dialect.clone();
            let body = if !is_modelled(&request, &head.headers) {
                LlmOutput::Opaque(body)
            } else if let Some(split) = dialect.splitter(&head, request.stream) {
                let events = EventStream::split(body, dialect.clone(), split);
                LlmOutput::Events(if hides_usage {
                    hide_usage(events)
                } else {
                    events
                })
            } else {
                let raw = body.collect(max_reply).await.map_err(failed)?;
                LlmOutput::Whole(Payload::from(raw))
            };
            Ok(LlmResponse::new(head, dialect, body))
        })
    }
}

/// Reads a streamed body whole, as a signature needs it.
async fn hold(input: &mut LlmInput) -> Result<(), Error> {
    if let LlmInput::Opaque(once) = input
        && let Some(body) = once.take()
    {
        let whole = body.collect(MAX_REQUEST).await?;
        *once = TakeOnce::new(whole.into());
    }
    Ok(())
}

/// Whether the gateway looks into the reply: its operation is modelled, and it is not compressed.
fn is_modelled(asked: &LlmRequest, reply: &HeaderMap) -> bool {
    let plain = reply
        .get(http::header::CONTENT_ENCODING)
        .is_none_or(|e| e == "identity");
    asked.operation != Operation::Other && asked.head.method != Method::HEAD && plain
}

fn hide_usage(events: EventStream) -> EventStream {
    events.map_batches(|batch| match batch {
        Some(mut batch) => {
            batch.hide(|event| event.kind() == EventKind::Usage);
            Step::Emit(batch)
        }
        None => Step::Hold,
    })
}

/// What went wrong with a reply's body is not the caller's body going wrong.
fn reply_error(e: Error) -> Error {
    match e.code() {
        code if *code == codes::BODY_TOO_LARGE => {
            Error::new(&codes::UPSTREAM_TOO_LARGE, codes::UPSTREAM_TOO_LARGE.about).because(e)
        }
        code if *code == codes::BODY_BROKEN => {
            Error::new(&codes::UPSTREAM_BROKEN, codes::UPSTREAM_BROKEN.about).because(e)
        }
        _ => e,
    }
}

/// The endpoint names recorded for a backend.
pub(crate) fn endpoint_name(owner: &portcullis_core::config::ObjectId, provider: &str) -> Arc<str> {
    if *owner.name == *provider {
        owner.name.clone()
    } else {
        format!("{}/{provider}", owner.name).into()
    }
}

#[cfg(test)]
mod tests;
