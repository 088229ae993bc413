//! What a call carries along the whole line: who calls, where it goes, and its record.
//!
//! The first of our layers a call meets makes the [`Context`]; everything after it shares the same one. It
//! travels in the extensions of an HTTP request and as a field of a typed one. No lock here is shared
//! between calls.

mod exchange;
mod id;
mod price;
mod turn;

use std::fmt;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Instant, SystemTime};

use http::Extensions;

pub use exchange::{
    Attempt, AttemptRecord, Decision, Exchange, ExchangeSink, Outcome, PolicyRecord, Tokens,
};
pub use id::RequestId;
pub use price::{Money, Price, Prices, Rates};
pub use turn::{Reason, Turn};

/// Who is calling, as an authentication policy found out.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Principal {
    /// The stable name limits, budgets and records use.
    pub id: Arc<str>,
    /// What the caller showed.
    pub credential: Credential,
    /// The models it may call: names, with a `*` before or behind for any beginning or end. All where none are given.
    pub models: Option<Arc<[String]>>,
    /// Further facts the operator attached to the credential.
    pub metadata: Option<Arc<serde_json::Map<String, serde_json::Value>>>,
}

impl Principal {
    /// A principal of this name.
    pub fn new(id: impl Into<Arc<str>>) -> Self {
        Self {
            id: id.into(),
            credential: Credential::Other,
            models: None,
            metadata: None,
        }
    }

    /// Whether it may call this model.
    pub fn may_call(&self, model: &str) -> bool {
        let fits = |pattern: &String| match (pattern.strip_suffix('*'), pattern.strip_prefix('*')) {
            (Some(start), _) => model.starts_with(start),
            (None, Some(end)) => model.ends_with(end),
            (None, None) => model == pattern,
        };
        self.models
            .as_deref()
            .is_none_or(|all| all.iter().any(fits))
    }

    /// Known by this kind of credential.
    #[must_use]
    pub fn by(mut self, credential: Credential) -> Self {
        self.credential = credential;
        self
    }
}

/// A kind of credential, by which a caller is known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Credential {
    /// An API key of the gateway.
    ApiKey,
    /// A JSON web token; its claims are the principal's metadata.
    Jwt,
    /// A user name and a password.
    Basic,
    /// Something else.
    #[default]
    Other,
}

/// Where a call comes from, as the listener knows.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Source {
    /// The client's address: what a trusted proxy said, else where the connection comes from.
    pub address: Option<SocketAddr>,
    /// The client's verified certificate.
    pub certificate: Option<Arc<Certificate>>,
}

impl Source {
    /// A client at this address.
    pub fn new(address: impl Into<Option<SocketAddr>>) -> Self {
        Self {
            address: address.into(),
            certificate: None,
        }
    }

    /// Adds what its certificate says.
    #[must_use]
    pub fn certificate(mut self, certificate: Arc<Certificate>) -> Self {
        self.certificate = Some(certificate);
        self
    }
}

/// Who a client is by its verified certificate.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Certificate {
    /// Its subject, as `CN=alice, O=Example`.
    pub subject: String,
    /// Its names, in order: host names, URIs, mail and IP addresses.
    pub subject_alt_names: Vec<String>,
}

/// What belongs to one call. Cloning shares it; the call ends when the last [`Hold`] is gone.
#[derive(Clone)]
pub struct Context(Arc<CallState>, Option<Arc<Turn>>);

struct CallState {
    id: RequestId,
    started: Instant,
    principal: OnceLock<Principal>,
    further: Mutex<Vec<Principal>>,
    source: OnceLock<Source>,
    deadline: Mutex<Option<Instant>>,
    attributes: Mutex<Extensions>,
    exchange: Mutex<Option<Box<Exchange>>>,
    holds: AtomicU32,
    sink: Option<Arc<dyn ExchangeSink>>,
}

