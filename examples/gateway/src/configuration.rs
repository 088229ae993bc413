//! Before the request line: which configuration is meant, a file's or the one made of the environment.

use std::net::SocketAddr;
use std::path::PathBuf;

use portcullis::core::config::{Admin, Loaded};
use portcullis::snapshot::RefuseBy;
use portcullis::source::{FileSource, ValueSource};
use portcullis::zero::{self, ZeroConfig};
use portcullis::{Gateway, GatewayBuilder};

use crate::failure::Failure;

/// A configuration, not read yet.
pub(crate) enum Configuration {
    /// A file, or a directory of them.
    Files(PathBuf),
    /// What the environment offers.
    Zero(Box<ZeroConfig>),
}

impl Configuration {
    /// The files at `path`, or without one the environment's, at `listen`.
    ///
    /// # Errors
    ///
    /// When an address is given beside a file, which has its own, or is open to other machines.
    pub(crate) fn choose(
        path: Option<PathBuf>,
        listen: Option<SocketAddr>,
        admin: Option<SocketAddr>,
    ) -> Result<Self, Failure> {
        if let Some(path) = path {
            return match (listen, admin) {
                (None, None) => Ok(Self::Files(path)),
                (Some(_), _) => Err(Failure::given(
                    "--listen is for a gateway without a configuration; write the address under `listeners`",
                )),
                (None, Some(_)) => Err(Failure::given(
                    "--admin is for a gateway without a configuration; write `admin: {address: ...}` there",
                )),
            };
        }
        for (flag, address) in [("--listen", listen), ("--admin", admin)] {
            if let Some(open) = address.filter(|address| !address.ip().is_loopback()) {
                return Err(Failure::given(format_args!(
                    "{flag} {open} is open to other machines, who would use your keys; \
                     take a loopback address, or write a configuration with authentication"
                )));
            }
        }
        let address = listen.unwrap_or(zero::ADDRESS);
        let registry = portcullis::registry();
        let mut zero = ZeroConfig::discover(&registry, address, |name| std::env::var(name).ok());
        zero.config.admin = admin.map(|address| {
            let mut admin = Admin::default();
            admin.address = address;
            admin
        });
        Ok(Self::Zero(Box::new(zero)))
    }

    /// Reads it.
    ///
    /// # Errors
    ///
    /// When there is nothing at the path.
    pub(crate) fn read(&self) -> Result<Loaded, Failure> {
        match self {
            Self::Files(path) => FileSource::new(path).read().map_err(Failure::given),
            Self::Zero(zero) => Ok(ValueSource::new(zero.config.clone()).read()),
        }
    }

    /// A gateway of it. In a directory an error takes its own project down and no other.
    pub(crate) fn builder(&self) -> GatewayBuilder {
        let builder = Gateway::builder().refuse_by(self.refuse_by());
        match self {
            Self::Files(path) => builder.source(FileSource::new(path)),
            Self::Zero(zero) => builder.source(ValueSource::new(zero.config.clone())),
        }
    }

    fn refuse_by(&self) -> RefuseBy {
        match self {
            Self::Files(path) if path.is_dir() => RefuseBy::Project,
            _ => RefuseBy::All,
        }
    }
}
