//! The near end of the request line: a client that shows everything and hides nothing.

mod connection;
mod outgoing;
mod raw;
mod reply;

use std::io;

use http::Method;

pub use self::{
    connection::Connection,
    outgoing::{Outgoing, Upload},
    raw::{Closed, RawReply, raw_exchange, unused_addr},
    reply::{Reply, Streaming},
};

/// A client that opens a connection for every call, follows nothing, retries nothing, and has no
/// timeouts. [`Connection`] is its keep-alive form.
#[derive(Clone, Copy, Debug, Default)]
pub struct Client {
    http2: bool,
}

impl Client {
    /// A client that speaks HTTP/1.1.
    pub fn new() -> Self {
        Self::default()
    }

    /// A client that speaks HTTP/2 in clear, with prior knowledge.
    pub fn http2() -> Self {
        Self { http2: true }
    }

    /// Opens a connection to the host of an `http://host:port/...` URL.
    ///
    /// # Errors
    ///
    /// When the URL has no host, or nobody listens there, or the handshake fails.
    pub async fn connect(&self, url: &str) -> io::Result<Connection> {
        Connection::open(url, self.http2).await
    }

    /// Sends a request and reads the whole reply.
    ///
    /// # Errors
    ///
    /// When the connection fails or breaks before the reply is complete.
    pub async fn send(
        &self,
        method: Method,
        url: &str,
        headers: &[(&str, &str)],
        body: impl Into<Outgoing>,
    ) -> io::Result<Reply> {
        self.stream(method, url, headers, body)
            .await?
            .collect()
            .await
    }

    /// Sends a request and returns once the reply's head is there.
    ///
    /// # Errors
    ///
    /// When the connection fails or breaks before that.
    pub async fn stream(
        &self,
        method: Method,
        url: &str,
        headers: &[(&str, &str)],
        body: impl Into<Outgoing>,
    ) -> io::Result<Streaming> {
        let mut connection = self.connect(url).await?;
        let mut reply = connection.stream(method, url, headers, body).await?;
        reply.own(connection);
        Ok(reply)
    }

    /// Reads a URL with `GET`.
    ///
    /// # Errors
    ///
    /// As [`Client::send`].
    pub async fn get(&self, url: &str) -> io::Result<Reply> {
        self.send(Method::GET, url, &[], Outgoing::empty()).await
    }

    /// Posts JSON.
    ///
    /// # Errors
    ///
    /// As [`Client::send`].
    pub async fn post(&self, url: &str, json: impl Into<Outgoing>) -> io::Result<Reply> {
        self.send(
            Method::POST,
            url,
            &[("content-type", "application/json")],
            json,
        )
        .await
    }
}
