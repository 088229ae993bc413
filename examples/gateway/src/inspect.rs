//! Before the request line: what a configuration says, told without serving it.

use portcullis::core::config::Loaded;
use portcullis::source;

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
