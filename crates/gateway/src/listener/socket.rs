//! The first stretch of the line: binding an address.

use std::fs;
use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use portcullis_core::config::Address;
use tokio::net::{TcpListener, TcpSocket, UnixListener, UnixSocket};

use super::stream::Stream;

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
    Unix(UnixListener, SocketFile),
}

impl Socket {
    pub(super) fn bind(binding: Binding<'_>) -> io::Result<Self> {
        match binding.address {
            Address::Ip(address) => tcp(*address, binding).map(Self::Tcp),
            Address::Unix(path) => {
                let (listener, file) = unix(path, binding)?;
                Ok(Self::Unix(listener, file))
            }
        }
    }

    /// The address bound, with the port the system chose when port 0 was asked for.
    pub(super) fn local_addr(&self) -> io::Result<Address> {
        match self {
            Self::Tcp(listener) => listener.local_addr().map(Address::Ip),
            Self::Unix(_, file) => Ok(Address::Unix(file.path.clone())),
        }
    }

    /// The next connection, and where it comes from if that has an address. An IPv4 client of an IPv6
    /// socket has its IPv4 address.
    pub(super) async fn accept(&self) -> io::Result<(Stream, Option<SocketAddr>)> {
        match self {
            Self::Tcp(listener) => {
                let (stream, peer) = listener.accept().await?;
                let peer = SocketAddr::new(peer.ip().to_canonical(), peer.port());
                Ok((Stream::Tcp(stream), Some(peer)))
            }
            Self::Unix(listener, _) => {
                let (stream, _) = listener.accept().await?;
                Ok((Stream::Unix(stream), None))
            }
        }
    }
}

fn tcp(address: SocketAddr, binding: Binding<'_>) -> io::Result<TcpListener> {
    let socket = match address {
        SocketAddr::V4(_) => TcpSocket::new_v4()?,
        SocketAddr::V6(_) => TcpSocket::new_v6()?,
    };
    // Else a restart would have to wait for the connections of the last process to be forgotten.
    socket.set_reuseaddr(true)?;
    if binding.reuse_port {
        socket.set_reuseport(true)?;
    }
    socket.bind(address)?;
    socket.listen(binding.backlog)
}

/// Binds beside `path` and moves the socket there, so that nobody meets it without its permissions and a
/// stale one is replaced in one step.
fn unix(path: &Path, binding: Binding<'_>) -> io::Result<(UnixListener, SocketFile)> {
    refuse_taken(path)?;
    let mut beside = path.as_os_str().to_owned();
    beside.push(".new");
    let beside = PathBuf::from(beside);
    if fs::symlink_metadata(&beside).is_ok_and(|found| found.file_type().is_socket()) {
        fs::remove_file(&beside)?;
    }
    let socket = UnixSocket::new_stream()?;
    socket.bind(&beside)?;
    let moved = open_beside(socket, &beside, path, binding);
    moved.inspect_err(|_| {
        // The first error is the one to tell.
        let _ = fs::remove_file(&beside);
    })
}

fn open_beside(
    socket: UnixSocket,
    beside: &Path,
    path: &Path,
    binding: Binding<'_>,
) -> io::Result<(UnixListener, SocketFile)> {
    fs::set_permissions(beside, fs::Permissions::from_mode(binding.mode))?;
    let listener = socket.listen(binding.backlog)?;
    let found = fs::symlink_metadata(beside)?;
    fs::rename(beside, path)?;
    let file = SocketFile {
        path: path.to_owned(),
        identity: (found.dev(), found.ino()),
    };
    Ok((listener, file))
}

/// Refuses a path where somebody listens, or where something else than a socket is.
fn refuse_taken(path: &Path) -> io::Result<()> {
    let found = match fs::symlink_metadata(path) {
        Ok(found) => found,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    if !found.file_type().is_socket() {
        let what = "something that is no socket is there";
        return Err(io::Error::new(io::ErrorKind::AlreadyExists, what));
    }
    match std::os::unix::net::UnixStream::connect(path) {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Ok(_) => Err(io::Error::new(
            io::ErrorKind::AddrInUse,
            "another process listens there",
        )),
        Err(error) => Err(error),
    }
}

/// The file of a unix socket, removed when dropped unless another has taken its place.
#[derive(Debug)]
pub(super) struct SocketFile {
    path: PathBuf,
    identity: (u64, u64),
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        let ours = fs::symlink_metadata(&self.path)
            .is_ok_and(|found| (found.dev(), found.ino()) == self.identity);
        if ours && let Err(error) = fs::remove_file(&self.path) {
            let path = self.path.display();
            tracing::warn!(%path, %error, "cannot remove the socket");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bind(path: &Path) -> io::Result<Socket> {
        Socket::bind(Binding {
            address: &Address::Unix(path.to_owned()),
            reuse_port: false,
            backlog: 16,
            mode: 0o600,
        })
    }

    #[tokio::test]
    async fn a_unix_socket_has_its_mode_and_goes_with_its_listener() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a.sock");
        let socket = bind(&path).unwrap();
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        drop(socket);
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0);
    }

    #[tokio::test]
    async fn a_stale_socket_is_replaced_and_a_live_one_is_not() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a.sock");
        drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
        assert!(path.exists(), "left behind as by a process that was killed");
        let live = bind(&path).unwrap();
        let error = bind(&path).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
        drop(live);
    }

    #[tokio::test]
    async fn nothing_else_than_a_socket_is_replaced() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a.sock");
        fs::write(&path, "precious").unwrap();
        let error = bind(&path).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AlreadyExists);
        std::os::unix::fs::symlink(&path, directory.path().join("link")).unwrap();
        bind(&directory.path().join("link")).unwrap_err();
        assert_eq!(fs::read_to_string(&path).unwrap(), "precious");
    }

    #[tokio::test]
    async fn the_socket_of_a_successor_is_left_alone() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a.sock");
        let first = bind(&path).unwrap();
        fs::remove_file(&path).unwrap();
        let second = bind(&path).unwrap();
        drop(first);
        assert!(path.exists());
        drop(second);
        assert!(!path.exists());
    }

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
