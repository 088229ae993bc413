//! What is asked and what is answered: fixed bytes, the same for the mock, the client and both proxies.

use std::fmt::Write;
use std::time::Duration;

use bytes::Bytes;

/// How a model's name begins here; the rest of it is the name of a scenario.
pub const MODEL: &str = "bench-";

/// One kind of call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scenario {
    /// A chat request of about 400 bytes, answered with 1 kB.
    Small,
    /// A chat request of about 100 kB in 26 messages, answered with 10 kB.
    Large,
    /// A small request, answered with 100 kB of embeddings.
    Embeddings,
    /// A stream of 104 events, as fast as they can be written.
    Burst,
    /// The same stream, an event each 2 ms.
    Paced,
    /// A stream of 154 events, one each 20 ms: open for three seconds.
    Hold,
}

/// What the mock answers to a scenario.
#[derive(Clone, Debug)]
pub struct Reply {
    /// The body, in the pieces it is written in.
    pub pieces: Vec<Bytes>,
    /// Its media type.
    pub media_type: &'static str,
    /// The time between two pieces; none if they follow at once.
    pub pace: Option<Duration>,
}

impl Scenario {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::Small,
        Self::Large,
        Self::Embeddings,
        Self::Burst,
        Self::Paced,
        Self::Hold,
    ];

    /// Its name in commands, tables and model names.
    pub fn name(self) -> &'static str {
        match self {
            Self::Small => "small",
            Self::Large => "large",
            Self::Embeddings => "embeddings",
            Self::Burst => "burst",
            Self::Paced => "paced",
            Self::Hold => "hold",
        }
    }

    /// The scenario of that name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|one| one.name() == name)
    }

    /// Where its requests go.
    pub fn path(self) -> &'static str {
        match self {
            Self::Embeddings => "/v1/embeddings",
            _ => "/v1/chat/completions",
        }
    }

    /// The events of one reply; 1 if it is not a stream.
    pub fn events(self) -> u64 {
        match self {
            Self::Burst | Self::Paced => 104,
            Self::Hold => 154,
            _ => 1,
        }
    }

    /// The body of its requests.
    pub fn request(self) -> String {
        let model = format!("{{\"model\":\"{MODEL}{}\",", self.name());
        let system = message("system", "You are a helpful assistant.");
        let rest = match self {
            Self::Embeddings => format!("\"input\":\"{}\"}}", words(200)),
            Self::Large => {
                let mut messages = message("system", &words(5_000));
                for n in 0..24 {
                    let role = ["user", "assistant"][n % 2];
                    messages = format!("{messages},{}", message(role, &words(3_900)));
                }
                let last = message("user", &words(200));
                format!("\"messages\":[{messages},{last}],\"max_tokens\":2048}}")
            }
            _ => {
                let user = message("user", &words(150));
                format!("\"messages\":[{system},{user}],\"temperature\":0.2")
            }
        };
        let end = match self {
            Self::Small => "}",
            Self::Large | Self::Embeddings => "",
            _ => ",\"stream\":true,\"stream_options\":{\"include_usage\":true}}",
        };
        model + &rest + end
    }

    /// What is answered to them.
    pub fn reply(self) -> Reply {
        let (pieces, pace) = match self {
            Self::Small => (vec![chat(1_000)], None),
            Self::Large => (vec![chat(10_000)], None),
            Self::Embeddings => (vec![embeddings(100_000)], None),
            Self::Burst => (stream(100), None),
            Self::Paced => (stream(100), Some(Duration::from_millis(2))),
            Self::Hold => (stream(150), Some(Duration::from_millis(20))),
        };
        let media_type = match self.events() {
            1 => "application/json",
            _ => "text/event-stream",
        };
        Reply {
            pieces,
            media_type,
            pace,
        }
    }
}

impl Reply {
    /// The bytes of the whole body.
    pub fn bytes(&self) -> u64 {
        self.pieces.iter().map(|piece| piece.len() as u64).sum()
    }
}

/// So many bytes of text.
fn words(bytes: usize) -> String {
    let text = "the quick gateway passes on what a model has to say and adds nothing of its own ";
    text.chars().cycle().take(bytes).collect()
}

fn message(role: &str, content: &str) -> String {
    format!("{{\"role\":\"{role}\",\"content\":\"{content}\"}}")
}

