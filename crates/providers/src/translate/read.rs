//! Encode: reading a document once, with errors that say what is wrong with the call.
//!
//! [`Cursor`] knows only errors of JSON. These go through objects and arrays by steps that may also refuse
//! what they find.

use portcullis_core::error::{Error, codes};
use portcullis_core::json::{Cursor, JsonError, Key, Raw};

use super::Text;

/// Reads a whole document with `f`, and ensures that nothing follows it.
///
/// # Errors
///
/// `body_not_json`, and what `f` fails with.
pub fn document<'a, T>(
    body: &'a [u8],
    f: impl FnOnce(&mut Cursor<'a>) -> Result<T, Error>,
) -> Result<T, Error> {
    let mut cursor = Cursor::new(body).map_err(not_json)?;
    let read = f(&mut cursor)?;
    cursor.end().map_err(not_json)?;
    Ok(read)
}

/// Goes through the members of the object that comes next; `false` if none does. As [`Cursor::object`].
///
/// # Errors
///
/// `body_not_json`, and what `f` fails with.
pub fn object<'a>(
    at: &mut Cursor<'a>,
    mut f: impl FnMut(Key<'a>, &mut Cursor<'a>) -> Result<(), Error>,
) -> Result<bool, Error> {
    let mut refused = None;
    let done = at.object(|key, at| f(key, at).map_err(|e| set_aside(&mut refused, e)));
    settle(refused, done)
}

/// Goes through the elements of the array that comes next; `false` if none does. As [`Cursor::array`].
///
/// # Errors
///
/// `body_not_json`, and what `f` fails with.
pub fn array<'a>(
    at: &mut Cursor<'a>,
    mut f: impl FnMut(&mut Cursor<'a>) -> Result<(), Error>,
) -> Result<bool, Error> {
    let mut refused = None;
    let done = at.array(|at| f(at).map_err(|e| set_aside(&mut refused, e)));
    settle(refused, done)
}

/// The value that comes next.
///
/// # Errors
///
/// `body_not_json`.
pub fn value<'a>(at: &mut Cursor<'a>) -> Result<Raw<'a>, Error> {
    at.value().map_err(not_json)
}

/// The text that comes next; `None` for `null`.
///
/// # Errors
///
/// `body_not_json`, and `invalid_field` when it is no string.
pub fn text<'a>(
    at: &mut Cursor<'a>,
    field: impl FnOnce() -> String,
) -> Result<Option<Text<'a>>, Error> {
    let raw = value(at)?;
    if raw.is_null() {
        return Ok(None);
    }
    match Text::of(raw) {
        Some(text) => Ok(Some(text)),
        None => Err(wrong(&field(), "a string")),
    }
}

/// A field is missing or of the wrong type.
pub fn wrong(field: &str, wanted: &str) -> Error {
    Error::new(&codes::INVALID_FIELD, format!("`{field}` must be {wanted}")).param(field)
}

/// The same error, found in what an upstream sent.
pub fn broken(e: Error) -> Error {
    let what = format!(
        "the upstream's reply is not what its dialect writes: {}",
        e.message()
    );
    Error::new(&codes::UPSTREAM_BROKEN, what).because(e)
}

/// The document is not JSON.
pub fn not_json(e: JsonError) -> Error {
    let what = format!("the body is not valid JSON: {e}");
    Error::new(&codes::BODY_NOT_JSON, what)
}

/// Keeps an error aside, and gives one that ends the walk.
fn set_aside(refused: &mut Option<Error>, e: Error) -> JsonError {
    *refused = Some(e);
    JsonError {
        at: 0,
        what: "refused",
    }
}

fn settle(refused: Option<Error>, done: Result<bool, JsonError>) -> Result<bool, Error> {
    match refused {
        Some(e) => Err(e),
        None => done.map_err(not_json),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(body: &[u8]) -> Result<Vec<String>, Error> {
        let mut names = Vec::new();
        document(body, |at| {
            array(at, |at| {
                object(at, |key, at| {
                    if key == "name" {
                        names.extend(
                            text(at, || "name".to_owned())?.map(|t| t.plain().into_owned()),
                        );
                    }
                    Ok(())
                })?;
                Ok(())
            })
        })?;
        Ok(names)
    }

    #[test]
    fn what_a_step_refuses_comes_out_as_it_is() {
        let e = names(br#"[{"name":"a"},{"name":1}]"#).unwrap_err();
        assert_eq!(*e.code(), codes::INVALID_FIELD);
        assert_eq!(e.at_param(), Some("name"));
    }

    #[test]
    fn what_is_no_json_is_told_as_such() {
        let e = names(br#"[{"name":"a"}"#).unwrap_err();
        assert_eq!(*e.code(), codes::BODY_NOT_JSON);
        assert_eq!(*names(b"[] []").unwrap_err().code(), codes::BODY_NOT_JSON);
        assert_eq!(names(br#"[{"name":"a"},{"name":null}]"#).unwrap(), ["a"]);
    }
}
