//! The header of a proxy in front, at every split.

use proptest::prelude::*;

use super::*;

fn v2(command: u8, family: u8, after: &[u8]) -> Vec<u8> {
    let length = u16::try_from(after.len()).unwrap().to_be_bytes();
    [&SIGNATURE[..], &[command, family], &length, after].concat()
}

fn header(bytes: &[u8]) -> Result<Origin, Malformed> {
    match parse(bytes)? {
        Parsed::Header {
            length,
            origin: from,
        } => {
            assert_eq!(length, bytes.len());
            Ok(from)
        }
        other => panic!("{other:?}"),
    }
}

fn client(from: &str, to: &str) -> Origin {
    Origin::Client(from.parse().unwrap(), to.parse().unwrap())
}

/// Every form of header with what it says.
fn good() -> Vec<(Vec<u8>, Origin)> {
    let four = [192, 0, 2, 7, 10, 0, 0, 1, 0x9c, 0x40, 0x01, 0xbb];
    let mut six = [0; 36];
    six[0] = 0x20;
    six[15] = 7;
    six[31] = 1;
    six[34..].copy_from_slice(&[1, 0xbb]);
    let with_tlv = [&four[..], &[4, 0, 2, 9, 9]].concat();
    let four_says = client("192.0.2.7:40000", "10.0.0.1:443");
    let line = |text: &str| text.as_bytes().to_vec();
    vec![
        (
            line("PROXY TCP4 192.0.2.7 10.0.0.1 40000 443\r\n"),
            four_says,
        ),
        (
            line("PROXY TCP6 2000::7 ::1 0 443\r\n"),
            client("[2000::7]:0", "[::1]:443"),
        ),
        (line("PROXY UNKNOWN\r\n"), Origin::Proxy),
        (line("PROXY UNKNOWN ffff::1 and more\r\n"), Origin::Proxy),
        (v2(0x21, 0x11, &four), four_says),
        (v2(0x21, 0x12, &four), four_says),
        (v2(0x21, 0x11, &with_tlv), four_says),
        (v2(0x21, 0x21, &six), client("[2000::7]:0", "[::1]:443")),
        (v2(0x21, 0x31, &[b'/'; UNIX]), Origin::Elsewhere),
        (v2(0x21, 0x00, &[]), Origin::Elsewhere),
        (v2(0x21, 0x77, b"whatever"), Origin::Elsewhere),
        (v2(0x20, 0x00, &[]), Origin::Proxy),
        (v2(0x20, 0x11, b"ignored"), Origin::Proxy),
    ]
}

#[test]
fn every_form_is_read_at_every_split_without_reading_past_its_end() {
    for (bytes, says) in good() {
        assert_eq!(header(&bytes), Ok(says), "{bytes:?}");
        for split in 0..bytes.len() {
            match parse(&bytes[..split]).unwrap() {
                Parsed::Incomplete(n) => assert!(n > split && n <= bytes.len(), "{n} {split}"),
                other => panic!("{other:?} of {split} bytes"),
            }
        }
        let followed = [&bytes[..], b"GET / HTTP/1.1\r\n"].concat();
        let length = bytes.len();
        assert_eq!(
            parse(&followed),
            Ok(Parsed::Header {
                length,
                origin: says
            })
        );
    }
}

#[test]
fn what_only_looks_like_a_header_is_malformed() {
    let long = format!("PROXY UNKNOWN {}\r\n", "x".repeat(100));
    let lines = [
        "PROXY \r\n",
        "PROXY  TCP4 1.2.3.4 1.2.3.4 1 2\r\n",
        "PROXY TCP4 1.2.3.4 1.2.3.4 1\r\n",
        "PROXY TCP4 1.2.3.4 1.2.3.4 1 2 3\r\n",
        "PROXY TCP4 1.2.3.4 1.2.3.4 1 65536\r\n",
        "PROXY TCP4 1.2.3.4 1.2.3.4 +1 2\r\n",
        "PROXY TCP4 1.2.3.4 1.2.3.4 01 2\r\n",
        "PROXY TCP4 01.2.3.4 1.2.3.4 1 2\r\n",
        "PROXY TCP4 ::1 ::1 1 2\r\n",
        "PROXY TCP6 1.2.3.4 1.2.3.4 1 2\r\n",
        "PROXY UDP4 1.2.3.4 1.2.3.4 1 2\r\n",
        "PROXY TCP4 1.2.3.4 \u{e9} 1 2\r\n",
        &long,
    ];
    for line in lines {
        assert!(parse(line.as_bytes()).is_err(), "{line:?}");
    }
    for header in [
        v2(0x11, 0x11, &[0; 12]),
        v2(0x22, 0x11, &[0; 12]),
        v2(0x21, 0x11, &[0; 11]),
        v2(0x21, 0x21, &[0; 35]),
        v2(0x21, 0x31, &[0; 215]),
        v2(0x21, 0x11, &[0; MAX_V2 + 1]),
    ] {
        assert!(parse(&header).is_err(), "{:?}", &header[..FIXED]);
    }
}

#[test]
fn requests_and_handshakes_are_no_header() {
    for bytes in [
        &b"GET / HTTP/1.1\r\n"[..],
        b"POST",
        b"PRI * HTTP/2.0",
        b"\x16\x03\x01",
    ] {
        assert_eq!(parse(bytes), Ok(Parsed::Absent));
    }
    assert_eq!(parse(b""), Ok(Parsed::Incomplete(SHORTEST_V1)));
}

proptest! {
    #[test]
    fn no_bytes_break_it(start in 0..3_usize, bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let start = [&b""[..], SIGNATURE, V1][start];
        let bytes = [start, &bytes].concat();
        if let Ok(Parsed::Header { length, .. }) = parse(&bytes) {
            prop_assert!(length <= bytes.len());
        }
    }
}
