//! How long an expression can take: a bound, from the sizes its values can have.

use std::rc::Rc;

use cel::IdedExpr;
use cel::common::ast::{CallExpr, ComprehensionExpr, EntryExpr, Expr, LiteralValue};

use super::value::{MAX_ITEMS, MAX_TEXT};

/// Bytes of text that cost as much as one step, where each is looked at.
const BYTES_PER_STEP: u64 = 256;

/// The steps `root` takes in the worst case.
pub(super) fn of(root: &IdedExpr) -> u64 {
    estimate(root, &mut Vec::new()).0
}

/// The largest a value can be. What it holds is as large as a value of the call where nothing is said.
#[derive(Clone, Debug, Default)]
struct Size {
    /// Bytes, of a text.
    text: u64,
    /// Items, of a list or map.
    items: u64,
    /// The largest item.
    item: Option<Rc<Size>>,
    /// Whether the items together are as long as the largest can be: they are parts of one text.
    parts: bool,
}

impl Size {
    /// Any value of the call.
    fn any() -> Self {
        Self {
            text: MAX_TEXT as u64,
            items: MAX_ITEMS as u64,
            ..Self::default()
        }
    }

    fn text(bytes: u64) -> Self {
        Self {
            text: bytes,
            ..Self::default()
        }
    }

    fn item(&self) -> Self {
        self.item.as_deref().cloned().unwrap_or_else(Self::any)
    }

    fn max(self, other: &Self) -> Self {
        let item = match (self.items, other.items) {
            (0, _) => other.item.clone(),
            (_, 0) => self.item.clone(),
            _ if self.item.is_none() && other.item.is_none() => None,
            _ => Some(Rc::new(self.item().max(&other.item()))),
        };
        Self {
            text: self.text.max(other.text),
            items: self.items.max(other.items),
            item,
            parts: (self.parts || self.items == 0) && (other.parts || other.items == 0),
        }
    }

    /// Steps to compare it: texts of different lengths differ, and others soon do.
    fn count(&self) -> u64 {
        self.items
            .saturating_mul(self.item.as_ref().map_or(1, |item| item.count()))
            .max(1)
    }

    /// Steps to read the whole of it.
    fn steps(&self) -> u64 {
        let items = match &self.item {
            None => self.items,
            Some(item) if self.parts => self.items.saturating_add(item.steps()),
            Some(item) => self.items.saturating_mul(item.steps().saturating_add(1)),
        };
        (self.text / BYTES_PER_STEP).saturating_add(items)
    }
}

/// Variables of loops, innermost last.
type Bound = Vec<(String, Size)>;

fn estimate(node: &IdedExpr, bound: &mut Bound) -> (u64, Size) {
    match &node.expr {
        Expr::Unspecified => (1, Size::default()),
        Expr::Literal(LiteralValue::String(text)) => (1, Size::text(text.inner().len() as u64)),
        Expr::Literal(LiteralValue::Bytes(bytes)) => (1, Size::text(bytes.inner().len() as u64)),
        Expr::Literal(_) => (1, Size::default()),
        Expr::Ident(name) => {
            let found = bound.iter().rev().find(|(known, _)| known == name);
            let size = found.map_or_else(Size::any, |(_, size)| size.clone());
            // A value that is passed on is copied.
            (size.steps().saturating_add(1), size)
        }
        Expr::Select(select) => {
            let steps = match root_of(&select.operand, bound) {
                true => 1,
                false => estimate(&select.operand, bound).0,
            };
            (steps.saturating_add(8), Size::any())
        }
        Expr::Call(call) => of_call(call, bound),
        Expr::List(list) => {
            let (mut steps, mut item) = (1_u64, Size::default());
            for element in &list.elements {
                let (s, size) = estimate(element, bound);
                steps = steps.saturating_add(s);
                item = item.max(&size);
            }
            let size = Size {
                items: list.elements.len() as u64,
                item: Some(Rc::new(item)),
                ..Size::default()
            };
            (steps, size)
        }
        Expr::Map(map) => {
            let (mut steps, mut item) = (1_u64, Size::default());
            for entry in &map.entries {
                let parts = match &entry.expr {
                    EntryExpr::MapEntry(entry) => [Some(&entry.key), Some(&entry.value)],
                    EntryExpr::StructField(field) => [Some(&field.value), None],
                };
                for part in parts.into_iter().flatten() {
                    let (s, size) = estimate(part, bound);
                    steps = steps.saturating_add(s);
                    item = item.max(&size);
                }
            }
            let size = Size {
                items: map.entries.len() as u64,
                item: Some(Rc::new(item)),
                ..Size::default()
            };
            (steps, size)
        }
        Expr::Struct(_) => (1, Size::default()),
        Expr::Comprehension(each) => of_loop(each, bound),
    }
}

