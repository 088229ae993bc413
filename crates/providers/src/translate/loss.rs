//! Encode: what a translated call lost on its way.

use std::borrow::Cow;

/// Something the other dialect cannot say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Loss {
    /// The field, as a path in the dialect it was written in: `logit_bias`, `messages[2].name`.
    pub field: Cow<'static, str>,
    /// Why, in a phrase.
    pub why: &'static str,
}

/// The losses of one call, in the order in which they were found. The same field is listed once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Losses(Vec<Loss>);

/// More than these are counted as one: a call with ten thousand odd parts would make as many lines.
const MAX: usize = 64;

impl Losses {
    /// Notes that a field does not go on.
    pub fn add(&mut self, field: impl Into<Cow<'static, str>>, why: &'static str) {
        let field = field.into();
        if self.0.len() < MAX && !self.0.iter().any(|loss| loss.field == field) {
            self.0.push(Loss { field, why });
        } else if self.0.len() == MAX {
            self.0.push(Loss {
                field: "…".into(),
                why: "there are more",
            });
        }
    }

    /// Takes a field off the list: the dialect at hand can say it after all.
    pub fn saved(&mut self, field: &str) {
        self.0.retain(|loss| loss.field != field);
    }

    /// The losses.
    pub fn iter(&self) -> impl Iterator<Item = &Loss> {
        self.0.iter()
    }

    /// Whether nothing was lost.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Takes in those of another step.
    pub fn extend(&mut self, other: Self) {
        for loss in other.0 {
            self.add(loss.field, loss.why);
        }
    }
}
