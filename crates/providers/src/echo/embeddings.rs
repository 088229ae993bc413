//! Backend: the embeddings of `echo`: unit vectors that depend on a hash of the text and on nothing else.

use std::fmt;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use portcullis_core::error::Error;
use serde::de::{self, Deserializer, SeqAccess, Visitor};
use serde::{Deserialize, Serialize};

use super::read;
use super::service::{Reply, Stamp};
use super::words;

/// Numbers in a vector unless the caller says otherwise: fewer than real models give.
const DIMENSIONS: u16 = 256;
/// The most numbers in a vector.
const MAX_DIMENSIONS: u16 = 2048;
/// The most texts in a call.
const MAX_INPUTS: usize = 2048;

#[derive(Deserialize)]
struct Asked {
    input: Inputs,
    dimensions: Option<u16>,
    encoding_format: Option<Encoding>,
}

#[derive(Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Encoding {
    #[default]
    Float,
    Base64,
}

#[derive(Serialize)]
struct Embeddings<'a> {
    object: &'static str,
    data: Vec<Embedding>,
    model: &'a str,
    usage: Usage,
}

#[derive(Serialize)]
struct Embedding {
    object: &'static str,
    index: usize,
    embedding: Written,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Written {
    Floats(Vec<f32>),
    Base64(String),
}

#[derive(Serialize)]
struct Usage {
    prompt_tokens: u64,
    total_tokens: u64,
}

/// Answers `POST /embeddings`.
pub(super) fn answer(body: &[u8], stamp: &Stamp) -> Result<Reply, Error> {
    let asked: Asked = read::read(body)?;
    let dimensions = asked.dimensions.unwrap_or(DIMENSIONS);
    if !(1..=MAX_DIMENSIONS).contains(&dimensions) {
        let what = format!("`echo` gives from 1 to {MAX_DIMENSIONS} dimensions");
        return Err(read::invalid("dimensions", what));
    }
    let encoding = asked.encoding_format.unwrap_or_default();
    let Inputs { inputs, .. } = asked.input;
    let tokens = inputs.iter().map(|input| input.tokens).sum();
    let data = inputs.iter().enumerate().map(|(index, input)| Embedding {
        object: "embedding",
        index,
        embedding: write(input.vector(dimensions), encoding),
    });
    let reply = Embeddings {
        object: "list",
        data: data.collect(),
        model: &stamp.model,
        usage: Usage {
            prompt_tokens: tokens,
            total_tokens: tokens,
        },
    };
    let json = serde_json::to_vec(&reply).expect("vectors are numbers or text");
    Ok(Reply::Whole(json.into()))
}

fn write(vector: Vec<f32>, encoding: Encoding) -> Written {
    match encoding {
        Encoding::Float => Written::Floats(vector),
        Encoding::Base64 => {
            let bytes: Vec<u8> = vector.into_iter().flat_map(f32::to_le_bytes).collect();
            Written::Base64(BASE64_STANDARD.encode(bytes))
        }
    }
}

/// A text or a list of tokens, read down to its hash.
#[derive(Clone, Copy)]
struct Input {
    hash: u64,
    tokens: u64,
}

impl Input {
    fn text(text: &str) -> Self {
        Self {
            hash: fnv(FNV_OFFSET, text.as_bytes()),
            tokens: words::count(text),
        }
    }

    fn no_tokens() -> Self {
        Self {
            hash: FNV_OFFSET,
            tokens: 0,
        }
    }

    fn token(&mut self, token: u32) {
        self.hash = fnv(self.hash, &token.to_le_bytes());
        self.tokens += 1;
    }

    fn vector(self, dimensions: u16) -> Vec<f32> {
        let mut state = self.hash;
        let numbers: Vec<f64> = (0..dimensions).map(|_| next(&mut state)).collect();
        let length = numbers.iter().map(|x| x * x).sum::<f64>().sqrt();
        numbers.iter().map(|x| (x / length) as f32).collect()
    }
}

const FNV_OFFSET: u64 = 0xcbf2_9ce4_8422_2325;

/// The hash FNV-1a, continued.
fn fnv(hash: u64, bytes: &[u8]) -> u64 {
    bytes.iter().fold(hash, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

/// The next number of the generator SplitMix64, between -1 and 1 and never nought.
fn next(state: &mut u64) -> f64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut mixed = *state;
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^= mixed >> 31;
    // The upper 53 bits, of which the lowest is set: odd, so never in the middle.
    let odd = (mixed >> 11) | 1;
    odd as f64 / (1u64 << 52) as f64 - 1.0
}

/// One input or a list of them; in a list of numbers all are the tokens of one.
struct Inputs {
    inputs: Vec<Input>,
    /// Whether it is one list of tokens so far.
    of_tokens: bool,
}

impl<'de> Deserialize<'de> for Inputs {
    fn deserialize<D: Deserializer<'de>>(json: D) -> Result<Self, D::Error> {
        json.deserialize_any(InputsVisitor)
    }
}

struct InputsVisitor;

impl<'de> Visitor<'de> for InputsVisitor {
    type Value = Inputs;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text, a list of texts, a list of tokens or a list of such lists")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Inputs, E> {
        Ok(Inputs {
            inputs: vec![Input::text(text)],
            of_tokens: false,
        })
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Inputs, A::Error> {
        let mut all = Inputs {
            inputs: Vec::new(),
            of_tokens: false,
        };
        while let Some(item) = items.next_element()? {
            all.take(item)?;
        }
        match all.inputs.is_empty() {
            true => Err(de::Error::invalid_length(0, &self)),
            false => Ok(all),
        }
    }
}

impl Inputs {
    fn take<E: de::Error>(&mut self, item: Item) -> Result<(), E> {
        match item {
            Item::Token(token) if self.inputs.is_empty() => {
                let mut first = Input::no_tokens();
                first.token(token);
                self.inputs.push(first);
                self.of_tokens = true;
            }
            Item::Token(token) if self.of_tokens => self.inputs[0].token(token),
            Item::Whole(_) if self.inputs.len() == MAX_INPUTS => {
                return Err(E::custom(format_args!("more than {MAX_INPUTS} inputs")));
            }
            Item::Whole(input) if !self.of_tokens => self.inputs.push(input),
            Item::Token(_) | Item::Whole(_) => {
                return Err(E::custom("tokens and whole inputs in one list"));
            }
        }
        Ok(())
    }
}

/// What a list of inputs has in it.
#[derive(Clone, Copy)]
enum Item {
    Token(u32),
    Whole(Input),
}

impl<'de> Deserialize<'de> for Item {
    fn deserialize<D: Deserializer<'de>>(json: D) -> Result<Self, D::Error> {
        json.deserialize_any(ItemVisitor)
    }
}

struct ItemVisitor;

impl<'de> Visitor<'de> for ItemVisitor {
    type Value = Item;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text, a token or a list of tokens")
    }

    fn visit_u64<E: de::Error>(self, token: u64) -> Result<Item, E> {
        let fits = u32::try_from(token);
        fits.map(Item::Token)
            .map_err(|_| E::invalid_value(de::Unexpected::Unsigned(token), &self))
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Item, E> {
        Ok(Item::Whole(Input::text(text)))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut tokens: A) -> Result<Item, A::Error> {
        let mut input = Input::no_tokens();
        while let Some(token) = tokens.next_element()? {
            input.token(token);
        }
        Ok(Item::Whole(input))
    }
}
