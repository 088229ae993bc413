//! The program while it runs: changed, stopped and replaced under load, with no call lost.
#![cfg(unix)]
#![expect(
    clippy::unwrap_used,
    reason = "what drives the program fails a test as an assertion does"
)]

use std::fs;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// How long anything that must happen may take.
const PATIENCE: Duration = Duration::from_secs(20);

const ASK: &str = r#"{"model": "echo", "messages": [{"role": "user", "content": "a b c d e f"}]}"#;
const STREAM: &str = r#"{"model": "echo", "stream": true, "messages": [{"role": "user", "content": "a b c d e f"}]}"#;

/// The program, killed when dropped.
struct Program {
    child: Child,
    stderr: BufReader<ChildStderr>,
    told: String,
}

impl Program {
    /// Starts it; on a socket, if one is handed over, as a supervisor would.
    fn start(config: &Path, socket: Option<&TcpListener>) -> Self {
        let program = env!("CARGO_BIN_EXE_portcullis");
        let mut command = match socket {
            None => Command::new(program),
            Some(socket) => {
                let mut shell = Command::new("sh");
                let script = "exec 3<&0 0</dev/null; exec \"$0\" \"$@\"";
                shell.args(["-c", script, program]).env("LISTEN_FDS", "1");
                shell.stdin(Stdio::from(OwnedFd::from(socket.try_clone().unwrap())));
                shell
            }
        };
        command.arg("--config").arg(config).env_remove("RUST_LOG");
        let piped = command.stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = piped.spawn().unwrap();
        let stderr = BufReader::new(child.stderr.take().unwrap());
        let mut program = Self {
            child,
            stderr,
            told: String::new(),
        };
        program.until("listener/web: http://");
        program
    }

    /// Reads what it tells until a line has `part`.
    fn until(&mut self, part: &str) {
        while !self.told.contains(part) {
            let read = self.stderr.read_line(&mut self.told).unwrap();
            assert!(read > 0, "it ended without `{part}`: {}", self.told);
        }
    }

    fn address(&self) -> SocketAddr {
        let (_, after) = self.told.split_once("listener/web: http://").unwrap();
        after.split_whitespace().next().unwrap().parse().unwrap()
    }

    fn signal(&self, signal: &str) {
        let id = self.child.id().to_string();
        assert!(
            Command::new("kill")
                .args([signal, &id])
                .status()
                .unwrap()
                .success()
        );
    }

    /// Its exit code, and what it told until then.
    fn end(mut self) -> (i32, String) {
        self.stderr.read_to_string(&mut self.told).unwrap();
        let code = self.child.wait().unwrap().code().unwrap();
        (code, std::mem::take(&mut self.told))
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn file(text: &str) -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("gateway.yaml");
    fs::write(&path, text).unwrap();
    (dir, path)
}

fn config(address: &str, delay: &str) -> String {
    format!(
        "schemaVersion: 1\nshutdown: {{grace: 10s}}\nlisteners: [{{name: web, address: \"{address}\"}}]\n\
         routes: [{{backend: {{echo: {{delay: {delay}}}}}}}]\n"
    )
}

/// One connection of a client that keeps it.
struct Caller {
    socket: BufReader<TcpStream>,
}

impl Caller {
    fn connect(address: SocketAddr) -> io::Result<Self> {
        let socket = TcpStream::connect(address)?;
        socket.set_read_timeout(Some(PATIENCE))?;
        Ok(Self {
            socket: BufReader::new(socket),
        })
    }

