use proptest::{collection::vec, prelude::*};
use serde_json::{Map, Number, Value};

use super::{Key, KeySet, Kind, MAX_DEPTH, Members, Raw, quote};

/// Reads all of a value, as only a test would.
fn tree(raw: Raw<'_>) -> Option<Value> {
    Some(match raw.kind() {
        Kind::Null => Value::Null,
        Kind::Bool => Value::Bool(raw.as_bool()?),
        Kind::Number => settled(number(raw)?.into()),
        Kind::String => Value::String(raw.as_str()?.into_owned()),
        Kind::Array => {
            let elements = raw.elements().map(|element| tree(element.ok()?));
            Value::Array(elements.collect::<Option<_>>()?)
        }
        Kind::Object => {
            let mut object = Map::new();
            for member in raw.members() {
                let member = member.ok()?;
                object.insert(member.key.as_str()?.into_owned(), tree(member.value)?);
            }
            Value::Object(object)
        }
    })
}

fn number(raw: Raw<'_>) -> Option<Number> {
    let text = str::from_utf8(raw.bytes()).expect("numbers are ASCII");
    match (raw.as_u64(), text.parse::<i64>()) {
        (Some(n), _) => Some(n.into()),
        (None, Ok(n)) if n != 0 => Some(n.into()),
        _ => Number::from_f64(raw.as_f64()?),
    }
}

/// Floats without their last digits, which `serde_json` does not always get right.
fn settled(value: Value) -> Value {
    match value {
        Value::Number(n) if n.is_f64() => format!("{:.9e}", n.as_f64().unwrap_or_default()).into(),
        Value::Array(elements) => elements.into_iter().map(settled).collect(),
        Value::Object(members) => members
            .into_iter()
            .map(|(key, v)| (key, settled(v)))
            .collect(),
        value => value,
    }
}

/// The top level read in one pass, then all below it.
fn one_pass(document: &[u8]) -> Option<Value> {
    let mut object = Map::new();
    for member in Members::of_document(document) {
        let member = member.ok()?;
        object.insert(member.key.as_str()?.into_owned(), tree(member.value)?);
    }
    Some(Value::Object(object))
}

fn values() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        vec(-1.0..1.0f64, 0..40).prop_map(Value::from),
        any::<String>().prop_map(Value::from),
        "[a-z\"\\\\\n]{0,90}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 40, 6, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..6).prop_map(Value::from),
            vec(("[a-c\"é\n]{0,12}", inner), 0..6)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

fn written(value: &Value, pretty: bool) -> Vec<u8> {
    let written = if pretty {
        serde_json::to_vec_pretty
    } else {
        serde_json::to_vec
    };
    written(value).expect("values can be written")
}

proptest! {
    #[test]
    fn what_is_written_is_read_back(value in values(), pretty: bool) {
        let document = written(&value, pretty);
        let raw = Raw::parse(&document).expect("it is valid");
        let expected = settled(value.clone());
        prop_assert_eq!(raw.bytes(), document.as_slice());
        prop_assert_eq!(tree(raw), Some(expected.clone()));
        if value.is_object() {
            prop_assert_eq!(one_pass(&document), Some(expected));
        } else {
            prop_assert!(one_pass(&document).is_none());
        }
    }

    #[test]
    fn a_damaged_document_is_read_as_another_parser_reads_it(
        value in values(),
        pretty: bool,
        damage in vec((any::<prop::sample::Index>(), "[ -~]{0,3}", 0..3usize), 1..3),
    ) {
        let mut document = written(&value, pretty);
        for (at, with, removed) in damage {
            let at = at.index(document.len() + 1);
            let end = (at + removed).min(document.len());
            document.splice(at..end, with.bytes());
        }
        let expected: Option<Value> = serde_json::from_slice(&document).ok().map(settled);
        prop_assert_eq!(Raw::parse(&document).ok().and_then(tree), expected.clone());
        let object = expected.filter(Value::is_object);
        prop_assert_eq!(one_pass(&document), object);
    }

    #[test]
    fn any_bytes_are_answered_without_a_panic(document in vec(any::<u8>(), 0..80)) {
        let _ = Raw::parse(&document).map(tree);
        let _ = one_pass(&document);
    }

    #[test]
    fn quoted_text_is_read_back(text: String) {
        let json = quote(&text);
        let raw = Raw::parse(&json).expect("it is valid");
        prop_assert!(raw.as_str().is_some_and(|read| read == text));
        prop_assert_eq!(serde_json::from_slice::<String>(&json).ok(), Some(text));
    }
}

