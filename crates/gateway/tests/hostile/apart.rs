//! A gateway in a process of its own, whose memory is its own too.

use std::io::{BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::recorder::Recorder;
use crate::support::{Line, gateway};

const UPSTREAM: &str = "PORTCULLIS_HOSTILE_UPSTREAM";
const SAYS: &str = "listens at ";

/// A line whose gateway is this test binary, run anew.
pub(crate) struct Apart {
    pub(crate) line: Line,
    process: Child,
}

impl Apart {
    pub(crate) async fn start() -> Self {
        let recorder = Recorder::start().await;
        let mut process = Command::new(std::env::current_exe().unwrap())
            .args([
                "--exact",
                "apart::serves_until_it_is_killed",
                "--ignored",
                "--nocapture",
            ])
            .env(UPSTREAM, recorder.addr.to_string())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let addr = lines.find_map(|line| {
            let line = line.unwrap();
            Some(line.split_once(SAYS)?.1.parse().unwrap())
        });
        let line = Line {
            recorder,
            addr: addr.expect("it says where it listens"),
            _running: None,
        };
        // What the first calls allocate for good is not what is measured.
        for _ in 0..20 {
            line.is_well().await;
        }
        Self { line, process }
    }

    /// Its resident memory in KiB.
    pub(crate) fn memory(&self) -> u64 {
        self.status("VmRSS:")
    }

    /// The most it has been, in KiB.
    pub(crate) fn peak(&self) -> u64 {
        self.status("VmHWM:")
    }

    fn status(&self, key: &str) -> u64 {
        let path = format!("/proc/{}/status", self.process.id());
        let status = std::fs::read_to_string(path).unwrap();
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix(key))
            .unwrap();
        line.split_ascii_whitespace()
            .next()
            .unwrap()
            .parse()
            .unwrap()
    }
}

impl Drop for Apart {
    fn drop(&mut self) {
        // It may have ended by itself, and the test has said so then.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "it is the gateway of other tests and ends with them"]
async fn serves_until_it_is_killed() {
    let Ok(upstream) = std::env::var(UPSTREAM) else {
        return;
    };
    let upstream: SocketAddr = upstream.parse().unwrap();
    let running = gateway(upstream, "").await;
    let addr = running.addresses()[0].1;
    writeln!(std::io::stdout(), "{SAYS}{addr}").unwrap();
    std::io::stdout().flush().unwrap();
    tokio::time::sleep(Duration::from_secs(600)).await;
}
