//! Encode: pictures, sounds and documents: data URLs taken apart and put together, media types told.

use std::borrow::Cow;

use base64::prelude::{BASE64_STANDARD, Engine as _};
use percent_encoding::percent_decode_str;
use portcullis_core::error::{Error, codes};

use super::{Media, MediaKind, Source, Text};

/// What a URL in a request stands for: the bytes in a `data:` URL, with the media type it says, or else the
/// URL itself.
///
/// # Errors
///
/// `invalid_field`, for `field`, when a `data:` URL has no data.
pub fn source<'a>(
    url: Text<'a>,
    field: impl FnOnce() -> String,
) -> Result<(Source<'a>, Option<Text<'a>>), Error> {
    if !is_data(&url) {
        return Ok((Source::Url(url), None));
    }
    let split = match url {
        Text::Json(inner) if !inner.contains(&b'\\') => match str::from_utf8(inner) {
            Ok(plain) => split(plain).map(|(media_type, data)| (media_type, Cow::Borrowed(data))),
            Err(_) => None,
        },
        Text::Plain(Cow::Borrowed(plain)) => {
            split(plain).map(|(media_type, data)| (media_type, Cow::Borrowed(data)))
        }
        other => {
            let plain = other.plain();
            let owned = split(&plain);
            let owned = owned.map(|(kind, data)| (kind.into_static(), data.to_owned()));
            return match owned {
                Some((media_type, data)) => Ok(named(media_type, Cow::Owned(data))),
                None => Err(no_data(&field())),
            };
        }
    };
    match split {
        Some((media_type, data)) => Ok(named(media_type, data)),
        None => Err(no_data(&field())),
    }
}

/// Writes a piece of media with its bytes as a `data:` URL, quotes included.
pub fn write_data_url(out: &mut Vec<u8>, media_type: &Text<'_>, base64: &Text<'_>) {
    out.extend_from_slice(b"\"data:");
    media_type.write_inner(out);
    out.extend_from_slice(b";base64,");
    base64.write_inner(out);
    out.push(b'"');
}

/// The media type of a piece: what was said, else what its bytes or the name in its URL tell.
pub fn media_type<'a>(media: &Media<'a>) -> Option<Text<'a>> {
    let told = || match &media.source {
        Source::Base64(data) => sniff(data),
        Source::Url(url) => by_name(&url.plain()),
        Source::Text(_) => Some("text/plain"),
        Source::File(_) => None,
    };
    let said = media.media_type.clone();
    said.filter(|said| !said.is_empty())
        .or_else(|| told().map(Text::from))
}

/// What kind of thing a media type names; everything that can be neither seen nor heard is a document.
pub fn kind(media_type: &str) -> MediaKind {
    let is = |kind: &str| {
        let start = media_type.get(..kind.len());
        start.is_some_and(|start| start.eq_ignore_ascii_case(kind))
    };
    if is("image/") {
        MediaKind::Image
    } else if is("audio/") {
        MediaKind::Audio
    } else if is("video/") {
        MediaKind::Video
    } else {
        MediaKind::Document
    }
}

