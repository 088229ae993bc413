//! Both ways: the content of a message, words alone or a list of parts.

use portcullis_core::error::Error;
use portcullis_core::json::{Cursor, Raw};

use super::message::Place;
use crate::dialect::openai::chat::untranslatable;
use crate::dialect::openai::media;
use crate::translate::read::{array, object, text, value, wrong};
use crate::translate::{Losses, Media, MediaKind, Part, Text};

/// Reads `content`; `None` for `null`.
pub(super) fn read<'a>(
    at: &mut Cursor<'a>,
    place: Place,
    losses: &mut Losses,
) -> Result<Option<Vec<Part<'a>>>, Error> {
    let mut parts = Vec::new();
    let mut index = 0;
    let list = array(at, |at| {
        let path = |name: &str| place.field(&format!("content[{index}]{name}"));
        let part = part(at, &path, losses)?;
        parts.push(part);
        index += 1;
        Ok(())
    })?;
    if list {
        return Ok(Some(parts));
    }
    let words = text(at, || place.field("content"))?;
    Ok(words.map(|words| match words.is_empty() {
        true => Vec::new(),
        false => vec![Part::text(words)],
    }))
}

fn part<'a>(
    at: &mut Cursor<'a>,
    path: &dyn Fn(&str) -> String,
    losses: &mut Losses,
) -> Result<Part<'a>, Error> {
    let (mut kind, mut words, mut inner) = (None, None, None);
    let is_object = object(at, |key, at| {
        if key == "type" {
            kind = text(at, || path(".type"))?;
        } else if key == "text" || key == "refusal" {
            words = text(at, || path(".text"))?;
        } else if key == "image_url" || key == "input_audio" || key == "file" || key == "video_url"
        {
            inner = Some(value(at)?);
        } else {
            let raw = value(at)?;
            if !raw.is_null() {
                let name = key.as_str().unwrap_or_default();
                losses.add(path(&format!(".{name}")), "no other dialect has it");
            }
        }
        Ok(())
    })?;
    let wanted = || wrong(&path(".type"), "the type of a part");
    let kind = kind.filter(|_| is_object).ok_or_else(wanted)?;
    let words = || words.ok_or_else(|| wrong(&path(".text"), "a string"));
    let missing = || wrong(&path(""), "given what its type says");
    let media = match &*kind.plain() {
        "text" => return Ok(Part::text(words()?)),
        "refusal" => return Ok(Part::Refusal(words()?)),
        "image_url" => image(inner.ok_or_else(missing)?, MediaKind::Image, &path(""))?,
        "video_url" => image(inner.ok_or_else(missing)?, MediaKind::Video, &path(""))?,
        "input_audio" => media::audio(inner.ok_or_else(missing)?),
        "file" => media::file(inner.ok_or_else(missing)?, &path(""))?,
        other => {
            return Err(untranslatable(
                &path(""),
                &format!("a part of type `{other}`"),
            ));
        }
    };
    Ok(Part::Media(media.ok_or_else(missing)?))
}

/// A URL, in an object with `detail` or, of careless clients, alone.
fn image<'a>(inner: Raw<'a>, kind: MediaKind, field: &str) -> Result<Option<Media<'a>>, Error> {
    let url = Text::of(inner).or_else(|| Text::of(inner.get("url")?));
    let Some(url) = url else { return Ok(None) };
    let media = media::at(url, kind, field)?;
    Ok(Some(Media {
        detail: inner.get("detail").and_then(Text::of),
        ..media
    }))
}
