//! Bytes to a socket, bytes from a socket.

use std::{
    io,
    net::{Ipv4Addr, SocketAddr},
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

/// How the other side ended a raw exchange.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Closed {
    /// With a FIN.
    Fin,
    /// With a reset.
    Reset,
    /// It had not when the time was over.
    Open,
}

/// What came back.
#[derive(Clone, Debug)]
pub struct RawReply {
    /// All bytes read.
    pub bytes: Vec<u8>,
    /// How the reading ended.
    pub closed: Closed,
}

/// Writes bytes to a new connection and reads until the other side closes it or `patience` is over.
/// The connection stays open for writing: send `connection: close` where a server should close.
///
/// # Errors
///
/// When nobody listens there.
pub async fn raw_exchange(
    addr: SocketAddr,
    bytes: &[u8],
    patience: Duration,
) -> io::Result<RawReply> {
    let stream = TcpStream::connect(addr).await?;
    stream.set_nodelay(true)?;
    let (mut reader, mut writer) = stream.into_split();
    let mut reply = RawReply {
        bytes: Vec::new(),
        closed: Closed::Open,
    };
    let read = async {
        // A server may answer and close before it took everything: its answer counts.
        let (_, read) = tokio::join!(writer.write_all(bytes), async {
            while reader.read_buf(&mut reply.bytes).await? > 0 {}
            io::Result::Ok(())
        });
        if read.is_ok() {
            Closed::Fin
        } else {
            Closed::Reset
        }
    };
    if let Ok(closed) = tokio::time::timeout(patience, read).await {
        reply.closed = closed;
    }
    Ok(reply)
}

/// An address of 127.0.0.1 where nobody listens: connecting is refused.
///
/// # Errors
///
/// When no port is free.
pub async fn unused_addr() -> io::Result<SocketAddr> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
        .await?
        .local_addr()
}
