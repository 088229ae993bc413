//! Compressed request bodies: read within bounds, sent on plain, or refused.

use std::io::Write;

use flate2::Compression;
use flate2::write::{GzEncoder, ZlibEncoder};

use crate::apart::Apart;
use crate::support::{CHAT, Case, Line, post_raw};

const CLOSE: &str = "connection: close\r\n";

fn gzip(text: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(text).unwrap();
    encoder.finish().unwrap()
}

fn deflate(text: &[u8]) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(text).unwrap();
    encoder.finish().unwrap()
}

fn call(headers: &str, body: &[u8]) -> Vec<u8> {
    let headers = format!("{headers}content-length: {}\r\n{CLOSE}", body.len());
    [post_raw(&headers, "").as_bytes(), body].concat()
}

/// A document of so many bytes, nearly all of them blanks.
fn blanks(bytes: usize) -> Vec<u8> {
    let mut text = CHAT.as_bytes().to_vec();
    text.resize(bytes, b' ');
    text
}

#[tokio::test]
async fn a_compressed_call_goes_on_as_if_it_had_been_sent_plain() {
    let line = Line::start().await;
    let zstd = zstd::encode_all(CHAT.as_bytes(), 3).unwrap();
    let brotli = b"\x0b\x0d\x80{\"model\":\"m\",\"messages\":[]}\x03";
    let chat = || line.chat(CHAT);
    let passed = |name, headers, body: &[u8]| Case::passed(name, call(headers, body), chat());
    line.run(vec![
        passed("gzip", "content-encoding: gzip\r\n", &gzip(CHAT.as_bytes())),
        passed(
            "in capitals",
            "Content-Encoding: GZIP\r\n",
            &gzip(CHAT.as_bytes()),
        ),
        passed(
            "deflate",
            "content-encoding: deflate\r\n",
            &deflate(CHAT.as_bytes()),
        ),
        passed("brotli", "content-encoding: br\r\n", brotli),
        passed("zstd", "content-encoding: zstd\r\n", &zstd),
    ])
    .await;
}

#[tokio::test]
async fn what_cannot_be_unpacked_is_refused_in_the_callers_dialect() {
    let line = Line::start().await;
    let packed = gzip(CHAT.as_bytes());
    let twice = gzip(&packed);
    let refused = |name, status, code, headers, body: &[u8]| {
        Case::refused(name, status, code, call(headers, body))
    };
    let gz = "content-encoding: gzip\r\n";
    line.run(vec![
        refused(
            "unknown",
            415,
            "body_encoded",
            "content-encoding: compress\r\n",
            &packed,
        ),
        refused(
            "two at once",
            415,
            "body_encoded",
            "content-encoding: gzip, gzip\r\n",
            &twice,
        ),
        refused(
            "two lines",
            415,
            "body_encoded",
            &format!("{gz}{gz}"),
            &twice,
        ),
        refused(
            "nothing",
            415,
            "body_encoded",
            "content-encoding: \r\n",
            &packed,
        ),
        refused("not what it says", 400, "body_broken", gz, CHAT.as_bytes()),
        refused("cut", 400, "body_broken", gz, &packed[..packed.len() - 4]),
        refused(
            "a wrong checksum",
            400,
            "body_broken",
            gz,
            &[&packed[..packed.len() - 8], &[0; 8]].concat(),
        ),
        refused(
            "more behind it",
            400,
            "body_broken",
            gz,
            &[&packed[..], b"more"].concat(),
        ),
        refused("no document inside", 400, "body_not_json", gz, &gzip(b"no")),
        refused("empty", 400, "body_not_json", gz, &gzip(b"")),
    ])
    .await;
}

#[tokio::test]
async fn the_body_limit_counts_what_a_body_unpacks_to() {
    let line = Line::with("{bodyLimit: {request: 10KiB}}").await;
    let gz = "content-encoding: gzip\r\n";
    let large = gzip(&blanks((10 << 10) + 1));
    let fits = blanks(10 << 10);
    let plain = String::from_utf8(fits.clone()).unwrap();
    line.run(vec![
        Case::refused("one byte more", 413, "body_too_large", call(gz, &large)),
        Case::passed(
            "as large as allowed",
            call(gz, &gzip(&fits)),
            line.chat(&plain),
        ),
    ])
    .await;
}

/// What the gateway does not read it does not unpack.
#[tokio::test]
async fn an_upload_goes_on_as_it_was_packed() {
    let line = Line::start().await;
    let body = "not gzip at all, and nobody looks";
    let upload = format!(
        "POST /v1/files HTTP/1.1\r\nhost: gateway.test\r\nx-request-id: t\r\n\
         content-encoding: gzip\r\ncontent-length: {}\r\n{CLOSE}\r\n{body}",
        body.len()
    );
    let headers = "x-request-id: t\r\ncontent-encoding: gzip\r\n";
    let seen = line.seen("POST /v1/files", headers, body);
    line.run(vec![Case::passed("an upload", upload, seen)])
        .await;
}

/// Bombs of 64 MiB in 64 KiB each, many at once.
#[tokio::test(flavor = "multi_thread")]
async fn bombs_do_not_grow_the_gateway() {
    let apart = Apart::start().await;
    let bomb = gzip(&blanks(64 << 20));
    assert!(bomb.len() < 80 << 10);
    let call = call("content-encoding: gzip\r\n", &bomb);
    let before = apart.memory();
    let bombs = (0..8).map(|_| async {
        let answer = apart.line.talk(&call).await;
        assert_eq!(answer.statuses(), [413], "{answer:?}");
        assert!(
            answer.replies[0].body.contains("body_too_large"),
            "{answer:?}"
        );
    });
    futures_util::future::join_all(bombs).await;
    let grown = apart.peak().saturating_sub(before);
    assert!(
        grown < 96 << 10,
        "{grown} KiB more for eight bombs of 64 MiB"
    );
    assert!(apart.line.recorder.take().is_empty());
    apart.line.is_well().await;
}