impl Context {
    /// A context for a call that begins now. Its record goes to `sink`, if there is one, when the last
    /// [`Hold`] is dropped.
    pub fn new(id: RequestId, sink: Option<Arc<dyn ExchangeSink>>) -> Self {
        let exchange = Exchange::begin(id.clone(), SystemTime::now());
        let call = Arc::new(CallState {
            id,
            started: Instant::now(),
            principal: OnceLock::new(),
            further: Mutex::default(),
            source: OnceLock::new(),
            deadline: Mutex::new(None),
            attributes: Mutex::default(),
            exchange: Mutex::new(Some(Box::new(exchange))),
            holds: AtomicU32::new(0),
            sink,
        });
        Self(call, None)
    }

    /// The same call, for one of several attempts at it.
    #[must_use]
    pub fn of_turn(&self, turn: Arc<Turn>) -> Self {
        Self(self.0.clone(), Some(turn))
    }

    /// Which of several attempts this is the context of.
    pub fn turn(&self) -> Option<&Arc<Turn>> {
        self.1.as_ref()
    }

    /// Notes the model an endpoint is asked for. Of several attempts, the one that serves decides.
    pub fn serve_model(&self, model: Arc<str>) {
        match &self.1 {
            Some(turn) => turn.set_model(model),
            None => self.record(|exchange| exchange.served_model = Some(model)),
        }
    }

    /// The id under which the call is logged, returned to the caller and told to upstreams.
    pub fn id(&self) -> &RequestId {
        &self.0.id
    }

    /// When the call began.
    pub fn started(&self) -> Instant {
        self.0.started
    }

    /// Who is calling, once an authentication policy has said so.
    pub fn principal(&self) -> Option<&Principal> {
        self.0.principal.get()
    }

    /// Says who is calling. The first to say so wins: returns whether this was the first. What a later
    /// policy found out is kept among the [`principals`](Self::principals).
    pub fn set_principal(&self, principal: Principal) -> bool {
        let id = principal.id.clone();
        match self.0.principal.set(principal) {
            Ok(()) => self.record(|exchange| exchange.principal = Some(id)),
            Err(further) => {
                lock(&self.0.further).push(further);
                return false;
            }
        }
        true
    }

    /// Who is calling by each of the credentials shown, the [`principal`](Self::principal) first.
    pub fn principals(&self) -> Vec<Principal> {
        let mut all: Vec<_> = self.0.principal.get().cloned().into_iter().collect();
        all.extend(lock(&self.0.further).iter().cloned());
        all
    }

    /// Whether each of the principals may call this model.
    pub fn may_call(&self, model: &str) -> bool {
        let first = self.0.principal.get();
        first.is_none_or(|principal| {
            principal.may_call(model) && lock(&self.0.further).iter().all(|p| p.may_call(model))
        })
    }

    /// Where the call comes from, if a listener has said so.
    pub fn source(&self) -> Option<&Source> {
        self.0.source.get()
    }

    /// Says where the call comes from. The first to say so wins: returns whether this was the first.
    pub fn set_source(&self, source: Source) -> bool {
        self.0.source.set(source).is_ok()
    }

    /// When the caller's patience ends, if a policy set a limit.
    pub fn deadline(&self) -> Option<Instant> {
        *lock(&self.0.deadline)
    }

    /// Brings the deadline forward; a later one than the present changes nothing.
    pub fn limit(&self, deadline: Instant) {
        let mut current = lock(&self.0.deadline);
        *current = Some(current.map_or(deadline, |c| c.min(deadline)));
    }

    /// Reads or writes the call's typed attributes, by which policies of one author talk to each other.
    pub fn attributes<R>(&self, f: impl FnOnce(&mut Extensions) -> R) -> R {
        f(&mut lock(&self.0.attributes))
    }

    /// Writes to the record. After the record has gone to the sink this does nothing.
    pub fn record(&self, f: impl FnOnce(&mut Exchange)) {
        if let Some(exchange) = lock(&self.0.exchange).as_mut() {
            f(exchange);
        }
    }

    /// Begins the record of one attempt at `endpoint`. It files itself when it ends, and holds the call's
    /// record until then, so two attempts at once (hedging) do not disturb each other.
    pub fn attempt(&self, endpoint: Arc<str>) -> Attempt {
        Attempt::begin(self.clone(), self.hold(), endpoint)
    }

    /// Keeps the record from going to the sink. The last hold to be dropped sends it.
    pub fn hold(&self) -> Hold {
        self.0.holds.fetch_add(1, Ordering::Relaxed);
        Hold(self.clone())
    }
}

