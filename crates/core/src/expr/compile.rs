//! From a text to a compiled expression, within bounds.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::thread;

use cel::IdedExpr;
use cel::common::ast::{CallExpr, EntryExpr, Expr, LiteralValue};

use super::cel::Compiled;
use super::cost;
use super::functions::{self, FUNCTIONS};
use super::names::{Variable, Variables};
use crate::config::nearest;

/// The longest expression, in bytes.
pub const MAX_SOURCE: usize = 4096;
/// How deep an expression may be nested: brackets within brackets, and operations within operations.
pub const MAX_DEPTH: usize = 32;
/// The largest worst case of an expression, in steps of some ten nanoseconds.
pub const MAX_COST: u64 = 10_000_000;

/// What the parser needs at the bounds in a build without optimisation, and room to spare.
const STACK: usize = 32 << 20;

/// An expression that cannot be used, and why.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct CompileError(Box<str>);

fn wrong(what: impl Into<Box<str>>) -> CompileError {
    CompileError(what.into())
}

/// Compiles on a thread with a stack of its own: the parser is recursive.
pub(super) fn compile(source: &str) -> Result<Compiled, CompileError> {
    if source.len() > MAX_SOURCE {
        return Err(wrong("the expression is longer than 4,096 bytes"));
    }
    if brackets(source) > MAX_DEPTH {
        return Err(wrong(
            "the expression has more than 32 brackets within each other",
        ));
    }
    let owned = source.to_owned();
    let compiling = thread::Builder::new()
        .name("expression".to_owned())
        .stack_size(STACK)
        .spawn(move || parse(&owned));
    let compiling = compiling.map_err(|e| wrong(format!("no thread to compile it on: {e}")))?;
    let panicked = |_| {
        Err(wrong(
            "the parser of expressions has a defect this one meets",
        ))
    };
    compiling.join().unwrap_or_else(panicked)
}

