//! Before the request line: one YAML or JSON text as JSON, with the place of everything in it.

use std::ops::Range;

use portcullis_core::config::{ConfigError, Place, Pointer, SourceMap};
use serde_json::{Map, Number, Value};
use serde_saphyr::options::{AliasLimits, DuplicateKeyPolicy, MergeKeyPolicy};
use serde_saphyr::{Error, Location, Options, Spanned, budget, options};

use crate::source::expand::expand;
use crate::source::node::Node;

/// A document, its strings expanded.
pub(crate) struct Document {
    pub(crate) value: Value,
    pub(crate) map: SourceMap,
    /// What is wrong with single values; they are left in `value` as they were written.
    pub(crate) errors: Vec<ConfigError>,
}

/// Reads `text`, the content of the file `name`.
///
/// YAML 1.2: `no` and `yes` are strings, `017` and `1_000` too. One document; keys are strings and not
/// given twice; no merge keys, and no tags but YAML's own. Aliases are allowed, within bounds.
pub(crate) fn read(
    name: &str,
    text: &str,
    variables: &dyn Fn(&str) -> Option<String>,
) -> Result<Document, Box<(ConfigError, SourceMap)>> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut map = SourceMap::new();
    let file = map.add_file(name, text);
    map.insert(
        Pointer::root(),
        Place {
            file,
            key: None,
            value: 0..0,
        },
    );
    match serde_saphyr::from_str_with_options::<Spanned<Node>>(text, strict()) {
        Ok(root) if matches!(root.value, Node::Null) => Err(Box::new((
            ConfigError::new(Pointer::root(), "the file is empty"),
            map,
        ))),
        Ok(root) => {
            let mut reader = Reader {
                file,
                map,
                errors: Vec::new(),
                variables,
            };
            let value = reader.value(root, None, &Pointer::root());
            Ok(Document {
                value,
                map: reader.map,
                errors: reader.errors,
            })
        }
        Err(error) => {
            let value = error
                .location()
                .map_or(0..0, |location| range(text, location));
            map.insert(
                Pointer::root(),
                Place {
                    file,
                    key: None,
                    value,
                },
            );
            Err(Box::new((
                ConfigError::new(Pointer::root(), phrase(&error)),
                map,
            )))
        }
    }
}

/// A level costs tens of kilobytes of stack in a debug build, and threads have 2 MiB.
const MAX_DEPTH: usize = 32;

fn strict() -> Options {
    let mut aliases = AliasLimits::default();
    aliases.max_total_replayed_events = 100_000;
    options! {
        budget: budget! { max_events: 1_000_000, max_nodes: 250_000, max_depth: MAX_DEPTH, max_aliases: 1_000 },
        alias_limits: aliases,
        duplicate_keys: DuplicateKeyPolicy::Error,
        merge_keys: MergeKeyPolicy::Error,
        leading_zero_numbers_as_strings: true,
        underscored_numbers_as_strings: true,
        strict_booleans: true,
        reject_unsupported_tags: true,
        with_snippet: false,
    }
}

/// The parser's words where they are about the file, our own where they are about the parser.
fn phrase(error: &Error) -> String {
    match error.without_snippet() {
        Error::DuplicateMappingKey { key: Some(key), .. } => format!("key `{key}` is given twice"),
        Error::DuplicateMappingKey { key: None, .. } => "a key is given twice".into(),
        Error::MultipleDocuments { .. } => "a file has one document".into(),
        Error::MergeKeyNotAllowed { .. } => "merge keys (`<<`) are not supported".into(),
        Error::NullIntoString { .. } | Error::Unexpected { .. } => "a key is a string".into(),
        Error::Budget { .. } => {
            "larger, deeper or with more aliases than a configuration may be".into()
        }
        Error::NonFiniteFloat { .. } => "a number is finite".into(),
        Error::RecursiveReferencesRequireWeakTypes { .. } => {
            "an alias inside of its own anchor".into()
        }
        other => {
            let words = other.to_string();
            words.split(" at line ").next().unwrap_or(&words).to_owned()
        }
    }
}