/// A chat completion of so many bytes.
fn chat(bytes: usize) -> Bytes {
    let whole = |content: &str| {
        format!(
            "{{\"id\":\"chatcmpl-1\",\"object\":\"chat.completion\",\"created\":1750000000,\"model\":\"gpt-4o-mini\",\
             \"choices\":[{{\"index\":0,\"message\":{},\"logprobs\":null,\"finish_reason\":\"stop\"}}],\
             \"usage\":{{\"prompt_tokens\":64,\"completion_tokens\":200,\"total_tokens\":264}},\
             \"system_fingerprint\":\"fp_1\"}}",
            message("assistant", content)
        )
    };
    whole(&words(bytes - whole("").len())).into()
}

/// Embeddings of 1536 numbers each, hardly more than so many bytes; the usage stands at the end.
fn embeddings(bytes: usize) -> Bytes {
    let mut text = String::from("{\"object\":\"list\",\"data\":[");
    let mut seed = 1_u32;
    for index in 0.. {
        let open = format!("{{\"object\":\"embedding\",\"index\":{index},\"embedding\":[");
        text.push_str(&open);
        for _ in 0..1536 {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let number = (f64::from(seed) / f64::from(u32::MAX) - 0.5) * 0.1;
            write!(text, "{number:.8},").expect("a string takes everything");
            if text.len() > bytes {
                break;
            }
        }
        text.pop();
        text.push_str("]},");
        if text.len() > bytes {
            break;
        }
    }
    text.pop();
    text.push_str(
        "],\"model\":\"text-embedding-3-small\",\"usage\":{\"prompt_tokens\":50,\"total_tokens\":50}}",
    );
    text.into()
}

/// The events of a streamed chat completion: a role, so many pieces of text, a reason, usage, the end.
fn stream(pieces: usize) -> Vec<Bytes> {
    let event = |choices: &str, usage: &str| {
        format!(
            "data: {{\"id\":\"chatcmpl-1\",\"object\":\"chat.completion.chunk\",\"created\":1750000000,\
             \"model\":\"gpt-4o-mini\",\"system_fingerprint\":\"fp_1\",\"choices\":[{choices}]{usage}}}\n\n"
        )
    };
    let choice = |delta: &str, finish: &str| {
        let choice = format!(
            "{{\"index\":0,\"delta\":{delta},\"logprobs\":null,\"finish_reason\":{finish}}}"
        );
        event(&choice, "")
    };
    let usage = ",\"usage\":{\"prompt_tokens\":64,\"completion_tokens\":100,\"total_tokens\":164}";
    let mut events = vec![choice("{\"role\":\"assistant\",\"content\":\"\"}", "null")];
    events.extend((0..pieces).map(|_| choice("{\"content\":\" and\"}", "null")));
    events.push(choice("{}", "\"stop\""));
    events.push(event("", usage));
    events.push("data: [DONE]\n\n".to_owned());
    events.into_iter().map(Bytes::from).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_json(text: &[u8]) -> bool {
        serde_json::from_slice::<serde_json::Value>(text).is_ok()
    }

    #[test]
    fn every_request_is_json_and_names_its_scenario_first() {
        for scenario in Scenario::ALL {
            let request = scenario.request();
            assert!(is_json(request.as_bytes()), "{request}");
            let start = format!("{{\"model\":\"{MODEL}{}\"", scenario.name());
            assert!(request.starts_with(&start));
        }
        assert_eq!(Scenario::Large.request().len() / 1_000, 99);
    }

    #[test]
    fn every_reply_is_json_of_the_size_it_claims() {
        let whole = |scenario: Scenario| {
            let reply = scenario.reply();
            assert!(reply.pieces.len() == 1 && is_json(&reply.pieces[0]));
            reply.bytes()
        };
        assert_eq!(whole(Scenario::Small), 1_000);
        assert_eq!(whole(Scenario::Large), 10_000);
        assert_eq!(whole(Scenario::Embeddings) / 1_000, 100);
    }

    #[test]
    fn a_stream_has_the_events_it_claims() {
        for scenario in [Scenario::Burst, Scenario::Paced, Scenario::Hold] {
            let events = scenario.reply().pieces;
            assert_eq!(events.len() as u64, scenario.events());
            let (last, events) = events.split_last().unwrap();
            assert_eq!(*last, "data: [DONE]\n\n");
            for event in events {
                let text = event.strip_prefix(b"data: ").unwrap();
                assert!(is_json(text) && text.ends_with(b"}\n\n"));
            }
        }
    }
}