fn of_loop(each: &ComprehensionExpr, bound: &mut Bound) -> (u64, Size) {
    let (range_steps, range) = estimate(&each.iter_range, bound);
    let (init_steps, init) = estimate(&each.accu_init, bound);
    let (round, step) = of_round(each, range.item(), bound);
    let rounds = if range.parts {
        // Costs grow at least as fast as a text: one item with all of it is the worst, and the rest are empty.
        let (empty, _) = of_round(each, Size::default(), bound);
        range.items.saturating_mul(empty).saturating_add(round)
    } else {
        range.items.saturating_mul(round)
    };
    let made = Size {
        text: step.text,
        items: step.items.saturating_mul(range.items),
        item: step.item,
        parts: false,
    };
    let steps = rounds
        .saturating_add(range_steps)
        .saturating_add(init_steps);
    (steps, made.max(&init))
}

/// One round of a loop: its steps, and what it gives.
fn of_round(each: &ComprehensionExpr, item: Size, bound: &mut Bound) -> (u64, Size) {
    let around = bound.len();
    bound.extend(each.iter_var2.clone().map(|name| (name, item.clone())));
    bound.push((each.iter_var.clone(), item));
    // Macros alone write to it, and what they add in one round is what their step gives.
    bound.push((each.accu_var.clone(), Size::default()));
    let (test_steps, _) = estimate(&each.loop_cond, bound);
    let (step_steps, step) = estimate(&each.loop_step, bound);
    bound.truncate(around);
    let steps = test_steps.saturating_add(step_steps).saturating_add(2);
    (steps, step)
}

/// Whether this is a variable of the call, whose fields are read without the rest of it.
fn root_of(operand: &IdedExpr, bound: &Bound) -> bool {
    matches!(&operand.expr, Expr::Ident(name) if bound.iter().all(|(known, _)| known != name))
}

fn of_call(call: &CallExpr, bound: &mut Bound) -> (u64, Size) {
    let mut steps = 4_u64;
    let name = call.func_name.as_str();
    let compares = matches!(name, "_==_" | "_!=_" | "@in");
    let passes_on = matches!(
        name,
        "_?_:_"
            | "_&&_"
            | "_||_"
            | "!_"
            | "_+_"
            | "_[_]"
            | "_[?_]"
            | "_?._"
            | "@not_strictly_false"
    );
    let mut sizes = Vec::with_capacity(call.args.len() + 1);
    for argument in call.target.as_deref().into_iter().chain(&call.args) {
        let (s, size) = estimate(argument, bound);
        let read = match size {
            _ if passes_on => 0,
            ref size if compares => size.count(),
            ref size => size.steps(),
        };
        steps = steps.saturating_add(s).saturating_add(read);
        sizes.push(size);
    }
    let size = |at: usize| sizes.get(at).cloned().unwrap_or_default();
    let largest = || sizes.iter().fold(Size::default(), Size::max);
    let made = match name {
        "_+_" => {
            let (left, right) = (size(0), size(1));
            Size {
                text: left.text.saturating_add(right.text),
                items: left.items.saturating_add(right.items),
                ..left.max(&right)
            }
        }
        "_?_:_" => size(1).max(&size(2)),
        "_&&_"
        | "_||_"
        | "!_"
        | "_==_"
        | "_!=_"
        | "_<_"
        | "_<=_"
        | "_>_"
        | "_>=_"
        | "@in"
        | "contains"
        | "startsWith"
        | "endsWith"
        | "matches"
        | "containsIP"
        | "size"
        | "indexOf"
        | "lastIndexOf"
        | "@not_strictly_false"
        | "hasValue" => Size::default(),
        "_[_]" | "_[?_]" | "_?._" => size(0).item().max(&Size::any()),
        "split" => Size {
            items: size(0).text.saturating_add(1),
            item: Some(Rc::new(Size::text(size(0).text))),
            parts: true,
            ..Size::default()
        },
        "join" => {
            let each = size(0).item().text.saturating_add(size(1).text);
            Size::text(size(0).items.saturating_mul(each))
        }
        "replace" => {
            let each = size(2).text.saturating_add(1);
            Size::text(size(0).text.saturating_add(1).saturating_mul(each))
        }
        "string" => Size::text(largest().text.saturating_mul(3).max(64)),
        _ => largest(),
    };
    let copied = if name == "_?_:_" { 0 } else { made.steps() };
    (steps.saturating_add(copied), made)
}
