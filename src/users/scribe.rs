//! Who writes down the passwords that users choose when theirs have expired, beside the event loop: a disk may take its time.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, mpsc};
use std::thread::{self, JoinHandle};

use anyhow::Context as _;

use super::Password;
use super::edit::{Storage, UsersFile};
use crate::pool::Pool;

/// A password that a user has chosen.
#[derive(Clone)]
pub struct NewPassword {
    /// The name as it stands in the file.
    pub user: Arc<str>,
    /// The password.
    pub password: Password,
}

/// Writes into the users file what it is given, one after the other. Dropping it waits until all is written.
#[derive(Debug)]
pub(crate) struct Scribe {
    /// `None` while it is being dropped.
    queue: Option<mpsc::Sender<NewPassword>>,
    thread: Option<JoinHandle<()>>,
    progress: Progress,
}

/// How many passwords were queued, and how many of them are dealt with: what a reader of the file may have missed.
#[derive(Clone, Debug, Default)]
pub struct Progress(Arc<Counts>);

#[derive(Debug, Default)]
struct Counts {
    queued: AtomicU64,
    done: AtomicU64,
}

impl Progress {
    /// How many were queued, if none of them is still to be written: what is read from now on has them all.
    #[must_use]
    pub fn settled(&self) -> Option<u64> {
        // In this order: one that is queued meanwhile does not count as done.
        let done = self.0.done.load(SeqCst);
        (self.queued() == done).then_some(done)
    }

    /// How many were queued.
    #[must_use]
    pub fn queued(&self) -> u64 {
        self.0.queued.load(SeqCst)
    }
}

impl Scribe {
    /// Starts a thread for the file at `path`, whose addresses lie in `pools`.
    pub(crate) fn start(path: PathBuf, pools: Vec<Pool>) -> anyhow::Result<Self> {
        let (sender, queue) = mpsc::channel::<NewPassword>();
        let progress = Progress::default();
        let counts = progress.0.clone();
        let write = move || {
            for new in queue {
                match store(UsersFile { path: &path, pools: &pools }, &new) {
                    Ok(line) => tracing::info!("{line}"),
                    Err(line) => tracing::warn!("{line}"),
                }
                counts.done.fetch_add(1, SeqCst);
            }
        };
        let builder = thread::Builder::new().name("users-file".into());
        let thread = builder.spawn(write).context("a thread for the users file does not start")?;
        Ok(Self { queue: Some(sender), thread: Some(thread), progress })
    }

    /// How far it has come.
    pub(crate) fn progress(&self) -> Progress {
        self.progress.clone()
    }

    /// Queues `new`.
    pub(crate) fn store(&self, new: NewPassword) {
        self.progress.0.queued.fetch_add(1, SeqCst);
        // Fails only when the thread has panicked, which stands in the log.
        let _ = self.queue.as_ref().map(|queue| queue.send(new));
    }
}

impl Drop for Scribe {
    fn drop(&mut self) {
        drop(self.queue.take());
        let _panicked = self.thread.take().map(JoinHandle::join);
    }
}

/// What there is to say about it afterwards.
fn store(file: UsersFile<'_>, new: &NewPassword) -> Result<String, String> {
    let NewPassword { user, password } = new;
    let path = file.path.display();
    match file.set_password(user, password, Storage::AsBefore) {
        Ok(()) => Ok(format!("the new password of {user:?} stands in {path}")),
        Err(error) => Err(format!(
            "the new password of {user:?} could not be written into {path} and is forgotten at the next start or reload: {error:#}; \
             let the server write there, and set the password with `adit user passwd`"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scratch::Scratch;

    fn new(user: &str, password: &str) -> NewPassword {
        NewPassword { user: user.into(), password: password.into() }
    }

    #[test]
    fn what_is_queued_is_written_before_the_end() {
        let scratch = Scratch::new();
        let content =
            "# who\nalice: { password: a, password_expires: 2026-01-31 } # she\nbob: { password: b }\n";
        let path = scratch.write("users.yaml", content);
        let scribe = Scribe::start(path.clone(), Vec::new()).unwrap();
        scribe.store(new("alice", "x"));
        scribe.store(new("bob", "y"));
        scribe.store(new("alice", "z: #"));
        let progress = scribe.progress();
        assert_eq!(progress.queued(), 3);
        drop(scribe);
        assert_eq!(progress.settled(), Some(3));
        let after = std::fs::read_to_string(&path).unwrap();
        assert_eq!(after, "# who\nalice: { password: \"z: #\" } # she\nbob: { password: \"y\" }\n");
    }

    #[test]
    fn what_cannot_be_written_is_said() {
        let scratch = Scratch::new();
        let path = scratch.write("users.yaml", "alice: { pasword: a }");
        let file = UsersFile { path: &path, pools: &[] };
        let line = store(file, &new("alice", "hunter2")).unwrap_err();
        for word in ["\"alice\"", "users.yaml", "forgotten", "unknown key", "`adit user passwd`"] {
            assert!(line.contains(word), "no {word:?} in: {line}");
        }
        assert!(!line.contains("hunter2"), "{line}");
    }
}
