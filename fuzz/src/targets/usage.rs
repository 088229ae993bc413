//! Back on the line: what an upstream says of usage, and what kind its events are.

use portcullis::core::context::Tokens;
use portcullis::providers::dialect;

/// Whatever an upstream sends is classified, and its usage read the same way twice.
pub fn run(data: &[u8]) {
    let (name, json) = match data.iter().position(|b| *b == b'\n') {
        Some(end) if end < 64 => (&data[..end], &data[end + 1..]),
        _ => (&b""[..], data),
    };
    for dialect in dialect::all() {
        let kind = dialect.classify(name, json);
        assert_eq!(kind, dialect.classify(name, json));
        let (mut first, mut second) = (Tokens::new(0, 0), Tokens::new(0, 0));
        let said = dialect.usage(json, &mut first);
        assert_eq!(said, dialect.usage(json, &mut second));
        assert_eq!(first, second, "usage depends on nothing but the bytes");
        dialect.usage(json, &mut first);
        assert_eq!(
            first, second,
            "counts that are repeated replace earlier ones"
        );
    }
}
