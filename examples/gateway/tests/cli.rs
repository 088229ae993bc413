//! The program as its users meet it: its output, its exit codes, and calls over sockets.
#![expect(
    clippy::unwrap_used,
    reason = "what drives the program fails a test as an assertion does"
)]

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command, Output, Stdio};

const GOOD: &str = r#"
schemaVersion: 1
listeners: [{name: web, address: "127.0.0.1:0"}]
routes:
- name: v1
  match: {path: {prefix: /v1}}
  policies: [{apiKeyAuthentication: {keys: [{key: sk-of-alice, id: alice}]}}]
  backend: models
backends:
- {name: models, models: [{match: fast, backend: openai, rewrite: gpt-5-mini}]}
- {name: openai, llm: {provider: openai, apiKey: sk-never-shown}}
"#;

fn portcullis(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_portcullis"));
    for name in ["OPENAI_API_KEY", "ANTHROPIC_API_KEY", "RUST_LOG"] {
        command.env_remove(name);
    }
    command.args(arguments);
    command
}

/// Runs to the end: exit code, standard output, standard error.
fn run(arguments: &[&str]) -> (i32, String, String) {
    let Output {
        status,
        stdout,
        stderr,
    } = portcullis(arguments).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (status.code().unwrap(), text(stdout), text(stderr))
}

/// A configuration file that lasts as long as its folder.
fn file(text: &str) -> (tempfile::TempDir, String) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("gateway.yaml");
    fs::write(&path, text).unwrap();
    let path = path.to_str().unwrap().to_owned();
    (dir, path)
}

/// A gateway that serves, killed when dropped.
struct Serving {
    child: Child,
    stderr: BufReader<ChildStderr>,
    greeting: String,
}

impl Serving {
    /// Starts it, and reads its greeting up to a line with `last`.
    fn start(command: &mut Command, last: &str) -> Self {
        let piped = command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = piped.spawn().unwrap();
        let mut stderr = BufReader::new(child.stderr.take().unwrap());
        let mut greeting = String::new();
        while !greeting.lines().any(|line| line.contains(last)) {
            let read = stderr.read_line(&mut greeting).unwrap();
            assert!(read > 0, "it ended: {greeting}");
        }
        Self {
            child,
            stderr,
            greeting,
        }
    }

    fn address(&self) -> &str {
        let (_, after) = self.greeting.split_once("http://").unwrap();
        after.split_whitespace().next().unwrap()
    }

    /// Status and body of the reply to a chat call.
    fn chat(&self, host: &str, body: &str) -> (u16, String) {
        let mut socket = TcpStream::connect(self.address()).unwrap();
        let length = body.len();
        let request = format!(
            "POST /v1/chat/completions HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\
             content-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}"
        );
        socket.write_all(request.as_bytes()).unwrap();
        let mut reply = String::new();
        socket.read_to_string(&mut reply).unwrap();
        let status = reply.split(' ').nth(1).unwrap().parse().unwrap();
        let (_, body) = reply.split_once("\r\n\r\n").unwrap();
        (status, body.to_owned())
    }

