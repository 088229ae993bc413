//! The first stretch of the line: binding an address.

use std::io;
use std::net::SocketAddr;

use portcullis_core::config::Address;
use tokio::net::{TcpListener, TcpSocket, TcpStream};

use super::stream::Stream;
#[cfg(unix)]
use super::unix::{self, SocketFile};

/// Who may connect to a unix socket, unless the configuration says otherwise: its owner and group.
pub(super) const MODE: u32 = 0o660;

/// What is to be bound, and how.
#[derive(Clone, Copy, Debug)]
pub(super) struct Binding<'a> {
    pub(super) address: &'a Address,
    pub(super) reuse_port: bool,
    pub(super) backlog: u32,
    pub(super) mode: u32,
}

/// A bound socket. Dropping it frees the address, and removes the file of a unix socket.
#[derive(Debug)]
pub(super) enum Socket {
    Tcp(TcpListener),
    #[cfg(unix)]
    Unix(tokio::net::UnixListener, SocketFile),
}

impl Socket {
    pub(super) fn bind(binding: Binding<'_>) -> io::Result<Self> {
        match binding.address {
            Address::Ip(address) => tcp(*address, binding).map(Self::Tcp),
            #[cfg(not(unix))]
            Address::Unix(_) => Err(io::ErrorKind::Unsupported.into()),
            #[cfg(unix)]
            Address::Unix(path) => {
                let (listener, file) = unix::bind(path, binding)?;
                Ok(Self::Unix(listener, file))
            }
        }
    }

    /// The address bound, with the port the system chose when port 0 was asked for.
    pub(super) fn local_addr(&self) -> io::Result<Address> {
        match self {
            Self::Tcp(listener) => listener.local_addr().map(Address::Ip),
            #[cfg(unix)]
            Self::Unix(_, file) => Ok(Address::Unix(file.path.clone())),
        }
    }

    /// A socket that is bound already.
    pub(super) fn of(socket: std::net::TcpListener) -> io::Result<Self> {
        socket.set_nonblocking(true)?;
        TcpListener::from_std(socket).map(Self::Tcp)
    }

    /// Those the system has let in already: closing the socket would reset them. It is closed then.
    pub(super) fn waiting(self) -> Box<dyn Iterator<Item = (Stream, Option<SocketAddr>)> + Send> {
        match self {
            Self::Tcp(listener) => {
                let socket = listener.into_std();
                Box::new(std::iter::from_fn(move || {
                    let (stream, peer) = socket.as_ref().ok()?.accept().ok()?;
                    stream.set_nonblocking(true).ok()?;
                    let stream = TcpStream::from_std(stream).ok()?;
                    Some((Stream::Tcp(stream), Some(canonical(peer))))
                }))
            }
            #[cfg(unix)]
            Self::Unix(listener, file) => {
                let socket = listener.into_std();
                Box::new(std::iter::from_fn(move || {
                    let _removed_at_the_end = &file;
                    let (stream, _) = socket.as_ref().ok()?.accept().ok()?;
                    stream.set_nonblocking(true).ok()?;
                    let stream = tokio::net::UnixStream::from_std(stream).ok()?;
                    Some((Stream::Unix(stream), None))
                }))
            }
        }
    }

    /// The next connection, and where it comes from if that has an address. An IPv4 client of an IPv6
    /// socket has its IPv4 address.
    pub(super) async fn accept(&self) -> io::Result<(Stream, Option<SocketAddr>)> {
        match self {
            Self::Tcp(listener) => {
                let (stream, peer) = listener.accept().await?;
                Ok((Stream::Tcp(stream), Some(canonical(peer))))
            }
            #[cfg(unix)]
            Self::Unix(listener, _) => {
                let (stream, _) = listener.accept().await?;
                Ok((Stream::Unix(stream), None))
            }
        }
    }
}

/// An IPv4 client of an IPv6 socket with its IPv4 address.
fn canonical(peer: SocketAddr) -> SocketAddr {
    SocketAddr::new(peer.ip().to_canonical(), peer.port())
}

fn tcp(address: SocketAddr, binding: Binding<'_>) -> io::Result<TcpListener> {
    let socket = match address {
        SocketAddr::V4(_) => TcpSocket::new_v4()?,
        SocketAddr::V6(_) => TcpSocket::new_v6()?,
    };
    share(&socket, binding.reuse_port)?;
    socket.bind(address)?;
    socket.listen(binding.backlog)
}

#[cfg(unix)]
fn share(socket: &TcpSocket, port: bool) -> io::Result<()> {
    // Else a restart would have to wait for the connections of the last process to be forgotten.
    socket.set_reuseaddr(true)?;
    if port {
        socket.set_reuseport(true)?;
    }
    Ok(())
}

/// Elsewhere a restart need not wait, and the option of that name would let anybody take the address.
#[cfg(not(unix))]
fn share(_: &TcpSocket, port: bool) -> io::Result<()> {
    match port {
        true => Err(io::ErrorKind::Unsupported.into()),
        false => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn two_share_a_port_only_if_both_want_to() {
        let bind = |address, reuse_port| {
            Socket::bind(Binding {
                address: &address,
                reuse_port,
                backlog: 16,
                mode: MODE,
            })
        };
        let any = Address::Ip("127.0.0.1:0".parse().unwrap());
        let first = bind(any.clone(), true).unwrap();
        let there = first.local_addr().unwrap();
        assert!(bind(there.clone(), false).is_err());
        bind(there, true).unwrap();
    }
}
