//! Laws about places, and what YAML means here.

use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::json;

use super::*;

fn value(text: &str) -> Value {
    let document = read("a.yaml", text, &|_| None)
        .map_err(|failed| failed.0)
        .unwrap();
    assert_eq!(document.errors, []);
    document.value
}

#[test]
fn yaml_means_what_it_looks_like() {
    for (text, expected) in [
        ("a: no", json!({"a": "no"})),
        ("a: yes\nb: on", json!({"a": "yes", "b": "on"})),
        ("a: true", json!({"a": true})),
        ("a: 017", json!({"a": "017"})),
        ("a: 1_000", json!({"a": "1_000"})),
        ("a: 1:30", json!({"a": "1:30"})),
        ("a: 2001-01-01", json!({"a": "2001-01-01"})),
        ("a: 18446744073709551615", json!({"a": u64::MAX})),
        ("a: -1", json!({"a": -1})),
        ("a: 1.5", json!({"a": 1.5})),
        ("a: ~", json!({"a": null})),
        ("1: a", json!({"1": "a"})),
        ("a: &x {b: 1}\nc: *x", json!({"a": {"b": 1}, "c": {"b": 1}})),
        ("\u{feff}a: 1\r\nb: 2\r\n", json!({"a": 1, "b": 2})),
    ] {
        assert_eq!(value(text), expected, "{text}");
    }
}

#[test]
fn many_aliases_of_aliases_are_refused() {
    let mut text = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
    for level in 1..10 {
        let inner = format!("*a{}, ", level - 1).repeat(10);
        text.push_str(&format!("a{level}: &a{level} [{inner}]\n"));
    }
    assert!(read("a.yaml", &text, &|_| None).is_err());
}

#[test]
fn deep_nesting_is_refused_before_the_stack_ends() {
    assert!(read("a.yaml", &format!("{}a: 1", "- ".repeat(31)), &|_| None).is_ok());
    for text in [
        "[".repeat(100_000),
        "- ".repeat(100_000),
        "{a: ".repeat(100_000),
    ] {
        assert!(read("a.yaml", &text, &|_| None).is_err());
    }
}

#[test]
fn an_expanded_value_cannot_become_structure() {
    let read = read("a.yaml", "a: ${X}\n${X}: 1\n", &|_| {
        Some("b: [1]\nc: true".into())
    })
    .ok()
    .unwrap();
    assert_eq!(read.value, json!({"a": "b: [1]\nc: true", "${X}": 1}));
}

/// A document to be written down, each collection in block or in flow style.
#[derive(Clone, Debug)]
enum Tree {
    Scalar(String),
    List(bool, Vec<Tree>),
    Map(bool, Vec<(String, Tree)>),
}

fn trees() -> impl Strategy<Value = Tree> {
    let scalar = prop_oneof![
        any::<i32>().prop_map(|n| n.to_string()),
        Just("true".to_owned()),
        "[a-zäß]{1,6}",
        "\\PC{0,8}".prop_map(|text| Value::from(text.replace('$', "")).to_string()),
    ];
    let leaf = scalar.prop_map(Tree::Scalar);
    leaf.prop_recursive(4, 40, 5, |inner| {
        let entries = vec(("[a-zé~/]{1,5}", inner.clone()), 0..5);
        prop_oneof![
            (any::<bool>(), vec(inner, 0..5)).prop_map(|(flow, items)| Tree::List(flow, items)),
            (any::<bool>(), entries).prop_map(|(flow, mut entries)| {
                entries.sort_by(|a, b| a.0.cmp(&b.0));
                entries.dedup_by(|a, b| a.0 == b.0);
                Tree::Map(flow, entries)
            }),
        ]
    })
}

/// Writes a tree down and notes where every key and scalar went.
#[derive(Default)]
struct Writer {
    text: String,
    keys: Vec<(Pointer, Range<usize>)>,
    scalars: Vec<(Pointer, Range<usize>)>,
}

impl Writer {
    fn put(&mut self, token: &str) -> Range<usize> {
        let start = self.text.len();
        self.text.push_str(token);
        start..self.text.len()
    }

    fn key(&mut self, key: &str, at: &Pointer) {
        let range = self.put(&format!("\"{key}\""));
        self.keys.push((at.clone(), range));
        self.put(":");
    }

    fn flow(&mut self, tree: &Tree, at: &Pointer) {
        match tree {
            Tree::Scalar(token) => {
                let range = self.put(token);
                self.scalars.push((at.clone(), range));
            }
            Tree::List(_, items) => {
                self.put("[");
                for (index, item) in items.iter().enumerate() {
                    self.flow(item, &at.index(index));
                    self.put(",  ");
                }
                self.put("]");
            }
            Tree::Map(_, entries) => {
                self.put("{ ");
                for (key, item) in entries {
                    self.key(key, &at.key(key));
                    self.put(" ");
                    self.flow(item, &at.key(key));
                    self.put(", ");
                }
                self.put("}");
            }
        }
    }

    fn block(&mut self, tree: &Tree, at: &Pointer, indent: usize) {
        let margin = format!("\n{}", " ".repeat(indent));
        match tree {
            Tree::List(false, items) if !items.is_empty() => {
                for (index, item) in items.iter().enumerate() {
                    self.put(&format!(" # ä comment{margin}-"));
                    self.block(item, &at.index(index), indent + 2);
                }
            }
            Tree::Map(false, entries) if !entries.is_empty() => {
                for (key, item) in entries {
                    self.put(&margin);
                    self.key(key, &at.key(key));
                    self.block(item, &at.key(key), indent + 2);
                }
            }
            tree => {
                self.put(" ");
                self.flow(tree, at);
            }
        }
    }
}

proptest! {
    #[test]
    fn every_key_and_scalar_is_found_where_it_was_written(tree in trees()) {
        let mut writer = Writer::default();
        writer.block(&Tree::Map(false, vec![("top".into(), tree)]), &Pointer::root(), 0);
        let document = read("a.yaml", &writer.text, &|_| None);
        let Ok(Document { map, .. }) = document else { panic!("refused {}", writer.text) };
        for (at, range) in &writer.keys {
            prop_assert_eq!(map.find(at, true).map(|found| found.range), Some(range.clone()), "{} in {}", at, writer.text);
        }
        for (at, range) in &writer.scalars {
            prop_assert_eq!(map.find(at, false).map(|found| found.range), Some(range.clone()), "{} in {}", at, writer.text);
        }
    }

    #[test]
    fn any_text_is_read_or_refused_with_a_place(text in "[-a{}\\[\\]:,*&!|>'\"# \n\t$0.~?<%ä]{0,60}") {
        if let Err(failed) = read("a.yaml", &text, &|_| None) {
            let (error, map) = *failed;
            prop_assert!(map.find(&error.at, false).is_some());
            let _ = crate::source::render(&error, &map);
        }
    }
}
