//! Backends that answer plain HTTP, or carry it on.

mod codes;
mod direct_response;
mod forward;
mod reach;
mod relay;
mod retry;
mod static_;

pub use codes::{
    CODES, DESTINATION_FORBIDDEN, DESTINATION_INVALID, PROXY_LOOP, UPGRADE_IDLE, UPGRADE_REFUSED,
};
pub use direct_response::{DirectResponseBackend, DirectResponseConfig};
pub use forward::{ForwardBackend, ForwardConfig};
pub use relay::{ForwardedHeadersConfig, ForwardedMode, UpgradeProtocol};
pub use retry::HttpRetryConfig;
pub use static_::{EndpointConfig, HostHeader, StaticBackend, StaticConfig};
