//! The programs under measurement: started on a core of their own, read through `/proc`.

use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};
use std::{env, fs};

use anyhow::{Context, Result, bail, ensure};

/// The core what is measured runs on.
pub const MEASURED: &str = "0";
/// The core everything else runs on.
pub const AROUND: &str = "1";
/// How long a program may take to listen; under valgrind that is long.
const START: Duration = Duration::from_secs(60);

/// A program that listens. Dropping it ends it.
#[derive(Debug)]
pub struct Server {
    child: Child,
    /// Where it listens.
    pub address: SocketAddr,
}

impl Server {
    /// Starts it and waits until it listens at `address`.
    ///
    /// # Errors
    ///
    /// When it cannot be started, ends, or does not listen within a minute.
    pub fn start(mut command: Command, address: SocketAddr) -> Result<Self> {
        let child = command.spawn().context("cannot start a program")?;
        let mut server = Self { child, address };
        let start = Instant::now();
        while TcpStream::connect(address).is_err() {
            if let Some(status) = server.child.try_wait()? {
                bail!("{command:?} ended with {status}");
            }
            ensure!(start.elapsed() < START, "{command:?} does not listen");
            sleep(Duration::from_millis(5));
        }
        Ok(server)
    }

    /// Asks it to end, and waits until it has.
    ///
    /// # Errors
    ///
    /// When it cannot be asked.
    pub fn stop(mut self) -> Result<()> {
        let id = self.child.id().to_string();
        Command::new("kill").args(["-TERM", &id]).status()?;
        self.child.wait()?;
        Ok(())
    }

    /// The time its threads have had a processor, by the scheduler's own clock. (The times in `stat` are counted
    /// in ticks, and work paced by a timer is counted by none of them, or by all.)
    ///
    /// # Errors
    ///
    /// When it has ended, or there is no `/proc`.
    pub fn cpu(&self) -> Result<Duration> {
        let mut nanos = 0;
        for task in fs::read_dir(format!("/proc/{}/task", self.child.id()))? {
            let times = fs::read_to_string(task?.path().join("schedstat"))?;
            let ran = times.split_ascii_whitespace().next();
            nanos += ran.context("an empty schedstat")?.parse::<u64>()?;
        }
        Ok(Duration::from_nanos(nanos))
    }

    /// The memory it has now, in KiB.
    ///
    /// # Errors
    ///
    /// When it has ended, or there is no `/proc`.
    pub fn memory(&self) -> Result<u64> {
        self.status("VmRSS:")
    }

    /// The most memory it had since [`forget_peak`](Self::forget_peak), in KiB.
    ///
    /// # Errors
    ///
    /// When it has ended, or there is no `/proc`.
    pub fn peak(&self) -> Result<u64> {
        self.status("VmHWM:")
    }

    /// Begins the peak anew.
    ///
    /// # Errors
    ///
    /// When it has ended, or there is no `/proc`.
    pub fn forget_peak(&self) -> Result<()> {
        let path = format!("/proc/{}/clear_refs", self.child.id());
        fs::write(path, "5").context("cannot reset the peak of memory")
    }

    fn status(&self, key: &str) -> Result<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix(key));
        let kib = line.and_then(|line| line.split_ascii_whitespace().next());
        Ok(kib.context("a short status")?.parse()?)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A command that runs one of the workspace's programs on `core`, with room for some thousand
/// connections. `under` stands before it: nothing, or a tool with its arguments.
///
/// # Errors
///
/// When the program was not built.
pub fn program(core: &str, under: &[String], name: &str) -> Result<Command> {
    let mut command = Command::new("sh");
    command
        .args([
            "-c",
            "ulimit -S -n 8192; exec taskset -c \"$@\"",
            "sh",
            core,
        ])
        .args(under)
        .arg(built(name)?)
        .stdin(Stdio::null());
    Ok(command)
}

fn built(name: &str) -> Result<PathBuf> {
    let path = env::current_exe()?.with_file_name(name);
    let build = "cargo build --release -p portcullis-gateway -p portcullis-benches";
    ensure!(path.exists(), "{} is missing: {build}", path.display());
    Ok(path)
}

/// An address nothing listens at.
///
/// # Errors
///
/// When there is none.
pub fn free_address() -> Result<SocketAddr> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    Ok(listener.local_addr()?)
}
