//! Recordings are kept as two files each: a first line, header lines, a blank line (all ended by
//! LF), then the body, which is the rest of the file whatever it is.

use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri};

use crate::{
    dialect::{Operation, Route},
    shape::{Shape, ShapeEnd, ShapeUsage},
};

/// One line of the index.
#[derive(Debug)]
pub(super) struct Recording {
    pub(super) name: &'static str,
    pub(super) about: &'static str,
    pub(super) end: ShapeEnd,
    /// Input, output and cached tokens.
    pub(super) usage: Option<(u64, u64, u64)>,
    pub(super) request: &'static [u8],
    pub(super) response: &'static [u8],
}

type Headers = Vec<(&'static str, &'static str)>;

pub(super) fn shape(recording: &Recording) -> Shape {
    let (line, request_headers, request_body) = message(recording.request);
    let (method, path) = line
        .split_once(' ')
        .expect("a request line has a method and a path");
    let (status, response_headers, response_body) = message(recording.response);
    let method = Method::from_bytes(method.as_bytes()).expect("the method is a token");
    let headers = header_map(&request_headers);
    let route = Route::new(&method, &Uri::from_static(path), &headers);
    let stream = recording.end != ShapeEnd::Whole;
    Shape {
        name: recording.name,
        about: recording.about,
        dialect: route.operation.dialect(),
        operation: route.operation,
        method,
        path,
        request_headers,
        request_body,
        status: StatusCode::from_bytes(status.as_bytes()).expect("the first line is a status"),
        response_headers,
        response_body,
        stream,
        end: recording.end,
        usage: recording
            .usage
            .map(|(input_tokens, output_tokens, cached_tokens)| ShapeUsage {
                input_tokens,
                output_tokens,
                cached_tokens,
            }),
        client_sees_usage: !stream
            || route.operation != Operation::Chat
            || asks_usage(request_body),
    }
}

fn message(file: &'static [u8]) -> (&'static str, Headers, &'static [u8]) {
    let end = memchr::memmem::find(file, b"\n\n").expect("a blank line ends the head");
    let head = std::str::from_utf8(&file[..end]).expect("the head is text");
    let mut lines = head.split('\n');
    let first = lines.next().unwrap_or_default();
    let headers = lines.map(|line| line.split_once(": ").expect("a header line has a colon"));
    (first, headers.collect(), &file[end + 2..])
}

fn asks_usage(body: &[u8]) -> bool {
    let body: serde_json::Value = serde_json::from_slice(body).unwrap_or_default();
    body["stream_options"]["include_usage"] == true
}

pub(super) fn header_map(headers: &[(&'static str, &'static str)]) -> HeaderMap {
    let pairs = headers.iter().map(|(name, value)| {
        let name = HeaderName::from_bytes(name.as_bytes()).expect("recorded names are tokens");
        (name, HeaderValue::from_static(value))
    });
    let mut map = HeaderMap::new();
    for (name, value) in pairs {
        map.append(name, value);
    }
    map
}
