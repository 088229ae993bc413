//! Smuggling: requests that two readers of HTTP could end at different bytes.

use crate::support::{CHAT, Case, Line, post, post_raw};

/// What must never be taken for a request.
const SMUGGLED: &str =
    "POST /v1/embeddings HTTP/1.1\r\nhost: gateway.test\r\ncontent-length: 2\r\n\r\n{}";

/// The chat call in one chunk, and the smuggled one behind it.
fn chunked() -> String {
    format!("{:x}\r\n{CHAT}\r\n0\r\n\r\n{SMUGGLED}", CHAT.len())
}

#[tokio::test]
async fn a_request_that_is_framed_twice_or_not_at_all_is_one_request_or_none() {
    let line = Line::start().await;
    let length = format!("content-length: {}\r\n", CHAT.len());
    let refused = |name, headers: &str| Case::refused(name, 400, "", post_raw(headers, &chunked()));
    line.run(vec![
        // RFC 9112, section 6.3: chunks win, the length is dropped, and nothing further is read.
        Case::passed(
            "length, then chunks",
            post_raw(
                &format!("{length}transfer-encoding: chunked\r\n"),
                &chunked(),
            ),
            line.chat(CHAT),
        ),
        Case::passed(
            "chunks, then length",
            post_raw(
                &format!("transfer-encoding: chunked\r\n{length}"),
                &chunked(),
            ),
            line.chat(CHAT),
        ),
        Case::passed(
            "chunks, then a length that is no number",
            post_raw(
                "transfer-encoding: chunked\r\ncontent-length: x\r\n",
                &chunked(),
            ),
            line.chat(CHAT),
        ),
        refused(
            "a length that is no number, then chunks",
            "content-length: x\r\ntransfer-encoding: chunked\r\n",
        ),
        refused("xchunked", "transfer-encoding: xchunked\r\n"),
        refused("chunked in quotes", "transfer-encoding: \"chunked\"\r\n"),
        refused(
            "chunked is not last",
            "transfer-encoding: chunked, gzip\r\n",
        ),
        refused("identity alone", "transfer-encoding: identity\r\n"),
        refused(
            "two lines, the last another",
            "transfer-encoding: chunked\r\ntransfer-encoding: cow\r\n",
        ),
        refused("nothing", "transfer-encoding:\r\n"),
        refused(
            "a vertical tab before it",
            "transfer-encoding: \x0bchunked\r\n",
        ),
        refused("a null behind it", "transfer-encoding: chunked\0\r\n"),
        refused("a parameter", "transfer-encoding: chunked;q=1\r\n"),
    ])
    .await;
}

#[tokio::test]
async fn only_one_transfer_coding_is_understood_and_said_so() {
    let line = Line::start().await;
    let close = "connection: close\r\n";
    let code = "transfer_encoding_refused";
    let refused = |name, headers: &str| {
        Case::refused(
            name,
            400,
            code,
            post_raw(&format!("{headers}{close}"), &chunked()),
        )
    };
    let passed = |name, headers: &str| {
        Case::passed(
            name,
            post_raw(&format!("{headers}{close}"), &chunked()),
            line.chat(CHAT),
        )
    };
    line.run(vec![
        refused("chunked twice", "transfer-encoding: chunked, chunked\r\n"),
        refused(
            "chunked on two lines",
            "transfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n",
        ),
        refused(
            "compressed and chunked",
            "transfer-encoding: gzip, chunked\r\n",
        ),
        refused(
            "identity and chunked",
            "transfer-encoding: identity, chunked\r\n",
        ),
        refused(
            "two lines, the first another",
            "transfer-encoding: cow\r\ntransfer-encoding: chunked\r\n",
        ),
        refused("an empty element", "transfer-encoding: ,chunked\r\n"),
        passed("a tab before it", "transfer-encoding:\tchunked\r\n"),
        passed("a space behind it", "transfer-encoding: chunked \r\n"),
        passed("another case", "Transfer-Encoding: cHuNkEd\r\n"),
    ])
    .await;
}