/// The bytes a location means; some of the parser's errors have a line and a column only.
fn range(text: &str, location: Location) -> Range<usize> {
    let span = location.span();
    let start = match span.byte_offset() {
        Some(offset) => as_index(offset),
        None => offset_of(text, as_index(location.line()), as_index(location.column())),
    };
    let end = start + span.byte_len().map_or(0, as_index);
    start.min(text.len())..end.min(text.len())
}

fn offset_of(text: &str, line: usize, column: usize) -> usize {
    let start: usize = text
        .split_inclusive('\n')
        .take(line.saturating_sub(1))
        .map(str::len)
        .sum();
    let line = text[start..].lines().next().unwrap_or_default();
    let within = line
        .char_indices()
        .nth(column.saturating_sub(1))
        .map_or(line.len(), |(at, _)| at);
    start + within
}

fn as_index(n: u64) -> usize {
    usize::try_from(n).unwrap_or(usize::MAX)
}

struct Reader<'a> {
    file: usize,
    map: SourceMap,
    errors: Vec<ConfigError>,
    variables: &'a dyn Fn(&str) -> Option<String>,
}

impl Reader<'_> {
    fn value(&mut self, node: Spanned<Node>, key: Option<Location>, at: &Pointer) -> Value {
        let key = key.map(bytes);
        let value = bytes(node.referenced);
        if node.defined != node.referenced {
            // Where an alias's anchor is: a part of the value, so that it is hidden with it.
            let place = Place {
                file: self.file,
                key: None,
                value: bytes(node.defined),
            };
            self.map.insert(at.key("&"), place);
        }
        self.map.insert(
            at.clone(),
            Place {
                file: self.file,
                key,
                value,
            },
        );
        match node.value {
            Node::Null => Value::Null,
            Node::Bool(b) => b.into(),
            Node::Unsigned(n) => n.into(),
            Node::Signed(n) => n.into(),
            Node::Float(n) => self.float(n, at),
            Node::Text(text) => self.text(text, at),
            Node::List(items) => {
                let items = items.into_iter().enumerate();
                items
                    .map(|(index, item)| self.value(item, None, &at.index(index)))
                    .collect()
            }
            Node::Map(entries) => self.entries(entries, at),
        }
    }

    fn entries(&mut self, entries: Vec<(Spanned<String>, Spanned<Node>)>, at: &Pointer) -> Value {
        let mut map = Map::with_capacity(entries.len());
        for (key, node) in entries {
            let value = self.value(node, Some(key.referenced), &at.key(&key.value));
            map.insert(key.value, value);
        }
        Value::Object(map)
    }

    fn text(&mut self, text: String, at: &Pointer) -> Value {
        match expand(&text, self.variables) {
            Ok(expanded) => expanded.into(),
            Err(error) => {
                let what = ConfigError::new(at, error.what);
                self.errors.push(match error.hint {
                    Some(hint) => what.hint(hint),
                    None => what,
                });
                text.into()
            }
        }
    }

    fn float(&mut self, n: f64, at: &Pointer) -> Value {
        /// From here on not every whole number has a float of its own: 2^53.
        const EXACT: f64 = 9_007_199_254_740_992.0;
        if n.abs() >= EXACT {
            let error = ConfigError::new(at, "a number too large to keep all its digits");
            self.errors
                .push(error.hint("put quotes around it if it is a name"));
        }
        Number::from_f64(n).map_or(Value::Null, Value::Number)
    }
}

/// The bytes of a value or key; texts given as a string always have them.
fn bytes(location: Location) -> Range<usize> {
    let span = location.span();
    let start = as_index(span.byte_offset().unwrap_or_default());
    start..start + as_index(span.byte_len().unwrap_or_default())
}

#[cfg(test)]
mod tests;
