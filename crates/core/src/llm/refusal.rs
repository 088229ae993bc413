//! What the words of an upstream's error say beyond its status.

use memchr::memmem;

use crate::attempt::Class;

/// Words of vendors' errors, in lower case, and what they mean. Vendors use one status for many things, and no
/// two the same field; their words are stable, as client libraries look for them too.
const WORDS: &[(&str, Class)] = &[
    // OpenAI and those who copy it; Anthropic; Gemini; Bedrock; Cohere.
    ("context_length_exceeded", Class::TooLong),
    ("maximum context length", Class::TooLong),
    ("prompt is too long", Class::TooLong),
    ("exceeds the maximum number of tokens", Class::TooLong),
    ("input is too long", Class::TooLong),
    ("too many tokens", Class::TooLong),
    ("content_filter", Class::Filtered),
    ("content_policy_violation", Class::Filtered),
    ("responsibleaipolicyviolation", Class::Filtered),
    ("content filtering policy", Class::Filtered),
    ("insufficient_quota", Class::OutOfQuota),
    ("credit balance is too low", Class::OutOfQuota),
    ("billing_hard_limit_reached", Class::OutOfQuota),
    ("billing_error", Class::OutOfQuota),
    ("overloaded_error", Class::Overloaded),
    ("rate_limit_error", Class::RateLimited),
    ("rate_limit_exceeded", Class::RateLimited),
    ("authentication_error", Class::Unauthorized),
    ("invalid_api_key", Class::Unauthorized),
    ("api key not valid", Class::Unauthorized),
    ("permission_error", Class::Unauthorized),
];

/// No error is longer than this where it matters.
const LOOKED_AT: usize = 8 << 10;

/// What an error's words mean, if any of those known is in them.
pub(super) fn read(error: &[u8]) -> Option<Class> {
    let error = error[..error.len().min(LOOKED_AT)].to_ascii_lowercase();
    let found = WORDS
        .iter()
        .find(|(words, _)| memmem::find(&error, words.as_bytes()).is_some());
    found.map(|(_, class)| *class)
}
