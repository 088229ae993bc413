//! Encode and the way back: images and documents.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use portcullis_core::error::Error;
use portcullis_core::json::{Kind, Raw};

use super::read::{lose_others, required};
use super::{Place, cache, write_cache};
use crate::dialect::fields::{Fields, field, given, lose, members, text, untranslatable};
use crate::translate::media::media_type;
use crate::translate::write::{Array, Object};
use crate::translate::{Losses, Media, MediaKind, Part, Source, Text, read as reading};

/// Image formats the API takes as bytes.
const IMAGES: [&str; 4] = ["image/jpeg", "image/png", "image/gif", "image/webp"];

/// Reads an `image` or a `document`.
pub(super) fn read<'a>(
    fields: &Fields<'a>,
    kind: &str,
    place: Place,
    losses: &mut Losses,
) -> Result<Part<'a>, Error> {
    lose_others(
        fields,
        &["source", "title", "citations", "cache_control"],
        place,
        losses,
    );
    if let Some(citations) = field(fields, "citations")
        && field(&members(citations), "enabled").and_then(Raw::as_bool) == Some(true)
    {
        lose(losses, format_args!("{place}.citations"), citations);
    }
    let Some(source) = field(fields, "source").filter(|raw| raw.kind() == Kind::Object) else {
        return Err(reading::wrong(&format!("{place}.source"), "an object"));
    };
    let (media_type, source) = read_source(source, place, losses)?;
    Ok(Part::Media(Media {
        kind: match kind {
            "image" => MediaKind::Image,
            _ => MediaKind::Document,
        },
        media_type,
        source,
        name: match field(fields, "title") {
            Some(title) => text(title, || format!("{place}.title"))?,
            None => None,
        },
        detail: None,
        cache: match field(fields, "cache_control") {
            Some(mark) => cache(mark, &format!("{place}.cache_control"))?,
            None => None,
        },
    }))
}

fn read_source<'a>(
    source: Raw<'a>,
    place: Place,
    losses: &mut Losses,
) -> Result<(Option<Text<'a>>, Source<'a>), Error> {
    let fields = members(source);
    let named = |name| required(field(&fields, name), place, &format!("source.{name}"));
    let kind = field(&fields, "type").and_then(Raw::as_str);
    Ok(match kind.as_deref() {
        Some("base64") => (Some(named("media_type")?), Source::Base64(named("data")?)),
        Some("url") => (None, Source::Url(named("url")?)),
        Some("file") => (None, Source::File(named("file_id")?)),
        Some("text") => (Some("text/plain".into()), Source::Text(named("data")?)),
        Some("content") => {
            let content = field(&fields, "content").and_then(given);
            let content = content.map(|content| joined(content, place, losses));
            let words = content.transpose()?.unwrap_or_else(|| "".into());
            (Some("text/plain".into()), Source::Text(words))
        }
        _ => {
            let wanted = "`base64`, `url`, `file`, `text` or `content`";
            return Err(reading::wrong(&format!("{place}.source.type"), wanted));
        }
    })
}

/// What a search found, as a document: its text with its title.
pub(super) fn read_search_result<'a>(
    fields: &Fields<'a>,
    place: Place,
    losses: &mut Losses,
) -> Result<Part<'a>, Error> {
    lose_others(
        fields,
        &["content", "title", "cache_control"],
        place,
        losses,
    );
    let content = field(fields, "content").and_then(given);
    let content = content.map(|content| joined(content, place, losses));
    Ok(Part::Media(Media {
        kind: MediaKind::Document,
        media_type: Some("text/plain".into()),
        source: Source::Text(content.transpose()?.unwrap_or_else(|| "".into())),
        name: Some(required(field(fields, "title"), place, "title")?),
        detail: None,
        cache: match field(fields, "cache_control") {
            Some(mark) => cache(mark, &format!("{place}.cache_control"))?,
            None => None,
        },
    }))
}