/// The media type of bytes in base64, by how they begin.
pub fn sniff(base64: &Text<'_>) -> Option<&'static str> {
    let start: String = match base64 {
        Text::Json(inner) => {
            // Slashes may be escaped: more than enough for sixteen letters.
            let start = inner.get(..96).unwrap_or(inner);
            String::from_utf8_lossy(start).replace("\\/", "/")
        }
        Text::Plain(text) => text.chars().take(16).collect(),
    };
    let start = start.get(..16).unwrap_or(&start);
    let whole = start.len() - start.len() % 4;
    let bytes = BASE64_STANDARD.decode(start.get(..whole)?).ok()?;
    let at = |offset: usize, magic: &[u8]| {
        let found = bytes.get(offset..offset + magic.len());
        found == Some(magic)
    };
    Some(match () {
        () if at(0, b"\x89PNG") => "image/png",
        () if at(0, b"\xff\xd8\xff") => "image/jpeg",
        () if at(0, b"GIF8") => "image/gif",
        () if at(0, b"RIFF") && at(8, b"WEBP") => "image/webp",
        () if at(0, b"RIFF") && at(8, b"WAVE") => "audio/wav",
        () if at(0, b"%PDF") => "application/pdf",
        () if at(0, b"ID3") || at(0, b"\xff\xfb") || at(0, b"\xff\xf3") => "audio/mpeg",
        () if at(0, b"OggS") => "audio/ogg",
        () if at(0, b"fLaC") => "audio/flac",
        () if at(4, b"ftypheic") || at(4, b"ftypmif1") => "image/heic",
        () if at(4, b"ftyp") => "video/mp4",
        () if at(0, b"\x1a\x45\xdf\xa3") => "video/webm",
        () => return None,
    })
}

/// Media types by the ends of names, the usual end of each first.
const NAMES: [(&str, &str); 22] = [
    ("png", "image/png"),
    ("jpg", "image/jpeg"),
    ("jpeg", "image/jpeg"),
    ("gif", "image/gif"),
    ("webp", "image/webp"),
    ("heic", "image/heic"),
    ("pdf", "application/pdf"),
    ("txt", "text/plain"),
    ("md", "text/markdown"),
    ("html", "text/html"),
    ("csv", "text/csv"),
    ("json", "application/json"),
    ("mp3", "audio/mpeg"),
    ("wav", "audio/wav"),
    ("ogg", "audio/ogg"),
    ("flac", "audio/flac"),
    ("m4a", "audio/mp4"),
    ("mp4", "video/mp4"),
    ("mpeg", "video/mpeg"),
    ("mov", "video/quicktime"),
    ("webm", "video/webm"),
    ("mpg", "video/mpeg"),
];

/// The media type of a file or URL, by the end of its name.
pub fn by_name(name: &str) -> Option<&'static str> {
    let path = name.split(['?', '#']).next()?;
    let (_, end) = path.rsplit('/').next()?.rsplit_once('.')?;
    let found = NAMES
        .iter()
        .find(|(known, _)| known.eq_ignore_ascii_case(end))?;
    Some(found.1)
}

/// How files of a media type usually end: what some dialects call its format.
pub fn format(media_type: &str) -> Option<&'static str> {
    let plain = match media_type.split(';').next()?.trim() {
        "audio/mp3" => "audio/mpeg",
        "audio/x-wav" | "audio/wave" => "audio/wav",
        "image/jpg" => "image/jpeg",
        other => other,
    };
    let found = NAMES
        .iter()
        .find(|(_, known)| known.eq_ignore_ascii_case(plain))?;
    Some(found.0)
}

fn is_data(url: &Text<'_>) -> bool {
    let start = match url {
        Text::Json(inner) => inner.get(..5),
        Text::Plain(text) => text.as_bytes().get(..5),
    };
    start.is_some_and(|start| start.eq_ignore_ascii_case(b"data:"))
}

/// How a `data:` URL says what it holds (RFC 2397).
struct Said<'a> {
    media_type: Cow<'a, str>,
    base64: bool,
}

impl Said<'_> {
    fn into_static(self) -> Said<'static> {
        Said {
            media_type: Cow::Owned(self.media_type.into_owned()),
            base64: self.base64,
        }
    }
}

fn split(url: &str) -> Option<(Said<'_>, &str)> {
    let (said, data) = url.get(5..)?.split_once(',')?;
    let base64 = said.len().checked_sub(7).and_then(|at| said.get(at..));
    let base64 = base64.is_some_and(|end| end.eq_ignore_ascii_case(";base64"));
    let media_type = said.split(';').next().unwrap_or_default().trim();
    let said = Said {
        media_type: media_type.into(),
        base64,
    };
    (!data.is_empty()).then_some((said, data))
}

fn named<'a>(said: Said<'a>, data: Cow<'a, str>) -> (Source<'a>, Option<Text<'a>>) {
    let source = if said.base64 && data.contains('%') {
        let decoded = percent_decode_str(&data).decode_utf8_lossy().into_owned();
        Source::Base64(decoded.into())
    } else if said.base64 {
        Source::Base64(Text::Plain(data))
    } else {
        let bytes: Vec<u8> = percent_decode_str(&data).collect();
        Source::Base64(BASE64_STANDARD.encode(bytes).into())
    };
    let said_any = !said.media_type.is_empty();
    (source, said_any.then_some(Text::Plain(said.media_type)))
}

