//! Before the request line: the objects of a configuration, as data.

mod address;
mod backend;
mod listener;
mod listener_limits;
mod listener_tls;
mod name;
mod policy;
mod prices;
mod project;
mod route;
mod transport;

pub use address::Address;
pub use backend::{Backend, BackendRef};
pub use listener::{Listener, ListenerRedirect, ProxyProtocol, ProxyProtocolMode, RedirectScheme};
pub use listener_limits::{Http2Limits, ListenerLimits};
pub use listener_tls::{
    AlpnProtocol, ClientCertificateMode, ClientCertificates, ListenerTls, ServerCertificate,
    TlsVersion,
};
pub(crate) use name::check as check_name;
pub use policy::PolicyEntry;
pub use prices::{ModelPrice, PriceCatalog, PriceFile, PriceTier, Prices};
pub use project::{AccessLog, AccessLogFormat, Admin, Config, Shutdown};
pub use route::{NamedMatch, PathMatch, Route, RouteMatch, Want};
pub use transport::{
    ClientCertificate, HttpVersion, SubjectAltName, SubjectAltNameType, Transport, TransportDns,
    TransportPool, TransportProxy, TransportTls, WellKnown,
};
