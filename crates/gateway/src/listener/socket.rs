//! The first stretch of the line: binding an address.

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Weak};

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
    Tcp(Arc<TcpListener>, Owner),
    #[cfg(unix)]
    Unix(tokio::net::UnixListener, SocketFile),
}

/// Who else may accept at a socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Owner {
    /// Nobody: it was bound here.
    Alone,
    /// Whoever handed it over.
    Shared,
}

impl Socket {
    pub(super) fn bind(binding: Binding<'_>) -> io::Result<Self> {
        match binding.address {
            Address::Ip(address) => {
                tcp(*address, binding).map(|listener| Self::Tcp(Arc::new(listener), Owner::Alone))
            }
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
            Self::Tcp(listener, _) => listener.local_addr().map(Address::Ip),
            #[cfg(unix)]
            Self::Unix(_, file) => Ok(Address::Unix(file.path.clone())),
        }
    }

    /// A socket that is bound already.
    pub(super) fn of(socket: std::net::TcpListener, owner: Owner) -> io::Result<Self> {
        socket.set_nonblocking(true)?;
        TcpListener::from_std(socket).map(|listener| Self::Tcp(Arc::new(listener), owner))
    }

    /// What can be shared of it, for as long as it is open.
    pub(super) fn lent(&self) -> Weak<TcpListener> {
        match self {
            Self::Tcp(listener, _) => Arc::downgrade(listener),
            #[cfg(unix)]
            Self::Unix(..) => Weak::new(),
        }
    }

    /// Lets nobody new begin to connect. Who has begun can finish: closing the socket at once would reset them,
    /// also those of whom this process has not heard yet. Returns whether the system could be told so.
    pub(super) fn turn_away(&mut self) -> bool {
        match self {
            // Whoever has it beside us goes on.
            Self::Tcp(_, Owner::Shared) => false,
            Self::Tcp(listener, Owner::Alone) => pass_over_beginners(listener),
            #[cfg(unix)]
            Self::Unix(_, file) => {
                file.remove();
                true
            }
        }
    }

    /// Those the system has let in already: closing the socket would reset them. It is closed then.
    pub(super) fn waiting(self) -> Box<dyn Iterator<Item = (Stream, Option<SocketAddr>)> + Send> {
        match self {
            Self::Tcp(listener, _) => {
                let socket = duplicate(&listener);
                drop(listener);
                Box::new(std::iter::from_fn(move || {
                    let (stream, peer) = socket.as_ref().ok()?.accept().ok()?;
                    stream.set_nonblocking(true).ok()?;
                    let stream = TcpStream::from_std(stream).ok()?;
                    Some((Stream::Tcp(stream), Some(canonical(peer))))
                }))
            }
            #[cfg(unix)]
            Self::Unix(listener, mut file) => {
                file.remove();
                let socket = listener.into_std();
                Box::new(std::iter::from_fn(move || {
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
            Self::Tcp(listener, _) => {
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

/// The same socket once more, apart from the runtime.
#[cfg(unix)]
pub(super) fn duplicate(listener: &TcpListener) -> io::Result<std::net::TcpListener> {
    use std::os::fd::AsFd;
    listener.as_fd().try_clone_to_owned().map(Into::into)
}

/// The same socket once more, apart from the runtime.
#[cfg(windows)]
pub(super) fn duplicate(listener: &TcpListener) -> io::Result<std::net::TcpListener> {
    use std::os::windows::io::AsSocket;
    listener.as_socket().try_clone_to_owned().map(Into::into)
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

/// Drops the first packet of whoever begins to connect. They try again, a second later as a rule, and find
/// the port closed, or the next process.
#[cfg(target_os = "linux")]
fn pass_over_beginners(listener: &TcpListener) -> bool {
    use socket2::{SockFilter, SockRef};

    // In the words of linux/bpf_common.h.
    const LOAD_BYTE: u16 = 0x30;
    const AND: u16 = 0x54;
    const JUMP_IF_EQUAL: u16 = 0x15;
    const RETURN: u16 = 0x06;
    /// Where the flags are in the header of TCP, which is what a filter of a TCP socket is shown.
    const FLAGS: u32 = 13;
    const SYN: u32 = 0x02;
    const ACK: u32 = 0x10;
    let filter = [
        SockFilter::new(LOAD_BYTE, 0, 0, FLAGS),
        SockFilter::new(AND, 0, 0, SYN | ACK),
        SockFilter::new(JUMP_IF_EQUAL, 0, 1, SYN),
        SockFilter::new(RETURN, 0, 0, 0),
        SockFilter::new(RETURN, 0, 0, u32::MAX),
    ];
    let told = SockRef::from(listener).attach_filter(&filter);
    if let Err(error) = &told {
        tracing::debug!(%error, "who begins to connect as the port closes may be reset");
    }
    told.is_ok()
}

/// Elsewhere there is no such filter.
#[cfg(not(target_os = "linux"))]
fn pass_over_beginners(_: &TcpListener) -> bool {
    false
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
