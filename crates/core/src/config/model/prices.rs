//! Before the request line: what models cost, as a file says it.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::Deserialize;

/// What models cost, for the record of each call and for budgets.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
#[non_exhaustive]
pub struct Prices {
    /// Your own prices; they come before those built in. A list, or the file that has it.
    pub catalog: PriceCatalog,
    /// Whether the prices the providers published when this version was made count for what the catalog does
    /// not name. Default: yes.
    pub built_in: bool,
}

impl Default for Prices {
    fn default() -> Self {
        Self {
            catalog: PriceCatalog::default(),
            built_in: true,
        }
    }
}

/// A list of prices, or the file that has it.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum PriceCatalog {
    /// The prices.
    Inline(Vec<ModelPrice>),
    /// A YAML or JSON file with a list of prices. It is watched: a change goes live.
    File(PriceFile),
}

impl Default for PriceCatalog {
    fn default() -> Self {
        Self::Inline(Vec::new())
    }
}

/// A file with a list of prices.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct PriceFile {
    /// Where it is.
    pub file: PathBuf,
}

/// The price of a model, or of all whose names fit. Amounts are US dollars per million tokens.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[non_exhaustive]
pub struct ModelPrice {
    /// The provider, by the name `provider:` has in a backend. Default: any.
    pub provider: Option<String>,
    /// The model as the provider is asked for it; a `*` at its beginning or end stands for anything. The first
    /// entry that fits counts.
    pub model: String,
    /// Input that was not read from a cache.
    pub input: f64,
    /// Output, reasoning included. Default: nothing.
    #[serde(default)]
    pub output: f64,
    /// Input read from the provider's cache. Default: as any of input.
    pub cache_read: Option<f64>,
    /// Input written to the provider's cache. Default: as any of input.
    pub cache_write: Option<f64>,
    /// Other amounts for long calls.
    #[serde(default)]
    pub tiers: Vec<PriceTier>,
}

/// What calls cost whose input is longer than so many tokens.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[non_exhaustive]
pub struct PriceTier {
    /// Calls with more tokens of input than these cost what stands here, as a whole.
    pub above: u64,
    /// Input that was not read from a cache.
    pub input: f64,
    /// Output, reasoning included. Default: nothing.
    #[serde(default)]
    pub output: f64,
    /// Input read from the provider's cache. Default: as any of input.
    pub cache_read: Option<f64>,
    /// Input written to the provider's cache. Default: as any of input.
    pub cache_write: Option<f64>,
}
