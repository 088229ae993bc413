//! Encode: images, sounds and files as OpenAI's two dialects write them, mostly as `data:` URLs.

use base64::prelude::{BASE64_STANDARD, Engine as _};
use portcullis_core::error::Error;
use portcullis_core::json::Raw;

use crate::translate::{Media, MediaKind, Source, Text, media};

/// Media at a URL, which may hold the bytes themselves.
///
/// # Errors
///
/// `invalid_field`, for `field`, when a `data:` URL has no data.
pub(super) fn at<'a>(url: Text<'a>, kind: MediaKind, field: &str) -> Result<Media<'a>, Error> {
    let (source, media_type) = media::source(url, || field.to_owned())?;
    let media = of(source, kind);
    Ok(Media {
        media_type,
        ..media
    })
}

/// Media of which nothing else is known.
pub(super) fn of(source: Source<'_>, kind: MediaKind) -> Media<'_> {
    Media {
        kind,
        media_type: None,
        source,
        name: None,
        detail: None,
        cache: None,
    }
}

/// A file: `file_data`, `file_id` or `file_url`, and `filename`. `None` if it is nowhere.
///
/// # Errors
///
/// As [`at`].
pub(super) fn file<'a>(inner: Raw<'a>, field: &str) -> Result<Option<Media<'a>>, Error> {
    let text = |key| {
        let text = inner.get(key).and_then(Text::of);
        text.filter(|text| !text.is_empty())
    };
    let document = MediaKind::Document;
    let mut file = if let Some(data) = text("file_data") {
        let mut file = at(data, document, field)?;
        if let Source::Url(data) = file.source {
            // Bytes without a media type before them.
            file.source = Source::Base64(data);
        }
        file
    } else if let Some(url) = text("file_url") {
        at(url, document, field)?
    } else if let Some(id) = text("file_id") {
        of(Source::File(id), document)
    } else {
        return Ok(None);
    };
    file.name = text("filename");
    if file.media_type.is_none() {
        let named = file
            .name
            .as_ref()
            .and_then(|name| media::by_name(&name.plain()));
        file.media_type = named.map(Text::from);
    }
    Ok(Some(file))
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

/// Writes media as a URL: where they are, or a `data:` URL of the bytes. Plain text becomes base64, and a file at
/// the provider, which has no URL, an empty one.
pub(super) fn write_url(media: &Media<'_>, otherwise: &'static str, out: &mut Vec<u8>) {
    match &media.source {
        Source::Url(url) => url.write(out),
        Source::File(_) => out.extend_from_slice(b"\"\""),
        Source::Base64(data) => {
            let kind = media::media_type(media).unwrap_or_else(|| otherwise.into());
            media::write_data_url(out, &kind, data);
        }
        Source::Text(text) => {
            let data = BASE64_STANDARD.encode(text.plain().as_bytes()).into();
            media::write_data_url(out, &"text/plain".into(), &data);
        }
    }
}

/// What OpenAI calls the format of a sound, if it has a name for it.
pub(super) fn audio_format(sound: &Media<'_>) -> Option<&'static str> {
    let media_type = media::media_type(sound)?;
    media::format(&media_type.plain())
}
