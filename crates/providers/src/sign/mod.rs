//! Signatures: requests that prove who sends them without carrying a secret.

mod aws;
mod sigv4;

pub use aws::{AssumeRole, AwsChain, AwsChains, AwsConfig, AwsKeySource, AwsKeys};
pub use sigv4::SigV4;
