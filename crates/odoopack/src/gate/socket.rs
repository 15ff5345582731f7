//! Unix sockets: taken over from the dead, never from the living.

use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::os::unix::net::UnixStream;

use camino::Utf8Path;
use tokio::net::UnixListener;

use super::error::GateError;

/// Owner and group: nginx reaches the gate through its group.
const MODE: u32 = 0o660;

/// Listens on `path`, replacing the socket a killed gate left behind.
///
/// # Errors
/// [`GateError::AlreadyServed`] when somebody answers there.
pub(crate) fn listen(path: &Utf8Path) -> Result<UnixListener, GateError> {
    refuse_if_served(path)?;
    bind(path).map_err(|source| GateError::Listen {
        path: path.to_owned(),
        source,
    })
}

/// Removes a socket of ours; that it is gone already is fine.
pub(crate) fn remove(path: &Utf8Path) {
    fs::remove_file(path).ok();
}

fn refuse_if_served(path: &Utf8Path) -> Result<(), GateError> {
    match UnixStream::connect(path) {
        Ok(_) => Err(GateError::AlreadyServed {
            path: path.to_owned(),
        }),
        // A full backlog is somebody alive who is busy.
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Err(GateError::AlreadyServed {
            path: path.to_owned(),
        }),
        Err(_) => Ok(()),
    }
}

fn bind(path: &Utf8Path) -> io::Result<UnixListener> {
    // Only a socket is ours to remove: a wrong path in the configuration must not cost a file.
    if fs::symlink_metadata(path).is_ok_and(|found| found.file_type().is_socket()) {
        fs::remove_file(path)?;
    }
    let listener = UnixListener::bind(path)?;
    fs::set_permissions(path, Permissions::from_mode(MODE))?;
    Ok(listener)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn takes_over_a_stale_socket_and_leaves_a_live_one() {
        let directory = tempfile::tempdir().unwrap();
        let path = Utf8Path::from_path(directory.path()).unwrap().join("a.sock");
        let first = listen(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o660);
        assert!(matches!(listen(&path), Err(GateError::AlreadyServed { .. })));
        drop(first);
        listen(&path).unwrap();
    }

    #[tokio::test]
    async fn leaves_a_file_that_is_no_socket() {
        let directory = tempfile::tempdir().unwrap();
        let path = Utf8Path::from_path(directory.path()).unwrap().join("precious");
        fs::copy("/proc/version", &path).unwrap();
        assert!(matches!(listen(&path), Err(GateError::Listen { .. })));
        assert!(path.exists());
    }

    #[tokio::test]
    async fn says_which_socket_cannot_be_made() {
        let error = listen(Utf8Path::new("/nonexistent/a.sock")).unwrap_err();
        assert!(error.to_string().contains("/nonexistent/a.sock"));
    }
}