/// The texts of a list of blocks as one; a single one stays as it is.
fn joined<'a>(content: Raw<'a>, place: Place, losses: &mut Losses) -> Result<Text<'a>, Error> {
    if let Some(words) = Text::of(content) {
        return Ok(words);
    }
    let mut texts = Vec::new();
    for block in content.elements().filter_map(Result::ok) {
        let fields = members(block);
        if field(&fields, "type").map(Raw::bytes) != Some(br#""text""#) {
            let why = "a document of blocks that are no texts is known to Anthropic alone";
            return Err(untranslatable(place, why));
        }
        texts.push(required(field(&fields, "text"), place, "content")?);
        lose_others(&fields, &["text"], place, losses);
    }
    if texts.len() > 1 {
        let field = format!("{place}.source.content");
        losses.add(field, "its blocks are joined to one text");
    }
    Ok(match texts.as_slice() {
        [one] => one.clone(),
        many => {
            let plain: Vec<_> = many.iter().map(Text::plain).collect();
            Text::from(plain.join("\n\n"))
        }
    })
}

/// Writes an image or a document as a block. `field` is where it stands for the caller.
pub(super) fn write(
    media: &Media<'_>,
    blocks: &mut Array<'_>,
    field: impl Fn() -> String,
    losses: &mut Losses,
    marks: &mut usize,
) -> Result<(), Error> {
    let refused = |why: &str| Err(untranslatable(field(), why));
    let kind = match media.kind {
        MediaKind::Image => "image",
        MediaKind::Document => "document",
        MediaKind::Audio => return refused("Anthropic's models do not listen to audio"),
        MediaKind::Video => return refused("Anthropic's models do not watch videos"),
    };
    let source = source(media, &field)?;
    if media
        .detail
        .as_ref()
        .is_some_and(|detail| !detail.is("auto"))
    {
        losses.add(format!("{}.detail", field()), "images have no detail there");
    }
    let name = media.name.as_ref();
    if kind == "image" && name.is_some() {
        losses.add(format!("{}.name", field()), "images have no names there");
    }
    blocks.object(|block| {
        block.str("type", kind);
        block.object("source", |o| source.write(o));
        if kind == "document" {
            block.maybe_text("title", name);
        }
        write_cache(block, media.cache, field, losses, marks);
    });
    Ok(())
}

/// A source as it is written: its type and two members.
struct Written<'m> {
    kind: &'static str,
    media_type: Option<Text<'m>>,
    key: &'static str,
    value: Text<'m>,
}

impl Written<'_> {
    fn write(&self, o: &mut Object<'_>) {
        o.str("type", self.kind);
        o.maybe_text("media_type", self.media_type.as_ref());
        o.text(self.key, &self.value);
    }
}

fn source<'m>(media: &'m Media<'_>, field: &impl Fn() -> String) -> Result<Written<'m>, Error> {
    let text = |value| Written {
        kind: "text",
        media_type: Some("text/plain".into()),
        key: "data",
        value,
    };
    let data = match &media.source {
        Source::Base64(data) => data,
        Source::Text(words) => return Ok(text(words.clone())),
        Source::Url(url) => {
            return Ok(Written {
                kind: "url",
                media_type: None,
                key: "url",
                value: url.clone(),
            });
        }
        Source::File(_) => {
            let why = "the file is kept at another provider";
            return Err(untranslatable(field(), why));
        }
    };
    let told = media_type(media);
    let told = told.as_ref().map(Text::plain);
    let kind = told.as_deref().unwrap_or_default();
    let media_type = match (media.kind, kind) {
        (MediaKind::Image, "image/jpg") => "image/jpeg",
        (MediaKind::Image, kind) => {
            let known = IMAGES.iter().find(|known| **known == kind);
            let why = format!("Anthropic takes images as {}", IMAGES.join(", "));
            known.ok_or_else(|| untranslatable(field(), &why))?
        }
        (_, "application/pdf") => "application/pdf",
        (_, kind) if kind.starts_with("text/") || kind == "application/json" => {
            let decoded = STANDARD.decode(&*data.plain()).ok();
            let decoded = decoded.and_then(|bytes| String::from_utf8(bytes).ok());
            let why = "the document is not text in base64, as its media type says";
            return Ok(text(
                decoded.ok_or_else(|| untranslatable(field(), why))?.into(),
            ));
        }
        _ => {
            let why = "Anthropic takes documents as PDF or plain text";
            return Err(untranslatable(field(), why));
        }
    };
    Ok(Written {
        kind: "base64",
        media_type: Some(media_type.into()),
        key: "data",
        value: data.clone(),
    })
}