/// How deep brackets stand within each other, those in texts included.
fn brackets(source: &str) -> usize {
    let (mut depth, mut deepest) = (0_usize, 0);
    for byte in source.bytes() {
        match byte {
            b'(' | b'[' | b'{' => depth += 1,
            b')' | b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        deepest = deepest.max(depth);
    }
    deepest
}

fn parse(source: &str) -> Result<Compiled, CompileError> {
    let env = functions::environment();
    let depth = u16::try_from(MAX_DEPTH * 3).expect("a small number");
    let parsed = env.parser().max_recursion_depth(depth).parse(source);
    let root = parsed.map_err(|errors| match errors.errors.first() {
        Some(e) => wrong(format!(
            "not an expression, at its column {}: {}",
            e.pos.1.max(1),
            e.msg
        )),
        None => wrong("not an expression"),
    })?;
    let mut check = Check::default();
    check.visit(&root, 1)?;
    let cost = cost::of(&root);
    if cost > MAX_COST {
        return Err(wrong(
            "in the worst case the expression takes too long; shorten its lists, or nest its loops less",
        ));
    }
    Ok(Compiled {
        source: source.into(),
        variables: check.variables,
        patterns: Arc::new(check.patterns),
        boolean: !matches!(
            &root.expr,
            Expr::List(_)
                | Expr::Map(_)
                | Expr::Literal(
                    LiteralValue::String(_)
                        | LiteralValue::Int(_)
                        | LiteralValue::UInt(_)
                        | LiteralValue::Double(_)
                )
        ),
        cost,
        root,
    })
}

/// Names and depth of an expression.
#[derive(Default)]
struct Check {
    variables: Variables,
    patterns: BTreeMap<Box<str>, regex::Regex>,
    /// The variables of the loops around.
    bound: Vec<String>,
}

impl Check {
    fn visit(&mut self, node: &IdedExpr, depth: usize) -> Result<(), CompileError> {
        if depth > MAX_DEPTH {
            return Err(wrong("the expression is nested more than 32 deep"));
        }
        let inner = depth + 1;
        match &node.expr {
            Expr::Unspecified | Expr::Literal(_) => Ok(()),
            Expr::Ident(name) => self.name(name),
            Expr::Select(select) => {
                self.field(&select.operand, &select.field)?;
                self.visit(&select.operand, inner)
            }
            Expr::Call(call) => {
                self.call(call)?;
                let target = call.target.as_deref();
                // The namespace of `optional.of` is no variable.
                let target =
                    target.filter(|t| !matches!(&t.expr, Expr::Ident(n) if n == "optional"));
                target
                    .into_iter()
                    .chain(&call.args)
                    .try_for_each(|e| self.visit(e, inner))
            }
            Expr::List(list) => list.elements.iter().try_for_each(|e| self.visit(e, inner)),
            Expr::Map(map) => map.entries.iter().try_for_each(|entry| match &entry.expr {
                EntryExpr::MapEntry(entry) => {
                    self.visit(&entry.key, inner)?;
                    self.visit(&entry.value, inner)
                }
                EntryExpr::StructField(field) => self.visit(&field.value, inner),
            }),
            Expr::Struct(made) => Err(wrong(format!(
                "there is no type `{}` to make",
                made.type_name
            ))),
            Expr::Comprehension(each) => {
                self.visit(&each.iter_range, inner)?;
                self.visit(&each.accu_init, inner)?;
                let around = self.bound.len();
                self.bound.push(each.iter_var.clone());
                self.bound.extend(each.iter_var2.clone());
                self.bound.push(each.accu_var.clone());
                let within = [&each.loop_cond, &each.loop_step, &each.result];
                let seen = within.into_iter().try_for_each(|e| self.visit(e, inner));
                self.bound.truncate(around);
                seen
            }
        }
    }

    fn name(&mut self, name: &str) -> Result<(), CompileError> {
        if self.bound.iter().any(|bound| bound == name) || TYPES.contains(&name) {
            return Ok(());
        }
        match Variable::named(name.trim_start_matches('.')) {
            Some(variable) => self.variables.add(variable),
            None => {
                let names = Variable::ALL.iter().map(|v| v.name());
                return Err(unknown("variable", name, names));
            }
        }
        Ok(())
    }

    fn field(&self, operand: &IdedExpr, field: &str) -> Result<(), CompileError> {
        let Expr::Ident(name) = &operand.expr else {
            return Ok(());
        };
        if self.bound.contains(name) {
            return Ok(());
        }
        match Variable::named(name).map(Variable::fields) {
            Some(fields) if !fields.is_empty() && !fields.contains(&field) => {
                let names = fields.iter().copied();
                Err(unknown(&format!("`{name}` with a"), field, names))
            }
            _ => Ok(()),
        }
    }

    fn call(&mut self, call: &CallExpr) -> Result<(), CompileError> {
        let name = call.func_name.as_str();
        let operator = !name.starts_with(|c: char| c.is_ascii_alphabetic());
        if !operator && !FUNCTIONS.contains(&name) {
            return Err(unknown("function", name, FUNCTIONS.iter().copied()));
        }
        let written = call.args.last().and_then(|last| match &last.expr {
            Expr::Literal(LiteralValue::String(text)) => Some(text.inner()),
            _ => None,
        });
        match (name, written) {
            ("matches", None) => Err(wrong("the pattern of `matches` must be a literal text")),
            ("matches", Some(written)) => {
                let compiled = functions::pattern(written);
                let compiled = compiled
                    .map_err(|_| wrong(format!("not a regular expression: `{written}`")))?;
                self.patterns.insert(written.into(), compiled);
                Ok(())
            }
            ("cidr", Some(written)) if functions::range(written).is_none() => {
                Err(wrong(format!("not a range of addresses: `{written}`")))
            }
            _ => Ok(()),
        }
    }
}

/// What `type(x)` can be compared with.
const TYPES: &[&str] = &[
    "bool",
    "bytes",
    "double",
    "int",
    "list",
    "map",
    "null_type",
    "string",
    "type",
    "uint",
];

fn unknown<'a>(
    what: &str,
    name: &str,
    known: impl Iterator<Item = &'a str> + Clone,
) -> CompileError {
    wrong(match nearest(name, known.clone()) {
        Some(near) => format!("there is no {what} `{name}`, did you mean `{near}`?"),
        None => {
            let known: Vec<_> = known.collect();
            format!(
                "there is no {what} `{name}`; there are {}",
                known.join(", ")
            )
        }
    })
}
