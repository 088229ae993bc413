//! Encode: a request in no dialect's own form.

use std::borrow::Cow;

use portcullis_core::error::{Error, codes};
use portcullis_core::json::{Kind, Raw, quote};

use super::Text;

/// What is asked of a model: everything at least two dialects can say.
#[derive(Clone, Debug, Default)]
pub struct Conversation<'a> {
    /// What was said so far, system texts in their place.
    pub turns: Vec<Turn<'a>>,
    /// The tools the model may call.
    pub tools: Vec<Tool<'a>>,
    /// Which of them it must call.
    pub tool_choice: Option<ToolChoice<'a>>,
    /// Whether it may call several at once, where that was said.
    pub parallel_tools: Option<bool>,
    /// How its words are chosen.
    pub sampling: Sampling<'a>,
    /// The form of the answer.
    pub format: Format<'a>,
    /// How it thinks before it answers.
    pub thinking: Option<Thinking<'a>>,
    /// Who asks and how it is to be filed.
    pub metadata: Metadata<'a>,
    /// Whether the reply is to be streamed.
    pub stream: bool,
    /// Whether the caller asked for usage in the stream, in dialects where that is asked for.
    pub usage_asked: bool,
    /// What only dialects of one vendor have. Its reader notes each as a loss; a writer that can say it takes
    /// it off the list ([`Losses::saved`](super::Losses::saved)).
    pub extras: Vec<Extra<'a>>,
    /// Whether the caller spoke of functions where others speak of tools, and expects to be answered so.
    pub functions: bool,
    /// What the list of turns is called in the document they were read from; without it `messages`.
    pub list: Option<&'static str>,
}

impl Conversation<'_> {
    /// A turn as the caller knows it: `messages[2]`.
    pub fn turn_path(&self, at: u32) -> String {
        format!("{}[{at}]", self.list.unwrap_or("messages"))
    }
}

/// A member of a request that only dialects of one vendor have.
#[derive(Clone, Debug)]
pub struct Extra<'a> {
    /// Its name, the same in all of them.
    pub name: &'static str,
    /// As what it was noted as lost.
    pub field: &'static str,
    /// It as it was written.
    pub raw: Raw<'a>,
}

/// Who speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Whoever set the model up.
    System,
    /// As `System`, in OpenAI's newer word.
    Developer,
    /// The caller; results of tools are in the caller's turns.
    User,
    /// The model.
    Assistant,
}

/// One turn of a conversation.
#[derive(Clone, Debug)]
pub struct Turn<'a> {
    /// Who speaks.
    pub role: Role,
    /// What.
    pub parts: Vec<Part<'a>>,
    /// The speaker's name, where one is given.
    pub name: Option<Text<'a>>,
    /// Where it stands in the document it was read from: what a [`Loss`](super::Loss) in it is named by.
    pub at: u32,
}

