//! Encode and the way back: calls of tools.

use super::FAMILY;
use crate::translate::write::{Object, object};
use crate::translate::{Arguments, Text, ToolCall};

/// What a block of redacted thinking begins with that holds the seal of the call before it: calls have no
/// place for one here, and other families of models want theirs back.
pub(crate) const CALL_SEAL: &str = "portcullis.call.";

/// What the API's own guide says to hand back arguments in that are no JSON object.
const INVALID: &str = "INVALID_JSON";

/// Writes a call's members. Returns whether its arguments were the object they must be; what was not is
/// handed on inside of one.
pub(crate) fn write_call(
    block: &mut Object<'_>,
    id: &Text<'_>,
    name: &Text<'_>,
    arguments: &Arguments<'_>,
) -> bool {
    block.str("type", "tool_use");
    block.text("id", id);
    block.text("name", name);
    let out = block.key("input");
    if arguments.write_object(out).is_ok() {
        return true;
    }
    let words = match arguments {
        Arguments::String(words) => words.clone(),
        Arguments::Object(bytes) => Text::from(String::from_utf8_lossy(bytes).into_owned()),
    };
    object(out, |o| o.text(INVALID, &words));
    false
}

/// The block that keeps what seals a call, as data of redacted thinking.
pub(crate) fn sealed(call: &ToolCall<'_>) -> Option<Text<'static>> {
    let seal = call.signature.as_ref()?;
    Some(format!("{CALL_SEAL}{}", seal.written(FAMILY).plain()).into())
}
