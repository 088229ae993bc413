//! The whole line for one request that is never sent: its route and the others, policies, backend, end.
//!
//! [`explain`] answers what an operator asks of a configuration: which route does this request take, and why
//! not the other; which policies apply, from which line of the file; where does the model lead; what comes
//! out. Nothing is connected to. What is said of the end is no guess: the request runs through the very
//! services a gateway would build, over a client that only notes what it is given.

mod backend;
mod display;
mod policies;
mod trial;

#[cfg(test)]
mod tests;

use bytes::Bytes;
use http::request::Parts;
use http::{HeaderValue, Request, header};
use portcullis_core::assemble::{Level, Registry, Scope};
use portcullis_core::config::{
    Address, Backend, Kind, Listener, Loaded, ObjectId, Pointer, PolicyEntry, Project, Route,
};
use portcullis_core::llm::{LlmCodec, Operation};

use crate::listener::answers;
use crate::snapshot::Snapshot;
use trial::Trial;

pub use backend::{Choice, Step};
pub use policies::Applied;
pub use trial::{End, Sent};

/// What becomes of a request. Its `Display` is the answer in words, some ten lines for each listener.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Explanation {
    /// The listeners it could come in by: those whose port its URL names, or all.
    pub listeners: Vec<OnListener>,
}

/// What becomes of it when it comes in by one listener.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct OnListener {
    /// The listener.
    pub listener: ObjectId,
    /// Its address.
    pub address: Address,
    /// Every match of every route, in order of precedence.
    pub candidates: Vec<Candidate>,
    /// The policies of the call, outermost first; empty without a route.
    pub policies: Vec<Applied>,
    /// What is asked, if it is an LLM call.
    pub call: Option<Call>,
    /// The backends it goes through, the route's own first.
    pub backends: Vec<Step>,
    /// What comes out.
    pub end: End,
}

/// One match of a route.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Candidate {
    /// The route.
    pub route: ObjectId,
    /// What it asks for, in words.
    pub asks: String,
    /// What the request lacks, in words; none if it matches.
    pub mismatch: Option<String>,
    /// Whether it is the route taken.
    pub taken: bool,
    /// Where it stands: file, line and column, or a pointer where no text was kept.
    pub place: String,
}

/// What an LLM call asks.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Call {
    /// The wire format it is written in.
    pub dialect: &'static str,
    /// What it asks for.
    pub operation: Operation,
    /// The model it names, or why that is not known.
    pub model: Result<String, String>,
    /// Whether it asks for a stream.
    pub stream: bool,
}

/// Explains what a gateway of this configuration would do with a request. A body that is `None` was not given,
/// and what depends on it is left open; a URL without a host goes to each listener's own address.
///
/// Objects that were refused take no part, other than routes, which answer that they are broken: look at
/// [`validate`](crate::validate) first. Runs in a Tokio runtime with timers.
///
/// # Examples
///
/// ```
/// use bytes::Bytes;
/// use portcullis::{explain::explain, source::ValueSource};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), http::Error> {
/// let loaded = ValueSource::text(
///     r#"
///     schemaVersion: 1
///     listeners: [{name: web, address: "127.0.0.1:8080"}]
///     routes: [{match: {path: {prefix: /v1}}, backend: {echo: {}}}]
///     "#,
/// )
/// .read();
/// let asked = http::Request::get("http://127.0.0.1:8080/v2/models").body(None::<Bytes>)?;
/// let told = explain(&portcullis::registry(), &loaded, asked).await.to_string();
/// assert!(told.contains("no: the path is another"));
/// # Ok(())
/// # }
/// ```
pub async fn explain(
    registry: &Registry,
    loaded: &Loaded,
    request: Request<Option<Bytes>>,
) -> Explanation {
    let trial = Trial::new(registry, loaded);
    let question = Question {
        registry,
        loaded,
        trial,
        asked: request,
    };
    let port = question.asked.uri().port_u16();
    let all: Vec<_> = question.trial.snapshot().listeners().collect();
    let port_of = |l: &Listener| l.address.ip().map(|address| address.port());
    let named = |(_, l): &&(&ObjectId, &Listener)| port_of(l) == port;
    let chosen: Vec<_> = match all.iter().filter(named).copied().collect::<Vec<_>>() {
        none if none.is_empty() => all,
        named => named,
    };
    let host = question.asked.uri().host();
    let others = || chosen.iter().map(|(_, listener)| *listener);
    let for_host = |(_, l): &&(&ObjectId, &Listener)| host.is_none() || answers(l, others(), host);
    let mut listeners = Vec::with_capacity(chosen.len());
    for (id, listener) in chosen.iter().filter(for_host) {
        listeners.push(question.on(id, listener).await);
    }
    Explanation { listeners }
}

/// The host a client names that was given only a listener's address.
fn local_host(address: &Address) -> String {
    match address {
        Address::Ip(address) => address.to_string(),
        Address::Unix(_) => "localhost".to_owned(),
    }
}

