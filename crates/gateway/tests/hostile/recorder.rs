//! The far end of the line: an upstream that keeps every byte it is sent and answers with given ones.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// A reply to any chat call.
pub(crate) const ANSWER: &str = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\
     content-length: 13\r\n\r\n{\"answer\": 1}";

/// When the upstream answers.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum When {
    /// A request is whole.
    Whole,
    /// Its head is.
    Head,
}

/// What the upstream does after it has answered.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Then {
    /// It waits for the next request.
    Keep,
    /// It closes the connection.
    Close,
    /// It resets the connection.
    Reset,
    /// It reads nothing more, and stays.
    Hold,
}

/// What it answers.
#[derive(Clone)]
pub(crate) struct Script {
    pub(crate) when: When,
    pub(crate) bytes: Vec<u8>,
    pub(crate) then: Then,
}

impl Script {
    pub(crate) fn new(bytes: impl Into<Vec<u8>>, then: Then) -> Self {
        Self {
            when: When::Whole,
            bytes: bytes.into(),
            then,
        }
    }
}

/// An upstream that records.
pub(crate) struct Recorder {
    pub(crate) addr: SocketAddr,
    shared: Arc<Mutex<Shared>>,
}

struct Shared {
    script: Script,
    seen: Vec<Vec<u8>>,
}

impl Recorder {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let shared = Arc::new(Mutex::new(Shared {
            script: Script::new(ANSWER, Then::Keep),
            seen: Vec::new(),
        }));
        let all = shared.clone();
        tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                tokio::spawn(connection(socket, all.clone()));
            }
        });
        Self { addr, shared }
    }

    pub(crate) fn answer(&self, script: Script) {
        lock(&self.shared).script = script;
    }

    /// The requests seen since the last time: whole ones, and what came of one that is not.
    pub(crate) fn take(&self) -> Vec<String> {
        let seen = self.take_bytes();
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        seen.into_iter().map(text).collect()
    }

    /// The same as they came.
    pub(crate) fn take_bytes(&self) -> Vec<Vec<u8>> {
        std::mem::take(&mut lock(&self.shared).seen)
    }

    /// How many bytes were seen.
    pub(crate) fn bytes(&self) -> usize {
        lock(&self.shared).seen.iter().map(Vec::len).sum()
    }
}

fn lock(shared: &Mutex<Shared>) -> MutexGuard<'_, Shared> {
    shared.lock().unwrap()
}

async fn connection(mut socket: TcpStream, shared: Arc<Mutex<Shared>>) {
    let mut at = None;
    let mut buffer = vec![0; 64 << 10];
    loop {
        let read = socket.read(&mut buffer).await.unwrap_or(0);
        if read == 0 {
            return;
        }
        let script = {
            let mut shared = lock(&shared);
            let slot = *at.get_or_insert_with(|| {
                shared.seen.push(Vec::new());
                shared.seen.len() - 1
            });
            if shared.seen.len() <= slot {
                // What was seen has been taken meanwhile.
                shared.seen.resize(slot + 1, Vec::new());
            }
            shared.seen[slot].extend_from_slice(&buffer[..read]);
            let due = match shared.script.when {
                When::Whole => is_whole(&shared.seen[slot]),
                When::Head => head_end(&shared.seen[slot]).is_some(),
            };
            due.then(|| shared.script.clone())
        };
        let Some(script) = script else { continue };
        at = None;
        if socket.write_all(&script.bytes).await.is_err() {
            return;
        }
        match script.then {
            Then::Keep => {}
            Then::Close => return,
            Then::Reset => return drop(socket.set_zero_linger()),
            Then::Hold => tokio::time::sleep(Duration::from_secs(60)).await,
        }
    }
}

fn head_end(seen: &[u8]) -> Option<usize> {
    let blank = b"\r\n\r\n";
    Some(seen.windows(4).position(|w| w == blank)? + 4)
}

fn is_whole(seen: &[u8]) -> bool {
    let Some(end) = head_end(seen) else {
        return false;
    };
    let head = String::from_utf8_lossy(&seen[..end]).to_lowercase();
    if head.contains("\r\ntransfer-encoding: chunked\r\n") {
        return seen.ends_with(b"0\r\n\r\n");
    }
    let length = head
        .lines()
        .find_map(|l| l.strip_prefix("content-length: "));
    seen.len() - end >= length.map_or(0, |l| l.parse().unwrap())
}
