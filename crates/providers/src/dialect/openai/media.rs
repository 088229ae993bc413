//! Encode: images, sounds and files as OpenAI's two dialects write them, mostly as `data:` URLs.

use portcullis_core::json::Raw;

use crate::translate::{Media, MediaKind, Source, Text};

/// Media at a URL, which may hold the bytes themselves.
pub(super) fn at<'a>(url: Text<'a>, kind: MediaKind) -> Media<'a> {
    let (media_type, source) = match split(&url) {
        Some((media_type, data)) => (Some(media_type), Source::Base64(data)),
        None => (None, Source::Url(url)),
    };
    Media {
        kind,
        media_type,
        source,
        name: None,
        detail: None,
        cache: None,
    }
}

/// A file: `file_data`, `file_id` or `file_url`, and `filename`.
pub(super) fn file(inner: Raw<'_>) -> Option<Media<'_>> {
    let text = |key| {
        inner
            .get(key)
            .and_then(Text::of)
            .filter(|text| !text.is_empty())
    };
    let mut media = if let Some(data) = text("file_data") {
        let mut media = at(data, MediaKind::Document);
        if let Source::Url(data) = media.source {
            // Bytes without a media type before them.
            media.source = Source::Base64(data);
        }
        media
    } else if let Some(url) = text("file_url") {
        at(url, MediaKind::Document)
    } else {
        let mut media = at(text("file_id")?, MediaKind::Document);
        if let Source::Url(id) = media.source {
            media.source = Source::File(id);
        }
        media
    };
    media.name = text("filename");
    if media.media_type.is_none()
        && media
            .name
            .as_ref()
            .is_some_and(|name| name.plain().ends_with(".pdf"))
    {
        media.media_type = Some("application/pdf".into());
    }
    Some(media)
}

/// A sound: `data` and `format`.
pub(super) fn audio(inner: Raw<'_>) -> Option<Media<'_>> {
    let format = inner.get("format").and_then(Text::of)?;
    let media_type = match &*format.plain() {
        "mp3" => "audio/mpeg".to_owned(),
        other => format!("audio/{other}"),
    };
    Some(Media {
        kind: MediaKind::Audio,
        media_type: Some(media_type.into()),
        source: Source::Base64(inner.get("data").and_then(Text::of)?),
        name: None,
        detail: None,
        cache: None,
    })
}

/// The media type and the base64 of a `data:` URL.
fn split<'a>(url: &Text<'a>) -> Option<(Text<'a>, Text<'a>)> {
    match url {
        Text::Json(inner) if !inner[..inner.len().min(128)].contains(&b'\\') => {
            let rest = inner.strip_prefix(b"data:")?;
            let comma = memchr::memchr(b',', rest)?;
            let before = rest[..comma].strip_suffix(b";base64")?;
            let kind = before.split(|byte| *byte == b';').next()?;
            Some((Text::Json(kind), Text::Json(&rest[comma + 1..])))
        }
        _ => {
            let plain = url.plain();
            let (before, data) = plain.strip_prefix("data:")?.split_once(',')?;
            let kind = before.strip_suffix(";base64")?.split(';').next()?;
            Some((kind.to_owned().into(), data.to_owned().into()))
        }
    }
}

/// Writes media as a URL: where they are, or a `data:` URL of the bytes. Plain text becomes base64. `None` for a
/// file at the provider.
pub(super) fn write_url(media: &Media<'_>, otherwise: &str, out: &mut Vec<u8>) -> bool {
    let kind = || match &media.media_type {
        Some(kind) => kind.clone(),
        None => otherwise.into(),
    };
    match &media.source {
        Source::Url(url) => url.write(out),
        Source::File(_) => return false,
        Source::Base64(data) => {
            out.extend_from_slice(b"\"data:");
            kind().write_inner(out);
            out.extend_from_slice(b";base64,");
            data.write_inner(out);
            out.push(b'"');
        }
        Source::Text(text) => {
            out.extend_from_slice(b"\"data:text/plain;base64,");
            encode(text.plain().as_bytes(), out);
            out.push(b'"');
        }
    }
    true
}

/// Standard base64 with padding.
fn encode(bytes: &[u8], out: &mut Vec<u8>) {
    use base64::Engine as _;
    let text = base64::engine::general_purpose::STANDARD.encode(bytes);
    out.extend_from_slice(text.as_bytes());
}

/// What OpenAI calls the format of a sound.
pub(super) fn audio_format(media_type: Option<&Text<'_>>) -> &'static str {
    let known = [
        ("audio/mpeg", "mp3"),
        ("audio/mp3", "mp3"),
        ("audio/flac", "flac"),
        ("audio/ogg", "ogg"),
        ("audio/aac", "aac"),
    ];
    let found = media_type.and_then(|given| known.iter().find(|(kind, _)| given.is(kind)));
    found.map_or("wav", |(_, format)| format)
}
