//! What is known of a call, as expressions ask for it.

use std::sync::OnceLock;

use cel::ExecutionError;
use cel::common::types::{CelBool, CelInt, CelList};
use cel::common::value::{CowVal, Val};
use cel::context::VariableResolver;
use http::header::HOST;
use http::{HeaderMap, Method, Request, StatusCode, Uri, Version, request};
use serde_json::Value as Json;

use super::Variable;
use super::value::{self, Headers, Record};
use crate::context::{Context, Credential, Principal};
use crate::llm::{LlmInput, LlmRequest};

/// What an expression can ask of one call. Cheap to make: nothing is looked up before it is asked for.
#[derive(Debug)]
pub struct Facts<'a> {
    request: Option<Head<'a>>,
    context: &'a Context,
    llm: Option<&'a LlmRequest>,
    response: Option<(StatusCode, &'a HeaderMap)>,
    principals: OnceLock<Vec<Principal>>,
    document: OnceLock<Option<Json>>,
}

#[derive(Clone, Copy, Debug)]
struct Head<'a> {
    method: &'a Method,
    uri: &'a Uri,
    version: Version,
    headers: &'a HeaderMap,
}

impl<'a> Facts<'a> {
    /// Of an HTTP request.
    pub fn of_request<B>(request: &'a Request<B>, context: &'a Context) -> Self {
        let head = Head {
            method: request.method(),
            uri: request.uri(),
            version: request.version(),
            headers: request.headers(),
        };
        Self::new(Some(head), context)
    }

    /// Of a call of which only the context is known.
    pub fn of_context(context: &'a Context) -> Self {
        Self::new(None, context)
    }

    /// Of the head of an HTTP request.
    pub fn of_head(head: &'a request::Parts, context: &'a Context) -> Self {
        let head = Head {
            method: &head.method,
            uri: &head.uri,
            version: head.version,
            headers: &head.headers,
        };
        Self::new(Some(head), context)
    }

    /// Of an LLM call.
    pub fn of_call(call: &'a LlmRequest) -> Self {
        let mut facts = Self::of_head(&call.head, &call.context);
        facts.llm = Some(call);
        facts
    }

    /// With the head of the reply.
    #[must_use]
    pub fn reply(mut self, status: StatusCode, headers: &'a HeaderMap) -> Self {
        self.response = Some((status, headers));
        self
    }

    fn new(request: Option<Head<'a>>, context: &'a Context) -> Self {
        Self {
            request,
            context,
            llm: None,
            response: None,
            principals: OnceLock::new(),
            document: OnceLock::new(),
        }
    }

