//! Upstream: keys for AWS, from its standard chain, a profile, or a role that is taken on.

use std::sync::Arc;

use aws_config::sts::AssumeRoleProvider;
use aws_config::{BehaviorVersion, Region};
use aws_credential_types::Credentials;
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider};
use portcullis_core::BoxFuture;
use portcullis_core::config::Secret;
use portcullis_core::error::BoxError;
use portcullis_providers::sign::{AwsChain, AwsConfig, AwsKeySource, AwsKeys};
use tokio::sync::OnceCell;

use super::renewed::{Lent, Lookup, Renewed};

/// AWS's standard chain, as `aws-config` has it.
#[derive(Clone, Copy, Debug)]
pub(super) struct StandardChain;

impl AwsChain for StandardChain {
    fn source(&self, config: &AwsConfig, region: &str) -> Arc<dyn AwsKeySource> {
        Arc::new(Renewed::new(Arc::new(Found {
            config: config.clone(),
            region: region.to_owned(),
            provider: OnceCell::new(),
        })))
    }
}

/// Who finds the keys of one provider. Made on first use, because it looks at the machine.
#[derive(Debug)]
struct Found {
    config: AwsConfig,
    region: String,
    provider: OnceCell<SharedCredentialsProvider>,
}

impl Found {
    async fn provider(&self) -> Result<SharedCredentialsProvider, BoxError> {
        let config = &self.config;
        let region = Region::new(self.region.clone());
        let mut loader = aws_config::defaults(BehaviorVersion::latest()).region(region.clone());
        if let Some(profile) = &config.profile {
            loader = loader.profile_name(profile);
        }
        if let (Some(id), Some(secret)) = (&config.access_key_id, &config.secret_access_key) {
            let token = config.session_token.as_ref();
            let token = token.map(|token| token.expose().to_owned());
            let keys = Credentials::new(id, secret.expose(), token, None, "portcullis");
            loader = loader.credentials_provider(keys);
        }
        let found = loader.load().await;
        let Some(role) = &config.assume_role else {
            return found
                .credentials_provider()
                .ok_or_else(|| "AWS's chain of credentials is empty".into());
        };
        let mut taken = AssumeRoleProvider::builder(&role.role_arn)
            .session_name(role.session_name.as_deref().unwrap_or("portcullis"))
            .region(region)
            .configure(&found);
        if let Some(id) = &role.external_id {
            taken = taken.external_id(id.expose());
        }
        Ok(SharedCredentialsProvider::new(taken.build().await))
    }
}

impl Lookup for Found {
    fn look_up(self: Arc<Self>) -> BoxFuture<'static, Result<Lent, BoxError>> {
        Box::pin(async move {
            let provider = self.provider.get_or_try_init(|| self.provider()).await?;
            let found = provider.provide_credentials().await?;
            let secret = Secret::new(found.secret_access_key().to_owned());
            let token = found.session_token().map(|t| Secret::new(t.to_owned()));
            Ok(Lent {
                keys: AwsKeys::new(found.access_key_id(), &secret, token.as_ref()),
                until: found.expiry(),
            })
        })
    }
}
