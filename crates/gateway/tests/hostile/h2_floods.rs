//! HTTP/2 that is allowed frame by frame and meant to exhaust whoever reads it. Each flood runs against a
//! gateway in a process of its own: its memory is the claim.

use std::time::Duration;

use crate::apart::Apart;
use crate::frames::{
    CONTINUATION, DATA, END_HEADERS, END_STREAM, HEADERS, PING, PRIORITY, Peer, RST_STREAM,
    SETTINGS, WINDOW_UPDATE, block, frame, head,
};
use crate::recorder::{Script, Then};
use crate::support::CHAT;

/// How much more memory a flood may take, in KiB: the gateway itself has 10 to 20 MiB in a debug build.
const ALLOWED: u64 = 24 << 10;
/// How long a flood goes on at most.
const LONG: Duration = Duration::from_secs(4);

const POST: [(&str, &str); 5] = [
    (":method", "POST"),
    (":scheme", "http"),
    (":authority", "gateway.test"),
    (":path", "/v1/chat/completions"),
    ("x-request-id", "t"),
];

/// Floods a new gateway with the same bytes, reads nothing, and asks whether it is well.
async fn flood(what: &str, opening: Vec<u8>, bytes: &[u8]) -> usize {
    let apart = Apart::start().await;
    let before = apart.memory();
    let mut peer = Peer::connect(apart.line.addr).await;
    peer.send(opening).await;
    let sent = peer.flood(bytes, (256 << 20) / bytes.len(), LONG).await;
    let grown = apart.peak().saturating_sub(before);
    assert!(
        grown < ALLOWED,
        "{what}: {grown} KiB more after {sent} times {} bytes",
        bytes.len()
    );
    apart.line.is_well().await;
    sent
}