/// A request, and the configuration it is asked of.
struct Question<'a> {
    registry: &'a Registry,
    loaded: &'a Loaded,
    trial: Trial,
    asked: Request<Option<Bytes>>,
}

impl Question<'_> {
    async fn on(&self, id: &ObjectId, listener: &Listener) -> OnListener {
        let head = self.head(&listener.address);
        let (candidates, taken) = self.candidates(self.trial.snapshot(), id, &head);
        let mut told = OnListener {
            listener: id.clone(),
            address: listener.address.clone(),
            candidates,
            policies: Vec::new(),
            call: None,
            backends: Vec::new(),
            end: End::NoRoute,
        };
        let Some(taken) = taken else {
            return told;
        };
        if let Some(route) = self.route(&taken)
            && let Some((first, backend)) = self.backend(&taken, route)
        {
            let kind = self.registry.get_backend(&backend.kind);
            let protocol = kind.map_or("http", |kind| kind.protocol);
            let scopes = [
                scope(Level::Listener, id, &listener.policies),
                scope(Level::Route, &taken, &route.policies),
            ];
            told.policies = self.policies(protocol, &scopes);
            told.call = (protocol == "llm").then(|| self.call(&head)).flatten();
            told.backends = self.backends(&first, backend, told.call.as_ref());
        }
        told.end = self.trial.run(id, head, self.asked.body().clone()).await;
        told
    }

    /// Every candidate, and the route taken.
    fn candidates(
        &self,
        snapshot: &Snapshot,
        listener: &ObjectId,
        head: &Parts,
    ) -> (Vec<Candidate>, Option<ObjectId>) {
        let table = snapshot.table(listener);
        let judged = table
            .map(|table| table.candidates(head))
            .unwrap_or_default();
        let first = judged.iter().position(|c| c.mismatch.is_none());
        let told = judged.iter().enumerate().map(|(index, judged)| Candidate {
            route: judged.value.id.clone(),
            asks: judged.route.to_string(),
            mismatch: judged.mismatch.as_ref().map(ToString::to_string),
            taken: first == Some(index),
            place: self
                .route(&judged.value.id)
                .map(|route| self.place(&judged.value.id, &route.at, false))
                .unwrap_or_default(),
        });
        let taken = first.map(|index| judged[index].value.id.clone());
        (told.collect(), taken)
    }

    fn call(&self, head: &Parts) -> Option<Call> {
        let claim = LlmCodec::new(self.registry.dialects().to_vec()).claim(head)?;
        let body = self.asked.body();
        let facts = if claim.operation.reads_body() && body.is_none() {
            Err("no body was given".to_owned())
        } else {
            let body = body.as_deref().unwrap_or_default();
            claim.read(head, body).map_err(|e| e.to_string())
        };
        Some(Call {
            dialect: claim.dialect.name(),
            operation: claim.operation,
            stream: facts.as_ref().is_ok_and(|facts| facts.stream),
            model: facts.map(|facts| facts.model),
        })
    }

    /// The head as a listener would hand it on: the target without its host, which is in its header.
    fn head(&self, address: &Address) -> Parts {
        let mut request = Request::new(());
        *request.method_mut() = self.asked.method().clone();
        *request.headers_mut() = self.asked.headers().clone();
        let uri = self.asked.uri();
        let host = uri.authority().map(|authority| authority.to_string());
        let host = HeaderValue::try_from(host.unwrap_or_else(|| local_host(address)));
        if let Ok(host) = host {
            request.headers_mut().entry(header::HOST).or_insert(host);
        }
        let target = uri.path_and_query().map_or("/", |target| target.as_str());
        *request.uri_mut() = target.parse().unwrap_or_else(|_| uri.clone());
        request.into_parts().0
    }

    fn project(&self, name: &str) -> Option<&Project> {
        let projects = &self.loaded.projects;
        projects.iter().find(|p| p.config.project == name)
    }

    fn route(&self, id: &ObjectId) -> Option<&Route> {
        let routes = &self.project(&id.project)?.config.routes;
        routes.iter().find(|route| route.identity() == *id.name)
    }

    /// A backend as `from` names it.
    fn named(&self, from: &ObjectId, name: &str) -> Option<(ObjectId, &Backend)> {
        let (project, name) = name.split_once('/').unwrap_or((&from.project, name));
        let backends = &self.project(project)?.config.backends;
        let backend = backends.iter().find(|backend| backend.name == name)?;
        Some((ObjectId::new(project, Kind::Backend, name), backend))
    }

    /// Where something of `owner`'s stands.
    fn place(&self, owner: &ObjectId, at: &Pointer, on_key: bool) -> String {
        let project = self.project(&owner.project);
        match project.and_then(|project| project.map.find(at, on_key)) {
            Some(found) => {
                let (line, column) = found.line_column();
                format!("{}:{line}:{column}", found.file)
            }
            None => at.to_string(),
        }
    }
}

fn scope<'a>(level: Level, owner: &'a ObjectId, policies: &'a [PolicyEntry]) -> Scope<'a> {
    Scope {
        level,
        owner,
        policies,
    }
}
