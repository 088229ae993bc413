//! `POST files`, `GET files/{id}/content`, `POST audio/transcriptions`.

use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use serde_json::json;

use crate::{
    dialect::{Refusal, checksum, multipart, multipart::Field, openai::CREATED},
    plan::{Answer, Content},
};

/// Answers what arrived: the file's byte count and its checksum.
pub(crate) fn file(headers: &HeaderMap, body: &Bytes) -> Result<Answer, Refusal> {
    let fields = multipart::fields(headers, body)?;
    let file = uploaded(&fields)?;
    let checksum = checksum::shown(&file.value);
    let body = json!({
        "id": format!("file-{:016x}", checksum::fnv1a(&file.value)), "object": "file",
        "bytes": file.value.len(), "created_at": CREATED, "filename": file.file,
        "purpose": text(&fields, "purpose").unwrap_or_default(), "status": "processed",
        "checksum": checksum,
    });
    Ok(Answer::json(StatusCode::OK, &body))
}

/// Answers binary content: every byte value in turn, as many as an id `file-N` says, else 4096.
pub(crate) fn file_content(id: Option<&str>) -> Answer {
    let length = id
        .and_then(|id| id.strip_prefix("file-")?.parse().ok())
        .unwrap_or(4096);
    let content: Vec<u8> = (0..=u8::MAX).cycle().take(length).collect();
    Answer::new(StatusCode::OK, Content::Whole(Bytes::from(content).into()))
        .with("content-type", "application/octet-stream")
}

/// Answers a text that tells what arrived.
pub(crate) fn transcription(headers: &HeaderMap, body: &Bytes) -> Result<Answer, Refusal> {
    let fields = multipart::fields(headers, body)?;
    let file = uploaded(&fields)?;
    let model = text(&fields, "model").ok_or((400, "model: field required".to_owned()))?;
    let checksum = checksum::shown(&file.value);
    let heard = format!("{} bytes, {checksum}", file.value.len());
    if text(&fields, "response_format").as_deref() == Some("text") {
        let content = Content::Whole(Bytes::from(format!("{heard}\n")).into());
        return Ok(
            Answer::new(StatusCode::OK, content).with("content-type", "text/plain; charset=utf-8")
        );
    }
    let body = json!({
        "text": heard, "bytes": file.value.len(), "checksum": checksum, "model": model,
        "usage": {"type": "duration", "seconds": 1},
    });
    Ok(Answer::json(StatusCode::OK, &body))
}

fn uploaded(fields: &[Field]) -> Result<&Field, Refusal> {
    let file = fields.iter().find(|field| field.name == "file");
    file.ok_or((400, "file: field required".to_owned()))
}

fn text(fields: &[Field], name: &str) -> Option<String> {
    let field = fields.iter().find(|field| field.name == name)?;
    Some(String::from_utf8_lossy(&field.value).into_owned())
}
