use std::collections::BTreeMap;

use bytes::Bytes;
use proptest::{collection::vec, prelude::*, sample::subsequence};
use serde_json::{Map, Value};

use super::{
    Change, Doc, Parse, Payload, Splice, SpliceError, edit_object, insert_first_member,
    remove_member, set_member,
};
use crate::json::Raw;

fn payload(json: &str) -> Payload<Doc> {
    Payload::from(Bytes::copy_from_slice(json.as_bytes()))
}

fn edited(json: &str, edits: impl FnOnce(Raw<'_>) -> Vec<Splice>) -> String {
    let mut body = payload(json);
    let mut edits = edits(Raw::parse(json.as_bytes()).expect("it is valid"));
    body.splice(&mut edits).expect("they do not overlap");
    String::from_utf8(body.raw().to_vec()).expect("it is text")
}

proptest! {
    #[test]
    fn splices_do_what_editing_from_the_back_does(
        raw in vec(any::<u8>(), 0..40),
        cuts in vec(0..40u32, 0..12),
        with in vec(vec(any::<u8>(), 0..5), 6),
        turn in 0..6usize,
    ) {
        let mut cuts: Vec<_> = cuts.iter().map(|cut| cut % (raw.len() as u32 + 1)).collect();
        cuts.sort_unstable();
        let mut edits: Vec<_> = cuts
            .as_chunks::<2>()
            .0
            .iter()
            .zip(with)
            .map(|([from, to], with)| Splice::new(*from..*to, with))
            .collect();
        // An insertion at the end of a replacement and one at its start are told apart by order.
        edits.dedup_by_key(|edit| edit.at.start);
        let mut expected = raw.clone();
        for edit in edits.iter().rev() {
            expected.splice(edit.at.start as usize..edit.at.end as usize, edit.with.iter().copied());
        }
        let turn = turn.min(edits.len());
        edits.rotate_left(turn);
        let mut body = Payload::<Doc>::from(Bytes::from(raw));
        body.splice(&mut edits).expect("they do not overlap");
        prop_assert_eq!(body.raw().as_ref(), expected.as_slice());
    }

    #[test]
    fn object_edits_do_what_a_map_does(
        present in subsequence(vec!["a", "b", "c", "d", "e"], 0..=5).prop_shuffle(),
        changes in vec((subsequence(vec!["a", "b", "c", "d", "e", "f", "g"], 1), any::<bool>()), 0..6),
        pretty: bool,
    ) {
        let object: Map<_, _> = present.iter().map(|key| (key.to_string(), Value::from(1))).collect();
        let json = if pretty { serde_json::to_string_pretty(&object) } else { serde_json::to_string(&object) };
        let json = json.expect("it can be written");
        let changes: BTreeMap<_, _> = changes.iter().map(|(key, set)| (key[0], *set)).collect();
        let mut expected = object;
        for (key, set) in &changes {
            if *set { expected.insert(key.to_string(), Value::from(2)); } else { expected.remove(*key); }
        }
        let changes: Vec<_> = changes
            .into_iter()
            .map(|(key, set)| (key, if set { Change::Set(Bytes::from_static(b"2")) } else { Change::Remove }))
            .collect();
        let after = edited(&json, |object| edit_object(object, &changes).expect("it is an object"));
        let after: BTreeMap<String, Value> = serde_json::from_str(&after).expect("it is valid");
        prop_assert_eq!(after, expected.into_iter().collect::<BTreeMap<_, _>>());
    }
}

#[test]
fn edits_that_overlap_or_lie_outside_change_nothing() {
    let mut body = payload("0123456789");
    let refused = |body: &mut Payload<Doc>, edits: &[(u32, u32)]| {
        let edits = edits
            .iter()
            .map(|(start, end)| Splice::new(*start..*end, "x"));
        body.splice(&mut edits.collect::<Vec<_>>())
            .expect_err("they cannot be made")
    };
    let overlap = refused(&mut body, &[(4, 6), (1, 5)]);
    assert_eq!(
        overlap,
        SpliceError::Overlap {
            first: 1..5,
            second: 4..6
        }
    );
    assert_eq!(overlap.to_string(), "the edits at 1..5 and 4..6 overlap");
    assert!(matches!(
        refused(&mut body, &[(2, 4), (3, 3)]),
        SpliceError::Overlap { .. }
    ));
    assert!(matches!(
        refused(&mut body, &[(9, 11)]),
        SpliceError::Outside { .. }
    ));
    assert!(matches!(
        refused(&mut body, &[(3, 2)]),
        SpliceError::Outside { .. }
    ));
    assert!(body.raw() == "0123456789" && !body.edited());
}

#[test]
fn edits_that_touch_are_made_in_order() {
    let mut body = payload("0123");
    let mut edits = [(1, 3, "A"), (1, 1, "b"), (3, 3, "d"), (1, 1, "c")]
        .map(|(from, to, with)| Splice::new(from..to, with));
    body.splice(&mut edits).expect("they do not overlap");
    assert_eq!(body.raw(), "0bcAd3");
}

#[test]
fn clones_share_bytes_and_view_until_one_is_edited() {
    let mut body = payload(r#"{"a":1}"#);
    let other = body.clone();
    let view: *const Doc = body.view().expect("it is valid");
    assert!(std::ptr::eq(view, other.view().expect("it is valid")));
    assert_eq!(body.raw().as_ptr(), other.raw().as_ptr());

    body.splice(&mut []).expect("nothing to do");
    assert!(!body.edited());
    body.splice(&mut [Splice::new(5..6, "22")])
        .expect("it fits");
    let value = body
        .view()
        .expect("it is valid")
        .get(body.raw(), "a")
        .expect("it is there");
    assert_eq!(
        (value.as_u64(), other.raw().as_ref()),
        (Some(22), br#"{"a":1}"#.as_slice())
    );
}

#[test]
fn a_payload_that_is_no_json_says_where_and_keeps_its_bytes() {
    let body = payload(r#"{"a":1} x"#);
    let error = body.view().expect_err("it is malformed");
    assert_eq!(
        error.to_string(),
        "unexpected bytes after the end of the document at byte 8"
    );
    assert_eq!(error.offset(), Some(8));
    assert_eq!(body.raw(), r#"{"a":1} x"#);
    assert_eq!(
        format!("{body:?}"),
        "Payload { bytes: 9, edited: false, viewed: true }"
    );
}

#[test]
fn a_document_knows_its_members_and_what_is_there_twice() {
    let raw = Bytes::from_static(br#" {"a":[1], "\u0062":2, "A" : 3,"b":4} "#);
    let doc = Doc::parse(&raw).expect("it is valid");
    assert_eq!(
        doc.root(&raw).map(|root| root.span()),
        Some(1..raw.len() as u32 - 1)
    );
    assert_eq!(doc.get(&raw, "b").and_then(Raw::as_u64), Some(4));
    assert_eq!(doc.get(&raw, "A").and_then(Raw::as_u64), Some(3));
    assert!(doc.get(&raw, "c").is_none());
    let keys: Vec<_> = doc
        .members(&raw)
        .filter_map(|member| member.key.as_str())
        .collect();
    assert_eq!(keys, ["a", "b", "A", "b"]);
    let twice = doc.duplicate().expect("there are two");
    assert_eq!(
        &raw[twice.start as usize..twice.end as usize],
        br#""A" : 3"#
    );
}

#[test]
fn a_document_that_is_no_object_has_a_root_and_no_members() {
    let raw = Bytes::from_static(b" [1, 2] ");
    let doc = Doc::parse(&raw).expect("it is valid");
    assert_eq!(doc.root(&raw).map(Raw::bytes), Some(b"[1, 2]".as_slice()));
    assert_eq!(doc.members(&raw).count(), 0);
    assert!(doc.root(b"[1]").is_none(), "other bytes do not panic");
}

#[test]
fn the_rest_of_an_object_stays_as_it_was_written() {
    let remove = |json, key| {
        edited(json, |object| {
            remove_member(object, key).expect("an object")
        })
    };
    assert_eq!(remove(r#"{ "a" : 1.0 , "b":2 }"#, "a"), r#"{ "b":2 }"#);
    assert_eq!(remove(r#"{ "a" : 1.0 , "b":2 }"#, "b"), r#"{ "a" : 1.0 }"#);
    assert_eq!(remove(r#"{"a":1,"b":2,"a":3}"#, "a"), r#"{"b":2}"#);
    assert_eq!(remove(r#"{ "a":1 }"#, "a"), "{  }");
    assert_eq!(remove(r#"{"a":1}"#, "c"), r#"{"a":1}"#);

    let set = |json, key| {
        edited(json, |object| {
            set_member(object, key, "9").expect("an object")
        })
    };
    assert_eq!(set(r#"{"a":1,"b":[2]}"#, "b"), r#"{"a":1,"b":9}"#);
    assert_eq!(set(r#"{"a":1,"a":2}"#, "a"), r#"{"a":9,"a":9}"#);
    assert_eq!(set(r#" { }"#, "x\n"), r#" {"x\n":9 }"#);

    let insert = |object: Raw<'_>| vec![insert_first_member(object, "k", b"9").expect("an object")];
    assert_eq!(edited(r#"{ "a":1}"#, insert), r#"{"k":9, "a":1}"#);
    assert_eq!(edited("{}", insert), r#"{"k":9}"#);
    assert!(insert_first_member(Raw::parse(b"[]").expect("valid"), "k", b"9").is_err());
}
