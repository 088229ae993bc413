//! Keys at a URL: fetched when they are needed, kept while they cannot be.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use http::{Request, Uri};
use portcullis_core::body::Body;
use portcullis_core::error::BoxError;
use portcullis_core::protocol::{ArcService, Http};
use tokio::time::{Instant, timeout};

use super::keys::KeySet;

/// Keys this old are fetched again.
const REFRESH: Duration = Duration::from_secs(5 * 60);
/// Keys this old are not used any more.
const STALE: Duration = Duration::from_secs(24 * 60 * 60);
/// Fetching waits so long after the last time it was tried.
const THROTTLE: Duration = Duration::from_secs(10);
/// Fetching takes so long at most.
const TIMEOUT: Duration = Duration::from_secs(5);
/// A larger reply is no set of keys.
const MAX_BYTES: u64 = 1 << 20;

/// A JWK set at a URL. See the [module](super) for when it is fetched.
pub struct RemoteKeys {
    url: Uri,
    client: ArcService<Http>,
    known: Mutex<Known>,
    fetching: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct Known {
    keys: Option<(Arc<KeySet>, Instant)>,
    tried: Option<Instant>,
    failure: Option<String>,
}

impl RemoteKeys {
    /// Keys at this absolute URL, fetched by `client`.
    pub fn new(url: Uri, client: ArcService<Http>) -> Self {
        Self {
            url,
            client,
            known: Mutex::default(),
            fetching: tokio::sync::Mutex::default(),
        }
    }

    /// The keys for a token that names this one; the error says why there are none.
    pub(super) async fn keys(&self, id: Option<&str>) -> Result<Arc<KeySet>, String> {
        match self.judge(id) {
            Need::Nothing => {}
            // Somebody is at it, and what is there will do.
            Need::Fresher => {
                if let Ok(_turn) = self.fetching.try_lock() {
                    self.fetch().await;
                }
            }
            Need::Keys => {
                let _turn = self.fetching.lock().await;
                // Whoever had the turn before may have fetched it.
                if self.judge(id) != Need::Nothing {
                    self.fetch().await;
                }
            }
        }
        let known = self.known();
        match &known.keys {
            Some((keys, fetched)) if fetched.elapsed() < STALE => Ok(keys.clone()),
            _ => Err(known.failure.clone().unwrap_or_default()),
        }
    }

    fn judge(&self, id: Option<&str>) -> Need {
        let known = self.known();
        let wait = known.tried.is_some_and(|tried| tried.elapsed() < THROTTLE);
        match &known.keys {
            _ if wait => Need::Nothing,
            Some((keys, fetched)) if keys.has(id) => match fetched.elapsed() < REFRESH {
                true => Need::Nothing,
                false => Need::Fresher,
            },
            _ => Need::Keys,
        }
    }

    async fn fetch(&self) {
        self.known().tried = Some(Instant::now());
        let fetched = match timeout(TIMEOUT, self.get()).await {
            Ok(fetched) => fetched.map_err(|e| e.to_string()),
            Err(_) => Err("fetching took more than 5 s".to_owned()),
        };
        let mut known = self.known();
        match fetched {
            Ok(keys) => {
                known.keys = Some((Arc::new(keys), Instant::now()));
                known.failure = None;
            }
            Err(why) => known.failure = Some(why),
        }
    }

    async fn get(&self) -> Result<KeySet, BoxError> {
        let request = Request::get(self.url.clone()).header("accept", "application/json");
        let reply = self.client.send(request.body(Body::empty())?).await?;
        if !reply.status().is_success() {
            return Err(format!("the URL replied {}", reply.status()).into());
        }
        let body = reply.into_body().collect(MAX_BYTES).await?;
        Ok(KeySet::parse(&body)?)
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What has to be done before a token can be judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Need {
    Nothing,
    Fresher,
    Keys,
}

impl fmt::Debug for RemoteKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("RemoteKeys").field(&self.url).finish()
    }
}
