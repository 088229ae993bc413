//! Keys of an AWS account: those written down, and the seam for those that are looked up.

use std::fmt;
use std::sync::Arc;

use aws_credential_types::Credentials;
use aws_smithy_runtime_api::client::identity::Identity;
use portcullis_core::BoxFuture;
use portcullis_core::config::Secret;
use portcullis_core::error::Error;
use schemars::JsonSchema;
use serde::Deserialize;

/// Who signs requests to AWS. Without keys, a profile or a role it is whom the environment variables name
/// (`AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`, `AWS_SESSION_TOKEN`), else, in a gateway built with the feature `aws`,
/// whom AWS's standard chain finds.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AwsConfig {
    /// The id of an access key.
    pub access_key_id: Option<String>,
    /// Its secret.
    pub secret_access_key: Option<Secret>,
    /// The token of a session, for keys that are lent.
    pub session_token: Option<Secret>,
    /// The profile of the shared configuration files to use. Needs the feature `aws`.
    pub profile: Option<String>,
    /// The role to take on with the keys found. Needs the feature `aws`.
    pub assume_role: Option<AssumeRole>,
}

/// A role to take on.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AssumeRole {
    /// Its ARN.
    pub role_arn: String,
    /// What the role's owner asks for, where it does.
    pub external_id: Option<Secret>,
    /// What the session is called in AWS's logs. Default: `portcullis`.
    pub session_name: Option<String>,
}

/// Keys to sign with. They do not print, and are overwritten when the last copy is dropped.
#[derive(Clone)]
pub struct AwsKeys(Identity);

impl AwsKeys {
    /// The keys of an account, or with a session token, lent ones.
    pub fn new(id: &str, secret: &Secret, token: Option<&Secret>) -> Self {
        let token = token.map(|token| token.expose().to_owned());
        Self(Credentials::new(id, secret.expose(), token, None, "portcullis").into())
    }

    pub(super) fn identity(&self) -> &Identity {
        &self.0
    }
}

impl fmt::Debug for AwsKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AwsKeys([secret])")
    }
}

/// Where keys come from. Keys that never run out are their own source.
pub trait AwsKeySource: fmt::Debug + Send + Sync + 'static {
    /// The keys at hand, unless they have run out.
    fn keys(&self) -> Option<AwsKeys>;

    /// Gets keys, where those at hand have run out or are none; `None` when nobody must wait. Called before each request:
    /// a source whose keys will soon run out renews them aside.
    fn renew(&self) -> Option<BoxFuture<'static, Result<(), Error>>>;
}

impl AwsKeySource for AwsKeys {
    fn keys(&self) -> Option<AwsKeys> {
        Some(self.clone())
    }

    fn renew(&self) -> Option<BoxFuture<'static, Result<(), Error>>> {
        None
    }
}

/// Looks keys up: in the shared files, from the instance or container the gateway runs on, by single sign-on, by taking on
/// a role. It opens sockets, so whoever may open some brings it.
pub trait AwsChain: fmt::Debug + Send + Sync + 'static {
    /// The source for these settings. Nothing is looked up yet.
    fn source(&self, config: &AwsConfig, region: &str) -> Arc<dyn AwsKeySource>;
}

/// The chain there is, if any: the slot of a registry the `llm` backend reads.
#[derive(Clone, Debug, Default)]
pub struct AwsChains(pub Option<Arc<dyn AwsChain>>);
