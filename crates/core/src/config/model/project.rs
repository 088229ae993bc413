//! Before the request line: everything one project configures.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::config::{Backend, Duration, Kind, Listener, ObjectId, Prices, Route};

/// What one project configures. [`Config::decode`] makes it of a document.
#[derive(Clone, Debug, PartialEq, JsonSchema)]
#[schemars(rename_all = "camelCase", deny_unknown_fields)]
#[non_exhaustive]
pub struct Config {
    /// The version of the document's form, which is 1.
    #[schemars(extend("const" = 1))]
    pub schema_version: u32,
    /// The project's name. Objects refer to each other inside a project; across projects only to exported ones.
    #[schemars(default = "default_project")]
    pub project: String,
    /// Where clients come in.
    #[schemars(default)]
    pub listeners: Vec<Listener>,
    /// Which requests go where.
    #[schemars(default)]
    pub routes: Vec<Route>,
    /// What answers them.
    #[schemars(default)]
    pub backends: Vec<Backend>,
    /// The management listener; without it there is none.
    pub admin: Option<Admin>,
    /// The log of calls.
    pub access_log: Option<AccessLog>,
    /// What models cost. Default: what their providers published when this version was made.
    pub prices: Option<Prices>,
    /// How the gateway stops.
    pub shutdown: Option<Shutdown>,
}

impl Config {
    /// The one version there is.
    pub const SCHEMA_VERSION: u32 = 1;

    /// The project a document without one is about.
    pub const DEFAULT_PROJECT: &'static str = "default";

    /// A project with nothing in it.
    pub fn new(project: impl Into<String>) -> Self {
        Self {
            schema_version: Self::SCHEMA_VERSION,
            project: project.into(),
            listeners: Vec::new(),
            routes: Vec::new(),
            backends: Vec::new(),
            admin: None,
            access_log: None,
            prices: None,
            shutdown: None,
        }
    }

    /// The identity of an object of this project.
    #[must_use]
    pub fn id(&self, kind: Kind, name: &str) -> ObjectId {
        ObjectId::new(self.project.as_str(), kind, name)
    }
}

/// The management listener.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
#[non_exhaustive]
pub struct Admin {
    /// IP address and port, by default `127.0.0.1:9901`.
    pub address: SocketAddr,
}

impl Default for Admin {
    fn default() -> Self {
        Self {
            address: SocketAddr::from((Ipv4Addr::LOCALHOST, 9901)),
        }
    }
}

/// How the gateway stops when it is told to.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
#[non_exhaustive]
pub struct Shutdown {
    /// How long connections are still accepted after `/readyz` has begun to answer 503, so that load
    /// balancers notice. Default: `0s`.
    pub delay: Duration,
    /// How long calls under way then have to finish, as those of a listener that is removed do. What is
    /// still busy after that is cut. Default: `30s`.
    pub grace: Duration,
}

impl Default for Shutdown {
    fn default() -> Self {
        Self {
            delay: Duration::from_secs(0),
            grace: Duration::from_secs(30),
        }
    }
}

/// The log of calls: a line for each when it has ended.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
#[non_exhaustive]
pub struct AccessLog {
    /// What a line looks like, by default `text`.
    pub format: AccessLogFormat,
    /// The file lines are appended to; by default the standard output.
    pub path: Option<PathBuf>,
}

/// What a line of the access log looks like.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub enum AccessLogFormat {
    /// Words for people.
    #[default]
    Text,
    /// One JSON object.
    Json,
    /// No log.
    Off,
}

fn default_project() -> String {
    Config::DEFAULT_PROJECT.to_owned()
}
