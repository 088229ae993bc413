//! The configuration of a gateway that was given none.

use std::net::{Ipv4Addr, SocketAddr};

use portcullis_core::assemble::Registry;
use portcullis_core::config::{Backend, BackendRef, Config, Listener, PolicyEntry, Route};
use portcullis_providers::vendor::{Vendor, Vendors};
use serde_json::{Value, json};

/// Where a gateway without a configuration listens.
pub const ADDRESS: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 8080);

/// A configuration made of what the environment offers.
#[derive(Debug)]
pub struct ZeroConfig {
    /// The configuration.
    pub config: Config,
    /// The vendors whose usual key was found, by name, with the variable that holds it.
    pub found: Vec<(&'static str, &'static str)>,
    /// The vendors that need a key of which none was found, with the variables that usually hold it.
    pub missing: Vec<(&'static str, &'static [&'static str])>,
}

impl ZeroConfig {
    /// Offers, at `address`, every vendor of the registry with an address of its own whose usual environment variable
    /// holds a key (one of AWS's needs `AWS_REGION` too, and may be signed for with `AWS_ACCESS_KEY_ID` and
    /// `AWS_SECRET_ACCESS_KEY`), as `vendor/model` and by the bare names that are its own beyond doubt; and always the
    /// model `echo`.
    ///
    /// Real keys behind an open port are a wallet, so the policy `localOnly` is on: only loopback hosts are
    /// answered, and web pages of other sites are refused.
    pub fn discover(
        registry: &Registry,
        address: SocketAddr,
        variable: impl Fn(&str) -> Option<String>,
    ) -> Self {
        let mut config = Config::new(Config::DEFAULT_PROJECT);
        let mut listener = Listener::new("default", address);
        listener
            .policies
            .push(PolicyEntry::new("localOnly", json!({})));
        config.listeners.push(listener);
        config
            .backends
            .push(Backend::new("echo", "echo", json!({})));
        let mut models = vec![json!({"match": "echo", "backend": "echo"})];
        let mut found = Vec::new();
        let mut missing = Vec::new();
        let vendors = registry.slot::<Vendors>().into_iter();
        // One whose address hangs on the account alone needs a file.
        for vendor in vendors
            .flat_map(Vendors::iter)
            .filter(|v| v.base_url.is_some())
        {
            if let Some((name, settings)) = settings_of(vendor, &variable) {
                config
                    .backends
                    .push(Backend::new(vendor.name, "llm", settings));
                models.extend(models_of(vendor));
                found.push((vendor.name, name));
            } else if !vendor.key_variables.is_empty() {
                missing.push((vendor.name, vendor.key_variables));
            }
        }
        config
            .backends
            .push(Backend::new("models", "models", Value::Array(models)));
        let named = BackendRef::Named {
            project: None,
            name: "models".to_owned(),
        };
        config.routes.push(Route::new(named));
        Self {
            config,
            found,
            missing,
        }
    }
}

/// The settings of a vendor whose key is there, and the variable that has it.
fn settings_of(
    vendor: &Vendor,
    variable: impl Fn(&str) -> Option<String>,
) -> Option<(&'static str, Value)> {
    let filled = |name: &str| variable(name).filter(|value| !value.is_empty());
    let mut names = vendor.key_variables.iter();
    let key = names.find_map(|name| Some((*name, filled(name)?)));
    let mut settings = json!({"provider": vendor.name});
    if vendor.aws_service.is_some() {
        let region = filled("AWS_REGION").or_else(|| filled("AWS_DEFAULT_REGION"))?;
        settings["region"] = region.into();
        if key.is_none() {
            let mut keys = json!({
                "accessKeyId": filled("AWS_ACCESS_KEY_ID")?,
                "secretAccessKey": filled("AWS_SECRET_ACCESS_KEY")?,
            });
            if let Some(token) = filled("AWS_SESSION_TOKEN") {
                keys["sessionToken"] = token.into();
            }
            settings["aws"] = keys;
            return Some(("AWS_ACCESS_KEY_ID", settings));
        }
    }
    let (name, key) = key?;
    settings["apiKey"] = key.into();
    Some((name, settings))
}

/// `vendor/model` for any model, and the bare names that are the vendor's own.
fn models_of(vendor: &Vendor) -> impl Iterator<Item = Value> {
    let name = vendor.name;
    let bare = vendor.model_prefixes.iter();
    let bare = bare.map(move |prefix| json!({"match": format!("{prefix}*"), "backend": name}));
    bare.chain([json!({"match": format!("{name}/*"), "backend": name, "rewrite": "*"})])
}
