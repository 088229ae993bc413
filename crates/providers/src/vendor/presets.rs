//! Hosts compatible with OpenAI that are known by name: where they are and which variables hold their keys.

use super::{OPENAI_COMPATIBLE, Vendor};

/// Chat only: a call in the dialect of responses is translated.
const CHAT: &[&str] = &["openai-chat"];

/// A host that demands a key.
const KEYED: Vendor = Vendor {
    key_required: true,
    ..OPENAI_COMPATIBLE
};

/// Ollama on this machine.
pub const OLLAMA: Vendor = Vendor {
    name: "ollama",
    base_url: Some("http://localhost:11434/v1"),
    ..OPENAI_COMPATIBLE
};

/// vLLM on this machine.
pub const VLLM: Vendor = Vendor {
    name: "vllm",
    base_url: Some("http://localhost:8000/v1"),
    key_variables: &["VLLM_API_KEY"],
    ..OPENAI_COMPATIBLE
};

/// Groq.
pub const GROQ: Vendor = Vendor {
    name: "groq",
    base_url: Some("https://api.groq.com/openai/v1"),
    key_variables: &["GROQ_API_KEY"],
    ..KEYED
};

/// Mistral.
pub const MISTRAL: Vendor = Vendor {
    name: "mistral",
    base_url: Some("https://api.mistral.ai/v1"),
    key_variables: &["MISTRAL_API_KEY"],
    dialects: CHAT,
    ..KEYED
};

/// DeepSeek.
pub const DEEPSEEK: Vendor = Vendor {
    name: "deepseek",
    base_url: Some("https://api.deepseek.com/v1"),
    key_variables: &["DEEPSEEK_API_KEY"],
    dialects: CHAT,
    ..KEYED
};

/// xAI.
pub const XAI: Vendor = Vendor {
    name: "xai",
    base_url: Some("https://api.x.ai/v1"),
    key_variables: &["XAI_API_KEY"],
    model_prefixes: &["grok-"],
    ..KEYED
};

/// OpenRouter.
pub const OPENROUTER: Vendor = Vendor {
    name: "openrouter",
    base_url: Some("https://openrouter.ai/api/v1"),
    key_variables: &["OPENROUTER_API_KEY"],
    ..KEYED
};

/// Together AI.
pub const TOGETHER: Vendor = Vendor {
    name: "together",
    base_url: Some("https://api.together.xyz/v1"),
    key_variables: &["TOGETHER_API_KEY", "TOGETHERAI_API_KEY"],
    dialects: CHAT,
    ..KEYED
};

/// Fireworks AI.
pub const FIREWORKS: Vendor = Vendor {
    name: "fireworks",
    base_url: Some("https://api.fireworks.ai/inference/v1"),
    key_variables: &["FIREWORKS_API_KEY", "FIREWORKS_AI_API_KEY"],
    ..KEYED
};

/// Perplexity, whose API has no version segment.
pub const PERPLEXITY: Vendor = Vendor {
    name: "perplexity",
    base_url: Some("https://api.perplexity.ai"),
    key_variables: &["PERPLEXITY_API_KEY", "PPLX_API_KEY"],
    dialects: CHAT,
    ..KEYED
};

/// Cerebras.
pub const CEREBRAS: Vendor = Vendor {
    name: "cerebras",
    base_url: Some("https://api.cerebras.ai/v1"),
    key_variables: &["CEREBRAS_API_KEY"],
    dialects: CHAT,
    ..KEYED
};

/// Hugging Face's router of inference providers.
pub const HUGGINGFACE: Vendor = Vendor {
    name: "huggingface",
    base_url: Some("https://router.huggingface.co/v1"),
    key_variables: &["HF_TOKEN", "HUGGINGFACE_API_KEY"],
    ..KEYED
};

/// DeepInfra.
pub const DEEPINFRA: Vendor = Vendor {
    name: "deepinfra",
    base_url: Some("https://api.deepinfra.com/v1/openai"),
    key_variables: &["DEEPINFRA_API_KEY", "DEEPINFRA_TOKEN"],
    dialects: CHAT,
    ..KEYED
};

/// NVIDIA's hosted NIM.
pub const NVIDIA: Vendor = Vendor {
    name: "nvidia",
    base_url: Some("https://integrate.api.nvidia.com/v1"),
    key_variables: &["NVIDIA_API_KEY", "NVIDIA_NIM_API_KEY"],
    dialects: CHAT,
    ..KEYED
};