#[test]
fn no_part_of_a_document_is_a_document() {
    let document = br#"{"a":[1,2.5e-3,[{"b":"x\n\u00e9"}],true],"c":{},"d":[],"e":null}"#;
    assert!(one_pass(document).is_some());
    for end in 0..document.len() {
        assert!(Raw::parse(&document[..end]).is_err(), "up to {end}");
        assert!(one_pass(&document[..end]).is_none(), "up to {end}");
    }
}

#[test]
fn malformed_documents_are_refused() {
    for document in [
        "",
        " ",
        "{",
        "}",
        "[",
        "]",
        "{]",
        "[}",
        "{,}",
        "[,]",
        "[1,]",
        "[1",
        "[1}",
        "[1\"a\"]",
        "[1 [2]]",
        "[\"a\" 1]",
        "[1 , ]",
        r#"{"a"}"#,
        r#"{"a":}"#,
        r#"{"a":1,}"#,
        r#"{"a":1 "b":2}"#,
        r#"{"a" 1}"#,
        "{a:1}",
        "{1:1}",
        r#"{"a":1}}"#,
        r#"{"a":1} x"#,
        "01",
        "-",
        "1.",
        ".5",
        "+1",
        "1e",
        "1e+",
        "0x1",
        "NaN",
        "tru",
        "truex",
        "nul",
        "'a'",
        r#""a"#,
        r#""\x""#,
        r#""\u12g4""#,
        r#""\u12""#,
        r#""\"#,
        "1 2",
        "[1/2]",
        "[1 // ]\n]",
        "\u{feff}{}",
    ] {
        assert!(Raw::parse(document.as_bytes()).is_err(), "{document}");
        assert!(one_pass(document.as_bytes()).is_none(), "{document}");
    }
}

