//! The socket in `data_dir` by which an operator reaches the running server. Only the server's
//! own user (and root) can: the file has mode 0600, and whoever connects is asked for.

use std::fs::{self, File, Permissions};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process;
use std::time::Duration;

use axum::Router;
use axum::serve::Listener;
use tokio::net::{UnixListener, UnixStream};
use tokio_util::sync::CancellationToken;

/// Its name in `data_dir`.
pub const FILE_NAME: &str = "admin.sock";

/// How long what is under way may take when the server stops. A backup would take longer, and is
/// worth nothing by half.
const GRACE: Duration = Duration::from_secs(2);

/// A socket that listens; its file goes with it.
pub struct AdminSocket {
    listener: UnixListener,
    file: PathBuf,
}

impl AdminSocket {
    /// Listens in `data_dir`, in place of a socket that a killed server left behind.
    ///
    /// # Errors
    /// When another server answers there, or the folder's file system has no sockets.
    pub async fn bind(data_dir: &Path) -> io::Result<Self> {
        if connect(data_dir).await.is_ok() {
            return Err(io::Error::new(
                io::ErrorKind::AddrInUse,
                "another server answers there",
            ));
        }
        let folder = File::open(data_dir)?;
        let temporary = format!(".{FILE_NAME}.{}", process::id());
        // Left behind by a process with the same number.
        match fs::remove_file(data_dir.join(&temporary)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let listener = UnixListener::bind(short(&folder, &temporary))?;
        let file = data_dir.join(FILE_NAME);
        // Nobody finds it before it is closed to others.
        fs::set_permissions(data_dir.join(&temporary), Permissions::from_mode(0o600))?;
        fs::rename(data_dir.join(&temporary), &file)?;
        Ok(Self { listener, file })
    }

    /// Answers until `stopping`, then removes the file. What is not done in time has had `enough`.
    pub async fn serve(
        self,
        router: Router,
        stopping: CancellationToken,
        enough: CancellationToken,
    ) {
        let serving = axum::serve(OwnUsers(self.listener), router)
            .with_graceful_shutdown(stopping.clone().cancelled_owned());
        let in_time = async {
            stopping.cancelled().await;
            tokio::time::sleep(GRACE).await;
        };
        tokio::select! {
            ended = serving => if let Err(error) = ended {
                tracing::error!(%error, "the socket for operators failed");
            },
            () = in_time => {}
        }
        enough.cancel();
        // The next server would replace it anyway.
        let _ = fs::remove_file(self.file);
    }
}

/// Connects to whoever listens in `data_dir`.
///
/// # Errors
/// `NotFound` and `ConnectionRefused` where nobody does.
pub async fn connect(data_dir: &Path) -> io::Result<UnixStream> {
    let folder = File::open(data_dir)?;
    UnixStream::connect(short(&folder, FILE_NAME)).await
}

/// A socket's path has 107 bytes at most, which a folder deep down exceeds: through the folder's
/// descriptor every path is short.
fn short(folder: &File, name: &str) -> PathBuf {
    PathBuf::from(format!("/proc/self/fd/{}/{name}", folder.as_raw_fd()))
}

/// Hangs up on everybody but the server's own user and root, should the folder be open to others.
struct OwnUsers(UnixListener);

impl Listener for OwnUsers {
    type Io = UnixStream;
    type Addr = tokio::net::unix::SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        loop {
            let (stream, address) = Listener::accept(&mut self.0).await;
            match stream.peer_cred() {
                Ok(peer) if peer.uid() == own_user() || peer.uid() == 0 => {
                    return (stream, address);
                }
                peer => tracing::warn!(?peer, "somebody else tried the socket for operators"),
            }
        }
    }

    fn local_addr(&self) -> io::Result<Self::Addr> {
        self.0.local_addr()
    }
}

/// The user that this process acts for.
#[expect(
    unsafe_code,
    reason = "geteuid has no condition to keep, and std does not offer it"
)]
pub(super) fn own_user() -> u32 {
    // SAFETY: geteuid(2) only reads a number of this process and cannot fail.
    unsafe { libc::geteuid() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[tokio::test]
    async fn a_socket_is_its_owners_alone_and_replaces_a_dead_one() {
        let root = tempfile::tempdir().unwrap();
        // Longer than a socket's path may be.
        let folder = root.path().join("a".repeat(120));
        fs::create_dir(&folder).unwrap();
        assert_eq!(
            connect(&folder).await.unwrap_err().kind(),
            io::ErrorKind::NotFound
        );
        let first = AdminSocket::bind(&folder).await.unwrap();
        assert_eq!(mode(&first.file), 0o600);
        assert!(connect(&folder).await.is_ok());
        assert!(
            AdminSocket::bind(&folder).await.is_err(),
            "a living server keeps its socket"
        );
        // As after a kill: the file is there, and nobody listens.
        let file = first.file.clone();
        drop(first);
        assert!(file.exists());
        assert_eq!(
            connect(&folder).await.unwrap_err().kind(),
            io::ErrorKind::ConnectionRefused
        );
        let second = AdminSocket::bind(&folder).await.unwrap();
        assert!(connect(&folder).await.is_ok());
        let stopping = CancellationToken::new();
        stopping.cancel();
        second
            .serve(Router::new(), stopping.clone(), stopping)
            .await;
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 0, "nothing is left");
    }
}
