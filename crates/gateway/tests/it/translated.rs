//! The whole line where the caller's dialect is not the provider's: what each of them sees.

use http::Method;
use portcullis_testkit::{Reply, Upstream};
use serde_json::{Value, json};

use crate::support::*;

/// A dialect of callers, with what its clients know of it.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Spoken {
    Chat,
    Messages,
    Cohere,
}

use Spoken::{Chat, Cohere, Messages};

const ALL: [Spoken; 3] = [Chat, Messages, Cohere];

/// Models, each at the provider that speaks the dialect beside it.
const MODELS: [(&str, Spoken); 3] = [
    ("gpt-test", Chat),
    ("claude-test", Messages),
    ("command-test", Cohere),
];

impl Spoken {
    fn path(self) -> &'static str {
        match self {
            Chat => "/v1/chat/completions",
            Messages => "/v1/messages",
            Cohere => "/v2/chat",
        }
    }

    fn ask(self, model: &str, stream: bool, tool: bool) -> String {
        let mut body = json!({
            "model": model, "stream": stream, "messages": [{"role": "user", "content": "hi"}],
        });
        let schema = json!({"type": "object", "properties": {"city": {"type": "string"}}});
        let function = json!({"name": "look", "parameters": schema});
        match self {
            Messages => {
                body["max_tokens"] = json!(99);
                if tool {
                    body["tools"] = json!([{"name": "look", "input_schema": schema}]);
                }
            }
            _ if tool => body["tools"] = json!([{"type": "function", "function": function}]),
            _ => {}
        }
        body.to_string()
    }

    /// What a whole reply says, or the arguments of its call, and why it ended.
    fn told(self, reply: &Value) -> (Value, Value) {
        let (message, stop) = match self {
            Chat => (
                &reply["choices"][0]["message"],
                &reply["choices"][0]["finish_reason"],
            ),
            Messages => (reply, &reply["stop_reason"]),
            Cohere => (&reply["message"], &reply["finish_reason"]),
        };
        let said = match self {
            Messages => {
                let block = message["content"].as_array().and_then(|list| list.last());
                let block = block.cloned().unwrap_or_default();
                match block["type"] == "tool_use" {
                    true => block["input"].clone(),
                    false => block["text"].clone(),
                }
            }
            _ => match message["tool_calls"][0]["function"]["arguments"].as_str() {
                Some(arguments) => serde_json::from_str(arguments).unwrap(),
                None if self == Chat => message["content"].clone(),
                None => message["content"][0]["text"].clone(),
            },
        };
        (said, stop.clone())
    }

    /// What a stream says, its arguments after its words.
    fn streamed(self, reply: &Reply) -> String {
        let text = reply.text();
        let data = text.lines().filter_map(|line| line.strip_prefix("data: "));
        let events = data.filter_map(|data| serde_json::from_str::<Value>(data).ok());
        let said = events.map(|event| {
            let delta = match self {
                Chat => &event["choices"][0]["delta"],
                Messages => &event["delta"],
                Cohere => &event["delta"]["message"],
            };
            let words = match self {
                Chat => [
                    &delta["content"],
                    &delta["tool_calls"][0]["function"]["arguments"],
                ],
                Messages => [&delta["text"], &delta["partial_json"]],
                Cohere => [
                    &delta["content"]["text"],
                    &delta["tool_calls"]["function"]["arguments"],
                ],
            };
            let words = words.into_iter().filter_map(Value::as_str);
            words.collect::<String>()
        });
        said.collect()
    }

    fn stops(self) -> [&'static str; 2] {
        match self {
            Chat => ["stop", "tool_calls"],
            Messages => ["end_turn", "tool_use"],
            Cohere => ["COMPLETE", "TOOL_CALL"],
        }
    }

    /// What the last bytes of a stream are.
    fn last(self) -> &'static str {
        match self {
            Chat | Cohere => "data: [DONE]\n\n",
            Messages => "data: {\"type\":\"message_stop\"}\n\n",
        }
    }
}

async fn line() -> Line {
    let upstream = Upstream::start().await.unwrap();
    upstream.require_key(KEY);
    upstream.say("one two three");
    let url = upstream.url();
    let config = format!(
        r#"
schemaVersion: 1
listeners: [{{name: web, address: "127.0.0.1:0"}}]
routes: [{{backend: models}}]
backends:
- name: models
  models:
  - {{match: "gpt-*", backend: openai}}
  - {{match: "claude-*", backend: anthropic}}
  - {{match: "command-*", backend: cohere}}
- {{name: openai, llm: {{provider: openai, baseUrl: "{url}/v1", apiKey: {KEY}}}}}
- {{name: anthropic, llm: {{provider: anthropic, baseUrl: "{url}", apiKey: {KEY}}}}}
- {{name: cohere, llm: {{provider: cohere, baseUrl: "{url}", apiKey: {KEY}}}}}
"#
    );
    Line::configured(upstream, &config, |builder| builder).await
}

async fn asked(line: &Line, spoken: Spoken, body: String) -> Reply {
    let headers = [
        ("content-type", "application/json"),
        ("anthropic-version", "2023-06-01"),
    ];
    let headers = if spoken == Messages {
        &headers[..]
    } else {
        &headers[..1]
    };
    send(Method::POST, line.url(spoken.path()), headers, body).await
}

#[tokio::test]
async fn every_dialect_gets_the_same_answer_of_every_provider() {
    let line = line().await;
    for spoken in ALL {
        for (model, provider) in MODELS {
            let pair = format!("{spoken:?} to {provider:?}");
            let reply = asked(&line, spoken, spoken.ask(model, false, false)).await;
            let told = spoken.told(&reply.json());
            let wanted = (json!("one two three"), json!(spoken.stops()[0]));
            assert_eq!(told, wanted, "{pair}: {}", reply.text());
            let reply = asked(&line, spoken, spoken.ask(model, false, true)).await;
            let told = spoken.told(&reply.json());
            let wanted = (json!({"city": "test"}), json!(spoken.stops()[1]));
            assert_eq!(told, wanted, "{pair}: {}", reply.text());
        }
    }
}

#[tokio::test]
async fn every_dialect_gets_the_same_stream_of_every_provider() {
    let line = line().await;
    for spoken in ALL {
        for (model, provider) in MODELS {
            let pair = format!("{spoken:?} to {provider:?}");
            let reply = asked(&line, spoken, spoken.ask(model, true, false)).await;
            assert_eq!(spoken.streamed(&reply), "one two three", "{pair}");
            assert!(reply.text().ends_with(spoken.last()), "{pair}");
            let reply = asked(&line, spoken, spoken.ask(model, true, true)).await;
            let said = spoken.streamed(&reply);
            assert!(said.ends_with(r#"{"city":"test"}"#), "{pair}: {said}");
        }
    }
}

#[tokio::test]
async fn what_a_provider_refuses_reaches_the_caller_in_its_own_words() {
    let line = line().await;
    line.upstream.require_key("sk-another");
    for spoken in ALL {
        for (model, provider) in MODELS {
            let reply = asked(&line, spoken, spoken.ask(model, false, false)).await;
            assert_eq!(reply.status, 401, "{spoken:?} to {provider:?}");
            let json = reply.json();
            let message = match spoken {
                Cohere => &json["message"],
                _ => &json["error"]["message"],
            };
            assert_eq!(message, "the API key is not known");
            if spoken == Messages {
                assert_eq!(json["error"]["type"], "authentication_error");
            }
        }
    }
}
