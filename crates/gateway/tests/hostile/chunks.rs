//! Chunked bodies that are not, and what stands beside the chunks.

use portcullis_testkit::Closed;

use crate::support::{CHAT, Case, Line, post_raw};

const TE: &str = "transfer-encoding: chunked\r\nconnection: close\r\n";

/// The chat call behind a chunk size line, whatever that is.
fn sized(line: &str) -> String {
    post_raw(TE, &format!("{line}\r\n{CHAT}\r\n0\r\n\r\n"))
}

#[tokio::test]
async fn a_chunk_size_is_plain_hexadecimal_digits() {
    let line = Line::start().await;
    let n = CHAT.len();
    let refused = |name, size: String| Case::refused(name, 400, "body_broken", sized(&size));
    let passed = |name, size: String| Case::passed(name, sized(&size), line.chat(CHAT));
    line.run(vec![
        refused("a sign", format!("+{n:x}")),
        refused("a negative one", format!("-{n:x}")),
        refused("a prefix", format!("0x{n:x}")),
        refused("nothing", String::new()),
        refused("a space before it", format!(" {n:x}")),
        refused("an underscore", "1_b".into()),
        refused("no digits", "xyz".into()),
        refused("past 64 bits", format!("1{:016x}", n)),
        refused("digits behind a space", format!("{n:x} 1")),
        refused("a null", format!("{n:x}\0")),
        refused("shorter than the data", format!("{:x}", n - 1)),
        refused("longer than the data", format!("{:x}", n + 1)),
        refused("a bare CR in an extension", format!("{n:x};a\rb")),
        refused("a bare LF in an extension", format!("{n:x};a\nb")),
        refused(
            "endless extensions",
            format!("{n:x};{}", "a".repeat(64 << 10)),
        ),
        passed("zeros before it", format!("000{n:x}")),
        passed("upper case", format!("{n:X}")),
        passed("an extension", format!("{n:x};name=\"value\"")),
        passed("a space behind it", format!("{n:x} ")),
    ])
    .await;
}

#[tokio::test]
async fn chunks_end_with_cr_and_lf() {
    let line = Line::start().await;
    let n = CHAT.len();
    let refused = |name, body: String| Case::refused(name, 400, "body_broken", post_raw(TE, &body));
    line.run(vec![
        refused(
            "a bare LF behind the size",
            format!("{n:x}\n{CHAT}\r\n0\r\n\r\n"),
        ),
        refused(
            "a bare LF behind the data",
            format!("{n:x}\r\n{CHAT}\n0\r\n\r\n"),
        ),
        refused(
            "a bare CR behind the data",
            format!("{n:x}\r\n{CHAT}\r0\r\n\r\n"),
        ),
        refused(
            "a bare LF behind the last size",
            format!("{n:x}\r\n{CHAT}\r\n0\n\r\n"),
        ),
        refused(
            "nothing behind the data",
            format!("{n:x}\r\n{CHAT}0\r\n\r\n"),
        ),
    ])
    .await;
}

/// A trailer names no framing: what is behind the body is dropped and does not reach the upstream.
#[tokio::test]
async fn trailers_change_nothing_and_are_not_sent_on() {
    let line = Line::start().await;
    let n = CHAT.len();
    let trailing = |trailers: &str| {
        post_raw(
            &format!("trailer: content-length, host\r\n{TE}"),
            &format!("{n:x}\r\n{CHAT}\r\n0\r\n{trailers}\r\n"),
        )
    };
    let passed = |name, trailers: &str| Case::passed(name, trailing(trailers), line.chat(CHAT));
    let broken = |name, trailers: &str| Case::refused(name, 400, "body_broken", trailing(trailers));
    let many = "a: b\r\n".repeat(2 * crate::support::MAX_HEADERS);
    let large = format!("a: {}\r\n", "b".repeat(2 * crate::support::MAX_HEAD));
    line.run(vec![
        passed("a length", "content-length: 5\r\n"),
        passed("chunks", "transfer-encoding: chunked\r\n"),
        passed(
            "a host and a key",
            "host: evil.test\r\nauthorization: Bearer stolen\r\n",
        ),
        passed("unknown ones", "x-a: 1\r\nx-b: 2\r\n"),
        broken("too many", &many),
        broken("too large", &large),
    ])
    .await;
}

#[tokio::test]
async fn a_client_that_leaves_within_a_chunk_sends_nothing_upstream() {
    let line = Line::start().await;
    let n = CHAT.len();
    for body in [
        format!("{n:x}"),
        format!("{n:x}\r\n"),
        format!("{n:x}\r\n{}", &CHAT[..5]),
        format!("{n:x}\r\n{CHAT}"),
        format!("{n:x}\r\n{CHAT}\r\n"),
        format!("{n:x}\r\n{CHAT}\r\n0\r\n"),
        format!("{n:x}\r\n{CHAT}\r\n0\r\n\n"),
        format!("{n:x}\r\n{CHAT}\r\n0\r\nx-a: 1\n\r\n"),
    ] {
        let answer = line.talk_and_finish(post_raw(TE, &body)).await;
        assert_ne!(answer.closed, Closed::Open, "{body:?}");
        assert!(
            answer.statuses().iter().all(|s| *s == 400),
            "{body:?}: {answer:?}"
        );
        assert!(line.recorder.take().is_empty(), "{body:?}");
    }
    line.is_well().await;
}
