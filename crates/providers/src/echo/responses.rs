//! Backend: the answers of `echo` as OpenAI responses.

use std::iter::once;
use std::num::NonZero;
use std::sync::Arc;

use bytes::Bytes;
use portcullis_core::error::Error;
use portcullis_core::wire::sse;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::answer::{Answer, Said};
use super::paced::Pieces;
use super::read::{self, Tools};
use super::service::{Reply, Stamp};
use super::turns::{Input, Texts};

#[derive(Deserialize)]
struct Asked {
    input: Input,
    #[serde(default)]
    instructions: Texts,
    max_output_tokens: Option<NonZero<u64>>,
}

/// What a response repeats of the request.
#[derive(Deserialize)]
struct Given {
    instructions: Option<Box<RawValue>>,
    max_output_tokens: Option<Box<RawValue>>,
    metadata: Option<Box<RawValue>>,
    parallel_tool_calls: Option<Box<RawValue>>,
    previous_response_id: Option<Box<RawValue>>,
    reasoning: Option<Box<RawValue>>,
    temperature: Option<Box<RawValue>>,
    text: Option<Box<RawValue>>,
    tool_choice: Option<Box<RawValue>>,
    tools: Option<Box<RawValue>>,
    top_p: Option<Box<RawValue>>,
}

/// Answers `POST /responses`.
pub(super) fn answer(body: &[u8], stream: bool, stamp: Stamp) -> Result<Reply, Error> {
    let mut asked: Asked = read::read(body)?;
    let given: Given = read::read(body)?;
    asked.input.0.add_words(&asked.instructions);
    let tools = Tools::read(given.tools.as_deref(), given.tool_choice.as_deref())?;
    let max = asked.max_output_tokens.map(NonZero::get);
    let answer = Answer::to(&asked.input.0, &tools, max);
    let turn = Turn {
        stamp,
        given,
        answer,
    };
    Ok(match stream {
        true => Reply::Events(events(turn)),
        false => Reply::Whole(to_json(&turn.response(true)).into()),
    })
}

/// One answer and all that is written with it.
struct Turn {
    stamp: Stamp,
    given: Given,
    answer: Answer,
}

#[derive(Serialize)]
struct Response<'a> {
    id: String,
    object: &'static str,
    created_at: u64,
    status: &'static str,
    background: bool,
    error: (),
    incomplete_details: Option<Value>,
    instructions: &'a RawValue,
    max_output_tokens: &'a RawValue,
    model: &'a str,
    output: Vec<Value>,
    parallel_tool_calls: &'a RawValue,
    previous_response_id: &'a RawValue,
    reasoning: &'a RawValue,
    store: bool,
    temperature: &'a RawValue,
    text: &'a RawValue,
    tool_choice: &'a RawValue,
    tools: &'a RawValue,
    top_p: &'a RawValue,
    truncation: &'static str,
    usage: Option<Value>,
    metadata: &'a RawValue,
}

