//! Encode: embeddings, to and from the neutral form.
//!
//! Source: the OpenAPI description of the OpenAI API, `/embeddings`.

use bytes::Bytes;
use http::request;
use portcullis_core::context::Tokens;
use portcullis_core::error::{Error, codes};
use portcullis_core::json::{Kind, Members, Raw};

use super::usage::{CHAT, note_usage};
use crate::codes::UNTRANSLATABLE;
use crate::dialect::head::{not_json, wrong};
use crate::translate::write::object;
use crate::translate::{
    Asked, EmbedAsk, EmbedWire, Embedded, Losses, Target, Text, Vector, VectorForm, Written,
};

/// How OpenAI's API makes vectors.
#[derive(Clone, Copy, Debug)]
pub(super) struct Embeddings;

impl EmbedWire for Embeddings {
    fn read_request<'a>(
        &self,
        _: &'a request::Parts,
        body: &'a [u8],
        losses: &mut Losses,
    ) -> Result<EmbedAsk<'a>, Error> {
        let mut ask = EmbedAsk::default();
        for member in Members::of_document(body) {
            let member = member.map_err(not_json)?;
            let value = member.value;
            if member.key == "model" || value.is_null() {
                continue;
            }
            if member.key == "input" {
                ask.inputs = inputs(value)?;
            } else if member.key == "dimensions" {
                ask.dimensions = Some(value);
            } else if member.key == "encoding_format" {
                ask.form = match value.as_str().as_deref() {
                    Some("float") => VectorForm::Floats,
                    Some("base64") => VectorForm::Base64,
                    _ => return Err(wrong("encoding_format", "`float` or `base64`")),
                };
            } else {
                let key = member.key.as_str().unwrap_or_default().into_owned();
                losses.add(key, "embeddings of the model's provider have no such field");
            }
        }
        if ask.inputs.is_empty() {
            return Err(wrong("input", "a text or a list of texts"));
        }
        Ok(ask)
    }

    fn write_request(
        &self,
        ask: &EmbedAsk<'_>,
        target: &Target<'_>,
        losses: &mut Losses,
    ) -> Result<Written, Error> {
        if ask.purpose.is_some() {
            losses.add(
                "task type",
                "OpenAI's embeddings are the same for every use",
            );
        }
        let mut body = Vec::with_capacity(64 + ask.inputs.len() * 32);
        object(&mut body, |o| {
            o.str("model", target.model);
            o.array("input", |a| ask.inputs.iter().for_each(|text| a.text(text)));
            o.maybe_raw("dimensions", ask.dimensions);
            let form = match ask.form {
                VectorForm::Floats => "float",
                VectorForm::Base64 => "base64",
            };
            o.str("encoding_format", form);
        });
        Ok(Written::post("/embeddings", body))
    }

    fn read_reply<'a>(&self, body: &'a [u8]) -> Result<Embedded<'a>, Error> {
        let mut reply = Embedded::default();
        for member in Members::of_document(body) {
            let member = member.map_err(|e| broken().because(e))?;
            if member.key == "data" {
                for item in member.value.elements() {
                    let item = item.map_err(|e| broken().because(e))?;
                    let value = item.get("embedding").ok_or_else(broken)?;
                    reply.vectors.push(vector(value)?);
                }
            } else if member.key == "model" {
                reply.model = Text::of(member.value);
            } else if member.key == "usage" {
                let mut tokens = Tokens::default();
                reply.usage = note_usage(&CHAT, member.value, &mut tokens).then_some(tokens);
            }
        }
        Ok(reply)
    }

    fn write_reply(
        &self,
        reply: &Embedded<'_>,
        form: VectorForm,
        asked: &Asked,
    ) -> Result<Bytes, Error> {
        let mut body = Vec::new();
        object(&mut body, |o| {
            o.str("object", "list");
            o.array("data", |a| {
                for (index, vector) in reply.vectors.iter().enumerate() {
                    a.object(|o| {
                        o.str("object", "embedding");
                        o.u64("index", index as u64);
                        vector.write(form, o.key("embedding"))
                    })?;
                }
                Ok::<_, Error>(())
            })?;
            match &reply.model {
                Some(model) => o.text("model", model),
                None => o.str("model", &asked.model),
            }
            let used = reply.usage.unwrap_or_default();
            o.object("usage", |o| {
                o.u64("prompt_tokens", used.input);
                o.u64("total_tokens", used.input);
            });
            Ok::<_, Error>(())
        })?;
        Ok(body.into())
    }
}

