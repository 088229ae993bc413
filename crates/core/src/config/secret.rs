//! Before the request line: keys and passwords, kept out of everything that prints.

use std::borrow::Cow;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::{env, fmt};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Error, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use zeroize::Zeroizing;

const FORM: &str = "a secret: a string, `{env: NAME}` or `{file: path}`";

/// Nothing kept here is longer, a bundle of certificate authorities included; a larger file was hardly meant.
const MAX_FILE: u64 = 1024 * 1024;

/// A secret text. It prints as `[secret]`, cannot be serialised, and is overwritten when dropped.
///
/// Written as a string, as `{env: NAME}`, or as `{file: path}`, which are read while the configuration is:
/// a file of at most 1 MiB, without the line break at its end, its path relative to the process's
/// directory. An empty secret is an error. A clone copies the text.
#[derive(Clone)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// Keeps `text` secret. Unlike in configuration, it may be empty.
    #[must_use]
    pub fn new(text: String) -> Self {
        Self(Zeroizing::new(text))
    }

    /// The text itself.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }

    fn checked<E: Error>(text: Zeroizing<String>) -> Result<Self, E> {
        if text.is_empty() {
            return Err(E::custom("the secret is empty"));
        }
        Ok(Self(text))
    }
}

/// Takes the same time for all texts of one length.
impl PartialEq for Secret {
    fn eq(&self, other: &Self) -> bool {
        let (one, other) = (self.0.as_bytes(), other.0.as_bytes());
        let differing = |all, (a, b): (&u8, &u8)| all | (a ^ b);
        one.len() == other.len() && one.iter().zip(other).fold(0, differing) == 0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[secret]")
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[secret]")
    }
}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Written)
    }
}

impl JsonSchema for Secret {
    fn schema_name() -> Cow<'static, str> {
        "Secret".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "A secret: the text itself, or the environment variable or file that holds it.",
            "anyOf": [
                {"type": "string", "minLength": 1},
                {
                    "type": "object",
                    "properties": {"env": {"type": "string"}, "file": {"type": "string"}},
                    "additionalProperties": false,
                    "minProperties": 1,
                    "maxProperties": 1,
                },
            ],
        })
    }
}

/// Where else a secret can be written down.
#[derive(Deserialize)]
#[serde(field_identifier, rename_all = "camelCase")]
enum Elsewhere {
    Env,
    File,
}

struct Written;

/// Refuses what is not a secret without the words serde has, as those repeat what was found.
fn unfit<E: Error>(found: &str) -> Result<Secret, E> {
    Err(E::custom(format_args!(
        "expected {FORM}, found {found}\nput quotes around it"
    )))
}

impl<'de> Visitor<'de> for Written {
    type Value = Secret;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(FORM)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Secret, E> {
        Secret::checked(Zeroizing::new(text.to_owned()))
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<Secret, E> {
        unfit("a boolean")
    }

    fn visit_u64<E: Error>(self, _: u64) -> Result<Secret, E> {
        unfit("a number")
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<Secret, E> {
        unfit("a number")
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<Secret, E> {
        unfit("a number")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Secret, A::Error> {
        let secret = match map.next_key()? {
            Some(Elsewhere::Env) => from_env(&map.next_value::<String>()?),
            Some(Elsewhere::File) => from_file(&map.next_value::<PathBuf>()?),
            None => Err(A::Error::custom(format_args!("expected {FORM}"))),
        }?;
        match map.next_key::<Elsewhere>()? {
            None => Ok(secret),
            Some(_) => Err(A::Error::custom(
                "a secret is read from one place, `env` or `file`",
            )),
        }
    }
}

fn from_env<E: Error>(name: &str) -> Result<Secret, E> {
    match env::var(name) {
        Ok(text) if text.is_empty() => Err(E::custom(format_args!(
            "environment variable `{name}` is empty"
        ))),
        Ok(text) => Ok(Secret::new(text)),
        Err(env::VarError::NotPresent) => Err(E::custom(format_args!(
            "environment variable `{name}` is not set"
        ))),
        Err(env::VarError::NotUnicode(_)) => Err(E::custom(format_args!(
            "environment variable `{name}` is not UTF-8"
        ))),
    }
}

fn from_file<E: Error>(path: &Path) -> Result<Secret, E> {
    let shown = path.display();
    let mut text = Zeroizing::new(String::new());
    let read = File::open(path).and_then(|file| file.take(MAX_FILE + 1).read_to_string(&mut text));
    match read {
        Err(error) => {
            return Err(E::custom(format_args!(
                "cannot read secret file `{shown}`: {}",
                error.kind()
            )));
        }
        Ok(n) if n as u64 > MAX_FILE => {
            return Err(E::custom(format_args!(
                "secret file `{shown}` is larger than 1 MiB"
            )));
        }
        Ok(_) => {}
    }
    if text.ends_with('\n') {
        text.pop();
        if text.ends_with('\r') {
            text.pop();
        }
    }
    Secret::checked(text).map_err(|_: E| E::custom(format_args!("secret file `{shown}` is empty")))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use serde_json::{Value, json};

    use super::*;
    use crate::config::{Pointer, decode};

    fn secret(value: &Value) -> Result<Secret, String> {
        decode(value, &Pointer::root()).map_err(|error| error.to_string())
    }

    #[test]
    fn a_secret_never_prints() {
        let secret = secret(&json!("hunter2")).unwrap();
        assert_eq!(
            format!("{secret} {secret:?} {:#?}", Some(&secret)),
            "[secret] [secret] Some(\n    [secret],\n)"
        );
        assert_eq!(secret.expose(), "hunter2");
    }

    #[test]
    fn a_secret_is_read_from_the_environment() {
        let found = secret(&json!({"env": "CARGO_PKG_NAME"})).unwrap();
        assert_eq!(found.expose(), "portcullis-core");
        let missing = secret(&json!({"env": "NO_SUCH_VARIABLE_HERE"})).unwrap_err();
        assert_eq!(
            missing,
            "environment variable `NO_SUCH_VARIABLE_HERE` is not set"
        );
    }

    #[test]
    fn a_secret_is_read_from_a_file_without_its_last_line_break() {
        let path = env::temp_dir().join(format!("portcullis-secret-{}", std::process::id()));
        for (text, expected) in [
            ("a b\r\n", Ok("a b")),
            ("k\n\n", Ok("k\n")),
            ("k", Ok("k")),
            ("\n", Err(())),
        ] {
            fs::write(&path, text).unwrap();
            let found = secret(&json!({"file": path}));
            assert_eq!(found.as_ref().map(Secret::expose).map_err(|_| ()), expected);
        }
        fs::remove_file(&path).unwrap();
        assert!(
            secret(&json!({"file": path}))
                .unwrap_err()
                .starts_with("cannot read secret file")
        );
    }

    #[test]
    fn what_is_not_a_secret_is_refused_without_being_repeated() {
        for (value, said) in [
            (
                json!(123_456),
                "expected a secret: a string, `{env: NAME}` or `{file: path}`, found a number (put quotes around it)",
            ),
            (json!(""), "the secret is empty"),
            (
                json!({}),
                "expected a secret: a string, `{env: NAME}` or `{file: path}`",
            ),
            (
                json!({"evn": "A"}),
                "/evn: unknown key `evn` (did you mean `env`?)",
            ),
            (
                json!({"env": "CARGO_PKG_NAME", "file": "a"}),
                "a secret is read from one place, `env` or `file`",
            ),
        ] {
            assert_eq!(secret(&value).unwrap_err(), said);
        }
    }
}
