//! Before the request line: what became of every object of a configuration.

use std::collections::BTreeMap;
use std::fmt;

use crate::config::{ConfigError, ObjectId};

/// What became of one object: no errors means it was built.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verdict {
    /// Why it was refused.
    pub errors: Vec<ConfigError>,
    /// What does not stop it, but was hardly meant.
    pub warnings: Vec<ConfigError>,
}

impl Verdict {
    /// Whether the object was built.
    #[must_use]
    pub fn is_ok(&self) -> bool {
        self.errors.is_empty()
    }
}

/// What a build says about every object it saw, ordered by identity.
///
/// It displays one line per object, and below it one indented line per error and warning.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    objects: BTreeMap<ObjectId, Verdict>,
}

impl Report {
    /// Nothing seen yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Notes that `object` was seen; it counts as built unless an error follows.
    pub fn seen(&mut self, object: ObjectId) {
        self.objects.entry(object).or_default();
    }

    /// Refuses `object` for `error`, beside whatever was said before.
    pub fn refuse(&mut self, object: ObjectId, error: ConfigError) {
        self.objects.entry(object).or_default().errors.push(error);
    }

    /// Adds a warning about `object`.
    pub fn warn(&mut self, object: ObjectId, warning: ConfigError) {
        self.objects
            .entry(object)
            .or_default()
            .warnings
            .push(warning);
    }

    /// Adds everything another report says.
    pub fn merge(&mut self, other: Self) {
        for (object, verdict) in other.objects {
            let ours = self.objects.entry(object).or_default();
            ours.errors.extend(verdict.errors);
            ours.warnings.extend(verdict.warnings);
        }
    }

    /// What became of `object`; `None` if it was not seen.
    #[must_use]
    pub fn of(&self, object: &ObjectId) -> Option<&Verdict> {
        self.objects.get(object)
    }

    /// Every object with its verdict, ordered by identity.
    pub fn iter(&self) -> impl Iterator<Item = (&ObjectId, &Verdict)> {
        self.objects.iter()
    }

    /// Every error with the object it is about.
    pub fn errors(&self) -> impl Iterator<Item = (&ObjectId, &ConfigError)> {
        self.iter()
            .flat_map(|(object, verdict)| verdict.errors.iter().map(move |e| (object, e)))
    }

    /// Whether every object was built.
    #[must_use]
    pub fn is_ok(&self) -> bool {
        self.objects.values().all(Verdict::is_ok)
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (object, verdict) in self.iter() {
            writeln!(
                f,
                "{object}: {}",
                if verdict.is_ok() { "ok" } else { "refused" }
            )?;
            for error in &verdict.errors {
                writeln!(f, "  error: {error}")?;
            }
            for warning in &verdict.warnings {
                writeln!(f, "  warning: {warning}")?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Kind, Pointer};

    #[test]
    fn a_report_reads_one_object_after_another() {
        let mut report = Report::new();
        let web = ObjectId::new("default", Kind::Route, "web");
        report.seen(ObjectId::new("default", Kind::Backend, "models"));
        report.warn(
            web.clone(),
            ConfigError::new(Pointer::root().key("routes"), "never matches"),
        );
        report.refuse(
            web.clone(),
            ConfigError::new(Pointer::root().key("b"), "no such backend"),
        );
        assert!(!report.is_ok());
        assert!(!report.of(&web).unwrap().is_ok());
        assert_eq!(
            report.to_string(),
            "default/route/web: refused\n  error: /b: no such backend\n  warning: /routes: never matches\n\
             default/backend/models: ok\n"
        );
    }
}
