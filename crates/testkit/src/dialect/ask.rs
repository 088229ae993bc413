//! A JSON request, read as far as an answer depends on it.

use bytes::Bytes;
use serde_json::{Map, Value, json};

use crate::dialect::{Offer, Refusal, checksum::fnv1a};

/// A request with a JSON body.
#[derive(Debug)]
pub(crate) struct Ask {
    pub(crate) body: Value,
    /// The same request has the same hash, hence the same ids in its reply.
    pub(crate) hash: u64,
    /// A quarter of the body's bytes, at least 1.
    pub(crate) input_tokens: u64,
    text: String,
}

/// What a reply says, or which tool it calls.
#[derive(Debug)]
pub(crate) enum Say {
    Text(Vec<String>),
    Call { name: String, arguments: String },
}

impl Ask {
    pub(crate) fn parse(body: &Bytes, offer: &Offer) -> Result<Self, Refusal> {
        let ask = Self::read(body, offer)?;
        match ask.body["model"].as_str() {
            Some(_) => Ok(ask),
            None => Err((400, "model: field required".to_owned())),
        }
    }

    /// A request whose model stands in the URL.
    pub(crate) fn of(body: &Bytes, offer: &Offer, model: &str) -> Result<Self, Refusal> {
        let ask = Self::read(body, offer)?;
        match ask.body.is_object() && !model.is_empty() {
            true => Ok(ask),
            false => Err((
                400,
                "the body is no object, or the model is missing".to_owned(),
            )),
        }
    }

    fn read(body: &Bytes, offer: &Offer) -> Result<Self, Refusal> {
        let json: Value = serde_json::from_slice(body)
            .map_err(|error| (400, format!("the body is not JSON: {error}")))?;
        Ok(Self {
            hash: fnv1a(body),
            input_tokens: (body.len() as u64).div_ceil(4).max(1),
            text: offer.text.clone(),
            body: json,
        })
    }

    pub(crate) fn model(&self) -> &str {
        self.body["model"].as_str().unwrap_or_default()
    }

    pub(crate) fn stream(&self) -> bool {
        self.body["stream"] == true
    }

    pub(crate) fn id(&self, prefix: &str) -> String {
        format!("{prefix}{:016x}", self.hash)
    }

    /// The words of the reply, cut at `limit` tokens (a word is a token); whether it was cut.
    pub(crate) fn words(&self, limit: &Value, schema: &Value) -> (Vec<String>, bool) {
        let text = match schema.is_object() {
            true => sample(schema).to_string(),
            false => self.text.clone(),
        };
        let mut words: Vec<String> = text.split_inclusive(' ').map(str::to_owned).collect();
        let limit = limit.as_u64().map_or(usize::MAX, |limit| limit as usize);
        let cut = words.len() > limit;
        words.truncate(limit);
        (words, cut)
    }

    /// The tool to call, if the request has tools, allows it, and does not bring a tool's result
    /// last. `parts` reads a tool's name and parameters.
    pub(crate) fn call(
        &self,
        answered: bool,
        parts: impl Fn(&Value) -> Option<(&str, &Value)>,
    ) -> Option<Say> {
        let choice = &self.body["tool_choice"];
        if answered || choice == "none" || choice["type"] == "none" {
            return None;
        }
        let wanted = choice["function"]["name"]
            .as_str()
            .or(choice["name"].as_str());
        let tools = self.body["tools"].as_array()?;
        let (name, schema) = tools
            .iter()
            .filter_map(parts)
            .find(|(name, _)| wanted.is_none_or(|wanted| wanted == *name))?;
        Some(Say::Call {
            name: name.to_owned(),
            arguments: sample(schema).to_string(),
        })
    }
}

impl Say {
    /// The reply in the parts a stream sends, each billed as one token.
    pub(crate) fn parts(&self) -> Vec<String> {
        match self {
            Self::Text(words) => words.clone(),
            Self::Call { arguments, .. } => {
                let chars: Vec<char> = arguments.chars().collect();
                chars
                    .chunks(8)
                    .map(|chunk| chunk.iter().collect())
                    .collect()
            }
        }
    }

    /// Output tokens of the whole reply.
    pub(crate) fn tokens(&self) -> u64 {
        self.parts().len() as u64
    }
}

/// A value that a JSON schema of the usual kind accepts.
pub(crate) fn sample(schema: &Value) -> Value {
    if let Some(value) = schema.get("const").or_else(|| schema["enum"].get(0)) {
        return value.clone();
    }
    match schema["type"].as_str() {
        Some("string") => json!("test"),
        Some("integer") => json!(1),
        Some("number") => json!(1.5),
        Some("boolean") => json!(true),
        Some("array") => json!([]),
        Some("null") => Value::Null,
        _ => {
            let properties = schema["properties"].as_object();
            let fields = properties.into_iter().flatten();
            let object: Map<_, _> = fields
                .map(|(name, of)| (name.clone(), sample(of)))
                .collect();
            Value::Object(object)
        }
    }
}