#[tokio::test]
async fn a_length_is_digits_and_one() {
    let line = Line::start().await;
    let n = CHAT.len();
    let refused = |name, value: String| {
        let headers = format!("content-length: {value}\r\n");
        Case::refused(
            name,
            400,
            "",
            post_raw(&headers, &format!("{CHAT}{SMUGGLED}")),
        )
    };
    line.run(vec![
        refused("a sign", format!("+{n}")),
        refused("a negative one", format!("-{n}")),
        refused("hexadecimal", format!("0x{n:x}")),
        refused("a fraction", format!("{n}.0")),
        refused("a list of two", format!("{n}, {n}")),
        refused("a list of different ones", format!("{n}, 0")),
        refused("words", "many".into()),
        refused("nothing", String::new()),
        refused("a space inside", "2 7".into()),
        refused("past 64 bits", "18446744073709551616".into()),
        refused(
            "different ones on two lines",
            format!("{n}\r\ncontent-length: 0"),
        ),
        refused("a null", format!("{n}\0")),
        Case::refused(
            "more than there is",
            431,
            "",
            post("content-length: 18446744073709551615\r\n", CHAT),
        ),
        Case::refused(
            "a space before the colon",
            400,
            "",
            post_raw(&format!("content-length : {n}\r\n"), CHAT),
        ),
        Case::passed(
            "the same on two lines is sent on once",
            post_raw(
                &format!("content-length: {n}\r\ncontent-length: {n}\r\nconnection: close\r\n"),
                CHAT,
            ),
            line.chat(CHAT),
        ),
        Case::passed(
            "leading zeros",
            post_raw(
                &format!("content-length: 000{n}\r\nconnection: close\r\n"),
                CHAT,
            ),
            line.chat(CHAT),
        ),
    ])
    .await;
}

#[tokio::test]
async fn a_line_ends_one_way_only() {
    let line = Line::start().await;
    let refused = |name, headers: &str| Case::refused(name, 400, "", post(headers, CHAT));
    line.run(vec![
        refused(
            "a folded header",
            "x-a: 1\r\n transfer-encoding: chunked\r\n",
        ),
        refused(
            "a folded header, by tab",
            "x-a: 1\r\n\ttransfer-encoding: chunked\r\n",
        ),
        refused("a fold of nothing", "x-a:\r\n \r\n"),
        refused(
            "a bare CR in a value",
            "x-a: 1\rtransfer-encoding: chunked\r\n",
        ),
        refused("a bare CR in a name", "x-\ra: 1\r\n"),
        refused("a bare CR alone", "\rx-a: 1\r\n"),
        refused("a null in a value", "x-a: 1\0\r\n"),
        refused("a name with a space", "x a: 1\r\n"),
        refused("a space before a name", " x-a: 1\r\n"),
        refused("no colon", "transfer-encoding chunked\r\n"),
        refused("no name", ": 1\r\n"),
        refused("a name beyond ASCII", "x-\u{e9}: 1\r\n"),
    ])
    .await;
}

/// A line feed alone ends a line for us, as RFC 9112, section 2.2 allows: what goes upstream is written anew.
#[tokio::test]
async fn a_bare_line_feed_never_reaches_the_upstream() {
    let line = Line::start().await;
    let bare = post("x-a: 1\r\nconnection: close\r\n", CHAT).replace("\r\n", "\n");
    let mixed = post("x-a: 1\nx-b: 2\r\nconnection: close\r\n", CHAT);
    line.run(vec![
        Case::passed(
            "all lines",
            bare,
            line.seen(
                "POST /v1/chat/completions",
                "x-request-id: t\r\nx-a: 1\r\n",
                CHAT,
            ),
        ),
        Case::passed(
            "one line",
            mixed,
            line.seen(
                "POST /v1/chat/completions",
                "x-request-id: t\r\nx-a: 1\r\nx-b: 2\r\n",
                CHAT,
            ),
        ),
    ])
    .await;
}

#[tokio::test]
async fn an_old_version_gets_no_chunks_and_an_unknown_one_nothing() {
    let line = Line::start().await;
    let version = |version: &str, headers: &str, body: &str| {
        post_raw(headers, body).replacen("HTTP/1.1", version, 1)
    };
    let length = format!("content-length: {}\r\n", CHAT.len());
    line.run(vec![
        Case::refused(
            "chunks",
            400,
            "",
            version("HTTP/1.0", "transfer-encoding: chunked\r\n", &chunked()),
        ),
        Case::refused(
            "chunks and a length",
            400,
            "",
            version(
                "HTTP/1.0",
                &format!("{length}transfer-encoding: chunked\r\n"),
                &chunked(),
            ),
        ),
        Case::refused("2.0", 400, "", version("HTTP/2.0", &length, CHAT)),
        Case::refused("1.2", 400, "", version("HTTP/1.2", &length, CHAT)),
        Case::refused("0.9", 400, "", "GET /v1/models\r\n\r\n"),
        Case::refused("lower case", 400, "", version("http/1.1", &length, CHAT)),
        Case::passed(
            "1.0, without a second request",
            version("HTTP/1.0", &length, &format!("{CHAT}{SMUGGLED}")),
            line.chat(CHAT),
        ),
    ])
    .await;
}