#[tokio::test(flavor = "multi_thread")]
async fn settings_pings_and_priorities_are_answered_or_not_at_no_cost_in_memory() {
    flood("settings", vec![], &frame(SETTINGS, 0, 0, &[]).repeat(500)).await;
    let tables = [0, 1, 0, 0, 0x10, 0, 0, 1, 0, 0, 0, 0];
    flood(
        "table sizes",
        vec![],
        &frame(SETTINGS, 0, 0, &tables).repeat(200),
    )
    .await;
    flood("pings", vec![], &frame(PING, 0, 0, b"12345678").repeat(500)).await;
    flood(
        "priorities",
        vec![],
        &frame(PRIORITY, 0, 5, &[0, 0, 0, 1, 9]).repeat(500),
    )
    .await;
    flood(
        "windows",
        vec![],
        &frame(WINDOW_UPDATE, 0, 0, &[0, 0, 0, 1]).repeat(500),
    )
    .await;
    flood(
        "unknown frames",
        vec![],
        &frame(0xbe, 0xff, 0, &[0; 1_000]).repeat(20),
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_head_continued_without_end_is_refused() {
    let begin = frame(HEADERS, 0, 1, &block(&POST));
    let field = block(&[("x-a", &"a".repeat(1_000))]);
    let sent = flood(
        "continuations",
        begin.clone(),
        &frame(CONTINUATION, 0, 1, &field).repeat(10),
    )
    .await;
    assert!(sent < 5_000, "{sent} times 10 kB of one head were taken");
    let sent = flood(
        "empty continuations",
        begin,
        &frame(CONTINUATION, 0, 1, &[]).repeat(500),
    )
    .await;
    assert!(
        sent < 25_000,
        "{sent} times 500 empty frames of one head were taken"
    );
}

/// One field, then thousands of references to it: a small head that is a large one when it is read.
#[tokio::test(flavor = "multi_thread")]
async fn a_head_that_grows_when_it_is_read_is_refused() {
    let apart = Apart::start().await;
    let before = apart.memory();
    let mut fields = block(&POST);
    fields.push(0x40);
    fields.extend_from_slice(&block(&[("x-a", &"a".repeat(3_900))])[1..]);
    let more = [
        frame(HEADERS, END_STREAM, 1, &fields),
        frame(CONTINUATION, END_HEADERS, 1, &[0xbe; 16_000]),
    ];
    let mut peer = Peer::connect(apart.line.addr).await;
    peer.send(more.concat()).await;
    let heard = peer.hear(1).await;
    let refused = heard.status == Some(431) || heard.reset.is_some() || heard.goaway.is_some();
    assert!(refused, "{heard:?}");
    assert!(apart.peak().saturating_sub(before) < ALLOWED);
    assert!(apart.line.recorder.take().is_empty());
    apart.line.is_well().await;
}

/// Streams opened and reset at once (CVE-2023-44487), with and without time for the call to go upstream.
#[tokio::test(flavor = "multi_thread")]
async fn streams_reset_at_once_do_not_pile_up() {
    let apart = Apart::start().await;
    let before = apart.memory();
    let mut peer = Peer::connect(apart.line.addr).await;
    let mut taken = 0;
    'flood: for round in 0..1_000_u32 {
        let mut batch = Vec::new();
        for n in 0..50 {
            let stream = (round * 50 + n) * 2 + 1;
            batch.extend(head(stream, 0, &POST));
            batch.extend(frame(DATA, END_STREAM, stream, CHAT.as_bytes()));
            batch.extend(frame(RST_STREAM, 0, stream, &[0, 0, 0, 8]));
        }
        if !peer.send(batch).await {
            break 'flood;
        }
        taken += 50;
    }
    let grown = apart.peak().saturating_sub(before);
    assert!(grown < ALLOWED, "{grown} KiB more after {taken} streams");
    let asked = apart.line.recorder.take().len();
    assert!(asked <= taken, "{asked} calls of {taken} streams");
    apart.line.is_well().await;
}

/// Frames of no data cost the client nine bytes each; kept, they would cost more.
#[tokio::test(flavor = "multi_thread")]
async fn data_frames_without_data_are_not_kept() {
    let head = head(1, 0, &POST);
    flood(
        "of a call that is read",
        head.clone(),
        &frame(DATA, 0, 1, &[]).repeat(500),
    )
    .await;
    flood(
        "with padding alone",
        head,
        &frame(DATA, 8, 1, &[255; 256]).repeat(20),
    )
    .await;
}

/// The upload's upstream does not read, so the gateway does not either.
#[tokio::test(flavor = "multi_thread")]
async fn an_upload_nobody_reads_is_held_back() {
    let apart = Apart::start().await;
    let hold = Script {
        when: crate::recorder::When::Head,
        bytes: Vec::new(),
        then: Then::Hold,
    };
    apart.line.recorder.answer(hold);
    let before = apart.memory();
    let mut fields = POST.to_vec();
    fields[3].1 = "/v1/files";
    for data in [&[0; 16_000][..], &[]] {
        let mut peer = Peer::connect(apart.line.addr).await;
        peer.send(head(1, 0, &fields)).await;
        let frames = frame(DATA, 0, 1, data).repeat(1 + 4_500 / (data.len() + 9));
        let sent = peer.flood(&frames, (64 << 20) / frames.len(), LONG).await;
        let grown = apart.peak().saturating_sub(before);
        assert!(
            grown < ALLOWED,
            "{grown} KiB more after {sent} times {} bytes",
            frames.len()
        );
    }
    apart
        .line
        .recorder
        .answer(Script::new(crate::recorder::ANSWER, Then::Keep));
    apart.line.is_well().await;
}

/// A client that asks much and opens no window: the replies stay at the upstream, bounded for each stream.
#[tokio::test(flavor = "multi_thread")]
async fn replies_wait_for_a_window_outside_of_the_gateway() {
    let apart = Apart::start().await;
    let large = "x".repeat(16 << 20);
    let events = format!("HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\n\r\n{large}");
    apart.line.recorder.answer(Script::new(events, Then::Close));
    let before = apart.memory();
    let mut fields = POST.to_vec();
    fields[3].1 = "/v1/files";
    let mut peer = Peer::with(apart.line.addr, &[(4, 0)]).await;
    let streams = 20;
    for n in 0..streams {
        peer.send(head(n * 2 + 1, END_STREAM, &fields)).await;
    }
    tokio::time::sleep(Duration::from_secs(1)).await;
    let grown = apart.peak().saturating_sub(before);
    assert!(
        grown < ALLOWED,
        "{grown} KiB more for {streams} replies of 16 MiB"
    );
    let overflow = frame(WINDOW_UPDATE, 0, 1, &[0x7f, 0xff, 0xff, 0xff]);
    peer.send(overflow.repeat(2)).await;
    let heard = peer.hear(1).await;
    assert!(
        heard.reset.or(heard.goaway) == Some(3),
        "a window past 2^31: {heard:?}"
    );
    drop(peer);
    apart
        .line
        .recorder
        .answer(Script::new(crate::recorder::ANSWER, Then::Keep));
    apart.line.is_well().await;
}
