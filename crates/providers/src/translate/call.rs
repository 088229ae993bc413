//! Encode: one call written in the upstream's dialect, and its reply in the caller's.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, response};
use portcullis_core::body::Body;
use portcullis_core::context::Context;
use portcullis_core::error::{Error, codes};
use portcullis_core::llm::{Dialect, LlmInput, LlmOutput, LlmRequest, LlmResponse, Operation};
use portcullis_core::payload::Payload;

use super::{
    Asked, CountWire, EmbedWire, Losses, Names, Part, Reply, Target, VectorForm, Wire, Written,
    stream, tools,
};
use crate::codes::{LOSS_REFUSED, UNTRANSLATABLE};

/// The reply header that lists what of a request the upstream could not be told.
pub const LOSS_HEADER: HeaderName = HeaderName::from_static("portcullis-loss");

/// The reply header that says that a number of tokens was estimated by the gateway, not counted by the provider.
pub const ESTIMATE_HEADER: HeaderName = HeaderName::from_static("portcullis-estimate");

/// How calls of one dialect are asked in another.
#[derive(Clone, Debug)]
pub(crate) struct Translation {
    /// Of the caller's dialect.
    pub(crate) caller: Arc<dyn Wire>,
    /// Of the upstream's dialect.
    pub(crate) upstream: Arc<dyn Wire>,
    /// The upstream's dialect itself, which knows what cuts its streams.
    pub(crate) spoken: Arc<dyn Dialect>,
    /// Whether a loss is an error.
    pub(crate) strict: bool,
}

/// What reading the reply to a translated call needs to know of it.
#[derive(Debug)]
pub struct Kept {
    translation: Translation,
    asked: Asked,
    names: Names,
    losses: Losses,
    /// What the reply is.
    awaited: Awaited,
}

/// What a reply is, by what was asked.
#[derive(Clone, Copy, Debug)]
enum Awaited {
    /// The next turn of a conversation.
    Turn {
        /// Whether its calls of tools are to be told as calls of functions.
        functions: bool,
    },
    /// Vectors, wanted in this form.
    Vectors(VectorForm),
    /// A number of tokens.
    Count,
}

impl Translation {
    /// Writes the call in the upstream's dialect.
    pub(crate) fn request(&self, request: &LlmRequest) -> Result<(Written, Kept), Error> {
        let LlmInput::Json(payload) = &request.body else {
            let what = "a body that is not read cannot be put in another dialect";
            return Err(Error::new(&UNTRANSLATABLE, what));
        };
        let mut losses = Losses::default();
        let raw = self.caller.prepared(payload.raw());
        let (mut written, awaited) = self.write(request, &raw, &mut losses)?;
        note_losses(&request.context, &losses);
        if let Some(loss) = losses.iter().next().filter(|_| self.strict) {
            let what = format!(
                "`{}` would be lost: {}, and this backend is strict",
                loss.field, loss.why
            );
            return Err(Error::new(&LOSS_REFUSED, what).param(&loss.field));
        }
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let kept = Kept {
            translation: self.clone(),
            names: std::mem::take(&mut written.names).settle(),
            losses,
            awaited,
            asked: Asked {
                model: request.model.clone(),
                call: request.context.id().as_str().into(),
                created: now.unwrap_or_default().as_secs(),
                stream: request.stream,
                usage: request.usage_asked,
                functions: matches!(awaited, Awaited::Turn { functions: true }),
                head: request.head.clone(),
            },
        };
        Ok((written, kept))
    }

    fn write(
        &self,
        request: &LlmRequest,
        raw: &[u8],
        losses: &mut Losses,
    ) -> Result<(Written, Awaited), Error> {
        let (head, target) = (&request.head, Target::new(&request.model));
        if request.operation == Operation::Embeddings {
            let (from, to) = self.embeddings()?;
            let ask = from.read_request(head, raw, losses)?;
            let written = to.write_request(&ask, &target, losses)?;
            return Ok((written, Awaited::Vectors(ask.form)));
        }
        if request.operation == Operation::CountTokens {
            let (from, to) = self.counting()?;
            let mut conversation = from.read_request(head, raw, losses)?;
            tools::settle(&mut conversation)?;
            let written = to.write_request(&conversation, &target, losses)?;
            return Ok((written, Awaited::Count));
        }
        let mut conversation = self.caller.read_request(head, raw, losses)?;
        tools::settle(&mut conversation)?;
        let written = self
            .upstream
            .write_request(&conversation, &target, losses)?;
        let functions = conversation.functions;
        Ok((written, Awaited::Turn { functions }))
    }

    /// Both sides as makers of vectors.
    fn embeddings(&self) -> Result<(&dyn EmbedWire, &dyn EmbedWire), Error> {
        let (from, to) = (self.caller.embeddings(), self.upstream.embeddings());
        from.zip(to).ok_or_else(|| {
            let what = "one of the dialects of this call makes no embeddings";
            Error::new(&UNTRANSLATABLE, what)
        })
    }

