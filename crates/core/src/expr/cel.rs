//! A compiled expression, and its evaluation.

use std::borrow::Cow;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::str::FromStr;
use std::sync::Arc;

use cel::common::types::{CelBool, CelInt, CelString, CelUInt};
use cel::common::value::CowVal;
use cel::{Context, ExecutionError, IdedExpr, Value};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};

use super::compile::{CompileError, compile};
use super::functions::{self, Patterns};
use super::{Facts, Variables};

/// An expression of the Common Expression Language, compiled. Cloning counts a reference.
///
/// In configuration it is a text. See the [module](super) for what it may say.
#[derive(Clone)]
pub struct Cel(Arc<Compiled>);

pub(super) struct Compiled {
    pub(super) source: Box<str>,
    pub(super) root: IdedExpr,
    pub(super) variables: Variables,
    pub(super) patterns: Patterns,
    pub(super) cost: u64,
    pub(super) boolean: bool,
}

/// An expression gave no value, or one of the wrong type. The words may hold values of the call: they are for
/// the log.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{expression}` failed: {reason}")]
pub struct EvalError {
    expression: Box<str>,
    reason: Box<str>,
}

impl Cel {
    /// Compiles an expression, on a thread of its own: this takes about a tenth of a millisecond.
    ///
    /// # Errors
    ///
    /// When it is not in the language, names what does not exist, or is larger than the bounds.
    pub fn new(source: &str) -> Result<Self, CompileError> {
        compile(source).map(|compiled| Self(Arc::new(compiled)))
    }

    /// As it was written.
    pub fn source(&self) -> &str {
        &self.0.source
    }

    /// The variables it names.
    pub fn variables(&self) -> Variables {
        self.0.variables
    }

    /// Whether it can only be asked of a decoded LLM call.
    pub fn is_typed(&self) -> bool {
        self.0.variables.are_typed()
    }

    /// The steps it takes in the worst case, at most [`MAX_COST`](super::MAX_COST): a bound, far above the usual.
    pub fn cost(&self) -> u64 {
        self.0.cost
    }

    /// Whether it can be true or false; a text or a number written out cannot.
    pub fn may_be_boolean(&self) -> bool {
        self.0.boolean
    }

    /// Whether it holds of these facts.
    ///
    /// # Errors
    ///
    /// When it reads what is not there, or gives neither true nor false.
    pub fn test(&self, facts: &Facts<'_>) -> Result<bool, EvalError> {
        self.evaluate(facts, |value| {
            value.downcast_ref::<CelBool>().map(|b| *b.inner())
        })
    }

    /// Its value as a text: a text itself, a whole number or a truth in their usual writing.
    ///
    /// # Errors
    ///
    /// When it reads what is not there, or gives another kind of value.
    pub fn text(&self, facts: &Facts<'_>) -> Result<String, EvalError> {
        self.evaluate(facts, |value| {
            if let Some(text) = value.downcast_ref::<CelString<'_>>() {
                return Some(text.inner().to_owned());
            }
            if let Some(number) = value.downcast_ref::<CelInt>() {
                return Some(number.inner().to_string());
            }
            if let Some(number) = value.downcast_ref::<CelUInt>() {
                return Some(number.inner().to_string());
            }
            value
                .downcast_ref::<CelBool>()
                .map(|b| b.inner().to_string())
        })
    }

    fn evaluate<T>(
        &self,
        facts: &Facts<'_>,
        read: impl FnOnce(&CowVal<'_, '_>) -> Option<T>,
    ) -> Result<T, EvalError> {
        let failed = |reason: String| EvalError {
            expression: self.0.source.clone(),
            reason: reason.into(),
        };
        let run = || -> Result<Option<T>, ExecutionError> {
            let mut context = Context::with_env(functions::environment().clone());
            context.set_variable_resolver(facts);
            if !self.0.patterns.is_empty() {
                functions::add_matches(&mut context, &self.0.patterns);
            }
            let value = Value::resolve_val(&self.0.root, &context)?;
            Ok(read(&value))
        };
        // The library is written not to panic, and a rule must not depend on that.
        match catch_unwind(AssertUnwindSafe(run)) {
            Ok(Ok(Some(value))) => Ok(value),
            Ok(Ok(None)) => Err(failed("its value is of another type".to_owned())),
            Ok(Err(e)) => Err(failed(e.to_string())),
            Err(_) => Err(failed("the evaluation panicked".to_owned())),
        }
    }
}

impl FromStr for Cel {
    type Err = CompileError;

    fn from_str(source: &str) -> Result<Self, CompileError> {
        Self::new(source)
    }
}

impl fmt::Display for Cel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.source())
    }
}

impl fmt::Debug for Cel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Cel({:?})", self.source())
    }
}

impl PartialEq for Cel {
    fn eq(&self, other: &Self) -> bool {
        self.source() == other.source()
    }
}

impl Eq for Cel {}

impl<'de> Deserialize<'de> for Cel {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let source = Cow::<'de, str>::deserialize(deserializer)?;
        Self::new(&source).map_err(D::Error::custom)
    }
}

impl JsonSchema for Cel {
    fn schema_name() -> Cow<'static, str> {
        "Cel".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "minLength": 1,
            "maxLength": super::MAX_SOURCE,
            "description": "An expression in the Common Expression Language, over `request`, `source`, `apiKey`, `jwt`, `basicAuth`, `principal`, `llm`, `llmRequest` and `response`."
        })
    }
}
