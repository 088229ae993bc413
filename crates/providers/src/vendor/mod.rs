//! Vendors: where their API is, how a key is presented, which dialects they speak.

mod anthropic;
mod compatible;
mod openai;

use std::collections::BTreeMap;

use http::header::InvalidHeaderValue;
use http::{HeaderName, HeaderValue};
use portcullis_core::upstream::Credential;

pub use anthropic::ANTHROPIC;
pub use compatible::OPENAI_COMPATIBLE;
pub use openai::OPENAI;

/// What the gateway knows of a vendor. A plain value: adding one is a constant and a line in
/// [`Vendors::standard`], or in a user's crate a call of [`Vendors::add`].
#[derive(Clone, Copy, Debug)]
pub struct Vendor {
    /// The name `provider:` takes in configuration, and its prefix in model names without a file.
    pub name: &'static str,
    /// The base URL of its API, up to the version segment; `None` where the user must give one.
    pub base_url: Option<&'static str>,
    /// The last segment its base URL must have, put there where a user leaves it out.
    pub version: Option<&'static str>,
    /// Environment variables that usually hold its key.
    pub key_variables: &'static [&'static str],
    /// Whether it cannot be called without a key.
    pub key_required: bool,
    /// Names of the dialects it speaks; the first is what it is asked in where any would do.
    pub dialects: &'static [&'static str],
    /// Makes the credential of a key.
    pub credential: fn(&str) -> Result<Credential, InvalidHeaderValue>,
    /// Headers it demands where the caller sends none.
    pub default_headers: fn() -> Vec<(HeaderName, HeaderValue)>,
    /// How model names begin that are its own beyond doubt: for bare names without a file.
    pub model_prefixes: &'static [&'static str],
}

/// Vendors by name: the slot of a registry the `llm` backend reads.
#[derive(Clone, Debug, Default)]
pub struct Vendors(BTreeMap<&'static str, Vendor>);

impl Vendors {
    /// The vendors of this crate.
    pub fn standard() -> Self {
        let mut vendors = Self::default();
        vendors.add(OPENAI).add(ANTHROPIC).add(OPENAI_COMPATIBLE);
        vendors
    }

    /// Adds a vendor.
    ///
    /// # Panics
    ///
    /// If there is one of that name: it is a mistake in the program, found at its start.
    pub fn add(&mut self, vendor: Vendor) -> &mut Self {
        let before = self.0.insert(vendor.name, vendor);
        assert!(
            before.is_none(),
            "vendor `{}` is registered twice",
            vendor.name
        );
        self
    }

    /// One vendor.
    pub fn get(&self, name: &str) -> Option<&Vendor> {
        self.0.get(name)
    }

    /// All of them, by name.
    pub fn iter(&self) -> impl Iterator<Item = &Vendor> {
        self.0.values()
    }
}

pub(crate) fn no_headers() -> Vec<(HeaderName, HeaderValue)> {
    Vec::new()
}
