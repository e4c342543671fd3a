//! Files of ours that change while others read them: replaced whole or not at all, by one writer at a time.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _, fchown};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use nix::fcntl::{Flock, FlockArg};

/// A directory that no other adit replaces a file in; until it is dropped.
#[derive(Debug)]
pub(crate) struct Lock {
    _directory: Flock<File>,
}

impl Lock {
    /// Waits until nobody else has the directory of `path`.
    pub(crate) fn beside(path: &Path) -> anyhow::Result<Self> {
        let directory = directory(path);
        let context = || format!("cannot lock {}", directory.display());
        let file = File::open(&directory).with_context(context)?;
        // The directory, not the file: that one is another after it was replaced.
        let locked = Flock::lock(file, FlockArg::LockExclusive).map_err(|(_, error)| error);
        Ok(Self { _directory: locked.with_context(context)? })
    }
}

/// Puts a file with `content` at `path`, with the mode and the owner of the one that is there, or for its owner alone.
///
/// Whoever opens it finds the old content or the new one, even after a loss of power.
pub(crate) fn write(path: &Path, content: &[u8]) -> anyhow::Result<()> {
    let new = beside(path);
    let written = write_new(path, &new, content).and_then(|()| fs::rename(&new, path));
    if written.is_err() {
        let _not_there = fs::remove_file(&new);
    }
    written.with_context(|| format!("cannot write {}", path.display()))?;
    // The name is in the directory.
    File::open(directory(path))
        .and_then(|directory| directory.sync_all())
        .with_context(|| format!("cannot write {} to the disk", path.display()))
}

fn write_new(path: &Path, new: &Path, content: &[u8]) -> io::Result<()> {
    // Left behind by somebody who had the same number and died.
    let _not_there = fs::remove_file(new);
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(new)?;
    if let Ok(old) = fs::metadata(path) {
        // Before the owner, after whose change it takes one capability more; and while there is nothing to read.
        file.set_permissions(fs::Permissions::from_mode(old.mode() & 0o777))?;
        let own = file.metadata()?;
        if (own.uid(), own.gid()) != (old.uid(), old.gid()) {
            fchown(&file, Some(old.uid()), Some(old.gid())).map_err(|error| stranger(&old, &error))?;
        }
    }
    file.write_all(content)?;
    file.sync_all()
}

/// A process that is not root, or not with all of its capabilities.
fn stranger(old: &fs::Metadata, error: &io::Error) -> io::Error {
    let (user, group) = (old.uid(), old.gid());
    io::Error::new(
        error.kind(),
        format!(
            "it belongs to user {user}, group {group}, and a new one cannot be given to them: {error} (CAP_CHOWN)"
        ),
    )
}

fn directory(path: &Path) -> PathBuf {
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    parent.unwrap_or_else(|| Path::new(".")).to_owned()
}

/// A name in the same directory that nobody else uses.
fn beside(path: &Path) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    directory(path).join(format!(".{name}.{}.new", std::process::id()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scratch::Scratch;

    #[test]
    fn a_file_keeps_its_mode_and_a_new_one_is_for_its_owner() {
        let scratch = Scratch::new();
        let path = scratch.write("a", "old");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        write(&path, b"new").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"new");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o7777, 0o640);
        let path = scratch.path("b");
        write(&path, b"first").unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o7777, 0o600);
        assert_eq!(fs::read_dir(scratch.directory()).unwrap().count(), 2, "nothing else is left");
    }

    #[test]
    fn what_cannot_be_written_leaves_nothing_behind() {
        let scratch = Scratch::new();
        let path = scratch.path("directory");
        fs::create_dir(&path).unwrap();
        scratch.write("directory/x", "");
        let error = write(&path, b"content").unwrap_err();
        assert_eq!(error.to_string(), format!("cannot write {}", path.display()));
        assert_eq!(fs::read_dir(scratch.directory()).unwrap().count(), 1);
    }

    #[test]
    fn a_lock_lets_one_in_at_a_time() {
        let scratch = Scratch::new();
        let path = scratch.path("a");
        let lock = Lock::beside(&path).unwrap();
        let directory = File::open(scratch.directory()).unwrap();
        let (directory, error) = Flock::lock(directory, FlockArg::LockExclusiveNonblock).unwrap_err();
        assert_eq!(error, nix::errno::Errno::EWOULDBLOCK);
        drop(lock);
        assert!(Flock::lock(directory, FlockArg::LockExclusiveNonblock).is_ok());
    }
}
