//! Before the request line: what a gateway is told to be, as data, and how errors in it are told.
//!
//! Whoever reads configuration (a file, a cluster) hands over [`Config`] values with a [`SourceMap`];
//! bodies of policies and backends stay JSON until the registry knows their types, which
//! [`decode`] then makes of them, with the place of every error.

mod byte_size;
mod decode;
mod document;
mod duration;
mod error;
mod fault;
mod files;
mod model;
mod nearest;
mod object;
mod pointer;
mod report;
mod schema;
mod secret;
mod source;
mod source_map;

pub use byte_size::ByteSize;
pub use decode::decode;
pub use document::Refused;
pub use duration::Duration;
pub use error::ConfigError;
pub use files::{file, files};
pub use model::{
    AccessLog, AccessLogFormat, Address, Admin, AlpnProtocol, Backend, BackendRef,
    ClientCertificate, ClientCertificateMode, ClientCertificates, Config, Http2Limits, HttpVersion,
    Listener, ListenerLimits, ListenerRedirect, ListenerTls, ModelPrice, NamedMatch, PathMatch,
    PolicyEntry, PriceCatalog, PriceFile, PriceTier, Prices, ProxyProtocol, ProxyProtocolMode,
    RedirectScheme, Route, RouteMatch, ServerCertificate, Shutdown, SubjectAltName,
    SubjectAltNameType, TlsVersion, Transport, TransportDns, TransportPool, TransportProxy,
    TransportTls, Want, WellKnown,
};
pub use nearest::nearest;
pub use object::{Kind, ObjectId};
pub use pointer::Pointer;
pub use report::{Report, Verdict};
pub use schema::schema;
pub use secret::Secret;
pub use source::{ConfigSource, Loaded, Project, Unread};
pub use source_map::{Excerpt, Place, SourceMap};
