//! Which of several patterns a model's name goes by, and what it is called behind it.

use super::{Pattern, PatternError};

/// A pattern, and what it makes of names.
#[derive(Clone, Debug)]
pub(super) struct Rule {
    pub(super) pattern: Pattern,
    pub(super) rewrite: Option<Pattern>,
}

impl Rule {
    /// What the backend is asked for when the caller asks for `name`.
    fn asked(&self, name: &str) -> Option<String> {
        let matched = self.pattern.matched(name)?;
        Some(
            self.rewrite
                .as_ref()
                .map_or_else(|| name.to_owned(), |rewrite| rewrite.fill(matched)),
        )
    }

    /// What callers name the backend's `model`, if this pattern gives it a name.
    pub(super) fn called(&self, model: &str) -> Option<String> {
        match &self.rewrite {
            Some(rewrite) => rewrite
                .matched(model)
                .map(|matched| self.pattern.fill(matched)),
            None => self.pattern.matched(model).map(|_| model.to_owned()),
        }
    }

    pub(super) fn read(pattern: &str, rewrite: Option<&str>) -> Result<Self, RuleError> {
        let rule = Self {
            pattern: Pattern::parse(pattern).map_err(RuleError::Match)?,
            rewrite: rewrite
                .map(Pattern::template)
                .transpose()
                .map_err(RuleError::Rewrite)?,
        };
        let starred = rule.rewrite.as_ref().is_some_and(Pattern::has_star);
        if starred && !rule.pattern.has_star() {
            return Err(RuleError::Star);
        }
        Ok(rule)
    }
}

/// Why two texts are no rule, by the key at fault.
#[derive(Clone, Copy, Debug, thiserror::Error)]
pub(super) enum RuleError {
    #[error(transparent)]
    Match(PatternError),
    #[error(transparent)]
    Rewrite(PatternError),
    #[error("a `*` here needs one in `match` to stand for")]
    Star,
}

impl RuleError {
    /// The key at fault.
    pub(super) fn key(self) -> &'static str {
        match self {
            Self::Match(_) => "match",
            Self::Rewrite(_) | Self::Star => "rewrite",
        }
    }
}

/// Of rules in order of precedence, the number of the one `name` goes by, and the name behind it. A call
/// that names no model goes by the only rule there is, or by `*`, and still names none.
pub(super) fn choose<'r>(
    rules: impl Iterator<Item = &'r Rule> + Clone,
    name: &str,
) -> Option<(usize, String)> {
    let mut numbered = rules.enumerate();
    if !name.is_empty() {
        return numbered.find_map(|(index, rule)| Some((index, rule.asked(name)?)));
    }
    let only = numbered.clone().count() == 1;
    numbered
        .find(|(_, rule)| only || rule.pattern.matched("").is_some())
        .map(|(index, _)| (index, String::new()))
}
