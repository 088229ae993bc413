//! The vocabulary of the Portcullis AI gateway.
//!
//! Everything the other crates share, and nothing that opens a socket: bodies, errors, what a call carries
//! with it, protocols and their erased services, the LLM call, routes and the configuration model.

use std::pin::Pin;

pub mod assemble;
pub mod attempt;
pub mod backend;
pub mod body;
pub mod config;
pub mod context;
pub mod error;
#[cfg(feature = "cel")]
pub mod expr;
pub mod json;
pub mod llm;
pub mod payload;
pub mod protocol;
pub mod respond;
pub mod route;
pub mod upstream;
pub mod wire;

/// An HTTP request with the gateway's body.
pub type Request = http::Request<body::Body>;
/// An HTTP reply with the gateway's body.
pub type Response = http::Response<body::Body>;
/// A boxed future.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;