    pub(super) fn field(
        &self,
        variable: Variable,
        field: &str,
    ) -> Result<Option<Box<dyn Val + '_>>, ExecutionError> {
        match variable {
            Variable::Request => self.of_head_field(field),
            Variable::Source => self.of_source(field),
            Variable::ApiKey => self.of_credential(Credential::ApiKey, field),
            Variable::Jwt => self.of_credential(Credential::Jwt, field),
            Variable::BasicAuth => self.of_credential(Credential::Basic, field),
            Variable::Principal => match (self.context.principal(), field) {
                (Some(principal), "id") => value::text(&principal.id).map(Some),
                _ => Ok(None),
            },
            Variable::Llm => self.of_llm(field),
            Variable::LlmRequest => match self.document().and_then(|d| d.get(field)) {
                Some(found) => value::json(found).map(Some),
                None => Ok(None),
            },
            Variable::Response => Ok(match (self.response, field) {
                (Some((status, _)), "code") => {
                    Some(Box::new(CelInt::from(i64::from(status.as_u16()))))
                }
                (Some((_, headers)), "headers") => Some(Box::new(Headers::new(headers))),
                _ => None,
            }),
        }
    }

    fn of_head_field(&self, field: &str) -> Result<Option<Box<dyn Val + '_>>, ExecutionError> {
        let Some(Head {
            method,
            uri,
            version,
            headers,
        }) = self.request
        else {
            return Ok(None);
        };
        let host = || {
            let named = headers.get(HOST).and_then(|host| host.to_str().ok());
            uri.authority().map(|a| a.as_str()).or(named)
        };
        let text = match field {
            "method" => Some(method.as_str()),
            "path" => Some(uri.path()),
            "query" => uri.query(),
            "host" => host(),
            "scheme" => uri.scheme_str(),
            "version" => Some(match version {
                Version::HTTP_09 => "HTTP/0.9",
                Version::HTTP_10 => "HTTP/1.0",
                Version::HTTP_2 => "HTTP/2",
                Version::HTTP_3 => "HTTP/3",
                _ => "HTTP/1.1",
            }),
            "uri" => return value::owned(uri.to_string()).map(Some),
            "headers" => return Ok(Some(Box::new(Headers::new(headers)))),
            _ => None,
        };
        text.map(value::text).transpose()
    }

    fn of_source(&self, field: &str) -> Result<Option<Box<dyn Val + '_>>, ExecutionError> {
        let Some(source) = self.context.source() else {
            return Ok(None);
        };
        match (field, source.address, &source.certificate) {
            ("address", Some(address), _) => {
                value::owned(address.ip().to_canonical().to_string()).map(Some)
            }
            ("port", Some(address), _) => {
                Ok(Some(Box::new(CelInt::from(i64::from(address.port())))))
            }
            ("subject", _, Some(certificate)) => value::text(&certificate.subject).map(Some),
            ("subjectAltNames", _, Some(certificate)) => {
                let names = certificate.subject_alt_names.iter().take(value::MAX_ITEMS);
                let names: Result<Vec<_>, _> = names.map(|name| value::text(name)).collect();
                Ok(Some(Box::new(CelList::from(names?))))
            }
            _ => Ok(None),
        }
    }

    fn of_credential(
        &self,
        credential: Credential,
        field: &str,
    ) -> Result<Option<Box<dyn Val + '_>>, ExecutionError> {
        let principals = self.principals.get_or_init(|| self.context.principals());
        let Some(found) = principals.iter().find(|p| p.credential == credential) else {
            return Ok(None);
        };
        match (credential, field) {
            (Credential::ApiKey, "id") | (Credential::Basic, "username") => {
                value::text(&found.id).map(Some)
            }
            _ => {
                let metadata = found.metadata.as_ref().and_then(|facts| facts.get(field));
                metadata.map(value::json).transpose()
            }
        }
    }

    fn of_llm(&self, field: &str) -> Result<Option<Box<dyn Val + '_>>, ExecutionError> {
        let Some(call) = self.llm else {
            return Ok(None);
        };
        let text = match field {
            // Where the operation names no model there is none to read.
            "model" | "requestModel" => (!call.model.is_empty()).then_some(&*call.model),
            "dialect" => Some(call.dialect.name()),
            "operation" => Some(call.operation.name()),
            "stream" | "streaming" => return Ok(Some(Box::new(CelBool::from(call.stream)))),
            "inputTokens" => {
                let estimate = call
                    .estimate_input()
                    .map(|tokens| i64::try_from(tokens).unwrap_or(i64::MAX));
                return Ok(estimate.map(|tokens| Box::new(CelInt::from(tokens)) as _));
            }
            _ => None,
        };
        text.map(value::text).transpose()
    }

    fn document(&self) -> Option<&Json> {
        let read = || match &self.llm?.body {
            // Of a key that stands twice an upstream may read the other one.
            LlmInput::Json(payload) if payload.view().is_ok_and(|d| d.duplicate().is_none()) => {
                serde_json::from_slice(payload.raw()).ok()
            }
            LlmInput::Json(_) => None,
            LlmInput::Opaque(_) => None,
        };
        self.document.get_or_init(read).as_ref()
    }
}

impl VariableResolver for Facts<'_> {
    fn resolve<'b>(&'b self, name: &str) -> Option<CowVal<'b, 'b>> {
        let variable = Variable::named(name)?;
        let facts = self;
        Some(CowVal::owned(Record { facts, variable }))
    }
}