#[test]
fn an_error_says_where_in_the_document_it_is() {
    let error = Raw::parse(br#" {"a": [1, {"b": tru}]}"#).expect_err("it is malformed");
    assert_eq!(error.to_string(), "unknown literal at byte 17");

    let document = br#" {"a": [0, 1 2]}"#;
    let raw = Raw::parse(document).expect("runs of numbers are skipped");
    let error = raw
        .get("a")
        .expect("it is there")
        .elements()
        .find_map(Result::err);
    assert_eq!(error.map(|error| error.at), Some(13));
}

#[test]
fn numbers_in_a_skipped_array_are_checked_when_looked_at() {
    for array in [
        "[1 2]",
        "[1,,2]",
        "[--1]",
        "[1e,2]",
        "[00]",
        "[1\u{1},2]",
        "[1,,\"a\"]",
    ] {
        let raw = Raw::parse(array.as_bytes()).expect("it is skipped");
        assert!(raw.elements().any(|element| element.is_err()), "{array}");
    }
}

#[test]
fn brackets_are_bounded_and_need_no_stack() {
    let nested = |depth: u32| {
        let depth = depth as usize;
        format!(
            "{}{}",
            r#"{"a":["#.repeat(depth / 2),
            "]}".repeat(depth / 2)
        )
    };
    let fits = nested(MAX_DEPTH);
    assert!(Raw::parse(fits.as_bytes()).is_ok());
    assert!(Members::of_document(fits.as_bytes()).all(|member| member.is_ok()));
    let too_deep = nested(MAX_DEPTH + 2);
    assert!(Raw::parse(too_deep.as_bytes()).is_err());
    assert!(Members::of_document(too_deep.as_bytes()).any(|member| member.is_err()));
    assert!(Raw::parse("[".repeat(1 << 20).as_bytes()).is_err());
}

#[test]
fn a_walk_ends_with_its_first_error() {
    let mut members = Members::of_document(br#"{"a":1,"b":x,"c":3}"#);
    assert!(members.next().is_some_and(|member| member.is_ok()));
    assert!(members.next().is_some_and(|member| member.is_err()));
    assert!(members.next().is_none());
    assert!(
        Raw::parse(b"1")
            .expect("a number")
            .members()
            .next()
            .is_some_and(|m| m.is_err())
    );
    assert!(
        Raw::parse(b"{}")
            .expect("an object")
            .elements()
            .next()
            .is_some_and(|e| e.is_err())
    );
}

#[test]
fn a_key_is_the_text_it_stands_for() {
    let raw = Raw::parse(br#"{"mod\u0065l":1,"a\\b":2,"a":3,"a":4}"#).expect("it is valid");
    assert_eq!(raw.get("model").and_then(Raw::as_u64), Some(1));
    assert_eq!(raw.get(r"a\b").and_then(Raw::as_u64), Some(2));
    assert_eq!(
        raw.get("a").and_then(Raw::as_u64),
        Some(4),
        "the last counts"
    );
    assert_eq!(raw.get(r"mod\u0065l"), None);
    assert_eq!(raw.path(&["a", "b"]), None);
}

#[test]
fn strings_are_decoded_on_request_or_not_at_all() {
    let text = |json: &[u8]| {
        let raw = Raw::parse(json).expect("it is skipped");
        raw.as_str().map(std::borrow::Cow::into_owned)
    };
    assert_eq!(
        text(br#""\ud83d\ude00 \u00e9""#).as_deref(),
        Some("\u{1f600} é")
    );
    assert_eq!(
        text(br#""\"\\\/\b\f\n\r\t""#).as_deref(),
        Some("\"\\/\u{8}\u{c}\n\r\t")
    );
    assert_eq!(text(b"\"a\nb\"").as_deref(), Some("a\nb"));
    for broken in [
        r#""\ud83d""#,
        r#""\ude00""#,
        r#""\ud83d\n""#,
        r#""\ud83d\u0041""#,
    ] {
        assert_eq!(text(broken.as_bytes()), None, "{broken}");
    }
    assert_eq!(text(b"\"\xff\""), None);
    assert_eq!(text(b"\"\xc3\\n\xa9\""), None);
    assert_eq!(text(b"12"), None);
}

#[test]
fn integers_are_those_written_as_integers() {
    let number = |json: &'static str| Raw::parse(json.as_bytes()).expect("it is a number");
    assert_eq!(number("18446744073709551615").as_u64(), Some(u64::MAX));
    for other in [
        "18446744073709551616",
        "-1",
        "-0",
        "1.0",
        "1e3",
        "true",
        "\"1\"",
    ] {
        assert_eq!(number(other).as_u64(), None, "{other}");
    }
    for whole in ["6", "6.0", "6.0e0", "0.6E1", "60e-1"] {
        assert_eq!(number(whole).as_count(), Some(6), "{whole}");
    }
    for other in ["6.5", "-6.0", "1e300", "true"] {
        assert_eq!(number(other).as_count(), None, "{other}");
    }
    assert_eq!(number("-1.5e1").as_f64(), Some(-15.0));
    assert_eq!(number("1e999").as_f64(), None);
    assert_eq!(number("null").as_f64(), None);
}

#[test]
fn keys_a_lenient_parser_confuses_count_as_one() {
    let same = |keys: &[&str]| {
        let json: Vec<_> = keys.iter().map(|key| quote(key)).collect();
        let mut seen = KeySet::default();
        let raws = json
            .iter()
            .map(|json| Raw::parse(json).expect("it is valid"));
        !raws
            .map(|raw| Key::new(raw, raw.bytes().contains(&b'\\')))
            .all(|key| seen.insert(key))
    };
    assert!(same(&["model", "Model"]));
    assert!(same(&["tools", "tool\u{17f}"]));
    assert!(same(&["top_\u{212a}", "top_k"]));
    assert!(same(&["a\nB", "A\nb"]));
    assert!(!same(&["model", "models", "\u{e9}", "\u{c9}", "", "a\\"]));

    let many: Vec<_> = (0..1000).map(|n| format!("key{n}")).collect();
    let mut many: Vec<_> = many.iter().map(String::as_str).collect();
    assert!(!same(&many));
    many.push("KEY3");
    assert!(same(&many));
    many.pop();
    many.push("Key999");
    assert!(same(&many));
}

#[test]
fn debug_output_shows_no_text() {
    let raw = Raw::parse(br#"{"secret":"text"}"#).expect("it is valid");
    let member = raw.members().next().expect("one").expect("valid");
    assert_eq!(format!("{raw:?}"), "Object at 0..17");
    assert!(!format!("{member:?} {:?}", raw.members()).contains("text"));
}
