//! Before the request line: a configuration text, taken apart and its faults shown in it.

use portcullis::source::{ValueSource, render};

/// Any text is a configuration or has errors that can be shown.
pub fn run(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let loaded = ValueSource::text(text).read();
    for unread in &loaded.unread {
        assert!(!render(&unread.error, &unread.map).is_empty());
    }
    for project in &loaded.projects {
        for refused in &project.refused {
            assert!(!render(&refused.error, &project.map).is_empty());
        }
    }
}
