use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;

use super::*;

const EMBEDDINGS: (&str, &str) = ("openai-chat", "/v1/embeddings");

fn vectors(body: &Value) -> Vec<Vec<f32>> {
    let reply = whole(EMBEDDINGS.0, EMBEDDINGS.1, body);
    let data = reply["data"].as_array().unwrap().iter();
    data.map(|item| serde_json::from_value(item["embedding"].clone()).unwrap())
        .collect()
}

#[test]
fn vectors_are_the_same_for_ever() {
    let body = json!({"model": "m", "input": ["Grüße aus Köln", ""], "dimensions": 4});
    check(
        "embeddings.json",
        &post(EMBEDDINGS.0, EMBEDDINGS.1, &body).unwrap().1,
    );
    let body =
        json!({"model": "m", "input": [1, 2, 3], "dimensions": 2, "encoding_format": "base64"});
    check(
        "embeddings_base64.json",
        &post(EMBEDDINGS.0, EMBEDDINGS.1, &body).unwrap().1,
    );
}

#[test]
fn vectors_have_length_one_and_256_dimensions_by_default() {
    for vector in vectors(&json!({"model": "m", "input": ["a", "b", [7], [7, 8]]})) {
        assert_eq!(vector.len(), 256);
        let length: f32 = vector.iter().map(|x| x * x).sum();
        assert!((length - 1.0).abs() < 1e-5, "{length}");
    }
    for one in vectors(&json!({"model": "m", "input": "a", "dimensions": 1})) {
        assert_eq!(one[0].abs(), 1.0);
    }
}

#[test]
fn texts_and_tokens_in_a_list_get_the_vectors_they_get_alone() {
    let of = |input: Value| vectors(&json!({"model": "m", "input": input}));
    assert_eq!(of(json!("a"))[0], of(json!(["b", "a"]))[1]);
    assert_eq!(of(json!([7, 8]))[0], of(json!([[7], [7, 8]]))[1]);
    assert_ne!(of(json!("a")), of(json!("b")));
}

#[test]
fn base64_has_the_same_numbers_little_endian() {
    let mut body = json!({"model": "m", "input": "a"});
    let floats = vectors(&body).remove(0);
    body["encoding_format"] = "base64".into();
    let reply = whole(EMBEDDINGS.0, EMBEDDINGS.1, &body);
    let text = reply["data"][0]["embedding"].as_str().unwrap();
    let bytes = BASE64_STANDARD.decode(text).unwrap();
    let numbers = bytes
        .chunks(4)
        .map(|b| f32::from_le_bytes(b.try_into().unwrap()));
    assert!(numbers.eq(floats));
}

#[test]
fn what_has_the_wrong_shape_is_refused_by_its_path() {
    for (body, param) in [
        (json!({}), "input"),
        (json!({"input": []}), "input"),
        (json!({"input": ["a", 1]}), "input"),
        (json!({"input": [-1]}), "input[0]"),
        (json!({"input": [["a"]]}), "input[0][0]"),
        (json!({"input": vec!["a"; 2049]}), "input"),
        (json!({"input": "a", "dimensions": 0}), "dimensions"),
        (json!({"input": "a", "dimensions": 2049}), "dimensions"),
        (
            json!({"input": "a", "encoding_format": "hex"}),
            "encoding_format",
        ),
    ] {
        let (code, at, what) = refusal(EMBEDDINGS.0, EMBEDDINGS.1, &body);
        assert_eq!(
            (code, at.as_str()),
            (&codes::INVALID_FIELD, param),
            "{what}"
        );
    }
}
