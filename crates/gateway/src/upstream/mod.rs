//! The end of the request line: the HTTP client that carries a call to its upstream.
//!
//! A [`Client`] keeps connections to each origin (scheme, authority, protocol) and sends requests
//! over them. It is made for streamed replies which come in bursts, and costs little when they do:
//!
//! - **An HTTP/1 connection has no task of its own.** Whoever waits for the reply drives it: the
//!   future of [`Client::call`] until the head is there, the [`ResponseBody`] after that. A burst is
//!   read, decoded and handed on in one poll, with no wake-up and no channel between two tasks.
//! - **What is ready moves together.** Small data frames that are ready at the same moment are
//!   merged into one (see [`ResponseBody`]); nothing is ever held back to wait for more.
//! - **Nothing is read that nobody asks for.** A body that is not polled does not read its socket,
//!   so a slow reader holds back its upstream and memory stays flat. The other side of this: while a
//!   reply is being received, a request body that is still being sent moves on only when the reply
//!   is polled.
//!
//! Dropping the future or the body ends the exchange and, with HTTP/1, closes the connection, which
//! is how an upstream learns that nobody listens any more.
//!
//! HTTP/2 connections are shared by many exchanges and therefore do run in a task each.
//!
//! A request may say how its upstream is to be reached, by a [`Transport`](portcullis_core::upstream::Transport)
//! among its extensions, and which addresses it may be sent to, by an
//! [`AddressCheck`](portcullis_core::upstream::AddressCheck). Requests share connections only with those
//! that say the very same.
//!
//! What this client does not do: follow redirects, keep cookies, decompress, retry a
//! request that may have been processed. A connection is upgraded only for a request that brings
//! [`Upgrade`]. Hop-by-hop headers are the caller's to remove.

mod auto;
mod bell;
mod body;
mod client;
mod config;
mod connect;
mod error;
mod extended;
mod fresh;
mod h1;
mod h2;
mod host;
mod line;
mod pool;
mod proxy;
mod race;
mod request;
mod resolve;
mod room;
mod stats;
mod stream;
#[cfg(test)]
mod tests;
mod timeout;
mod tls;
mod upgrade;
mod way;

pub(crate) use self::extended::accept;
pub use self::{
    body::ResponseBody,
    client::Client,
    config::{ClientConfig, HttpVersion, Timeouts},
    error::{ClientError, ErrorKind},
    host::NamedHost,
    stats::{OriginStats, Stats},
    upgrade::{Upgrade, Upgraded, UpgradedStream},
    way::Transports,
};

/// An error of any type, as request bodies may bring one.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;