/// A piece of a turn.
#[derive(Clone, Debug)]
pub enum Part<'a> {
    /// Words.
    Text {
        /// The words.
        text: Text<'a>,
        /// What they cite, as it was written.
        citations: Option<Raw<'a>>,
        /// Whether the prompt up to here is worth caching.
        cache: Option<CacheMark>,
    },
    /// Why the model does not answer.
    Refusal(Text<'a>),
    /// A picture, a sound, a document.
    Media(Media<'a>),
    /// The model calls a tool.
    ToolCall(ToolCall<'a>),
    /// What the tool answered.
    ToolResult(ToolResult<'a>),
    /// What the model thought.
    Reasoning(Reasoning<'a>),
    /// Something only its own dialect has, by its name there.
    Foreign {
        /// What it is called there: `server_tool_use`, `executableCode`.
        kind: Cow<'a, str>,
        /// It as it was written.
        raw: Raw<'a>,
    },
}

impl<'a> Part<'a> {
    /// Plain words.
    pub fn text(text: impl Into<Text<'a>>) -> Self {
        Self::Text {
            text: text.into(),
            citations: None,
            cache: None,
        }
    }
}

/// How long the prompt up to a mark is to be cached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CacheMark {
    /// As long as the provider does.
    Default,
    /// Five minutes.
    Minutes5,
    /// One hour.
    Hour,
}

/// What kind of thing a piece of media is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MediaKind {
    /// A picture.
    Image,
    /// A sound.
    Audio,
    /// A film.
    Video,
    /// A document: PDF, plain text, a table.
    Document,
}

/// A piece of media.
#[derive(Clone, Debug)]
pub struct Media<'a> {
    /// What it is.
    pub kind: MediaKind,
    /// Its media type (`image/png`), where it is said or can be told.
    pub media_type: Option<Text<'a>>,
    /// Where its bytes are.
    pub source: Source<'a>,
    /// A name or title.
    pub name: Option<Text<'a>>,
    /// How closely an image is to be looked at, in OpenAI's words.
    pub detail: Option<Text<'a>>,
    /// Whether the prompt up to here is worth caching.
    pub cache: Option<CacheMark>,
}

/// Where the bytes of a piece of media are.
#[derive(Clone, Debug)]
pub enum Source<'a> {
    /// Here, in standard base64.
    Base64(Text<'a>),
    /// At a URL that is not a `data:` one.
    Url(Text<'a>),
    /// At the provider, under this id.
    File(Text<'a>),
    /// Here, as plain text: documents only.
    Text(Text<'a>),
}

/// The arguments of a call of a tool: JSON, as an object or inside of a string.
#[derive(Clone, Debug)]
pub enum Arguments<'a> {
    /// JSON as it was written.
    Object(Cow<'a, [u8]>),
    /// A string with JSON in it, if its author got it right.
    String(Text<'a>),
}

impl Arguments<'_> {
    /// Their length in bytes as they are written.
    pub fn len(&self) -> u64 {
        match self {
            Self::Object(json) => json.len() as u64,
            Self::String(text) => text.len(),
        }
    }

    /// Whether nothing is written.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Writes them as a JSON value. An empty string is `{}`.
    ///
    /// # Errors
    ///
    /// `invalid_field` when they are no JSON object.
    pub fn write_object(&self, out: &mut Vec<u8>) -> Result<(), Error> {
        let owned;
        let json = match self {
            Self::Object(json) => &json[..],
            Self::String(text) => {
                owned = text.plain();
                owned.trim().as_bytes()
            }
        };
        if json.is_empty() {
            out.extend_from_slice(b"{}");
            return Ok(());
        }
        if !Raw::parse(json).is_ok_and(|raw| raw.kind() == Kind::Object) {
            let what = "the arguments of a tool call are not a JSON object";
            return Err(Error::new(&codes::INVALID_FIELD, what).param("arguments"));
        }
        out.extend_from_slice(json);
        Ok(())
    }

    /// Writes them as a JSON string with JSON in it. An empty string becomes `{}`; what is no JSON goes on as it
    /// is, as the author of the call wrote it.
    pub fn write_string(&self, out: &mut Vec<u8>) {
        match self {
            Self::Object(json) => out.extend_from_slice(&quote(&String::from_utf8_lossy(json))),
            Self::String(text) if text.is_empty() => out.extend_from_slice(b"\"{}\""),
            Self::String(text) => text.write(out),
        }
    }
}

/// The model calls a tool.
#[derive(Clone, Debug)]
pub struct ToolCall<'a> {
    /// What its result will name; absent in dialects that go by name and order.
    pub id: Option<Text<'a>>,
    /// The tool.
    pub name: Text<'a>,
    /// What it is called with.
    pub arguments: Arguments<'a>,
    /// What the provider must be given back with it.
    pub signature: Option<Signature<'a>>,
    /// Whether the prompt up to here is worth caching.
    pub cache: Option<CacheMark>,
}

/// What a tool answered.
#[derive(Clone, Debug)]
pub struct ToolResult<'a> {
    /// The call it belongs to.
    pub id: Option<Text<'a>>,
    /// The tool, in dialects that name it.
    pub name: Option<Text<'a>>,
    /// What it said: words and media.
    pub parts: Vec<Part<'a>>,
    /// The same as a JSON value, in dialects where it is one.
    pub json: Option<Raw<'a>>,
    /// Whether it failed.
    pub error: bool,
    /// Whether the prompt up to here is worth caching.
    pub cache: Option<CacheMark>,
}

/// What the model thought.
#[derive(Clone, Debug, Default)]
pub struct Reasoning<'a> {
    /// The words, as far as they are shown.
    pub text: Option<Text<'a>>,
    /// What the provider must be given back with it.
    pub signature: Option<Signature<'a>>,
    /// Whether the words were taken out and only the signature is left.
    pub redacted: bool,
    /// Its id, in dialects where it is an item of its own.
    pub id: Option<Text<'a>>,
}

/// A sealed piece of state that only the provider that made it accepts. It must come back unchanged with
/// the next turn.
///
/// In a dialect that has a place of its own for signatures it stands there. One made by another family of
/// models is marked there with that family's name, `portcullis.FAMILY.` before it, so that it finds its way
/// back, and is never shown to a provider that would refuse it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signature<'a> {
    /// Who made it.
    pub family: &'static str,
    /// It as it was given.
    pub data: Text<'a>,
}

impl<'a> Signature<'a> {
    /// Families of models that seal state: Anthropic's (also behind Bedrock), Google's, OpenAI's.
    pub const FAMILIES: [&'static str; 3] = ["anthropic", "google", "openai"];

    /// Reads what stands in the place `own` has for signatures.
    pub fn read(own: &'static str, data: Text<'a>) -> Self {
        let text = data.plain();
        for family in Self::FAMILIES {
            if let Some(rest) = text
                .strip_prefix("portcullis.")
                .and_then(|rest| rest.strip_prefix(family)?.strip_prefix('.'))
            {
                return Self {
                    family,
                    data: Text::from(rest.to_owned()),
                };
            }
        }
        drop(text);
        Self { family: own, data }
    }

    /// What to write in the place `own` has for signatures.
    pub fn written(&self, own: &str) -> Text<'a> {
        if self.family == own {
            return self.data.clone();
        }
        format!("portcullis.{}.{}", self.family, self.data.plain()).into()
    }
}

