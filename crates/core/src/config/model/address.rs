//! Before the request line: where a listener is reached, as data.

use std::borrow::Cow;
use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Error, Visitor};
use serde::{Deserialize, Deserializer};

const FORM: &str = "an IP address and port like `127.0.0.1:8080`, or `unix:/path/to/socket`";

/// Where a listener accepts connections: an IP address and port, or the path of a unix socket.
///
/// Written `127.0.0.1:8080`, `[::]:8080` or `unix:/run/portcullis.sock`, and displayed the same way.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Address {
    /// IP address and port; port 0 takes any free one.
    Ip(SocketAddr),
    /// The absolute path of a unix socket.
    Unix(PathBuf),
}

impl Address {
    /// The IP address and port; none of a unix socket.
    #[must_use]
    pub const fn ip(&self) -> Option<SocketAddr> {
        match self {
            Self::Ip(address) => Some(*address),
            Self::Unix(_) => None,
        }
    }

    /// The path of a unix socket.
    #[must_use]
    pub fn path(&self) -> Option<&Path> {
        match self {
            Self::Ip(_) => None,
            Self::Unix(path) => Some(path),
        }
    }

    /// Whether only one socket can be bound there: not so where any free port will do.
    #[must_use]
    pub fn is_definite(&self) -> bool {
        self.ip().is_none_or(|address| address.port() != 0)
    }
}

impl From<SocketAddr> for Address {
    fn from(address: SocketAddr) -> Self {
        Self::Ip(address)
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ip(address) => address.fmt(f),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

impl<'de> Deserialize<'de> for Address {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(Written)
    }
}

impl JsonSchema for Address {
    fn schema_name() -> Cow<'static, str> {
        "Address".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "IP address and port, as in `127.0.0.1:8080` or `[::]:8080` (port 0 takes any free one), or the absolute path of a unix socket, as in `unix:/run/portcullis.sock`.",
            "type": "string",
            "pattern": "^(unix:/.+|.+:[0-9]{1,5})$",
        })
    }
}

struct Written;

impl Visitor<'_> for Written {
    type Value = Address;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(FORM)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Address, E> {
        let Some(path) = text.strip_prefix("unix:") else {
            let address = text.parse().map(Address::Ip);
            return address.map_err(|_| E::custom(format_args!("not {FORM}")));
        };
        if !path.starts_with('/') || path.ends_with('/') || path.contains('\0') {
            let what = "the path of a unix socket is absolute\nas in `unix:/run/portcullis.sock`";
            return Err(E::custom(what));
        }
        Ok(Address::Unix(path.into()))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::config::{Pointer, decode};

    #[test]
    fn an_address_displays_as_it_is_written() {
        for text in ["127.0.0.1:80", "[::]:8080", "unix:/run/portcullis.sock"] {
            let address: Address = decode(&json!(text), &Pointer::root()).unwrap();
            assert_eq!(address.to_string(), text);
        }
    }

    #[test]
    fn what_is_neither_address_nor_absolute_path_is_refused() {
        for text in [
            "localhost:80",
            "80",
            "unix:run/a",
            "unix:",
            "unix:/run/",
            "/run/a",
        ] {
            decode::<Address>(&json!(text), &Pointer::root()).unwrap_err();
        }
    }
}