    /// Both sides as those who count tokens.
    fn counting(&self) -> Result<(&dyn CountWire, &dyn CountWire), Error> {
        let (from, to) = (self.caller.counting(), self.upstream.counting());
        from.zip(to).ok_or_else(|| {
            let what = "one of the dialects of this call does not count tokens";
            Error::new(&UNTRANSLATABLE, what)
        })
    }

    /// The caller's headers that go on: those that mean something in any dialect.
    pub(crate) fn headers(&self, caller: &HeaderMap, written: &Written) -> HeaderMap {
        let mut headers = HeaderMap::with_capacity(caller.len());
        for (name, value) in caller {
            let content = [CONTENT_TYPE, CONTENT_ENCODING, CONTENT_LENGTH, ACCEPT].contains(name);
            let foreign = self.caller.owns_header(name) || self.upstream.owns_header(name);
            if !(content || foreign) {
                headers.append(name, value.clone());
            }
        }
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        for (name, value) in &written.headers {
            headers.insert(name, value.clone());
        }
        headers
    }
}

impl Kept {
    /// Reads a reply and writes it in the caller's dialect.
    pub(crate) async fn response(
        self,
        request: LlmRequest,
        mut head: response::Parts,
        body: Body,
        max: u64,
    ) -> Result<LlmResponse, Error> {
        let (asked, context) = (&self.asked, request.context);
        if head.headers.contains_key(CONTENT_ENCODING) {
            let what = "the upstream's reply is compressed, which it was not asked for";
            return Err(Error::new(&codes::UPSTREAM_BROKEN, what));
        }
        if let Some(list) = header_of(&self.losses) {
            head.headers.insert(LOSS_HEADER, list);
        }
        let split = self.translation.spoken.splitter(&head, asked.stream);
        head.headers.remove(CONTENT_LENGTH);
        if !head.status.is_success() {
            let raw = body.collect(max).await?;
            let translated = self.trouble(&mut head, &raw);
            let body = LlmOutput::Whole(Payload::from(translated));
            return Ok(LlmResponse::new(head, request.dialect, body));
        }
        if let Some(split) = split {
            head.headers
                .insert(CONTENT_TYPE, self.translation.caller.stream_type(asked));
            let ends = stream::Ends {
                reader: self.translation.upstream.reader(),
                writer: self.translation.caller.writer(asked),
                names: self.names,
                context,
            };
            let events = LlmOutput::Events(stream::translate(body, split, ends));
            return Ok(LlmResponse::new(head, request.dialect, events));
        }
        let raw = body.collect(max).await?;
        head.headers
            .insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        if let Awaited::Vectors(form) = self.awaited {
            let (to, from) = self.translation.embeddings()?;
            let reply = from.read_reply(&raw)?;
            let body = to.write_reply(&reply, form, asked)?;
            let body = LlmOutput::Whole(Payload::from(body));
            let mut response = LlmResponse::new(head, request.dialect, body);
            response.usage = reply.usage;
            return Ok(response);
        }
        if let Awaited::Count = self.awaited {
            let (to, from) = self.translation.counting()?;
            let body = to.write_reply(from.read_reply(&raw)?);
            let body = LlmOutput::Whole(Payload::from(body));
            return Ok(LlmResponse::new(head, request.dialect, body));
        }
        let mut losses = Losses::default();
        let mut reply = self.translation.upstream.read_reply(&raw, &mut losses)?;
        rename(&mut reply, &self.names);
        let usage = reply.usage;
        let written = self
            .translation
            .caller
            .write_reply(&reply, asked, &mut losses)?;
        note_losses(&context, &losses);
        let body = LlmOutput::Whole(Payload::from(written));
        let mut response = LlmResponse::new(head, request.dialect, body);
        response.usage = usage;
        Ok(response)
    }

    fn trouble(&self, head: &mut response::Parts, raw: &Bytes) -> Bytes {
        let upstream = &self.translation.upstream;
        let trouble = upstream.read_trouble(head.status, &head.headers, raw);
        let (status, headers, body): (StatusCode, _, _) =
            self.translation.caller.write_trouble(&trouble);
        drop(trouble);
        head.status = status;
        head.headers
            .insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        head.headers.extend(headers);
        body
    }
}

/// Gives the tools of a reply the names the caller knows.
fn rename(reply: &mut Reply<'_>, names: &Names) {
    for part in reply
        .choices
        .iter_mut()
        .flat_map(|choice| &mut choice.parts)
    {
        if let Part::ToolCall(call) = part {
            call.name = names.original(&call.name).into_owned();
        }
    }
}

/// Notes losses in the record of the call.
pub(super) fn note_losses(context: &Context, losses: &Losses) {
    if !losses.is_empty() {
        context.record(|exchange| {
            let lines = losses
                .iter()
                .map(|loss| format!("{}: {}", loss.field, loss.why).into());
            exchange.losses.extend(lines);
        });
    }
}

/// The fields lost, as a list in a header; what no header takes is left out of the names.
fn header_of(losses: &Losses) -> Option<HeaderValue> {
    let fields: Vec<_> = losses.iter().map(|loss| &*loss.field).collect();
    let mut list = fields.join(", ");
    list.retain(|c| c.is_ascii_graphic() || c == ' ');
    (!list.is_empty()).then(|| HeaderValue::try_from(list).ok())?
}
