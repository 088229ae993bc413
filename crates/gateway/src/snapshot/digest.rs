//! Before the request line: what an object was built of, told apart by a digest.

use std::fmt::{self, Write as _};
use std::fs::File;
use std::io::Read;
use std::path::Path;

use portcullis_core::config::{self, PolicyEntry};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

/// More of a file than this is not looked at: no secret or certificate is larger.
const MAX_FILE: u64 = 16 * 1024 * 1024;

/// What something was built of, the content of the files it names included. Equal digests mean that
/// building it anew would make the same.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Digest([u8; 32]);

impl Digest {
    /// The first 48 bits in hexadecimal: enough to tell configurations apart, too few to test guesses at a
    /// secret against.
    pub(super) fn short(self) -> String {
        let mut text = String::with_capacity(12);
        for byte in &self.0[..6] {
            write!(text, "{byte:02x}").expect("a string takes any text");
        }
        text
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.short())
    }
}

/// Gathers what something is built of. Every part carries its length, so that no two lists of parts read
/// the same.
#[derive(Default)]
pub(super) struct Gather(Sha256);

impl Gather {
    pub(super) fn bytes(mut self, bytes: &[u8]) -> Self {
        self.part(bytes);
        self
    }

    pub(super) fn digest(self, digest: Digest) -> Self {
        self.bytes(&digest.0)
    }

    pub(super) fn value(mut self, value: &Value) -> Self {
        self.tree(value);
        self
    }

    /// Policies as they stand in a list: name, id and body.
    pub(super) fn policies(mut self, policies: &[PolicyEntry]) -> Self {
        self.part(&policies.len().to_be_bytes());
        for policy in policies {
            self.part(policy.name.as_bytes());
            self.part(&[u8::from(policy.id.is_some())]);
            self.part(policy.id.as_deref().unwrap_or_default().as_bytes());
            self.part(&[u8::from(policy.when.is_some())]);
            self.part(policy.when.as_deref().unwrap_or_default().as_bytes());
            self.tree(&policy.body);
        }
        self
    }

    /// A backend without its name: what it is, whose it may be, and what happens on it.
    pub(super) fn backend(self, backend: &config::Backend) -> Self {
        self.bytes(&[u8::from(backend.export)])
            .bytes(backend.kind.as_bytes())
            .value(&backend.body)
            .policies(&backend.policies)
    }

    pub(super) fn finish(self) -> Digest {
        Digest(self.0.finalize().into())
    }

    fn part(&mut self, bytes: &[u8]) {
        self.0.update((bytes.len() as u64).to_be_bytes());
        self.0.update(bytes);
    }

    /// A value, the keys of its mappings in order of the alphabet, files by their content.
    fn tree(&mut self, value: &Value) {
        if let Some(path) = config::file(value) {
            self.part(b"file");
            self.part(path.as_os_str().as_encoded_bytes());
            self.part(&content(path));
            return;
        }
        match value {
            Value::Array(items) => {
                self.part(b"list");
                self.part(&items.len().to_be_bytes());
                items.iter().for_each(|item| self.tree(item));
            }
            Value::Object(map) => {
                self.part(b"map");
                self.part(&map.len().to_be_bytes());
                let mut entries: Vec<_> = map.iter().collect();
                entries.sort_by_key(|(key, _)| *key);
                for (key, value) in entries {
                    self.part(key.as_bytes());
                    self.tree(value);
                }
            }
            Value::String(text) => {
                self.part(b"text");
                self.part(text.as_bytes());
            }
            other => {
                self.part(b"word");
                self.part(other.to_string().as_bytes());
            }
        }
    }
}

/// The digest of a file's content; of one that cannot be read, nothing.
fn content(path: &Path) -> Vec<u8> {
    let mut digest = Sha256::new();
    let mut piece = vec![0; 16 * 1024];
    let Ok(mut file) = File::open(path).map(|file| file.take(MAX_FILE)) else {
        return Vec::new();
    };
    loop {
        match file.read(&mut piece) {
            Ok(0) => return digest.finalize().to_vec(),
            Ok(n) => digest.update(&piece[..n]),
            Err(_) => return Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn of(value: &Value) -> Digest {
        Gather::default().value(value).finish()
    }

    #[test]
    fn the_order_of_keys_does_not_matter_and_that_of_items_does() {
        assert_eq!(of(&json!({"a": 1, "b": 2})), of(&json!({"b": 2, "a": 1})));
        assert_ne!(of(&json!(["a", "b"])), of(&json!(["b", "a"])));
    }

    #[test]
    fn values_that_only_look_alike_differ() {
        let values = [
            json!("1"),
            json!(1),
            json!(1.0),
            json!(["1"]),
            json!({"1": null}),
            json!(null),
            json!("null"),
            json!([["a"], "b"]),
            json!([["a", "b"]]),
        ];
        for (i, one) in values.iter().enumerate() {
            for other in &values[i + 1..] {
                assert_ne!(of(one), of(other), "{one} {other}");
            }
        }
    }

    #[test]
    fn a_file_counts_by_its_content() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("key");
        let value = json!({"apiKey": {"file": path}});
        let missing = of(&value);
        std::fs::write(&path, "one").unwrap();
        let one = of(&value);
        std::fs::write(&path, "two").unwrap();
        assert_ne!(missing, one);
        assert_ne!(one, of(&value));
        std::fs::write(&path, "one").unwrap();
        assert_eq!(one, of(&value));
    }
}
