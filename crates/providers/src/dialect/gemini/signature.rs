//! Encode: what must come back to its provider, in the place Gemini has for it.
//!
//! A `thoughtSignature` is bytes in base64, and SDKs decode and encode it, in the alphabet for URLs too. One of
//! another family stands there as base64 of what [`Signature`] makes of it.

use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD, Engine as _};

use crate::translate::{Signature, Text};

/// The family of models.
pub(super) const FAMILY: &str = "google";

/// How base64 of `portcullis.` begins, whatever follows.
const MARK: &str = "cG9ydGN1bGxpcy";

/// What Gemini takes for a signature on calls that were made by another model, and so never had one.
pub(super) const NONE: &str = "skip_thought_signature_validator";

/// Reads a `thoughtSignature`.
pub(super) fn read(data: Text<'_>) -> Signature<'_> {
    let plain = data.plain();
    if plain.starts_with(MARK) {
        let safe = plain.replace('+', "-").replace('/', "_");
        let decoded = BASE64_URL_SAFE_NO_PAD.decode(safe.trim_end_matches('='));
        if let Some(marked) = decoded.ok().and_then(|bytes| String::from_utf8(bytes).ok()) {
            return Signature::read(FAMILY, marked.into());
        }
    }
    drop(plain);
    Signature {
        family: FAMILY,
        data,
    }
}

/// What to write for a caller who speaks Gemini.
pub(super) fn written<'a>(signature: &Signature<'a>) -> Text<'a> {
    if signature.family == FAMILY {
        return signature.data.clone();
    }
    let marked = signature.written(FAMILY);
    BASE64_STANDARD.encode(marked.plain().as_bytes()).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_of_another_family_survives_either_alphabet() {
        for family in Signature::FAMILIES {
            let signature = Signature {
                family,
                data: "a?>~/+b==".into(),
            };
            let shown = written(&signature);
            let again = read(shown.clone());
            assert_eq!(again.family, family);
            assert!(again.data.is("a?>~/+b=="));
            let safe = shown.plain().replace('+', "-").replace('/', "_");
            assert_eq!(read(safe.into()).family, family);
        }
    }

    #[test]
    fn googles_own_stay_as_they_are() {
        let own = read(Text::Json(br"CpcB\/w=="));
        assert_eq!(own.family, FAMILY);
        assert_eq!(written(&own), Text::Json(br"CpcB\/w=="));
    }
}
