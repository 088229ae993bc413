//! The first stretch of the line: the file of a unix socket, where it is bound, and when it goes.

use std::fs;
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use tokio::net::{UnixListener, UnixSocket};

use super::socket::Binding;

/// Binds beside `path` and moves the socket there, so that nobody meets it without its permissions and a
/// stale one is replaced in one step.
pub(super) fn bind(path: &Path, binding: Binding<'_>) -> io::Result<(UnixListener, SocketFile)> {
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
        identity: Some((found.dev(), found.ino())),
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
    pub(super) path: PathBuf,
    /// None once it is removed.
    identity: Option<(u64, u64)>,
}

impl SocketFile {
    /// Removes it before its socket is closed: nobody new finds the way.
    pub(super) fn remove(&mut self) {
        let Some(identity) = self.identity.take() else {
            return;
        };
        let ours = fs::symlink_metadata(&self.path)
            .is_ok_and(|found| (found.dev(), found.ino()) == identity);
        if ours && let Err(error) = fs::remove_file(&self.path) {
            let path = self.path.display();
            tracing::warn!(%path, %error, "cannot remove the socket");
        }
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        self.remove();
    }
}

#[cfg(test)]
mod tests {
    use portcullis_core::config::Address;

    use super::super::socket::Socket;
    use super::*;

    fn bound(path: &Path) -> io::Result<Socket> {
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
        let socket = bound(&path).unwrap();
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
        let live = bound(&path).unwrap();
        let error = bound(&path).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
        drop(live);
    }

    #[tokio::test]
    async fn nothing_else_than_a_socket_is_replaced() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a.sock");
        fs::write(&path, "precious").unwrap();
        let error = bound(&path).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AlreadyExists);
        std::os::unix::fs::symlink(&path, directory.path().join("link")).unwrap();
        bound(&directory.path().join("link")).unwrap_err();
        assert_eq!(fs::read_to_string(&path).unwrap(), "precious");
    }

    #[tokio::test]
    async fn the_socket_of_a_successor_is_left_alone() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a.sock");
        let first = bound(&path).unwrap();
        fs::remove_file(&path).unwrap();
        let second = bound(&path).unwrap();
        drop(first);
        assert!(path.exists());
        drop(second);
        assert!(!path.exists());
    }
}
