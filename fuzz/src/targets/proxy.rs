//! The first stretch of the line: the header a proxy in front begins a connection with.

use portcullis::listener::proxy_protocol::{Origin, Parsed, parse};

/// What is read does not depend on how it arrives, a header is not read beyond its end, and asking for more never
/// asks for what follows it.
pub fn run(data: &[u8]) {
    let whole = parse(data);
    if let Ok(Parsed::Header { length, origin }) = whole {
        assert!(length <= data.len(), "a header ends within what was read");
        let alone = parse(&data[..length]);
        assert_eq!(alone, whole, "what follows a header is none of it");
        if let Origin::Client(client, reached) = origin {
            assert_eq!(
                client.is_ipv4(),
                reached.is_ipv4(),
                "both addresses are of one family"
            );
        }
    }
    let mut seen = 0;
    loop {
        match parse(&data[..seen]) {
            Ok(Parsed::Incomplete(needed)) => {
                assert!(needed > seen, "more is asked for");
                if needed > data.len() {
                    assert!(
                        !matches!(whole, Ok(Parsed::Header { .. })),
                        "a header does not end before what is asked for"
                    );
                    return;
                }
                seen = needed;
            }
            told => {
                if let Ok(Parsed::Header { length, .. }) = told {
                    assert_eq!(length, seen, "no byte beyond the header was asked for");
                    assert_eq!(told, whole, "however it arrives it says the same");
                }
                return;
            }
        }
    }
}
