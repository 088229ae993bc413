//! Before the request line: a difference in words.

use std::fmt;

use super::{Change, Diff, ObjectDiff};

impl Change {
    const fn sign(self) -> char {
        match self {
            Self::Added => '+',
            Self::Changed => '~',
            Self::Affected => '*',
            Self::Removed => '-',
            Self::Refused => '!',
        }
    }

    const fn words(self) -> &'static str {
        match self {
            Self::Added => "added",
            Self::Changed => "changed",
            Self::Affected => "made anew for what it refers to",
            Self::Removed => "removed",
            Self::Refused => "refused: what there was before stays",
        }
    }
}

impl ObjectDiff {
    /// What a change of a listener means for those who are connected.
    fn effect(&self) -> &'static str {
        let is_listener = self.object.contains("/listener/");
        let moves = self
            .fields
            .iter()
            .any(|field| field.at.starts_with("/address"));
        match (is_listener, self.change) {
            (true, Change::Changed) if moves => {
                " (opened at the new address; calls at the old one finish)"
            }
            (true, Change::Changed) => " (in place; calls under way finish)",
            (true, Change::Removed) => " (calls under way finish)",
            _ => "",
        }
    }
}

impl fmt::Display for Diff {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.faults)?;
        for object in &self.objects {
            write!(f, "{object}")?;
        }
        let count = |change| self.objects.iter().filter(|o| o.change == change).count();
        let counts = [
            Change::Added,
            Change::Changed,
            Change::Affected,
            Change::Removed,
            Change::Refused,
        ];
        for change in counts.into_iter().filter(|change| count(*change) > 0) {
            let words = change.words().split(':').next().unwrap_or_default();
            write!(f, "{} {words}, ", count(change))?;
        }
        writeln!(f, "{} kept; nothing restarts", self.kept)
    }
}

impl fmt::Display for ObjectDiff {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (sign, words) = (self.change.sign(), self.change.words());
        writeln!(f, "{sign} {}: {words}{}", self.object, self.effect())?;
        for field in &self.fields {
            let at = &field.at;
            match (&field.old, &field.new) {
                (Some(old), Some(new)) => writeln!(f, "    {at}: {old} -> {new}"),
                (Some(old), None) => writeln!(f, "  - {at}: {old}"),
                (None, Some(new)) => writeln!(f, "  + {at}: {new}"),
                (None, None) => Ok(()),
            }?;
        }
        Ok(())
    }
}
