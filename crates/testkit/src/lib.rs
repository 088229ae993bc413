//! Fake upstreams, scripted faults and a test client for the Portcullis AI gateway.
//!
//! This crate stands at both ends of the request line: [`Client`] is the caller, [`Upstream`] is
//! the LLM host. It depends on none of the gateway's crates, so a mistake in them cannot hide by
//! being made twice.
//!
//! ```
//! use portcullis_testkit::{Client, Fault, Script, Upstream};
//!
//! # tokio::runtime::Runtime::new().unwrap().block_on(async {
//! let upstream = Upstream::start().await?;
//! upstream.script(Script::new().then(Fault::status(429).retry_after("2")));
//!
//! let url = format!("{}/v1/chat/completions", upstream.url());
//! let ask = r#"{"model":"gpt-test","messages":[{"role":"user","content":"hi"}]}"#;
//! let refused = Client::new().post(&url, ask).await?;
//! assert_eq!(refused.status, 429);
//! let answered = Client::new().post(&url, ask).await?;
//! assert_eq!(answered.status, 200);
//! assert_eq!(upstream.seen().len(), 2);
//! # std::io::Result::Ok(()) }).unwrap();
//! ```

mod capture;
mod client;
mod dialect;
mod plan;
mod script;
mod shape;
mod upstream;

pub use crate::{
    capture::{Ended, Meter, Seen},
    client::{
        Client, Closed, Connection, Outgoing, RawReply, Reply, Streaming, Upload, raw_exchange,
        unused_addr,
    },
    dialect::{Dialect, Operation},
    plan::Break,
    script::{Behaviour, Chunking, Fault, Pacing, Script, UnknownFault},
    shape::{Shape, ShapeEnd, ShapeUsage, shape, shapes},
    upstream::Upstream,
};