    /// Calls, and reads the whole reply: its body, and whether the connection stays.
    fn call(&mut self, body: &str) -> io::Result<(String, bool)> {
        let length = body.len();
        write!(
            self.socket.get_mut(),
            "POST /v1/chat/completions HTTP/1.1\r\nhost: a\r\ncontent-length: {length}\r\n\r\n{body}"
        )?;
        let (mut head, mut reply) = (String::new(), String::new());
        while !head.ends_with("\r\n\r\n") {
            if self.socket.read_line(&mut head)? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        assert!(head.starts_with("HTTP/1.1 200"), "{head}");
        let head = head.to_lowercase();
        if let Some((_, length)) = head.split_once("content-length: ") {
            let length = length.split_whitespace().next().unwrap().parse().unwrap();
            let mut bytes = vec![0; length];
            self.socket.read_exact(&mut bytes)?;
            reply = String::from_utf8(bytes).unwrap();
        } else {
            while !reply.ends_with("\r\n0\r\n\r\n") {
                if self.socket.read_line(&mut reply)? == 0 {
                    return Err(io::ErrorKind::UnexpectedEof.into());
                }
            }
        }
        Ok((reply, !head.contains("connection: close")))
    }
}

/// Callers who call without a pause until they are told to stop, or nobody accepts any more.
struct Load {
    stop: Arc<AtomicBool>,
    calls: Arc<AtomicUsize>,
    callers: Vec<JoinHandle<()>>,
}

impl Load {
    /// `ends` says whether it may come to an end that nobody accepts.
    fn start(address: SocketAddr, ends: bool) -> Self {
        let (stop, calls) = (Arc::<AtomicBool>::default(), Arc::<AtomicUsize>::default());
        let callers = (0..12).map(|number| {
            let (stop, calls) = (stop.clone(), calls.clone());
            std::thread::spawn(move || {
                while !stop.load(Ordering::Relaxed) {
                    let mut caller = match Caller::connect(address) {
                        Ok(caller) => caller,
                        Err(e) if ends && e.kind() == io::ErrorKind::ConnectionRefused => return,
                        Err(e) => panic!("caller {number} cannot connect: {e}"),
                    };
                    // Some keep their connection, and some stream.
                    let body = if number % 2 == 0 { ASK } else { STREAM };
                    for _ in 0..1 + number % 3 * 4 {
                        let (reply, stays) = caller
                            .call(body)
                            .unwrap_or_else(|e| panic!("caller {number}: {e}"));
                        let whole =
                            reply.contains("\"chat.completion\"") || reply.contains("[DONE]");
                        assert!(whole, "caller {number}: {reply}");
                        calls.fetch_add(1, Ordering::Relaxed);
                        if !stays {
                            break;
                        }
                    }
                }
            })
        });
        Self {
            callers: callers.collect(),
            stop,
            calls,
        }
    }

