//! Before the request line: an error shown where it is in the file.

use std::ops::Range;

use annotate_snippets::{Annotation, AnnotationKind, Group, Level, Origin, Renderer, Snippet};
use portcullis_core::config::{ConfigError, Excerpt, SourceMap};

use crate::source::hide::{HIDDEN, secrets};

/// Shows `error` with file, line and column, the line it is on, and what to do about it.
///
/// Lines are shown as they were written, variables unexpanded; what may be secret is replaced by `[secret]`.
/// Without a place in `map` it is the error's own one line.
#[must_use]
pub fn render(error: &ConfigError, map: &SourceMap) -> String {
    let Some(found) = map.find(&error.at, error.on_key) else {
        return format!("error: {error}");
    };
    // An error about a secret hides it whatever its key is called.
    let about = |word| error.what.contains(word);
    let hide = (about("secret") || about("password")) && !error.on_key;
    let here = Shown::new(&found, map, hide);
    let mut group = here.lines(
        Level::ERROR
            .primary_title(&*error.what)
            .element(here.origin()),
        AnnotationKind::Primary,
    );
    if let Some(hint) = &error.hint {
        group = group.element(Level::HELP.message(&**hint));
    }
    let other = error.other.as_ref().and_then(|other| map.find(other, true));
    let other = other.map(|other| Shown::new(&other, map, false));
    let mut groups = vec![group];
    if let Some(other) = &other {
        let title = Level::NOTE.secondary_title("the other one is here");
        groups.push(other.lines(title.element(other.origin()), AnnotationKind::Context));
    }
    // Given the place apart from the lines, as hiding moves columns, the renderer takes them for another file's.
    let rendered = Renderer::plain().render(&groups);
    rendered
        .lines()
        .filter(|line| line.trim() != ":::")
        .collect::<Vec<_>>()
        .join("\n")
}

/// A line as it may be shown, and the part of it that is meant.
struct Shown {
    file: String,
    line: usize,
    column: usize,
    text: String,
    part: Range<usize>,
}

impl Shown {
    fn new(found: &Excerpt<'_>, map: &SourceMap, hide: bool) -> Self {
        let (line, column) = found.line_column();
        let text = found.text;
        let start = text[..found.range.start]
            .rfind('\n')
            .map_or(0, |end| end + 1);
        let end = text[start..]
            .find('\n')
            .map_or(text.len(), |end| start + end);
        let part = found.range.start..found.range.end.min(end).max(found.range.start);
        let mut hidden = secrets(map, found.file, text, start..end);
        if hide {
            hidden.push(part.clone());
            hidden.sort_by_key(|part| part.start);
        }
        let (text, part) = without(text, start..end, part, &hidden);
        Self {
            file: found.file.to_owned(),
            line,
            column,
            text,
            part,
        }
    }

    fn origin(&self) -> Origin<'_> {
        Origin::path(self.file.as_str())
            .line(self.line)
            .char_column(self.column)
    }

    fn lines<'a>(&'a self, group: Group<'a>, kind: AnnotationKind) -> Group<'a> {
        if self.text.is_empty() {
            return group;
        }
        let part: Annotation<'a> = kind.span(self.part.clone());
        group.element(
            Snippet::source(self.text.as_str())
                .line_start(self.line)
                .annotation(part),
        )
    }
}

/// The line with what is hidden replaced, and where the part meant is in it then.
fn without(
    text: &str,
    line: Range<usize>,
    part: Range<usize>,
    hidden: &[Range<usize>],
) -> (String, Range<usize>) {
    let mut shown = String::new();
    let mut from = line.start;
    let mut pieces: Vec<Range<usize>> = Vec::new();
    for piece in hidden {
        if piece.end <= from {
            continue;
        }
        match pieces.last_mut() {
            Some(last) if piece.start < last.end => last.end = piece.end,
            _ => {
                shown.push_str(&text[from..piece.start.max(from)]);
                shown.push_str(HIDDEN);
                pieces.push(piece.clone());
            }
        }
        from = piece.end;
    }
    shown.push_str(text[from..line.end].trim_end_matches('\r'));
    let moved = |at: usize| moved(at, line.start, &pieces).min(shown.len());
    let part = moved(part.start)..moved(part.end);
    (shown, part)
}

/// Where a byte of a line is once the pieces are replaced; what was inside of one is behind it.
fn moved(at: usize, start: usize, pieces: &[Range<usize>]) -> usize {
    let (mut shown, mut from) = (0, start);
    for piece in pieces.iter().take_while(|piece| piece.start < at) {
        shown += piece.start - from + HIDDEN.len();
        from = piece.end;
    }
    shown + at.saturating_sub(from)
}

#[cfg(test)]
mod secrets;
#[cfg(test)]
mod tests;