impl Default for Context {
    /// A context whose record goes nowhere: what one layer alone in somebody's service works with.
    fn default() -> Self {
        Self::new(RequestId::make(), None)
    }
}

impl fmt::Debug for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Context")
            .field("id", &self.0.id)
            .finish_non_exhaustive()
    }
}

/// Keeps a call's record open. See [`Context::hold`].
#[derive(Debug)]
pub struct Hold(Context);

impl Drop for Hold {
    fn drop(&mut self) {
        let call = &self.0.0;
        if call.holds.fetch_sub(1, Ordering::AcqRel) != 1 {
            return;
        }
        let Some(mut exchange) = lock(&call.exchange).take() else {
            return;
        };
        if let Some(sink) = &call.sink {
            exchange.duration = call.started.elapsed();
            sink.record(exchange);
        }
    }
}

/// Gets the call's context out of a request, or puts a new one in.
pub trait HasContext {
    /// The context of the call; made on first use, so that one layer alone works in any service.
    fn context(&mut self) -> &Context;
}

impl<B> HasContext for http::Request<B> {
    fn context(&mut self) -> &Context {
        self.extensions_mut().get_or_insert_default()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // A panic while the lock was held is contained to its call; the data is a record, not an invariant.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::time::Duration;

    use super::*;

    struct Channel(mpsc::Sender<Box<Exchange>>);

    impl ExchangeSink for Channel {
        fn record(&self, exchange: Box<Exchange>) {
            self.0.send(exchange).unwrap();
        }
    }

    fn watched() -> (Context, mpsc::Receiver<Box<Exchange>>) {
        let (send, receive) = mpsc::channel();
        let sink = Arc::new(Mutex::new(send));
        struct Shared(Arc<Mutex<mpsc::Sender<Box<Exchange>>>>);
        impl ExchangeSink for Shared {
            fn record(&self, exchange: Box<Exchange>) {
                Channel(self.0.lock().unwrap().clone()).record(exchange);
            }
        }
        (
            Context::new(RequestId::make(), Some(Arc::new(Shared(sink)))),
            receive,
        )
    }

    #[test]
    fn the_record_goes_out_once_when_the_last_hold_is_gone() {
        let (context, records) = watched();
        let reply = context.hold();
        let attempt = context.attempt("openai".into());
        drop(reply);
        assert!(records.try_recv().is_err(), "an attempt is still open");
        attempt.finish(Outcome::Completed);
        let exchange = records.try_recv().unwrap();
        assert_eq!(exchange.attempts.len(), 1);
        drop(context.hold());
        assert!(records.try_recv().is_err(), "it went out already");
    }

    #[test]
    fn an_attempt_dropped_before_its_end_says_that_the_client_left() {
        let (context, records) = watched();
        drop(context.attempt("openai".into()));
        assert_eq!(
            records.recv().unwrap().attempts[0].outcome,
            Outcome::ClientLeft
        );
    }

    #[test]
    fn a_principal_may_call_the_models_it_names() {
        let mut principal = Principal::new("a");
        assert!(principal.may_call("anything"));
        principal.models = Some(Arc::new(["gpt-*", "*-mini", "echo"].map(str::to_owned)));
        for (model, may) in [
            ("gpt-5", true),
            ("o4-mini", true),
            ("echo", true),
            ("echo-2", false),
            ("", false),
        ] {
            assert_eq!(principal.may_call(model), may, "{model}");
        }
        let context = Context::default();
        assert!(context.may_call("claude"));
        context.set_principal(Principal::new("b"));
        context.set_principal(principal);
        assert!(!context.may_call("claude"));
    }

    #[test]
    fn the_deadline_only_comes_nearer() {
        let context = Context::default();
        let soon = Instant::now();
        context.limit(soon + Duration::from_secs(1));
        context.limit(soon + Duration::from_secs(9));
        assert_eq!(context.deadline(), Some(soon + Duration::from_secs(1)));
    }

    #[test]
    fn a_request_keeps_the_context_it_was_given() {
        let mut request = http::Request::new(());
        let id = request.context().id().clone();
        assert_eq!(request.context().id(), &id);
    }
}
