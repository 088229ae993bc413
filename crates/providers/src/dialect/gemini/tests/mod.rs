mod calls;
mod dialect;
mod laws;
mod pitfalls;

use serde_json::Value;

fn json(bytes: &[u8]) -> Value {
    serde_json::from_slice(bytes).unwrap()
}