/// A tool.
#[derive(Clone, Debug)]
pub struct Tool<'a> {
    /// Its name.
    pub name: Text<'a>,
    /// What it does.
    pub description: Option<Text<'a>>,
    /// The JSON Schema of its arguments; without one it takes none.
    pub parameters: Option<Raw<'a>>,
    /// Whether the model must keep to the schema.
    pub strict: Option<bool>,
    /// Whether the prompt up to here is worth caching.
    pub cache: Option<CacheMark>,
}

/// Which tools the model calls.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ToolChoice<'a> {
    /// Those it finds useful.
    Auto,
    /// None.
    None,
    /// At least one.
    Required,
    /// At least one of these.
    Named(Vec<Text<'a>>),
}

/// How words are chosen. Numbers are as they were written.
#[derive(Clone, Debug, Default)]
pub struct Sampling<'a> {
    /// The most tokens to answer with.
    pub max_tokens: Option<Raw<'a>>,
    /// Temperature: from 0 to 2, or to 1 in Anthropic's dialect.
    pub temperature: Option<Raw<'a>>,
    /// Nucleus sampling.
    pub top_p: Option<Raw<'a>>,
    /// How many words are considered.
    pub top_k: Option<Raw<'a>>,
    /// Texts that end the answer.
    pub stop: Vec<Text<'a>>,
    /// How many answers.
    pub n: Option<Raw<'a>>,
    /// For repeatable answers.
    pub seed: Option<Raw<'a>>,
    /// Against repetition, by count.
    pub frequency_penalty: Option<Raw<'a>>,
    /// Against repetition, once.
    pub presence_penalty: Option<Raw<'a>>,
    /// Whether the probability of each token is wanted.
    pub logprobs: Option<Raw<'a>>,
    /// And of how many others in its place.
    pub top_logprobs: Option<Raw<'a>>,
}

/// The form of an answer.
#[derive(Clone, Debug, Default)]
pub enum Format<'a> {
    /// Words.
    #[default]
    Text,
    /// Any JSON object.
    Json,
    /// JSON of this schema.
    Schema(Schema<'a>),
}

/// A JSON Schema for an answer.
#[derive(Clone, Debug)]
pub struct Schema<'a> {
    /// What it is called, where that was said.
    pub name: Option<Text<'a>>,
    /// What it is for.
    pub description: Option<Text<'a>>,
    /// The schema, JSON as it was written; taken out of its string in dialects that have it in one.
    pub schema: Cow<'a, [u8]>,
    /// Whether the model must keep to it.
    pub strict: Option<bool>,
}

/// How much a model thinks, in OpenAI's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Effort {
    /// Not at all.
    None,
    /// As little as it can.
    Minimal,
    /// Little.
    Low,
    /// Some.
    Medium,
    /// Much.
    High,
    /// More.
    XHigh,
    /// As much as it can.
    Max,
}

impl Effort {
    /// All of them, with the words for them.
    pub const ALL: [(Self, &'static str); 7] = [
        (Self::None, "none"),
        (Self::Minimal, "minimal"),
        (Self::Low, "low"),
        (Self::Medium, "medium"),
        (Self::High, "high"),
        (Self::XHigh, "xhigh"),
        (Self::Max, "max"),
    ];

    /// Reads one.
    pub fn read(word: &str) -> Option<Self> {
        Self::ALL
            .iter()
            .find(|(_, name)| *name == word)
            .map(|(effort, _)| *effort)
    }

    /// The word for it.
    pub fn word(self) -> &'static str {
        Self::ALL
            .iter()
            .find(|(effort, _)| *effort == self)
            .map_or("", |(_, name)| name)
    }
}

/// How a model thinks before it answers.
#[derive(Clone, Debug, Default)]
pub struct Thinking<'a> {
    /// How much, in words.
    pub effort: Option<Effort>,
    /// How much, in tokens.
    pub budget: Option<Raw<'a>>,
    /// Whether the model decides itself how much.
    pub adaptive: bool,
    /// Whether what it thinks is to be shown, where that was said.
    pub shown: Option<bool>,
}

/// Who asks, and how it is to be filed.
#[derive(Clone, Debug, Default)]
pub struct Metadata<'a> {
    /// The end user, so that misuse can be told apart.
    pub user: Option<Text<'a>>,
    /// Facts to keep beside the call: an object of texts.
    pub facts: Option<Raw<'a>>,
    /// Which queue serves it.
    pub tier: Option<Text<'a>>,
    /// What calls with the same beginning have in common, for the provider's cache.
    pub cache_key: Option<Text<'a>>,
}