fn no_data(field: &str) -> Error {
    let what = format!("`{field}` is a data URL without data");
    Error::new(&codes::INVALID_FIELD, what).param(field)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(url: Text<'_>) -> (String, Option<String>) {
        let (source, media_type) = source(url, || "url".into()).unwrap();
        let Source::Base64(data) = source else {
            panic!("{source:?}");
        };
        let media_type = media_type.map(|text| text.plain().into_owned());
        (data.plain().into_owned(), media_type)
    }

    #[test]
    fn a_data_url_is_taken_apart_however_it_is_written() {
        let png = Some("image/png".to_owned());
        for url in [
            Text::from("data:image/png;base64,iVBO/w=="),
            Text::Json(b"data:image/png;base64,iVBO/w=="),
            Text::Json(br"data:image\/png;base64,iVBO\/w=="),
            Text::from("DATA:image/png;name=a.png;BASE64,iVBO%2Fw%3D%3D"),
        ] {
            assert_eq!(read(url), ("iVBO/w==".to_owned(), png.clone()));
        }
        let plain = read(Text::from("data:text/plain,a%20b"));
        assert_eq!(plain, ("YSBi".to_owned(), Some("text/plain".to_owned())));
        assert_eq!(
            read(Text::from("data:;base64,YQ==")),
            ("YQ==".to_owned(), None)
        );
    }

    #[test]
    fn other_urls_stay_and_a_data_url_without_data_is_refused() {
        let (kept, _) = source(Text::from("https://a.example/b,c"), || "url".into()).unwrap();
        assert!(matches!(kept, Source::Url(url) if url.is("https://a.example/b,c")));
        for broken in ["data:", "data:image/png;base64", "data:image/png;base64,"] {
            let e = source(Text::from(broken), || "a[1].url".into()).unwrap_err();
            assert_eq!(*e.code(), codes::INVALID_FIELD);
            assert_eq!(e.at_param(), Some("a[1].url"));
        }
    }

    #[test]
    fn bytes_tell_their_media_type() {
        for (start, media_type) in [
            (&b"\x89PNG\r\n\x1a\n"[..], "image/png"),
            (b"\xff\xd8\xff\xe0\0\x10JFIF", "image/jpeg"),
            (b"GIF89a12", "image/gif"),
            (b"RIFF\0\0\0\0WEBPVP8 ", "image/webp"),
            (b"RIFF\0\0\0\0WAVEfmt ", "audio/wav"),
            (b"%PDF-1.7\n", "application/pdf"),
        ] {
            let base64 = BASE64_STANDARD.encode(start);
            assert_eq!(sniff(&Text::from(base64.as_str())), Some(media_type));
            let escaped = base64.replace('/', "\\/");
            assert_eq!(sniff(&Text::Json(escaped.as_bytes())), Some(media_type));
        }
        assert_eq!(sniff(&Text::from("")), None);
        assert_eq!(sniff(&Text::from("YWFhYWFhYWE=")), None);
    }

    #[test]
    fn names_and_formats_tell_media_types() {
        assert_eq!(
            by_name("https://a.example/x.JPG?y=.png"),
            Some("image/jpeg")
        );
        assert_eq!(by_name("https://a.example/x"), None);
        assert_eq!(format("audio/mp3"), Some("mp3"));
        assert_eq!(format("audio/wav; rate=1"), Some("wav"));
        assert_eq!(format("font/otf"), None);
        assert_eq!(kind("Image/PNG"), MediaKind::Image);
        assert_eq!(kind("application/pdf"), MediaKind::Document);
    }

    proptest! {
        #[test]
        fn what_is_written_as_a_data_url_reads_back(bytes in prop::collection::vec(any::<u8>(), 1..64)) {
            let base64 = BASE64_STANDARD.encode(&bytes);
            let mut out = Vec::new();
            write_data_url(&mut out, &"audio/wav".into(), &base64.as_str().into());
            let inner = &out[1..out.len() - 1];
            prop_assert_eq!(read(Text::Json(inner)), (base64, Some("audio/wav".to_owned())));
        }

        #[test]
        fn any_text_is_read_or_refused(text in ".{0,40}") {
            let url = format!("data:{text}");
            let _ = source(Text::from(url.as_str()), || "url".into());
            let _ = (sniff(&Text::from(text.as_str())), by_name(&text), kind(&text));
        }
    }
}
