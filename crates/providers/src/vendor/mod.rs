//! Vendors: where their API is, how a key is presented, which dialects they speak.

mod anthropic;
mod azure;
mod bedrock;
mod cohere;
mod compatible;
mod gemini;
mod openai;
mod place;
mod presets;
mod vertex;

use std::collections::BTreeMap;

use http::header::InvalidHeaderValue;
use http::{HeaderName, HeaderValue};
use portcullis_core::error::Error;
use portcullis_core::payload::{Doc, Payload};
use portcullis_core::upstream::Credential;

pub use crate::dialect::segment;
pub use anthropic::ANTHROPIC;
pub use azure::AZURE;
pub use bedrock::BEDROCK;
pub use cohere::COHERE;
pub use compatible::OPENAI_COMPATIBLE;
pub use gemini::GEMINI;
pub use openai::OPENAI;
pub use place::{Ask, Options, Place, VendorOption, own_body, own_place};
pub use presets::{
    CEREBRAS, DEEPINFRA, DEEPSEEK, FIREWORKS, GROQ, HUGGINGFACE, MISTRAL, NVIDIA, OLLAMA,
    OPENROUTER, PERPLEXITY, TOGETHER, VLLM, XAI,
};
pub use vertex::{VERTEX, VERTEX_ANTHROPIC, VERTEX_OPENAI};

/// What the gateway knows of a vendor. A plain value: adding one to this crate is a constant and a place in
/// [`STANDARD`], adding one in a user's crate a call of [`Vendors::add`] before the registry is used.
///
/// Fields may be added: take those you do not care about from a vendor that is like yours.
///
/// ```
/// use http::HeaderName;
/// use portcullis_core::assemble::Registry;
/// use portcullis_core::upstream::Credential;
/// use portcullis_providers::vendor::{OPENAI_COMPATIBLE, Vendor, Vendors};
///
/// /// A host that speaks OpenAI's chat dialect and takes its key in a header of its own.
/// const NIMBUS: Vendor = Vendor {
///     name: "nimbus",
///     base_url: Some("https://api.nimbus.example/openai/v1"),
///     key_variables: &["NIMBUS_API_KEY"],
///     key_required: true,
///     dialects: &["openai-chat"],
///     credential: |key| Credential::new(HeaderName::from_static("x-nimbus-key"), key),
///     ..OPENAI_COMPATIBLE
/// };
///
/// let mut registry = Registry::new();
/// portcullis_providers::register(&mut registry);
/// registry.slot_mut::<Vendors>().add(NIMBUS);
///
/// // From now on a file can say `llm: {provider: nimbus, apiKey: "${NIMBUS_API_KEY}"}`.
/// let vendors = registry.slot::<Vendors>().expect("it was just used");
/// assert_eq!(vendors.get("nimbus").map(|vendor| vendor.key_variables), Some(&["NIMBUS_API_KEY"][..]));
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Vendor {
    /// The name `provider:` takes in configuration, and its prefix in model names without a file.
    pub name: &'static str,
    /// The base URL of its API, up to the version segment; `None` where the user must give one. `{region}` in it stands
    /// for the region that is configured.
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
    /// The service of AWS it is, whose requests are signed where there is no key.
    pub aws_service: Option<&'static str>,
    /// Headers it demands where the caller sends none.
    pub default_headers: fn() -> Vec<(HeaderName, HeaderValue)>,
    /// How model names begin that are its own beyond doubt: for bare names without a file.
    pub model_prefixes: &'static [&'static str],
    /// The options it takes in configuration: what else its URLs are made of.
    pub options: &'static [VendorOption],
    /// Its base URL where that hangs on options; `None` leaves it to `base_url`.
    pub base: fn(&Options) -> Option<String>,
    /// Where a call goes below the base URL. [`own_place`]: where its dialect has it.
    pub place: for<'a> fn(&Ask<'a>) -> Place<'a>,
    /// Changes a body the gateway reads, where the vendor wants another than its dialect's:
    /// [`own_body`] does not.
    pub body: fn(&Ask<'_>, &mut Payload<Doc>) -> Result<(), Error>,
}

/// The vendors of this crate.
pub const STANDARD: [Vendor; 24] = [
    OPENAI,
    ANTHROPIC,
    COHERE,
    GEMINI,
    BEDROCK,
    OPENAI_COMPATIBLE,
    AZURE,
    VERTEX,
    VERTEX_ANTHROPIC,
    VERTEX_OPENAI,
    OLLAMA,
    VLLM,
    GROQ,
    MISTRAL,
    DEEPSEEK,
    XAI,
    OPENROUTER,
    TOGETHER,
    FIREWORKS,
    PERPLEXITY,
    CEREBRAS,
    HUGGINGFACE,
    DEEPINFRA,
    NVIDIA,
];

/// Vendors by name: the slot of a registry the `llm` backend reads.
#[derive(Clone, Debug, Default)]
pub struct Vendors(BTreeMap<&'static str, Vendor>);

impl Vendors {
    /// The vendors of this crate.
    pub fn standard() -> Self {
        let mut vendors = Self::default();
        for vendor in STANDARD {
            vendors.add(vendor);
        }
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

pub(crate) fn no_options(_: &Options) -> Option<String> {
    None
}

#[cfg(test)]
mod tests;
