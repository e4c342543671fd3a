//! Putting the control socket into the file system, and taking it away again.

use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::{DirBuilderExt as _, FileTypeExt as _, MetadataExt as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use nix::sys::stat::{Mode, fchmod};
use socket2::{Domain, SockAddr, Socket, Type};

/// A bound socket whose file goes away with it.
#[derive(Debug)]
pub(super) struct Bound {
    pub(super) listener: UnixListener,
    pub(super) file: File,
}

/// The socket's name in the file system; removed on drop unless somebody else has put theirs there.
#[derive(Debug)]
pub(super) struct File {
    path: PathBuf,
    inode: (u64, u64),
}

impl Drop for File {
    fn drop(&mut self) {
        if inode(&self.path) == Some(self.inode) {
            let _nothing_to_do = fs::remove_file(&self.path);
        }
    }
}

/// Creates the socket, mode 0600, and its directory if there is none. A socket that nobody serves any more is
/// replaced.
pub(super) fn bind(path: &Path) -> anyhow::Result<Bound> {
    let context = || format!("cannot create the control socket {}", path.display());
    if let Some(directory) = path.parent().filter(|directory| !directory.as_os_str().is_empty()) {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(directory).with_context(context)?;
    }
    clear(path)?;
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None).with_context(context)?;
    // Before bind, so that the file never has any other mode: bind gives it the socket's, less the umask.
    fchmod(&socket, Mode::S_IRUSR | Mode::S_IWUSR).with_context(context)?;
    socket.bind(&SockAddr::unix(path).with_context(context)?).with_context(context)?;
    socket.listen(16).with_context(context)?;
    socket.set_nonblocking(true).with_context(context)?;
    let inode = inode(path).with_context(context)?;
    Ok(Bound { listener: socket.into(), file: File { path: path.to_owned(), inode } })
}

/// Removes what a server that died has left behind.
fn clear(path: &Path) -> anyhow::Result<()> {
    let Ok(metadata) = fs::symlink_metadata(path) else { return Ok(()) };
    if !metadata.file_type().is_socket() {
        bail!("{} is in the way of the control socket and is not a socket", path.display());
    }
    match UnixStream::connect(path) {
        Err(error) if error.kind() == ErrorKind::ConnectionRefused => fs::remove_file(path)
            .with_context(|| format!("cannot remove the stale socket {}", path.display())),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error).with_context(|| format!("cannot use the control socket {}", path.display())),
        Ok(_) => bail!("another adit serves here already: something answers on {}", path.display()),
    }
}

fn inode(path: &Path) -> Option<(u64, u64)> {
    let metadata = fs::symlink_metadata(path).ok()?;
    Some((metadata.dev(), metadata.ino()))
}
