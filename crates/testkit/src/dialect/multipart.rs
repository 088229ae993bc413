//! Form uploads, read as far as a reply depends on them.

use bytes::Bytes;
use http::HeaderMap;
use memchr::memmem;

use crate::dialect::Refusal;

/// One field of a form.
#[derive(Debug)]
pub(crate) struct Field {
    pub(crate) name: String,
    pub(crate) file: Option<String>,
    pub(crate) value: Bytes,
}

/// The fields of a `multipart/form-data` body, in order.
pub(crate) fn fields(headers: &HeaderMap, body: &Bytes) -> Result<Vec<Field>, Refusal> {
    let refuse = |why: &str| (400, format!("multipart: {why}"));
    let kind = headers
        .get("content-type")
        .and_then(|value| value.to_str().ok());
    let boundary = kind
        .filter(|kind| kind.starts_with("multipart/form-data"))
        .and_then(|kind| parameter(kind, "boundary"))
        .ok_or_else(|| refuse("no boundary in content-type"))?;
    let delimiter = format!("--{boundary}");
    let mut marks = memmem::find_iter(body, delimiter.as_bytes());
    let mut from = marks.next().ok_or_else(|| refuse("no part"))?;
    let mut fields = Vec::new();
    for to in marks {
        let part = body.slice(from + delimiter.len()..to);
        fields.push(field(&part).ok_or_else(|| refuse("a part without a name"))?);
        from = to;
    }
    match body[from + delimiter.len()..].starts_with(b"--") {
        true => Ok(fields),
        false => Err(refuse("the last boundary is missing")),
    }
}

/// Reads `CRLF headers CRLF CRLF value CRLF`.
fn field(part: &Bytes) -> Option<Field> {
    let end = memmem::find(part, b"\r\n\r\n")?;
    let head = String::from_utf8_lossy(&part[..end]);
    let disposition = head.lines().find(|line| {
        line.to_ascii_lowercase()
            .starts_with("content-disposition:")
    })?;
    Some(Field {
        name: parameter(disposition, "name")?,
        file: parameter(disposition, "filename"),
        value: part.slice(end + 4..part.len().checked_sub(2)?.max(end + 4)),
    })
}

fn parameter(header: &str, name: &str) -> Option<String> {
    header.split(';').skip(1).find_map(|parameter| {
        let (key, value) = parameter.trim().split_once('=')?;
        (key == name).then(|| value.trim_matches('"').to_owned())
    })
}