    /// Waits until so many more calls were answered.
    fn more(&self, calls: usize) {
        let (goal, start) = (self.calls.load(Ordering::Relaxed) + calls, Instant::now());
        while self.calls.load(Ordering::Relaxed) < goal {
            assert!(start.elapsed() < PATIENCE, "no more calls are answered");
            assert!(self.callers.iter().all(|caller| !caller.is_finished()));
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    fn end(self) {
        self.stop.store(true, Ordering::Relaxed);
        for caller in self.callers {
            caller.join().unwrap();
        }
    }
}

#[test]
fn sigterm_under_load_cuts_nothing_inside_the_deadline() {
    let (_dir, path) = file(&config("127.0.0.1:0", "5ms"));
    let program = Program::start(&path, None);
    let load = Load::start(program.address(), true);
    load.more(200);
    program.signal("-TERM");
    let (code, told) = program.end();
    load.end();
    assert_eq!(code, 0, "{told}");
    assert!(
        told.contains("calls under way have 10s to finish"),
        "{told}"
    );
    assert!(told.contains("0 were cut"), "{told}");
}

#[test]
fn a_stop_with_a_delay_turns_readyz_and_takes_calls_until_then() {
    let text = config("127.0.0.1:0", "5ms").replace("grace: 10s", "grace: 10s, delay: 1s");
    let (_dir, path) = file(&format!("{text}admin: {{address: \"127.0.0.1:0\"}}\n"));
    let mut program = Program::start(&path, None);
    program.until("admin pages: http://");
    let (_, admin) = program.told.split_once("admin pages: http://").unwrap();
    let admin: SocketAddr = admin.split('/').next().unwrap().parse().unwrap();
    let ready = || {
        let mut socket = TcpStream::connect(admin).unwrap();
        let request = "GET /readyz HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";
        socket.write_all(request.as_bytes()).unwrap();
        let mut reply = String::new();
        socket.read_to_string(&mut reply).unwrap();
        reply.starts_with("HTTP/1.1 200")
    };
    assert!(ready());
    program.signal("-TERM");
    program.until("stopping: new calls are taken for another 1s");
    let start = Instant::now();
    while ready() {
        assert!(start.elapsed() < PATIENCE);
    }
    let called = Caller::connect(program.address()).unwrap().call(ASK);
    assert!(called.is_ok(), "calls are still taken: {called:?}");
    assert_eq!(program.end().0, 0);
}

#[test]
fn a_restart_on_a_handed_over_socket_loses_no_connection() {
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    let (_dir, path) = file(&config(&address.to_string(), "2ms"));
    let mut program = Program::start(&path, Some(&socket));
    assert_eq!(program.address(), address);
    let load = Load::start(address, false);
    for _ in 0..3 {
        load.more(100);
        let next = Program::start(&path, Some(&socket));
        program.signal("-TERM");
        let (code, told) = std::mem::replace(&mut program, next).end();
        assert_eq!(code, 0, "{told}");
        assert!(told.contains("0 were cut"), "{told}");
    }
    load.more(100);
    load.end();
}

/// Connections that are being opened when a process leaves the address it shares are not reset: on Linux who
/// begins to connect then is passed over, and tries again.
#[cfg(target_os = "linux")]
#[test]
fn a_restart_on_a_shared_port_loses_no_connection() {
    let free = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = free.local_addr().unwrap();
    drop(free);
    let text =
        config(&address.to_string(), "2ms").replace("name: web,", "name: web, reusePort: true,");
    let (_dir, path) = file(&text);
    let mut program = Program::start(&path, None);
    let load = Load::start(address, false);
    for _ in 0..3 {
        load.more(100);
        let next = Program::start(&path, None);
        program.signal("-TERM");
        let (code, told) = std::mem::replace(&mut program, next).end();
        assert_eq!(code, 0, "{told}");
        assert!(told.contains("0 were cut"), "{told}");
    }
    load.more(100);
    load.end();
}

#[test]
fn sighup_and_an_edit_go_live_and_a_mistake_is_told_with_its_place() {
    let text = |words: &str| {
        format!(
            "schemaVersion: 1\nlisteners: [{{name: web, address: \"127.0.0.1:0\"}}]\n\
             routes: [{{backend: {{directResponse: {{status: 200, body: {words}}}}}}}]\n"
        )
    };
    let (_dir, path) = file(&text("one"));
    let mut program = Program::start(&path, None);
    let address = program.address();
    let said = || Caller::connect(address).unwrap().call("").unwrap().0;
    let eventually = |words: &str| {
        let start = Instant::now();
        while said() != words {
            assert!(start.elapsed() < PATIENCE, "never came: {words}");
            std::thread::sleep(Duration::from_millis(20));
        }
    };
    assert_eq!(said(), "one");
    fs::write(&path, text("two")).unwrap();
    eventually("two");
    fs::write(&path, text("three").replace("body", "bdoy")).unwrap();
    program.until("the last good one serves on");
    let place = format!("{}:3:51", path.display());
    assert!(program.told.contains(&place), "{}", program.told);
    assert_eq!(said(), "two");
    program.signal("-HUP");
    program.told.clear();
    program.until("the last good one serves on");
    fs::write(&path, text("four")).unwrap();
    program.signal("-HUP");
    eventually("four");
    program.signal("-TERM");
    assert_eq!(program.end().0, 0);
}
