//! `POST models/{model}:generateContent`, `:streamGenerateContent`, `:countTokens`.

use http::StatusCode;
use serde_json::{Value, json};

use super::check;
use crate::{
    dialect::{
        Refusal,
        ask::{Ask, Say, sample},
    },
    plan::{Answer, Piece},
};

/// Answers with candidates, or with the chunks that build them: as events, or as one growing array.
pub(crate) fn generate(ask: &Ask, model: &str, stream: Option<bool>) -> Result<Answer, Refusal> {
    let contents = check::contents(ask)?;
    let last = contents
        .last()
        .and_then(|content| content["parts"].as_array());
    let answered = last.is_some_and(|parts| parts.iter().any(|p| !p["functionResponse"].is_null()));
    let config = &ask.body["generationConfig"];
    let (say, reason) = match call(ask, answered) {
        Some(say) => (say, "STOP"),
        None => {
            let schema = match &config["responseJsonSchema"] {
                Value::Null => &config["responseSchema"],
                schema => schema,
            };
            let (words, cut) = ask.words(&config["maxOutputTokens"], schema);
            (Say::Text(words), if cut { "MAX_TOKENS" } else { "STOP" })
        }
    };
    let reply = Reply {
        ask,
        model,
        say,
        reason,
    };
    Ok(match stream {
        Some(events) => reply.streamed(events),
        None => reply.whole(),
    })
}

/// Counts as the answer would.
pub(crate) fn count_tokens(ask: &Ask) -> Result<Answer, Refusal> {
    check::contents(ask)?;
    let body = json!({"totalTokens": ask.input_tokens});
    Ok(Answer::json(StatusCode::OK, &body))
}

/// The function to call, if there are functions and they may be called.
fn call(ask: &Ask, answered: bool) -> Option<Say> {
    let config = &ask.body["toolConfig"]["functionCallingConfig"];
    if answered || config["mode"] == "NONE" {
        return None;
    }
    let allowed = config["allowedFunctionNames"].as_array();
    let tools = ask.body["tools"].as_array()?;
    let mut functions = tools
        .iter()
        .filter_map(|tool| tool["functionDeclarations"].as_array())
        .flatten();
    let function = functions.find(|f| allowed.is_none_or(|names| names.contains(&f["name"])))?;
    // Names are taken in either spelling, as ProtoJSON has it.
    let spellings = [
        "parametersJsonSchema",
        "parameters_json_schema",
        "parameters",
    ];
    let mut schemas = spellings.iter().map(|name| &function[*name]);
    let schema = schemas.find(|schema| !schema.is_null())?;
    Some(Say::Call {
        name: function["name"].as_str()?.to_owned(),
        arguments: sample(schema).to_string(),
    })
}

struct Reply<'a> {
    ask: &'a Ask,
    model: &'a str,
    say: Say,
    reason: &'static str,
}

impl Reply<'_> {
    fn whole(&self) -> Answer {
        let part = match &self.say {
            Say::Text(words) => json!({"text": words.concat()}),
            Say::Call { name, arguments } => Self::call(name, arguments),
        };
        let body = self.chunk(&[part], Some(self.say.tokens()));
        Answer::json(StatusCode::OK, &body).billed(self.ask.input_tokens, self.say.tokens())
    }

    /// A call comes whole, in one chunk.
    fn streamed(&self, events: bool) -> Answer {
        let mut chunks = Vec::new();
        match &self.say {
            Say::Text(words) => {
                for word in words {
                    chunks.push((self.chunk(&[json!({"text": word})], None), 1));
                }
                chunks.push((
                    self.chunk(&[json!({"text": ""})], Some(self.say.tokens())),
                    0,
                ));
            }
            Say::Call { name, arguments } => {
                let tokens = self.say.tokens();
                let chunk = self.chunk(&[Self::call(name, arguments)], Some(tokens));
                chunks.push((chunk, tokens));
            }
        }
        let pieces = chunks
            .into_iter()
            .enumerate()
            .map(|(number, (chunk, tokens))| {
                let text = match (events, number) {
                    (true, _) => format!("data: {chunk}\r\n\r\n"),
                    (false, 0) => format!("[{chunk}"),
                    (false, _) => format!(",\r\n{chunk}"),
                };
                Piece {
                    tokens,
                    ..text.into()
                }
            });
        let mut pieces: Vec<Piece> = pieces.collect();
        if !events {
            pieces.push("]".into());
        }
        let answer = Answer::events(pieces).billed(self.ask.input_tokens, 0);
        match events {
            true => answer,
            false => answer.replacing("content-type", "application/json; charset=UTF-8"),
        }
    }

    fn call(name: &str, arguments: &str) -> Value {
        let args: Value = serde_json::from_str(arguments).unwrap_or_default();
        json!({"functionCall": {"name": name, "args": args}})
    }

    /// A reply, or a part of one. The last has the reason it ended for, and what was used.
    fn chunk(&self, parts: &[Value], used: Option<u64>) -> Value {
        let mut candidate = json!({"content": {"parts": parts, "role": "model"}, "index": 0});
        let input = self.ask.input_tokens;
        let mut usage = json!({"promptTokenCount": input, "totalTokenCount": input});
        if let Some(output) = used {
            candidate["finishReason"] = json!(self.reason);
            usage["candidatesTokenCount"] = json!(output);
            usage["totalTokenCount"] = json!(input + output);
        }
        json!({
            "candidates": [candidate], "usageMetadata": usage,
            "modelVersion": self.model, "responseId": self.ask.id(""),
        })
    }
}
