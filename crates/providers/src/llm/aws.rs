//! The `llm` backend: where in AWS a provider is, and who signs what is sent there.

use std::sync::Arc;

use portcullis_core::assemble::BuildContext;
use portcullis_core::config::{ConfigError, Pointer, Secret};
use portcullis_core::upstream::Credential;

use super::ProviderConfig;
use crate::sign::{AwsChains, AwsConfig, AwsKeySource, AwsKeys, SigV4};
use crate::vendor::Vendor;

/// What stands for the region in a vendor's base URL.
pub(super) const REGION: &str = "{region}";

/// The value of an environment variable, if it has any.
pub(super) fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// The region, as configured or as AWS's own tools take it from the environment.
pub(super) fn region(
    vendor: &Vendor,
    config: &ProviderConfig,
    variable: impl Fn(&str) -> Option<String>,
    cx: &BuildContext<'_>,
) -> Result<Option<String>, ConfigError> {
    let place = Pointer::root().key("region");
    if vendor.aws_service.is_none() {
        return match config.region {
            Some(_) => Err(cx.error(&place, format!("provider `{}` has no regions", vendor.name))),
            None => Ok(None),
        };
    }
    let usual = || variable("AWS_REGION").or_else(|| variable("AWS_DEFAULT_REGION"));
    let region = config.region.clone().or_else(usual);
    let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    match region {
        Some(region) if region.is_empty() || !region.chars().all(fits) => {
            Err(cx.error(&place, "a region is made of letters, digits and hyphens"))
        }
        region => Ok(region),
    }
}

/// Who signs; or a bearer key of the environment, which goes to the vendor's own URL only. `None` where nobody was named
/// and the base URL is another one, as that of a test server.
pub(super) fn credential(
    vendor: &Vendor,
    config: &ProviderConfig,
    region: Option<&str>,
    variable: impl Fn(&str) -> Option<String>,
    cx: &BuildContext<'_>,
) -> Result<Option<Credential>, ConfigError> {
    let place = Pointer::root().key("aws");
    let Some(service) = vendor.aws_service else {
        return match config.aws {
            Some(_) => Err(cx.error(&place, format!("provider `{}` is not AWS", vendor.name))),
            None => Ok(None),
        };
    };
    if config.aws.is_none() && config.base_url.is_some() {
        return Ok(None);
    }
    let mut names = vendor.key_variables.iter();
    let bearer = names.find_map(|name| variable(name));
    if let Some(key) = bearer.filter(|_| config.aws.is_none()) {
        let credential = (vendor.credential)(&key);
        let unfit = |_| cx.error(&Pointer::root(), "the key has characters no header takes");
        return credential.map(Some).map_err(unfit);
    }
    let given = config.aws.clone().unwrap_or_default();
    let region = region.ok_or_else(|| needs_region(vendor, cx))?;
    let source = source(&given, region, &variable, cx)?.ok_or_else(|| {
        let what = format!("provider `{}` needs keys", vendor.name);
        let hint = "give `apiKey`, or `aws: {accessKeyId, secretAccessKey}`, or set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY";
        cx.error(&Pointer::root(), what).hint(hint)
    })?;
    let signer = SigV4::new(source, region, service);
    Ok(Some(Credential::signing(Arc::new(signer))))
}

/// That a region is missing.
pub(super) fn needs_region(vendor: &Vendor, cx: &BuildContext<'_>) -> ConfigError {
    let what = format!("provider `{}` needs a `region`", vendor.name);
    let hint = "region: eu-central-1, or set AWS_REGION";
    cx.error(&Pointer::root(), what).hint(hint)
}

/// The keys configured, of the environment, or of the chain.
fn source(
    given: &AwsConfig,
    region: &str,
    variable: &impl Fn(&str) -> Option<String>,
    cx: &BuildContext<'_>,
) -> Result<Option<Arc<dyn AwsKeySource>>, ConfigError> {
    let at = |key: &str| Pointer::root().key("aws").key(key);
    let chain = cx.registry().slot::<AwsChains>();
    let chain = chain.and_then(|chain| chain.0.as_ref());
    let looked_up = given.profile.is_some() || given.assume_role.is_some();
    match (&given.access_key_id, &given.secret_access_key) {
        (Some(_), None) => {
            return Err(cx.error(&at("accessKeyId"), "the id needs its `secretAccessKey`"));
        }
        (None, Some(_)) => {
            return Err(cx.error(&at("secretAccessKey"), "the key needs its `accessKeyId`"));
        }
        (Some(id), Some(secret)) if !looked_up => {
            let keys = AwsKeys::new(id, secret, given.session_token.as_ref());
            return Ok(Some(Arc::new(keys)));
        }
        (None, None) if given.session_token.is_some() => {
            return Err(cx.error(&at("sessionToken"), "the token needs its keys"));
        }
        _ => {}
    }
    if looked_up {
        let chain = chain.ok_or_else(|| {
            let key = if given.profile.is_some() {
                "profile"
            } else {
                "assumeRole"
            };
            let what = format!("`{key}` needs a gateway built with the feature `aws`");
            cx.error(&at(key), what)
        })?;
        return Ok(Some(chain.source(given, region)));
    }
    let id = variable("AWS_ACCESS_KEY_ID");
    if let (Some(id), Some(secret)) = (id, variable("AWS_SECRET_ACCESS_KEY")) {
        let token = variable("AWS_SESSION_TOKEN").map(Secret::new);
        let keys = AwsKeys::new(&id, &Secret::new(secret), token.as_ref());
        return Ok(Some(Arc::new(keys)));
    }
    Ok(chain.map(|chain| chain.source(given, region)))
}
