//! Before the request line: environment variables in the strings of a document.

/// Why a string could not be expanded: one phrase, and what to do about it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Unexpandable {
    pub(crate) what: String,
    pub(crate) hint: Option<String>,
}

/// Puts the values of variables in place of `${NAME}`, and `${` in place of `$${`.
///
/// What was put in is not looked at again. A single `$` stays as it is.
pub(crate) fn expand(
    text: &str,
    variables: &dyn Fn(&str) -> Option<String>,
) -> Result<String, Unexpandable> {
    let mut expanded = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("${") {
        let (before, tail) = rest.split_at(at);
        if let Some(before) = before.strip_suffix('$') {
            expanded.push_str(before);
            expanded.push_str("${");
            rest = &tail[2..];
            continue;
        }
        expanded.push_str(before);
        let name = tail[2..]
            .split_once('}')
            .map(|(name, _)| name)
            .filter(|name| is_name(name));
        let name = name.ok_or_else(malformed)?;
        expanded.push_str(&variables(name).ok_or_else(|| unset(name))?);
        rest = &tail[name.len() + 3..];
    }
    expanded.push_str(rest);
    Ok(expanded)
}

fn is_name(name: &str) -> bool {
    let fine = |c: char| c.is_ascii_alphanumeric() || c == '_';
    name.chars().all(fine) && name.starts_with(|c: char| !c.is_ascii_digit())
}

fn malformed() -> Unexpandable {
    Unexpandable {
        what: "`${` without a variable's name and `}`".into(),
        hint: Some("for the characters themselves write `$${`".into()),
    }
}

fn unset(name: &str) -> Unexpandable {
    Unexpandable {
        what: format!("environment variable `{name}` is not set"),
        hint: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expanded(text: &str) -> Result<String, String> {
        let variables = |name: &str| match name {
            "A" => Some("alpha".to_owned()),
            "NESTED" => Some("${A}".to_owned()),
            "EMPTY" => Some(String::new()),
            _ => None,
        };
        expand(text, &variables).map_err(|error| error.what)
    }

    #[test]
    fn variables_are_put_in_once() {
        for (text, expected) in [
            ("", ""),
            ("${A}", "alpha"),
            ("x${A}y${EMPTY}z", "xalphayz"),
            ("${NESTED}", "${A}"),
            ("$${A}", "${A}"),
            ("$$${A}", "$${A}"),
            ("$5 $A $ {A} }", "$5 $A $ {A} }"),
        ] {
            assert_eq!(expanded(text).as_deref(), Ok(expected), "{text}");
        }
    }

    #[test]
    fn what_is_not_set_or_not_a_name_is_refused() {
        assert_eq!(
            expanded("${B}"),
            Err("environment variable `B` is not set".into())
        );
        for text in ["${", "${}", "${A", "${A-b}", "${1}", "${ A }", "${A:-x}"] {
            assert_eq!(
                expanded(text),
                Err("`${` without a variable's name and `}`".into()),
                "{text}"
            );
        }
    }
}
