//! Encode: texts to be made into vectors, in no dialect's own form.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::request;
use portcullis_core::context::Tokens;
use portcullis_core::error::{Error, codes};
use portcullis_core::json::Raw;

use super::{Asked, Losses, Target, Text, Written};

/// A dialect that makes vectors of texts: the part of a [`Wire`](super::Wire) some have.
pub trait EmbedWire: Send + Sync {
    /// Reads what is asked.
    ///
    /// # Errors
    ///
    /// `body_not_json`, `invalid_field`, or `untranslatable` for what is no text.
    fn read_request<'a>(
        &self,
        head: &'a request::Parts,
        body: &'a [u8],
        losses: &mut Losses,
    ) -> Result<EmbedAsk<'a>, Error>;

    /// Writes what is asked.
    ///
    /// # Errors
    ///
    /// `untranslatable` when it cannot be asked here.
    fn write_request(
        &self,
        ask: &EmbedAsk<'_>,
        target: &Target<'_>,
        losses: &mut Losses,
    ) -> Result<Written, Error>;

    /// Reads the vectors.
    ///
    /// # Errors
    ///
    /// `upstream_broken` when the reply is not what the dialect writes.
    fn read_reply<'a>(&self, body: &'a [u8]) -> Result<Embedded<'a>, Error>;

    /// Writes the vectors, in the form the caller asked for.
    ///
    /// # Errors
    ///
    /// `upstream_broken` when they are no numbers.
    fn write_reply(
        &self,
        reply: &Embedded<'_>,
        form: VectorForm,
        asked: &Asked,
    ) -> Result<Bytes, Error>;
}

/// Texts to be made into vectors.
#[derive(Clone, Debug, Default)]
pub struct EmbedAsk<'a> {
    /// The texts.
    pub inputs: Vec<Text<'a>>,
    /// How many numbers a vector is to have.
    pub dimensions: Option<Raw<'a>>,
    /// What the vectors are for, where that was said.
    pub purpose: Option<Purpose>,
    /// The form the caller wants them in.
    pub form: VectorForm,
}

/// What vectors are for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// To be looked for.
    Document,
    /// To look for others.
    Query,
    /// To be sorted into classes.
    Classification,
    /// To be gathered in groups.
    Clustering,
}

/// How a vector is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum VectorForm {
    /// As a list of numbers.
    #[default]
    Floats,
    /// As base64 of 32-bit floats, the lowest byte first.
    Base64,
}

/// Vectors.
#[derive(Clone, Debug, Default)]
pub struct Embedded<'a> {
    /// A vector for each text, in their order.
    pub vectors: Vec<Vector<'a>>,
    /// The model that made them, by its own account.
    pub model: Option<Text<'a>>,
    /// What they used.
    pub usage: Option<Tokens>,
}

/// A vector as it was written.
#[derive(Clone, Copy, Debug)]
pub enum Vector<'a> {
    /// A list of numbers.
    Floats(Raw<'a>),
    /// What stands between the quotes of base64 of 32-bit floats, the lowest byte first.
    Base64(&'a [u8]),
}

impl Vector<'_> {
    /// Writes it in a form. Numbers that stay a list stay as they were written.
    ///
    /// # Errors
    ///
    /// `upstream_broken` when it is neither numbers nor base64 of them.
    pub fn write(&self, form: VectorForm, out: &mut Vec<u8>) -> Result<(), Error> {
        match (self, form) {
            (Self::Floats(list), VectorForm::Floats) => out.extend_from_slice(list.bytes()),
            (Self::Base64(text), VectorForm::Base64) => {
                out.push(b'"');
                out.extend_from_slice(text);
                out.push(b'"');
            }
            (Self::Floats(list), VectorForm::Base64) => {
                let mut bytes = Vec::with_capacity(list.bytes().len() / 2);
                for number in list.elements() {
                    let number = number.map_err(|e| broken().because(e))?;
                    let number = number.as_f64().ok_or_else(broken)?;
                    #[expect(
                        clippy::cast_possible_truncation,
                        reason = "the form holds 32-bit floats"
                    )]
                    bytes.extend_from_slice(&(number as f32).to_le_bytes());
                }
                out.push(b'"');
                out.extend_from_slice(STANDARD.encode(bytes).as_bytes());
                out.push(b'"');
            }
            (Self::Base64(text), VectorForm::Floats) => {
                let bytes = STANDARD.decode(text).map_err(|e| broken().because(e))?;
                let (numbers, []) = bytes.as_chunks::<4>() else {
                    return Err(broken());
                };
                out.push(b'[');
                for (at, number) in numbers.iter().enumerate() {
                    if at > 0 {
                        out.push(b',');
                    }
                    let number = f32::from_le_bytes(*number);
                    let number = serde_json::to_vec(&number).map_err(|e| broken().because(e))?;
                    out.extend_from_slice(&number);
                }
                out.push(b']');
            }
        }
        Ok(())
    }
}

fn broken() -> Error {
    Error::new(
        &codes::UPSTREAM_BROKEN,
        "the upstream's vectors are not numbers",
    )
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn floats(text: &[u8]) -> Vector<'_> {
        Vector::Floats(Raw::parse(text).unwrap())
    }

    fn written(vector: Vector<'_>, form: VectorForm) -> String {
        let mut out = Vec::new();
        vector.write(form, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn numbers_that_stay_a_list_keep_their_spelling() {
        let list = b"[0.10, 1e-3,-2]";
        assert_eq!(written(floats(list), VectorForm::Floats).as_bytes(), list);
    }

    #[test]
    fn what_is_no_number_or_no_base64_is_told() {
        let mut out = Vec::new();
        assert!(
            floats(b"[1,\"a\"]")
                .write(VectorForm::Base64, &mut out)
                .is_err()
        );
        for text in [&b"!"[..], b"AAA=", b"AAAAAAA="] {
            assert!(
                Vector::Base64(text)
                    .write(VectorForm::Floats, &mut out)
                    .is_err()
            );
        }
    }

    proptest! {
        #[test]
        fn floats_survive_both_ways(numbers in prop::collection::vec(-1e6_f32..1e6, 0..20)) {
            let list = serde_json::to_vec(&numbers).unwrap();
            let packed = written(floats(&list), VectorForm::Base64);
            let inner = packed.trim_matches('"').as_bytes();
            let again = written(Vector::Base64(inner), VectorForm::Floats);
            let again: Vec<f32> = serde_json::from_str(&again).unwrap();
            prop_assert_eq!(again, numbers);
        }
    }
}
