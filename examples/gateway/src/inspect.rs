//! Before the request line: what a configuration says, told without serving it.

use std::path::Path;
use std::process::ExitCode;

use bytes::Bytes;
use http::Request;
use portcullis::core::config::Loaded;
use portcullis::source::{self, FileSource};

use crate::arguments::{Asked, Format};
use crate::configuration::Configuration;
use crate::failure::Failure;

/// Checks a configuration, and counts what is in it.
///
/// # Errors
///
/// When anything in it is wrong: every fault, in its place.
pub(crate) fn validate(configuration: &Configuration) -> Result<String, Failure> {
    let loaded = configuration.read()?;
    let report = portcullis::validate(&portcullis::registry(), &loaded);
    let text = source::render_report(&report, &loaded);
    if report.is_ok() {
        Ok(format!("{text}ok: {}\n", counts(&loaded)))
    } else {
        Err(Failure::Given(text.trim_end().to_owned()))
    }
}

/// Tells what would become of a request. What is wrong with the configuration itself is told first.
///
/// # Errors
///
/// When the request cannot be made of what was given.
pub(crate) fn explain(configuration: &Configuration, asked: &Asked) -> Result<String, Failure> {
    let request = request(asked)?;
    let loaded = configuration.read()?;
    let registry = portcullis::registry();
    let report = portcullis::validate(&registry, &loaded);
    let findings = source::render_report(&report, &loaded);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .map_err(|e| Failure::run(&e, ""))?;
    let told = runtime.block_on(portcullis::explain::explain(&registry, &loaded, request));
    Ok(format!("{findings}{told}"))
}

/// Tells what would change from the files at `old` to those at `new`, and with which exit code.
///
/// # Errors
///
/// When there is nothing at one of the paths.
pub(crate) fn diff(old: &Path, new: &Path, format: Format) -> Result<(String, ExitCode), Failure> {
    let read = |path: &Path| FileSource::new(path).read().map_err(Failure::given);
    let (old, new) = (read(old)?, read(new)?);
    let diff = portcullis::diff::diff(&portcullis::registry(), &old, &new);
    let code = match (diff.is_refused(), diff.is_empty()) {
        (true, _) => 2,
        (false, true) => 0,
        (false, false) => 1,
    };
    let text = match format {
        Format::Text => diff.to_string(),
        Format::Json => diff.to_json() + "\n",
    };
    Ok((text, ExitCode::from(code)))
}

/// The schema of the configuration, ending in a line end.
pub(crate) fn schema() -> String {
    portcullis::schema::text(&portcullis::registry())
}

fn counts(loaded: &Loaded) -> String {
    let configs = || loaded.projects.iter().map(|project| &project.config);
    let count = |n: usize, what: &str| format!("{n} {what}{}", if n == 1 { "" } else { "s" });
    [
        count(loaded.projects.len(), "project"),
        count(configs().map(|c| c.listeners.len()).sum(), "listener"),
        count(configs().map(|c| c.routes.len()).sum(), "route"),
        count(configs().map(|c| c.backends.len()).sum(), "backend"),
    ]
    .join(", ")
}

fn request(asked: &Asked) -> Result<Request<Option<Bytes>>, Failure> {
    let mut request = Request::builder()
        .method(asked.method.as_str())
        .uri(&asked.url);
    for header in &asked.headers {
        let (name, value) = header.split_once(':').ok_or_else(|| {
            Failure::given(format_args!("`{header}` is no header; write `name: value`"))
        })?;
        request = request.header(name.trim(), value.trim());
    }
    let body = match asked.body.as_deref() {
        Some(text) => Some(match text.strip_prefix('@') {
            Some(file) => std::fs::read(file)
                .map_err(|e| Failure::given(format_args!("cannot read `{file}`: {e}")))?
                .into(),
            None => Bytes::copy_from_slice(text.as_bytes()),
        }),
        None => None,
    };
    let request = request.body(body);
    request.map_err(|e| Failure::given(format_args!("that is no request: {e}")))
}
