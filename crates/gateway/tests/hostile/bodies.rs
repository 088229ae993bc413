//! Bodies: JSON that is none, too deep or read in two ways, and lengths that lie.

use portcullis_testkit::Closed;

use crate::support::{CHAT, Case, Line, post, post_raw};

const CLOSE: &str = "connection: close\r\n";

fn call(body: impl AsRef<[u8]>) -> Vec<u8> {
    let body = body.as_ref();
    let head = format!("content-length: {}\r\n{CLOSE}", body.len());
    [post_raw(&head, "").as_bytes(), body].concat()
}

/// The same to the model `echo`, which answers without an upstream.
fn echo(body: impl AsRef<[u8]>) -> Vec<u8> {
    let body = body.as_ref();
    let head = format!("content-length: {}\r\nx-route: echo\r\n{CLOSE}", body.len());
    [post_raw(&head, "").as_bytes(), body].concat()
}

fn nested(levels: usize) -> String {
    let (open, close) = ("[".repeat(levels), "]".repeat(levels));
    format!(r#"{{"model":"m","messages":[],"x":{open}{close}}}"#)
}

#[tokio::test]
async fn what_is_not_json_is_refused_in_the_callers_dialect() {
    let line = Line::start().await;
    let refused = |name, body: &[u8]| Case::refused(name, 400, "body_not_json", call(body));
    let objects = r#"{"x":"#.repeat(100_000);
    line.run(vec![
        refused("nothing", b""),
        refused("a list", b"[]"),
        refused("white space", b" \r\n\t"),
        refused("100,000 lists deep", nested(100_000).as_bytes()),
        refused("100,000 objects deep and no end", objects.as_bytes()),
        refused("100,000 lists and no end", "[".repeat(100_000).as_bytes()),
        refused("half a document", br#"{"model":"m","#),
        refused("two documents", br#"{"model":"m"}{"model":"n"}"#),
        refused("a byte order mark", b"\xef\xbb\xbf{\"model\":\"m\"}"),
        refused("a comma too many", br#"{"model":"m",}"#),
        refused("a comment", br#"{"model":"m"/* "model":"n" */}"#),
        refused("single quotes", br"{'model':'m'}"),
        refused("not a number", br#"{"model":"m","x":NaN}"#),
        refused("a leading zero", br#"{"model":"m","x":01}"#),
        refused("UTF-16", b"{\0\"\0m\0\"\0:\0\"\0m\0\"\0}\0"),
        refused("an escape that is none", br#"{"model":"\x6d"}"#),
        refused("half an escape", br#"{"model":"\u00"}"#),
    ])
    .await;
}

#[tokio::test]
async fn a_model_that_is_not_utf_8_is_refused() {
    let line = Line::start().await;
    let refused = |name, model: &[u8]| {
        let body = [br#"{"messages":[],"model":""#, model, br#""}"#].concat();
        Case::refused(name, 400, "invalid_field", call(body))
    };
    line.run(vec![
        refused("a lone continuation", b"\x80"),
        refused("an overlong slash", b"\xc0\xaf"),
        refused("a surrogate", b"\xed\xa0\x80"),
        refused("past the last character", b"\xf4\x90\x80\x80"),
        refused("half a character", b"\xe2\x82"),
        refused("Latin-1", b"caf\xe9"),
    ])
    .await;
}

#[tokio::test]
async fn a_key_that_decides_is_read_by_everyone_alike() {
    let line = Line::start().await;
    let refused = |name, code, body: &str| Case::refused(name, 400, code, call(body));
    let twice = "duplicate_key";
    let field = "invalid_field";
    line.run(vec![
        refused("twice", twice, r#"{"model":"m","model":"n"}"#),
        refused("in another case", twice, r#"{"model":"m","Model":"n"}"#),
        refused(
            "once by escapes",
            twice,
            r#"{"model":"m","mod\u0065l":"n"}"#,
        ),
        refused(
            "streams and does not",
            twice,
            r#"{"model":"m","stream":true,"stream":false}"#,
        ),
        refused(
            "a lone surrogate as the model",
            field,
            r#"{"model":"\ud800","messages":[]}"#,
        ),
        refused(
            "a list as the model",
            field,
            r#"{"model":["m"],"messages":[]}"#,
        ),
        refused("no model", field, r#"{"messages":[]}"#),
        refused("an empty model", field, r#"{"model":"","messages":[]}"#),
        refused("a number as stream", field, r#"{"model":"m","stream":1}"#),
    ])
    .await;
}

/// Whatever the gateway need not understand goes on as it is: the upstream judges it.
#[tokio::test]
async fn odd_but_valid_documents_go_on_unchanged() {
    let line = Line::start().await;
    let passed = |name, body: &str| Case::passed(name, call(body), line.chat(body));
    let long = format!(
        r#"{{"model":"m","messages":[],"x":"{}"}}"#,
        "\\u0000".repeat(50_000)
    );
    let wide = format!(r#"{{"model":"m","messages":[{}1]}}"#, "1,".repeat(200_000));
    line.run(vec![
        passed(
            "a lone surrogate elsewhere",
            r#"{"model":"m","messages":["\ud800"]}"#,
        ),
        passed(
            "two halves the wrong way round",
            r#"{"model":"m","messages":["\udc00\ud800"]}"#,
        ),
        passed("100 deep", &nested(100)),
        passed(
            "a raw line end in a string",
            "{\"model\":\"m\",\"messages\":[\"a\nb\"]}",
        ),
        passed(
            "a raw null in a string",
            "{\"model\":\"m\",\"messages\":[\"a\0b\"]}",
        ),
        passed(
            "a huge number",
            r#"{"model":"m","messages":[],"x":1e999999}"#,
        ),
        passed("many escapes", &long),
        passed("many items", &wide),
        passed(
            "the last character",
            "{\"model\":\"\u{10ffff}\",\"messages\":[]}",
        ),
    ])
    .await;
}

/// Bytes that are no UTF-8, where the gateway does not read, arrive as they were sent.
#[tokio::test]
async fn bytes_that_are_not_utf_8_go_on_byte_for_byte() {
    let line = Line::start().await;
    let body = b"{\"model\":\"m\",\"messages\":[\"\x80\xc0\xaf\xed\xa0\x80\xff\"]}";
    let answer = line.talk(call(body)).await;
    assert_eq!(answer.statuses(), [200], "{answer:?}");
    let seen = line.recorder.take_bytes();
    assert_eq!(seen.len(), 1);
    assert!(seen[0].ends_with(&[b"\r\n\r\n", &body[..]].concat()));
    line.is_well().await;
}

/// The same fault, told to callers of other dialects as those have it.
#[tokio::test]
async fn each_dialect_tells_of_a_broken_document_in_its_own_words() {
    let line = Line::start().await;
    let dialects = [
        (
            "/v1/messages",
            r#"{"type":"error","error":{"type":"invalid_request_error""#,
        ),
        ("/v1/responses", r#"{"error":{"message":"#),
        ("/v1/embeddings", r#"{"error":{"message":"#),
        ("/v1/chat/completions", r#"{"error":{"message":"#),
    ];
    for (path, begins) in dialects {
        for body in [&b"{"[..], b"\xff", "[".repeat(100_000).as_bytes()] {
            let text = String::from_utf8_lossy(&call(body)).into_owned();
            let text = text.replace("/v1/chat/completions", path);
            let at = text.find("\r\n\r\n").unwrap();
            let answer = line.talk([&text.as_bytes()[..at + 4], body].concat()).await;
            let [reply] = &answer.replies[..] else {
                panic!("{path}: {answer:?}")
            };
            assert_eq!(
                reply.header("portcullis-error"),
                Some("body_not_json"),
                "{path}"
            );
            assert!(reply.body.starts_with(begins), "{path}: {}", reply.body);
        }
    }
    assert!(line.recorder.take().is_empty());
    line.is_well().await;
}

/// The built-in model reads more of a document than the gateway does, and stands it as well.
#[tokio::test]
async fn the_built_in_model_stands_hostile_documents() {
    let line = Line::start().await;
    let surrogate = r#"{"model":"m","messages":[{"role":"user","content":"\ud800"}]}"#;
    let role = r#"{"model":"m","messages":[{"role":7,"content":{}}]}"#;
    let deep = format!(
        r#"{{"model":"m","messages":[{{"role":"user","content":{}{}}}]}}"#,
        "[".repeat(100),
        "]".repeat(100)
    );
    for body in [surrogate, role, &deep, &nested(100_000)] {
        let answer = line.talk(echo(body)).await;
        let [reply] = &answer.replies[..] else {
            panic!("{answer:?}")
        };
        assert_eq!(reply.status, 400, "{body:.80}");
        assert!(
            reply.body.starts_with(r#"{"error":{"#),
            "{body:.80}: {reply:?}"
        );
    }
    assert!(line.recorder.take().is_empty());
    line.is_well().await;
}

/// A length that promises more than comes: nothing goes upstream, and whoever stays hears why.
#[tokio::test]
async fn a_body_shorter_than_its_length_is_broken() {
    let line = Line::start().await;
    let short = post_raw(
        &format!("content-length: {}\r\n{CLOSE}", CHAT.len() + 1),
        CHAT,
    );
    let answer = line.talk_and_finish(short).await;
    assert_ne!(answer.closed, Closed::Open);
    assert!(answer.statuses().iter().all(|s| *s == 400), "{answer:?}");
    assert!(line.recorder.take().is_empty());
    line.is_well().await;
}

/// A length that promises less than comes: what is too much is a second request, and that is none.
#[tokio::test]
async fn what_is_behind_a_body_is_not_part_of_it() {
    let line = Line::start().await;
    let long = post_raw(
        &format!("content-length: {}\r\n", CHAT.len()),
        &format!("{CHAT}}}}}\r\n\r\n"),
    );
    line.run(vec![Case {
        name: "too much",
        send: long.into(),
        client: vec![(200, ""), (400, "")],
        upstream: vec![line.chat(CHAT)],
    }])
    .await;
}

#[tokio::test]
async fn a_body_beyond_the_bound_is_refused_before_it_is_read() {
    let line = Line::with("{bodyLimit: {request: 1KiB}}").await;
    let body = format!(r#"{{"model":"m","x":"{}"}}"#, "x".repeat(2 << 10));
    let chunked = format!("{:x}\r\n{body}\r\n0\r\n\r\n", body.len());
    let te = format!("transfer-encoding: chunked\r\n{CLOSE}");
    line.run(vec![
        Case::refused("by its length", 413, "body_too_large", post(CLOSE, &body)),
        Case::refused(
            "by its chunks",
            413,
            "body_too_large",
            post_raw(&te, &chunked),
        ),
        Case::refused(
            "by a chunk that does not come",
            413,
            "body_too_large",
            post_raw(&te, &format!("ffffffff\r\n{body}")),
        ),
        Case::refused(
            "by its length alone",
            413,
            "body_too_large",
            post_raw(&format!("content-length: 99999999999\r\n{CLOSE}"), ""),
        ),
    ])
    .await;
}
