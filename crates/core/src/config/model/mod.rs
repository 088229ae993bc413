//! Before the request line: the objects of a configuration, as data.

mod backend;
mod listener;
mod name;
mod policy;
mod project;
mod route;
mod transport;

pub use backend::{Backend, BackendRef};
pub use listener::{Listener, ListenerLimits};
pub(crate) use name::check as check_name;
pub use policy::PolicyEntry;
pub use project::{AccessLog, AccessLogFormat, Admin, Config, Shutdown};
pub use route::{NamedMatch, PathMatch, Route, RouteMatch, Want};
pub use transport::{
    ClientCertificate, HttpVersion, SubjectAltName, SubjectAltNameType, TlsVersion, Transport,
    TransportDns, TransportPool, TransportProxy, TransportTls, WellKnown,
};
