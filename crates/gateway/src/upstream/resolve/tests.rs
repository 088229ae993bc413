use std::sync::Arc;

use futures_util::future::BoxFuture;

use super::{
    ask::{Answer, Failure},
    *,
};

pub(super) struct Script(
    Arc<dyn Fn(&str) -> BoxFuture<'static, Result<Answer, Failure>> + Send + Sync>,
);

impl Script {
    pub(super) async fn ask(&self, host: &str) -> Result<Answer, Failure> {
        (self.0)(host).await
    }
}