    /// Sends it a signal and waits for its end: exit code and both outputs from here on.
    #[cfg(unix)]
    fn stop(mut self, signal: &str) -> (i32, String, String) {
        let id = self.child.id().to_string();
        let sent = Command::new("kill").args([signal, &id]).status().unwrap();
        assert!(sent.success());
        let (mut out, mut err) = (String::new(), String::new());
        let stdout = self.child.stdout.as_mut().unwrap();
        stdout.read_to_string(&mut out).unwrap();
        self.stderr.read_to_string(&mut err).unwrap();
        (self.child.wait().unwrap().code().unwrap(), out, err)
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn zero() -> Serving {
    Serving::start(&mut portcullis(&["--listen", "127.0.0.1:0"]), "curl ")
}

#[test]
fn without_a_file_the_curl_line_it_prints_is_answered() {
    let serving = zero();
    let curl = serving
        .greeting
        .lines()
        .find(|l| l.contains("curl "))
        .unwrap();
    assert!(curl.contains(&format!(
        "curl http://{}/v1/chat/completions",
        serving.address()
    )));
    let quoted: Vec<_> = curl.split('\'').collect();
    assert_eq!(quoted[1], "content-type: application/json");
    let (status, body) = serving.chat(serving.address(), quoted[3]);
    assert_eq!(status, 200);
    let reply: serde_json::Value = serde_json::from_str(&body).unwrap();
    assert_eq!(reply["choices"][0]["message"]["content"], "Hello!");
}

#[test]
fn without_a_file_a_foreign_host_is_refused() {
    let (status, body) = zero().chat("evil.example", r#"{"model": "echo", "messages": []}"#);
    assert_eq!(status, 403);
    assert!(body.contains("host_refused"), "{body}");
}

#[test]
fn providers_found_are_named_by_variable_and_the_key_is_never_shown() {
    let mut command = portcullis(&["--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"]);
    command.env("OPENAI_API_KEY", "sk-never-shown");
    let serving = Serving::start(&mut command, "curl ");
    let greeting = serving.greeting.clone();
    assert!(
        greeting.contains("by the key in OPENAI_API_KEY"),
        "{greeting}"
    );
    assert!(
        greeting.contains("ANTHROPIC_API_KEY is not set"),
        "{greeting}"
    );
    assert!(greeting.contains("/metrics"), "{greeting}");
    assert!(!greeting.contains("sk-never-shown"), "{greeting}");
}

#[cfg(unix)]
#[test]
fn a_signal_ends_it_well_and_every_call_is_in_the_log() {
    for signal in ["-TERM", "-INT"] {
        let serving = zero();
        let host = serving.address().to_owned();
        serving.chat(&host, r#"{"model": "echo", "messages": []}"#);
        let (code, out, err) = serving.stop(signal);
        assert_eq!(code, 0, "{err}");
        assert!(out.contains("200") && out.contains("model=echo"), "{out}");
        assert!(err.contains("stopping"), "{err}");
    }
}

#[cfg(unix)]
#[test]
fn a_second_signal_cuts_what_is_under_way() {
    let config = "schemaVersion: 1\n\
        listeners: [{name: web, address: \"127.0.0.1:0\"}]\n\
        routes: [{backend: {echo: {delay: 1h}}}]\n";
    let (_dir, path) = file(config);
    let mut serving = Serving::start(&mut portcullis(&["--config", &path]), "http://");
    let body =
        r#"{"model": "echo", "stream": true, "messages": [{"role": "user", "content": "a b c"}]}"#;
    let mut socket = TcpStream::connect(serving.address()).unwrap();
    write!(
        socket,
        "POST /v1/chat/completions HTTP/1.1\r\nhost: a\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
    .unwrap();
    // The head of the reply: the call is under way.
    socket.read_exact(&mut [0; 16]).unwrap();
    let id = serving.child.id().to_string();
    Command::new("kill").args(["-TERM", &id]).status().unwrap();
    let mut told = String::new();
    while !told.contains("stopping") {
        assert!(serving.stderr.read_line(&mut told).unwrap() > 0);
    }
    let (code, _, err) = serving.stop("-TERM");
    assert_eq!(code, 3, "{err}");
}

#[test]
fn an_address_in_use_is_told_with_what_to_change() {
    let serving = zero();
    let (code, _, err) = run(&["--listen", serving.address()]);
    assert_eq!(code, 1);
    assert!(
        err.contains("cannot bind") && err.contains("--listen"),
        "{err}"
    );
}

#[test]
fn an_address_open_to_others_is_refused_without_a_file() {
    let (code, _, err) = run(&["--listen", "0.0.0.0:0"]);
    assert_eq!(code, 2);
    assert!(err.contains("open to other machines"), "{err}");
}

#[test]
fn a_good_file_is_valid() {
    let (_dir, path) = file(GOOD);
    let (code, out, err) = run(&["validate", &path]);
    assert_eq!((code, &*err), (0, ""));
    assert_eq!(out, "ok: 1 project, 1 listener, 1 route, 2 backends\n");
}

#[test]
fn a_mistake_is_told_once_with_line_and_column() {
    let (_dir, path) = file(&GOOD.replace("prefix", "prefx"));
    for arguments in [&["validate", &path][..], &["--config", &path]] {
        let (code, out, err) = run(arguments);
        assert_eq!((code, &*out), (2, ""));
        assert!(err.contains(&format!("{path}:6:18")), "{err}");
        assert!(err.contains("did you mean `prefix`?"), "{err}");
        assert_eq!(err.matches("error:").count(), 1, "{err}");
    }
}

#[test]
fn in_a_directory_one_team_s_mistake_leaves_the_others_served() {
    let dir = tempfile::tempdir().unwrap();
    let team = |name: &str, kind: &str| {
        let text = format!(
            "schemaVersion: 1\nproject: {name}\nlisteners: [{{name: web, address: \"127.0.0.1:0\"}}]\n\
             routes: [{{backend: {{{kind}: {{}}}}}}]\n"
        );
        fs::write(dir.path().join(format!("{name}.yaml")), text).unwrap();
    };
    team("a", "echo");
    team("b", "ecko");
    let path = dir.path().to_str().unwrap();
    let serving = Serving::start(&mut portcullis(&["--config", path]), "a/listener/web");
    assert!(
        serving.greeting.contains("b.yaml:4:"),
        "{}",
        serving.greeting
    );
    assert_eq!(run(&["validate", path]).0, 2);
}

#[test]
fn what_is_not_there_and_what_is_no_request_are_mistakes_of_the_caller() {
    for arguments in [
        &["--config", "/nowhere/at-all.yaml"][..],
        &["validate", "/nowhere/at-all.yaml"],
        &["explain", "GET", "http://a b/"],
        &["explain", "GET", "/", "-H", "no colon"],
        &["--listen", "127.0.0.1:0", "--config", "a.yaml"],
        &["--unheard-of"],
    ] {
        let (code, out, err) = run(arguments);
        assert_eq!((code, &*out), (2, ""), "{arguments:?}");
        assert_eq!(err.matches("error:").count(), 1, "{err}");
    }
}

#[test]
fn explain_tells_the_way_to_the_upstream_and_no_secret() {
    let (_dir, path) = file(GOOD);
    let url = "http://127.0.0.1:8080/v1/chat/completions";
    let body = r#"{"model": "fast", "messages": []}"#;
    let header = "authorization: Bearer sk-of-alice";
    let (code, out, _) = run(&[
        "explain", "--config", &path, "POST", url, "-H", header, "--body", body,
    ]);
    assert_eq!(code, 0);
    for told in [
        "default/route/v1 [path prefix /v1]",
        &format!("{path}:7:15"),
        "call: chat in openai-chat, model `fast`",
        "by the pattern `fast`, asked for `gpt-5-mini`",
        "POST https://api.openai.com/v1/chat/completions, model `gpt-5-mini`",
    ] {
        assert!(out.contains(told), "{told}: {out}");
    }
    assert!(!out.contains("sk-"), "{out}");

    let asked = file(body);
    let from_file = format!("@{}", asked.1);
    let (code, out, _) = run(&["explain", "-c", &path, "POST", url, "--body", &from_file]);
    assert_eq!(code, 0);
    assert!(out.contains("end: 401 api_key_missing"), "{out}");
}

#[test]
fn the_schema_is_the_committed_one() {
    let (code, out, _) = run(&["schema"]);
    let committed = fs::read_to_string(root().join("crates/gateway/gateway.schema.json")).unwrap();
    assert_eq!(code, 0);
    assert!(out == committed.replace("\r\n", "\n"));
}

#[test]
fn the_version_has_the_commit() {
    let (code, out, _) = run(&["--version"]);
    assert_eq!(code, 0);
    let (version, commit) = out.trim_end().split_once(" (").unwrap();
    assert_eq!(version, concat!("portcullis ", env!("CARGO_PKG_VERSION")));
    let commit = commit.strip_suffix(')').unwrap();
    assert!(
        commit == "unknown" || commit.bytes().all(|b| b.is_ascii_hexdigit()),
        "{commit}"
    );
}

#[test]
fn the_configuration_in_the_readme_is_valid() {
    let readme = fs::read_to_string(root().join("README.md"))
        .unwrap()
        .replace("\r\n", "\n");
    let (_, after) = readme.split_once("```yaml\n").unwrap();
    let (_dir, path) = file(after.split_once("```").unwrap().0);
    let mut command = portcullis(&["validate", &path]);
    command
        .env("ANTHROPIC_API_KEY", "sk-a")
        .env("OPENAI_API_KEY", "sk-b");
    let output = command.output().unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

#[test]
fn the_code_in_the_readme_is_that_of_the_examples() {
    let readme = fs::read_to_string(root().join("README.md"))
        .unwrap()
        .replace("\r\n", "\n");
    let sources: String = ["one-layer", "embed", "own-policy"]
        .iter()
        .map(|name| {
            fs::read_to_string(root().join(format!("examples/{name}/src/main.rs"))).unwrap()
        })
        .collect::<String>()
        .replace("\r\n", "\n");
    let blocks: Vec<_> = readme.split("```rust\n").skip(1).collect();
    assert_eq!(blocks.len(), 3);
    for block in blocks {
        let code = block.split("```").next().unwrap();
        assert!(sources.contains(code), "{code}");
    }
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}
