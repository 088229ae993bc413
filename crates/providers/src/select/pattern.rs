//! Patterns of model names, and what they are rewritten to.

/// A pattern of model names: an exact name, or one with a `*` at its end (`claude-*`), its beginning
/// (`*-mini`) or alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern {
    before: Box<str>,
    after: Box<str>,
    star: bool,
}

/// Why a text is no pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PatternError {
    /// It is empty.
    #[error("a pattern cannot be empty")]
    Empty,
    /// It has several stars, or one inside.
    #[error("a pattern has at most one `*`, at its beginning or its end")]
    Star,
    /// What names are rewritten to has several stars.
    #[error("the name to ask for has at most one `*`")]
    Stars,
}

impl Pattern {
    /// Reads a pattern.
    ///
    /// # Errors
    ///
    /// When it is empty, has several stars, or one inside.
    pub fn parse(text: &str) -> Result<Self, PatternError> {
        let pattern = Self::template(text).map_err(|e| match e {
            PatternError::Stars => PatternError::Star,
            e => e,
        })?;
        if pattern.star && !pattern.before.is_empty() && !pattern.after.is_empty() {
            return Err(PatternError::Star);
        }
        Ok(pattern)
    }

    /// Reads what names are rewritten to: a name, or one with a `*` anywhere, standing for what the star
    /// of the pattern matched.
    ///
    /// # Errors
    ///
    /// When it is empty or has several stars.
    pub fn template(text: &str) -> Result<Self, PatternError> {
        let mut parts = text.split('*');
        let (before, after) = (parts.next().unwrap_or_default(), parts.next());
        match (text, parts.next()) {
            ("", _) => Err(PatternError::Empty),
            (_, Some(_)) => Err(PatternError::Stars),
            _ => Ok(Self {
                before: before.into(),
                after: after.unwrap_or_default().into(),
                star: after.is_some(),
            }),
        }
    }

    /// What the star stands for in `name`, empty without a star; `None` if the name does not match.
    pub fn matched<'n>(&self, name: &'n str) -> Option<&'n str> {
        if self.star {
            name.strip_prefix(&*self.before)?.strip_suffix(&*self.after)
        } else {
            (*name == *self.before).then_some("")
        }
    }

    /// The name with `matched` in the place of the star.
    pub fn fill(&self, matched: &str) -> String {
        if self.star {
            format!("{}{matched}{}", self.before, self.after)
        } else {
            self.before.to_string()
        }
    }

    /// Whether it has a star.
    pub fn has_star(&self) -> bool {
        self.star
    }

    /// How patterns that match one name rank, least first: exact, longest prefix, longest suffix, `*`.
    pub fn rank(&self) -> impl Ord + use<> {
        let class = match (self.star, self.before.is_empty(), self.after.is_empty()) {
            (false, ..) => 0,
            (true, false, _) => 1,
            (true, true, false) => 2,
            (true, true, true) => 3,
        };
        (
            class,
            std::cmp::Reverse(self.before.len() + self.after.len()),
        )
    }
}

impl std::fmt::Display for Pattern {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "{}{}{}",
            self.before,
            if self.star { "*" } else { "" },
            self.after
        )
    }
}
