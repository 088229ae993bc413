//! The way back: usage, as replies and the last event report it.

use portcullis_core::context::Tokens;
use portcullis_core::json::{Kind, Raw};

use crate::dialect::count;
use crate::dialect::fields::{field, members};
use crate::translate::write::Object;

/// Takes in a `usage` object. Counted is what Cohere bills; `tokens`, which has its own prompts in it too, is
/// taken where that is not told. Of the cached tokens no more count than there is input.
pub(super) fn note(usage: Raw<'_>, tokens: &mut Tokens) -> bool {
    if usage.kind() != Kind::Object {
        return false;
    }
    let usage = members(usage);
    let (mut input, mut output, mut cached) = (0, 0, 0);
    let told = ["billed_units", "tokens"].into_iter().any(|name| {
        let counts = field(&usage, name).map(members).unwrap_or_default();
        let take = |name, to: &mut u64| field(&counts, name).is_some_and(|v| count::note(v, to));
        let (some, more) = (
            take("input_tokens", &mut input),
            take("output_tokens", &mut output),
        );
        some || more
    });
    if let Some(value) = field(&usage, "cached_tokens") {
        count::note(value, &mut cached);
    }
    if told {
        *tokens = Tokens::new(input, output);
        tokens.cache_read = cached.min(input);
    }
    told
}

/// Writes a `usage` object: what the provider reported is taken for what is billed.
pub(super) fn write(tokens: &Tokens, o: &mut Object<'_>) {
    for name in ["billed_units", "tokens"] {
        o.object(name, |o| {
            o.u64("input_tokens", tokens.input);
            o.u64("output_tokens", tokens.output);
        });
    }
    o.u64("cached_tokens", tokens.cache_read);
}
