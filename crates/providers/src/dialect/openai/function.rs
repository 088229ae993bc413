//! Encode: what chat completions and responses write alike: functions, choices among them, forms of an answer.

use portcullis_core::error::Error;
use portcullis_core::json::{Kind, Raw};

use super::chat::untranslatable;
use crate::translate::read::wrong;
use crate::translate::write::Object;
use crate::translate::{Charset, Format, Losses, Names, Schema, Text, Tool, ToolChoice};

/// What names of functions are made of.
pub(super) const NAME: Charset = Charset {
    max: 64,
    allowed: |byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-',
};

/// Reads a function: `name`, `description`, `parameters`, `strict`. What else is in it is a loss.
pub(super) fn tool<'a>(
    function: Raw<'a>,
    path: &str,
    losses: &mut Losses,
) -> Result<Tool<'a>, Error> {
    if function.kind() != Kind::Object {
        return Err(wrong(path, "a function"));
    }
    let (mut name, mut description, mut parameters, mut strict) = (None, None, None, None);
    for member in function.members().flatten() {
        let value = member.value;
        if member.key == "type" || value.is_null() {
            continue;
        }
        if member.key == "name" {
            name = Text::of(value);
        } else if member.key == "description" {
            description =
                Some(Text::of(value).ok_or_else(|| wrong(path, "described by a string"))?);
        } else if member.key == "parameters" {
            if value.kind() != Kind::Object {
                return Err(wrong(&format!("{path}.parameters"), "a JSON Schema"));
            }
            parameters = Some(value);
        } else if member.key == "strict" {
            strict = value.as_bool();
        } else {
            let key = member.key.as_str().unwrap_or_default();
            losses.add(format!("{path}.{key}"), "it is OpenAI's own");
        }
    }
    Ok(Tool {
        name: name
            .filter(|name| !name.is_empty())
            .ok_or_else(|| wrong(&format!("{path}.name"), "a string"))?,
        description,
        parameters,
        strict,
        cache: None,
    })
}

/// Writes the members of a function.
pub(super) fn write_tool(o: &mut Object<'_>, tool: &Tool<'_>, names: &mut Names) {
    o.text("name", &names.fit(&tool.name, NAME));
    o.maybe_text("description", tool.description.as_ref());
    match tool.parameters {
        Some(parameters) => o.raw("parameters", parameters.bytes()),
        None => o.raw("parameters", br#"{"type":"object","properties":{}}"#),
    }
    if let Some(strict) = tool.strict {
        o.bool("strict", strict);
    }
}

/// Reads a choice among tools, of either dialect.
pub(super) fn choice<'a>(
    value: Raw<'a>,
    losses: &mut Losses,
) -> Result<Option<ToolChoice<'a>>, Error> {
    const FIELD: &str = "tool_choice";
    if let Some(word) = Text::of(value) {
        return match &*word.plain() {
            "auto" => Ok(Some(ToolChoice::Auto)),
            "none" => Ok(Some(ToolChoice::None)),
            "required" => Ok(Some(ToolChoice::Required)),
            _ => Err(wrong(FIELD, "`auto`, `none`, `required` or an object")),
        };
    }
    let named = |tool: Raw<'a>| {
        let name = tool
            .get("name")
            .or_else(|| tool.path(&["function", "name"]));
        let name = name.and_then(Text::of);
        name.ok_or_else(|| wrong(FIELD, "the name of a function"))
    };
    let kind = value.get("type").and_then(Text::of);
    let kind = kind.ok_or_else(|| wrong(FIELD, "a string or an object with a `type`"))?;
    match &*kind.plain() {
        "function" => Ok(Some(ToolChoice::Named(vec![named(value)?]))),
        "allowed_tools" => {
            let allowed = value.get("allowed_tools").unwrap_or(value);
            let required = allowed
                .get("mode")
                .is_some_and(|m| m.bytes() == b"\"required\"");
            if !required {
                losses.add(
                    "tool_choice.tools",
                    "tools can be narrowed down only where one must be called",
                );
                return Ok(Some(ToolChoice::Auto));
            }
            let tools = allowed
                .get("tools")
                .ok_or_else(|| wrong(FIELD, "a list of tools"))?;
            let names = tools.elements().map(|tool| match tool {
                Ok(tool) => named(tool),
                Err(_) => Err(wrong(FIELD, "a list of tools")),
            });
            Ok(Some(ToolChoice::Named(names.collect::<Result<_, _>>()?)))
        }
        other => Err(untranslatable(FIELD, &format!("a tool of type `{other}`"))),
    }
}

/// Reads the form of an answer: of chat completions, where a schema stands in `json_schema`, and of responses,
/// where it does not.
pub(super) fn format<'a>(value: Raw<'a>, field: &str) -> Result<Format<'a>, Error> {
    let kind = value.get("type").and_then(Text::of);
    let kind = kind.ok_or_else(|| wrong(field, "an object with a `type`"))?;
    match &*kind.plain() {
        "text" => Ok(Format::Text),
        "json_object" => Ok(Format::Json),
        "json_schema" => {
            let given = value.get("json_schema").unwrap_or(value);
            let schema = given
                .get("schema")
                .filter(|schema| schema.kind() == Kind::Object);
            Ok(Format::Schema(Schema {
                name: given.get("name").and_then(Text::of),
                description: given.get("description").and_then(Text::of),
                schema: schema
                    .ok_or_else(|| wrong(field, "given a JSON Schema"))?
                    .bytes()
                    .into(),
                strict: given.get("strict").and_then(Raw::as_bool),
            }))
        }
        other => Err(untranslatable(
            field,
            &format!("an answer of type `{other}`"),
        )),
    }
}

/// Writes the members of a schema for an answer, which must have a name.
pub(super) fn write_schema(o: &mut Object<'_>, schema: &Schema<'_>) {
    let name = schema.name.clone().unwrap_or_else(|| "answer".into());
    o.text("name", &Names::default().fit(&name, NAME));
    o.maybe_text("description", schema.description.as_ref());
    o.raw("schema", &schema.schema);
    if let Some(strict) = schema.strict {
        o.bool("strict", strict);
    }
}

/// The longest id of a call.
const ID_MAX: usize = 40;

/// An id of a call, which OpenAI takes up to a length of 40: a longer one is cut and ends in a checksum of all
/// of it, so that a call and its result still have the same.
pub(super) fn id<'a>(id: &Text<'a>) -> Text<'a> {
    let plain = id.plain();
    if plain.chars().count() <= ID_MAX {
        return id.clone();
    }
    let sum = plain.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |sum, byte| {
        (sum ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    });
    let kept: String = plain.chars().take(ID_MAX - 17).collect();
    format!("{kept}_{sum:016x}").into()
}
