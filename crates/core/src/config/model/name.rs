//! Before the request line: which names objects may have.

/// Longer names help nobody, and end up in metrics.
const MAX_NAME: usize = 128;

/// Checks the name of a project, listener, route or backend.
pub(crate) fn check(name: &str) -> Result<(), &'static str> {
    if name.is_empty() {
        return Err("the name is empty");
    }
    if name.len() > MAX_NAME {
        return Err("the name is longer than 128 characters");
    }
    let fine = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    if !name.chars().all(fine) {
        return Err("a name has letters, digits, `-`, `_` and `.` only");
    }
    Ok(())
}
