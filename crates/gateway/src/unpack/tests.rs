use std::io::Write;

use flate2::Compression;
use flate2::write::{GzEncoder, ZlibEncoder};
use portcullis_core::error::Code;

use super::*;

const TEXT: &[u8] = br#"{"model":"m","messages":[]}"#;
/// `TEXT` as written by the reference implementation of brotli.
const BROTLI: &[u8] = b"\x0b\x0d\x80{\"model\":\"m\",\"messages\":[]}\x03";

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

fn zstd(text: &[u8]) -> Vec<u8> {
    zstd::encode_all(text, 19).unwrap()
}

async fn unpack(coding: &'static str, packed: Vec<u8>, max: u64) -> Result<Bytes, &'static Code> {
    let coding = HeaderValue::from_static(coding);
    let body = Body::from(Bytes::from(packed));
    let unpacked = Unpacker.unpack(&coding, body, max).expect("a coding");
    unpacked.await.map_err(|e| e.code())
}

#[tokio::test]
async fn each_coding_is_read_to_its_end_and_no_further() {
    let all: [(&str, Vec<u8>); 6] = [
        ("gzip", gzip(TEXT)),
        ("X-GZIP", gzip(TEXT)),
        ("gzip", [gzip(&TEXT[..9]), gzip(&TEXT[9..])].concat()),
        ("deflate", deflate(TEXT)),
        ("br", BROTLI.to_vec()),
        ("zstd", zstd(TEXT)),
    ];
    for (coding, packed) in all {
        let whole = unpack(coding, packed.clone(), 1_000).await;
        assert_eq!(whole.unwrap(), TEXT, "{coding}");
        for cut in 0..packed.len() {
            let half = unpack(coding, packed[..cut].to_vec(), 1_000).await;
            let whole = half.is_ok_and(|text| text == TEXT);
            assert!(!whole, "{coding} was whole after {cut} bytes");
        }
        let more = [&packed[..], b"more"].concat();
        let more = unpack(coding, more, 1_000).await;
        assert_eq!(more.unwrap_err(), &codes::BODY_BROKEN, "{coding}");
        let noise = unpack(coding, b"\x00no such thing".to_vec(), 1_000).await;
        assert_eq!(noise.unwrap_err(), &codes::BODY_BROKEN, "{coding}");
    }
}

#[test]
fn lists_and_strangers_are_no_codings() {
    for other in [
        "gzip, gzip",
        "gzip,",
        "compress",
        "identity",
        "",
        "aws-chunked",
    ] {
        let other = HeaderValue::from_static(other);
        assert!(Unpacker.unpack(&other, Body::empty(), 1).is_none());
    }
}

#[tokio::test]
async fn a_bomb_is_let_go_at_the_bound() {
    let zeros = vec![0; 64 << 20];
    for (coding, packed) in [
        ("gzip", gzip(&zeros)),
        ("deflate", deflate(&zeros)),
        ("zstd", zstd(&zeros)),
    ] {
        assert!(packed.len() < 80 << 10, "{coding}");
        let refused = unpack(coding, packed, 1 << 30).await;
        assert_eq!(refused.unwrap_err(), &codes::BODY_TOO_LARGE, "{coding}");
    }
    let within = unpack("gzip", gzip(&zeros[..FREE as usize]), 1 << 30).await;
    assert_eq!(within.unwrap().len() as u64, FREE);
    let narrow = unpack("gzip", gzip(TEXT), TEXT.len() as u64 - 1).await;
    assert_eq!(narrow.unwrap_err(), &codes::BODY_TOO_LARGE);
}

/// A stream whose head asks for a window of a gigabyte is refused before anything is set aside for it.
#[tokio::test]
async fn windows_are_bounded() {
    let large = unpack("br", b"\x11\x1e\x0b\x0d\x80".to_vec(), 1 << 30).await;
    assert_eq!(large.unwrap_err(), &codes::BODY_BROKEN);
    // Magic, no single segment, a window of 2^30, an empty last block.
    let large = unpack(
        "zstd",
        b"\x28\xb5\x2f\xfd\x00\xa0\x01\x00\x00".to_vec(),
        1 << 30,
    )
    .await;
    assert_eq!(large.unwrap_err(), &codes::BODY_BROKEN);
    let small = unpack(
        "zstd",
        b"\x28\xb5\x2f\xfd\x00\x68\x01\x00\x00".to_vec(),
        1 << 30,
    )
    .await;
    assert_eq!(small.unwrap(), "");
}