impl Turn {
    /// The response as it stands when it has just begun, or is done.
    fn response(&self, done: bool) -> Response<'_> {
        let given = &self.given;
        let cut = done && self.answer.cut;
        Response {
            id: format!("resp_echo_{}", self.stamp.id),
            object: "response",
            created_at: self.stamp.created,
            status: if done { self.status() } else { "in_progress" },
            background: false,
            error: (),
            incomplete_details: cut.then(|| json!({"reason": "max_output_tokens"})),
            instructions: or(&given.instructions, "null"),
            max_output_tokens: or(&given.max_output_tokens, "null"),
            model: &self.stamp.model,
            output: if done { vec![self.item(true)] } else { vec![] },
            parallel_tool_calls: or(&given.parallel_tool_calls, "true"),
            previous_response_id: or(&given.previous_response_id, "null"),
            reasoning: or(&given.reasoning, r#"{"effort":null,"summary":null}"#),
            store: false,
            temperature: or(&given.temperature, "1.0"),
            text: or(&given.text, r#"{"format":{"type":"text"}}"#),
            tool_choice: or(&given.tool_choice, r#""auto""#),
            tools: or(&given.tools, "[]"),
            top_p: or(&given.top_p, "1.0"),
            truncation: "disabled",
            usage: done.then(|| self.usage()),
            metadata: or(&given.metadata, "{}"),
        }
    }

    fn status(&self) -> &'static str {
        if self.answer.cut {
            "incomplete"
        } else {
            "completed"
        }
    }

    /// The one item of the output, empty or whole.
    fn item(&self, done: bool) -> Value {
        let status = if done { self.status() } else { "in_progress" };
        match &self.answer.said {
            Said::Text(text) => json!({
                "id": self.item_id(),
                "type": "message",
                "status": status,
                "role": "assistant",
                "content": if done { json!([part(text)]) } else { json!([]) },
            }),
            Said::Call { name, arguments } => json!({
                "id": self.item_id(),
                "type": "function_call",
                "status": status,
                "call_id": self.stamp.call_id("call"),
                "name": &**name,
                "arguments": if done { &**arguments } else { "" },
            }),
        }
    }

    fn item_id(&self) -> String {
        match self.answer.said {
            Said::Text(_) => format!("msg_echo_{}", self.stamp.id),
            Said::Call { .. } => format!("fc_echo_{}", self.stamp.id),
        }
    }

    fn usage(&self) -> Value {
        let Answer { input, output, .. } = self.answer;
        json!({
            "input_tokens": input,
            "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
            "output_tokens": output,
            "output_tokens_details": {"reasoning_tokens": 0},
            "total_tokens": input + output,
        })
    }

    fn opening(&self) -> Events {
        let mut events = Events::from(0);
        for kind in ["response.created", "response.in_progress"] {
            let response = self.response(false);
            events.push(kind, &OfResponse { response });
        }
        let item = json!({"output_index": 0, "item": self.item(false)});
        events.push("response.output_item.added", &item);
        if let Said::Text(_) = &self.answer.said {
            let mut place = self.place();
            place["part"] = part("");
            events.push("response.content_part.added", &place);
        }
        events
    }

    fn delta(&self, number: u64, word: &str) -> Bytes {
        let mut events = Events::from(number);
        let mut place = self.place();
        place["delta"] = word.into();
        let kind = match self.answer.said {
            Said::Text(_) => {
                place["logprobs"] = json!([]);
                "response.output_text.delta"
            }
            Said::Call { .. } => "response.function_call_arguments.delta",
        };
        events.push(kind, &place);
        events.written.into()
    }

    fn closing(&self, number: u64) -> Bytes {
        let mut events = Events::from(number);
        let mut place = self.place();
        match &self.answer.said {
            Said::Text(text) => {
                let mut whole = place.clone();
                whole["text"] = (&**text).into();
                whole["logprobs"] = json!([]);
                events.push("response.output_text.done", &whole);
                place["part"] = part(text);
                events.push("response.content_part.done", &place);
            }
            Said::Call { name, arguments } => {
                place["name"] = (&**name).into();
                place["arguments"] = (&**arguments).into();
                events.push("response.function_call_arguments.done", &place);
            }
        }
        let item = json!({"output_index": 0, "item": self.item(true)});
        events.push("response.output_item.done", &item);
        let kind = format!("response.{}", self.status());
        let response = self.response(true);
        events.push(&kind, &OfResponse { response });
        events.written.into()
    }

    /// Where what an event tells of belongs.
    fn place(&self) -> Value {
        let mut place = json!({"item_id": self.item_id(), "output_index": 0});
        if let Said::Text(_) = self.answer.said {
            place["content_index"] = 0.into();
        }
        place
    }
}

fn events(turn: Turn) -> Pieces {
    let turn = Arc::new(turn);
    let opening = turn.opening();
    let words = turn.answer.said.words();
    let (deltas, end) = (turn.clone(), opening.next);
    let middle = (opening.next..)
        .zip(words.clone())
        .map(move |(number, word)| deltas.delta(number, &word));
    let closing = std::iter::once_with(move || turn.closing(end + words.count() as u64));
    Box::new(once(opening.written.into()).chain(middle).chain(closing))
}

/// Consecutive events of a stream.
struct Events {
    written: Vec<u8>,
    /// The number of the next one.
    next: u64,
}

#[derive(Serialize)]
struct Event<'a, T> {
    #[serde(rename = "type")]
    kind: &'a str,
    sequence_number: u64,
    #[serde(flatten)]
    rest: &'a T,
}

#[derive(Serialize)]
struct OfResponse<'a> {
    response: Response<'a>,
}

impl Events {
    fn from(next: u64) -> Self {
        Self {
            written: Vec::new(),
            next,
        }
    }

    fn push(&mut self, kind: &str, rest: &impl Serialize) {
        let sequence_number = self.next;
        let mut data = to_json(&Event {
            kind,
            sequence_number,
            rest,
        });
        // Line ends come only from what is repeated of the request, where they stand between tokens.
        data.retain(|byte| !matches!(byte, b'\n' | b'\r'));
        self.written.extend(sse::encode(Some(kind), &data));
        self.next += 1;
    }
}

fn part(text: &str) -> Value {
    json!({"type": "output_text", "text": text, "annotations": [], "logprobs": []})
}

fn or<'a>(given: &'a Option<Box<RawValue>>, default: &'static str) -> &'a RawValue {
    given
        .as_deref()
        .unwrap_or_else(|| serde_json::from_str(default).expect("the defaults are written as JSON"))
}

fn to_json(value: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(value).expect("what echo writes has text for keys")
}
