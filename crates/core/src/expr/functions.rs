//! The functions an expression may call.

use std::any::Any;
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Arc, LazyLock};

use cel::common::types::{CelBool, CelString, STRING_TYPE, Type};
use cel::common::value::{CowVal, StaticVal, Val};
use cel::extractors::This;
use cel::{Context, Env, ExecutionError, extensions};
use ipnet::IpNet;
use regex::Regex;

/// Regular expressions by what is written in an expression.
pub(super) type Patterns = Arc<BTreeMap<Box<str>, Regex>>;

/// A pattern whose automaton would be larger than this is refused.
const MAX_PATTERN: usize = 1 << 20;

/// Functions that may be called, operators aside.
pub(super) const FUNCTIONS: &[&str] = &[
    "bool",
    "bytes",
    "charAt",
    "cidr",
    "contains",
    "containsIP",
    "double",
    "dyn",
    "endsWith",
    "hasValue",
    "indexOf",
    "int",
    "join",
    "lastIndexOf",
    "lowerAscii",
    "matches",
    "of",
    "ofNonZeroValue",
    "none",
    "or",
    "orValue",
    "replace",
    "reverse",
    "size",
    "split",
    "startsWith",
    "string",
    "substring",
    "trim",
    "type",
    "uint",
    "upperAscii",
    "value",
];

/// The environment of every expression: immutable, and the same for all.
pub(super) fn environment() -> &'static Arc<Env> {
    static ENVIRONMENT: LazyLock<Arc<Env>> = LazyLock::new(|| {
        let mut env = Env::stdlib();
        let declared = extensions::strings(&mut env)
            .and_then(|()| env.add_type(CIDR))
            .and_then(|()| env.add_overload("cidr", "string_to_cidr", vec![STRING_TYPE], cidr))
            .and_then(|()| {
                let id = "cidr_contains_ip_string";
                env.add_member_overload("containsIP", id, CIDR, vec![STRING_TYPE], contains_ip)
            });
        declared.expect("each function is declared once");
        Arc::new(env)
    });
    &ENVIRONMENT
}

/// Compiles the pattern of a call to `matches`.
pub(super) fn pattern(written: &str) -> Result<Regex, regex::Error> {
    regex::RegexBuilder::new(written)
        .size_limit(MAX_PATTERN)
        .build()
}

/// `text.matches(pattern)`: patterns are literals, compiled with their expression.
pub(super) fn add_matches(context: &mut Context<'_, '_>, patterns: &Patterns) {
    let patterns = patterns.clone();
    let matches = move |This(text): This<Arc<String>>, pattern: Arc<String>| match patterns
        .get(pattern.as_str())
    {
        Some(regex) => Ok(regex.is_match(&text)),
        None => Err(ExecutionError::function_error(
            "matches",
            "an unknown pattern",
        )),
    };
    context
        .add_function("matches", matches)
        .expect("the environment has no `matches` of its own");
}

static CIDR_TYPE: Type = CIDR;
const CIDR: Type = Type::new_unspecified_type("net.CIDR");

/// A range of addresses.
#[derive(Clone, Debug)]
struct Cidr(IpNet);

impl Val for Cidr {
    fn get_type(&self) -> &Type {
        &CIDR_TYPE
    }

    fn cel_type() -> &'static Type {
        &CIDR_TYPE
    }

    fn equals(&self, other: &dyn Val) -> bool {
        other.downcast_ref::<Self>().is_some_and(|o| o.0 == self.0)
    }

    fn clone_as_boxed<'v>(&self) -> Box<dyn Val + 'v> {
        Box::new(self.clone())
    }

    fn as_any(&self) -> Option<&dyn Any> {
        Some(self)
    }
}

impl StaticVal for Cidr {}

/// Reads a range: `10.0.0.0/8`, or one address.
pub(super) fn range(text: &str) -> Option<IpNet> {
    let range = text.parse().ok();
    range.or_else(|| Some(IpNet::from(text.parse::<IpAddr>().ok()?)))
}

#[expect(
    clippy::needless_pass_by_value,
    reason = "the library calls functions of this signature"
)]
fn cidr<'b, 'v>(arguments: Vec<CowVal<'b, 'v>>) -> Result<CowVal<'b, 'v>, ExecutionError> {
    let text = argument(&arguments, 0)?;
    match range(text) {
        Some(range) => Ok(CowVal::owned(Cidr(range))),
        None => Err(ExecutionError::function_error(
            "cidr",
            "not a range of addresses",
        )),
    }
}

#[expect(
    clippy::needless_pass_by_value,
    reason = "the library calls functions of this signature"
)]
fn contains_ip<'b, 'v>(arguments: Vec<CowVal<'b, 'v>>) -> Result<CowVal<'b, 'v>, ExecutionError> {
    let range = arguments.first().and_then(|v| v.downcast_ref::<Cidr>());
    let address: Option<IpAddr> = argument(&arguments, 1)?.parse().ok();
    match (range, address) {
        (Some(range), Some(address)) => {
            // A mapped address is the IPv4 address it carries.
            let within = range.0.contains(&address.to_canonical());
            Ok(CowVal::owned(CelBool::from(within)))
        }
        _ => Err(ExecutionError::function_error(
            "containsIP",
            "not an IP address",
        )),
    }
}

fn argument<'a>(arguments: &'a [CowVal<'_, '_>], at: usize) -> Result<&'a str, ExecutionError> {
    let text = arguments
        .get(at)
        .and_then(|value| value.downcast_ref::<CelString<'_>>());
    text.map(|text| text.inner())
        .ok_or_else(|| ExecutionError::function_error("cidr", "not a text"))
}