/// One text or several. Lists of token ids mean something to one tokenizer only.
fn inputs(value: Raw<'_>) -> Result<Vec<Text<'_>>, Error> {
    if let Some(text) = Text::of(value) {
        return Ok(vec![text]);
    }
    if value.kind() != Kind::Array {
        return Err(wrong("input", "a text or a list of texts"));
    }
    value
        .elements()
        .map(|item| {
            let item = item.map_err(not_json)?;
            Text::of(item).ok_or_else(|| {
                let what = "`input` has token ids, which only OpenAI's own models understand";
                Error::new(&UNTRANSLATABLE, what).param("input")
            })
        })
        .collect()
}

fn vector(value: Raw<'_>) -> Result<Vector<'_>, Error> {
    match (value.kind(), value.str_bytes()) {
        (Kind::Array, _) => Ok(Vector::Floats(value)),
        (_, Some(inner)) if !inner.contains(&b'\\') => Ok(Vector::Base64(inner)),
        _ => Err(broken()),
    }
}

fn broken() -> Error {
    Error::new(
        &codes::UPSTREAM_BROKEN,
        "the upstream's embeddings cannot be read",
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::translate::testing::asked;

    fn head() -> request::Parts {
        http::Request::new(()).into_parts().0
    }

    fn read(body: &str) -> Result<(usize, VectorForm, Losses), Error> {
        let (head, mut losses) = (head(), Losses::default());
        let ask = Embeddings.read_request(&head, body.as_bytes(), &mut losses)?;
        Ok((ask.inputs.len(), ask.form, losses))
    }

    #[test]
    fn one_text_or_several_are_asked_for_in_either_form() {
        let (count, form, losses) = read(r#"{"model":"a","input":"x"}"#).unwrap();
        assert_eq!(
            (count, form, losses.is_empty()),
            (1, VectorForm::Floats, true)
        );
        let body = r#"{"input":["x","y"],"encoding_format":"base64","user":"u"}"#;
        let (count, form, losses) = read(body).unwrap();
        assert_eq!((count, form), (2, VectorForm::Base64));
        assert_eq!(
            losses.iter().map(|loss| &*loss.field).collect::<Vec<_>>(),
            ["user"]
        );
    }

    #[test]
    fn what_is_no_text_is_refused_by_name() {
        for (body, code) in [
            (r#"{"input":[[1,2]]}"#, &UNTRANSLATABLE),
            (r#"{"input":[1]}"#, &UNTRANSLATABLE),
            (r#"{"input":7}"#, &codes::INVALID_FIELD),
            (r#"{"model":"a"}"#, &codes::INVALID_FIELD),
            (r#"{"input":"#, &codes::BODY_NOT_JSON),
        ] {
            assert_eq!(read(body).unwrap_err().code(), code, "{body}");
        }
    }

    #[test]
    fn a_reply_goes_through_the_neutral_form_with_its_numbers_as_written() {
        let body = br#"{"object":"list","data":[{"object":"embedding","index":0,"embedding":[0.10,-2e-3]}],"model":"e","usage":{"prompt_tokens":3,"total_tokens":3}}"#;
        let reply = Embeddings.read_reply(body).unwrap();
        let written = Embeddings.write_reply(&reply, VectorForm::Floats, &asked(false));
        assert_eq!(written.unwrap(), &body[..]);
    }
}
