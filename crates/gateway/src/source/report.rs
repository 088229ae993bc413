//! Before the request line: every fault of a build, shown in the file it stands in.

use portcullis_core::config::{ConfigError, Excerpt, Loaded, ObjectId, Project, Report};

use super::render;

/// Renders every error of a report in the lines of its file, then every warning, secrets hidden.
pub fn render_report(report: &Report, loaded: &Loaded) -> String {
    let mut text = String::new();
    for (id, verdict) in report.iter() {
        for error in &verdict.errors {
            text.push_str(&place(id, error, loaded));
            text.push('\n');
        }
        for warning in &verdict.warnings {
            text.push_str(&format!("warning: {id}: {warning}\n"));
        }
    }
    text
}

/// Where the file says what an error is about, if the source kept the text.
pub(crate) fn locate<'a>(
    id: &ObjectId,
    error: &ConfigError,
    loaded: &'a Loaded,
) -> Option<Excerpt<'a>> {
    let unread = loaded.unread.iter().find(|unread| unread.error == *error);
    let ours = |project: &&Project| *project.config.project == *id.project;
    let map = match unread {
        Some(unread) => &unread.map,
        None => &loaded.projects.iter().find(ours)?.map,
    };
    map.find(&error.at, error.on_key)
}

fn place(id: &ObjectId, error: &ConfigError, loaded: &Loaded) -> String {
    if let Some(unread) = loaded.unread.iter().find(|unread| unread.error == *error) {
        return render(error, &unread.map);
    }
    match loaded
        .projects
        .iter()
        .find(|project| *project.config.project == *id.project)
    {
        Some(project) => render(error, &project.map),
        None => format!("error: {id}: {error}"),
    }
}
