//! Beside the whole line: expressions over a call, in the Common Expression Language.
//!
//! Policies ask them which calls they apply to, whom to let pass and what to count by. A [`Cel`] is compiled
//! once, when configuration is read; evaluating it against the [`Facts`] of a call copies only what it touches.
//!
//! # What an expression can name
//!
//! | variable | fields |
//! |---|---|
//! | `request` | `method`, `uri`, `scheme`, `host`, `path`, `query`, `version`, `headers` |
//! | `source` | `address`, `port`, and of a verified certificate `subject`, `subjectAltNames` |
//! | `apiKey` | `id`, and the key's metadata |
//! | `jwt` | the claims of the token |
//! | `basicAuth` | `username` |
//! | `principal` | `id`: who calls, whatever said so |
//! | `llm` | `model`, `stream`, `dialect`, `operation`, `inputTokens`; also `requestModel`, `streaming` |
//! | `llmRequest` | the JSON document the caller sent |
//! | `response` | `code`, `headers`, once there is a reply |
//!
//! Values of the caller's JSON and of tokens keep their types; header values are texts, several of one name
//! joined by `, `. A field that is not there is an error to read; `has(jwt.sub)` asks first, and
//! `jwt.?team.orValue("none")` gives a value instead.
//!
//! Beside the operators and macros of the language there are its functions of texts and numbers, those of the
//! `strings` extension (`lowerAscii`, `split`, `replace`, …), `matches` with a literal pattern, and
//! `cidr("10.0.0.0/8").containsIP(source.address)`.
//!
//! # What it cannot do
//!
//! Hang, or take the gateway down. A source has at most 4 KiB, 32 levels, and an estimated worst case of ten
//! million steps, or is refused when it is compiled, and so are names of variables and functions that do not exist. A
//! text of more than 64 KiB or a list of more than 1,024 items cannot be read: the evaluation fails. What fails is an
//! [`EvalError`], and it is for each policy to say what that means; those that guard something refuse.
//!
//! # Examples
//!
//! ```
//! use portcullis_core::context::Context;
//! use portcullis_core::expr::{Cel, Facts};
//!
//! let rule = Cel::new(r#"request.path.startsWith("/v1/") && request.headers["x-team"] in ["a", "b"]"#)?;
//! let request = http::Request::get("/v1/models").header("x-team", "b").body(())?;
//! let context = Context::default();
//! assert!(rule.test(&Facts::of_request(&request, &context))?);
//!
//! let error = Cel::new("request.path.startWith('/')").unwrap_err();
//! assert_eq!(error.to_string(), "there is no function `startWith`, did you mean `startsWith`?");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod cel;
mod compile;
mod cost;
mod facts;
mod functions;
mod names;
mod value;

#[cfg(test)]
mod tests;

pub use cel::{Cel, EvalError};
pub use compile::{CompileError, MAX_COST, MAX_DEPTH, MAX_SOURCE};
pub use facts::Facts;
pub use names::{Variable, Variables};
pub use value::{MAX_ITEMS, MAX_TEXT};
