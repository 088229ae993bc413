//! Matches as configured, made into matches as routed.

use http::Method;
use portcullis_core::config::{self, ConfigError, NamedMatch, Pointer, Want};
use portcullis_core::route::{
    HeaderMatch, HostMatch, MatchError, PathMatch, QueryMatch, RouteMatch,
};

/// Reads one match, which stands at `at`.
///
/// # Errors
///
/// When one of its parts is no host, path, pattern, header or method.
pub(super) fn read(wanted: &config::RouteMatch, at: &Pointer) -> Result<RouteMatch, ConfigError> {
    let host = wanted.host.as_deref().map(HostMatch::new).transpose();
    let path = wanted.path.as_ref().map(read_path).transpose();
    let mut read = RouteMatch {
        host: host.map_err(|e| wrong(&at.key("host"), &e))?,
        method: wanted
            .method
            .as_deref()
            .map(|m| read_method(m, at))
            .transpose()?,
        ..RouteMatch::default()
    };
    if let Some(path) = path.map_err(|e| wrong(&at.key("path"), &e))? {
        read.path = path;
    }
    for (index, header) in wanted.headers.iter().enumerate() {
        let at = at.key("headers").index(index);
        read.headers
            .push(read_header(header).map_err(|e| wrong(&at, &e))?);
    }
    for (index, query) in wanted.query.iter().enumerate() {
        let at = at.key("query").index(index);
        read.query
            .push(read_query(query).map_err(|e| wrong(&at, &e))?);
    }
    Ok(read)
}

fn read_path(path: &config::PathMatch) -> Result<PathMatch, MatchError> {
    match path {
        config::PathMatch::Exact(path) => PathMatch::exact(path),
        config::PathMatch::Prefix(path) => PathMatch::prefix(path),
        config::PathMatch::Regex(path) => PathMatch::regex(path),
    }
}

fn read_header(wanted: &NamedMatch) -> Result<HeaderMatch, MatchError> {
    match &wanted.want {
        Want::Exact(value) => HeaderMatch::exact(&wanted.name, value),
        Want::Regex(regex) => HeaderMatch::regex(&wanted.name, regex),
    }
}

fn read_query(wanted: &NamedMatch) -> Result<QueryMatch, MatchError> {
    match &wanted.want {
        Want::Exact(value) => QueryMatch::exact(&wanted.name, value),
        Want::Regex(regex) => QueryMatch::regex(&wanted.name, regex),
    }
}

fn read_method(method: &str, at: &Pointer) -> Result<Method, ConfigError> {
    let fit = method
        .parse()
        .ok()
        .filter(|_| !method.bytes().any(|b| b.is_ascii_lowercase()));
    fit.ok_or_else(|| {
        ConfigError::new(at.key("method"), "not a method")
            .hint("write it in capitals, as in `POST`")
    })
}

fn wrong(at: &Pointer, e: &MatchError) -> ConfigError {
    ConfigError::new(at, e.to_string())
}
