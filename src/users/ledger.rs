//! What users have used of their quotas, so that a restart does not forget it.
//!
//! ```json
//! { "alice": { "since": "2027-01-01", "bytes": 1234567 } }
//! ```
//!
//! The file is replaced now and then while something changes, and at the end; a server that is killed forgets a minute at most.

use std::collections::BTreeMap;
use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, mpsc};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use anyhow::Context as _;
use serde::{Deserialize, Serialize};

use super::Date;
use crate::replace;

/// How much a user has moved since the first day of a period.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Used {
    /// That day.
    pub since: Date,
    /// Inner bytes, both ways.
    pub bytes: u64,
}

impl Used {
    /// The same in a period that began on `first_day`: nothing yet if that was later.
    #[must_use]
    pub fn at(self, first_day: Date) -> Self {
        let bytes = if self.since < first_day { 0 } else { self.bytes };
        Self { since: first_day, bytes }
    }
}

/// Everybody's counts, by the names of the users file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ledger(BTreeMap<String, Used>);

impl Ledger {
    /// Reads the file at `path`; one that is not there has no counts. One that is damaged is kept under another name, and counting
    /// begins anew.
    ///
    /// # Errors
    ///
    /// If it is there and cannot be read: nothing is known of what an empty ledger would be written over.
    pub fn load(path: &Path) -> anyhow::Result<Self> {
        let content = match fs::read(path) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Self::default()),
            content => content.with_context(|| format!("cannot read {}", path.display()))?,
        };
        Ok(Self::parse(&content).unwrap_or_else(|damage| {
            let kept = path.with_extension("damaged");
            let _not_kept = fs::rename(path, &kept);
            tracing::warn!(
                "{} is damaged and was moved to {}: what quotas have been used is counted from zero again: {damage:#}",
                path.display(),
                kept.display()
            );
            Self::default()
        }))
    }

    fn parse(content: &[u8]) -> anyhow::Result<Self> {
        let lines: BTreeMap<String, Line> = serde_json::from_slice(content)?;
        let used = |(user, Line { since, bytes }): (String, Line)| {
            let since = since.parse().map_err(|_| anyhow::anyhow!("{since:?} is no day"))?;
            Ok((user, Used { since, bytes }))
        };
        lines.into_iter().map(used).collect::<anyhow::Result<_>>().map(Self)
    }

    /// Replaces the file at `path`.
    fn save(&self, path: &Path) -> anyhow::Result<()> {
        if let Some(directory) = path.parent() {
            fs::DirBuilder::new()
                .recursive(true)
                .mode(0o700)
                .create(directory)
                .with_context(|| format!("cannot create {}", directory.display()))?;
        }
        let line = |(user, used): (&String, &Used)| {
            (user.clone(), Line { since: used.since.to_string(), bytes: used.bytes })
        };
        let lines: BTreeMap<String, Line> = self.0.iter().map(line).collect();
        replace::write(path, &serde_json::to_vec(&lines)?)
    }

    /// Every user's name and count.
    pub fn iter(&self) -> impl Iterator<Item = (&str, Used)> {
        self.0.iter().map(|(user, used)| (user.as_str(), *used))
    }
}

impl FromIterator<(String, Used)> for Ledger {
    fn from_iter<I: IntoIterator<Item = (String, Used)>>(counts: I) -> Self {
        Self(counts.into_iter().collect())
    }
}

#[derive(Serialize, Deserialize)]
struct Line {
    since: String,
    bytes: u64,
}

/// Who keeps the ledger, beside the event loop: a disk may take its time. Dropping it writes what is left to be written.
#[derive(Debug)]
pub(crate) struct Bookkeeper {
    /// `None` while it is being dropped.
    counts: Option<mpsc::Sender<(Arc<str>, Used)>>,
    thread: Option<JoinHandle<()>>,
}

impl Bookkeeper {
    /// Starts a thread for the file at `path`, which holds `ledger`.
    pub(crate) fn start(path: PathBuf, ledger: Ledger) -> anyhow::Result<Self> {
        let (sender, counts) = mpsc::channel();
        let builder = thread::Builder::new().name("quotas".into());
        let thread = builder
            .spawn(move || keep(&path, ledger, &counts, INTERVAL))
            .context("a thread for quotas does not start")?;
        Ok(Self { counts: Some(sender), thread: Some(thread) })
    }

    /// Notes a user's count.
    pub(crate) fn note(&self, count: (Arc<str>, Used)) {
        // Fails only when the thread has panicked, which stands in the log.
        let _ = self.counts.as_ref().map(|counts| counts.send(count));
    }
}

impl Drop for Bookkeeper {
    fn drop(&mut self) {
        drop(self.counts.take());
        let _panicked = self.thread.take().map(JoinHandle::join);
    }
}

/// Takes counts until there is nobody left to send any, and writes them down: not sooner than an interval after the first one that
/// is not written yet, however many come.
fn keep(path: &Path, mut ledger: Ledger, counts: &mpsc::Receiver<(Arc<str>, Used)>, interval: Duration) {
    let mut trouble = false;
    while let Ok((user, used)) = counts.recv() {
        ledger.0.insert(user.as_ref().to_owned(), used);
        let is_over = wait(&mut ledger, counts, interval);
        match ledger.save(path) {
            Ok(()) => trouble = false,
            // Once, until it works again.
            Err(error) if !trouble => {
                trouble = true;
                tracing::warn!(
                    "a restart would forget what quotas have been used: {error:#}; let the server write there"
                );
            }
            Err(_) => {}
        }
        if is_over {
            return;
        }
    }
}

/// Takes counts for an interval; true if nobody is left to send any.
fn wait(ledger: &mut Ledger, counts: &mpsc::Receiver<(Arc<str>, Used)>, interval: Duration) -> bool {
    #[expect(clippy::disallowed_methods, reason = "a thread of its own, for the disk's sake")]
    let clock = std::time::Instant::now;
    let until = clock() + interval;
    loop {
        match counts.recv_timeout(until.saturating_duration_since(clock())) {
            Ok((user, used)) => _ = ledger.0.insert(user.as_ref().to_owned(), used),
            Err(mpsc::RecvTimeoutError::Timeout) => return false,
            Err(mpsc::RecvTimeoutError::Disconnected) => return true,
        }
    }
}

/// How long a count may go unwritten.
const INTERVAL: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scratch::Scratch;

    fn used(since: &str, bytes: u64) -> Used {
        Used { since: since.parse().unwrap(), bytes }
    }

    #[test]
    fn counts_outlast_whoever_kept_them() {
        let scratch = Scratch::new();
        let path = scratch.path("state/quotas.json");
        assert_eq!(Ledger::load(&path).unwrap(), Ledger::default());
        let keeper = Bookkeeper::start(path.clone(), Ledger::default()).unwrap();
        keeper.note(("alice".into(), used("2027-01-01", 1)));
        keeper.note(("Élodie \"x\"".into(), used("1970-01-01", u64::MAX)));
        keeper.note(("alice".into(), used("2027-01-01", 7)));
        drop(keeper);
        let ledger = Ledger::load(&path).unwrap();
        let all: Vec<_> = ledger.iter().collect();
        assert_eq!(all, [("alice", used("2027-01-01", 7)), ("Élodie \"x\"", used("1970-01-01", u64::MAX))]);
        // Others stay as they are.
        let keeper = Bookkeeper::start(path.clone(), ledger).unwrap();
        keeper.note(("alice".into(), used("2027-02-01", 3)));
        drop(keeper);
        assert_eq!(Ledger::load(&path).unwrap().iter().count(), 2);
    }

    #[test]
    fn counts_are_written_while_they_come() {
        let scratch = Scratch::new();
        let path = scratch.path("quotas.json");
        let (sender, counts) = mpsc::channel();
        let file = path.clone();
        let thread = thread::spawn(move || keep(&file, Ledger::default(), &counts, Duration::ZERO));
        sender.send(("alice".into(), used("2027-01-01", 1))).unwrap();
        while Ledger::load(&path).unwrap() == Ledger::default() {
            thread::yield_now();
        }
        drop(sender);
        thread.join().unwrap();
    }

    #[test]
    fn a_damaged_file_is_kept_and_counting_begins_anew() {
        for content in
            ["", "{", "[]", r#"{"alice":{"since":"2027-13-01","bytes":1}}"#, r#"{"a":{"bytes":-1}}"#]
        {
            let scratch = Scratch::new();
            let path = scratch.write("quotas.json", content);
            assert_eq!(Ledger::load(&path).unwrap(), Ledger::default());
            assert_eq!(fs::read_to_string(scratch.path("quotas.damaged")).unwrap(), content);
            assert!(!path.exists());
        }
    }

    #[test]
    fn a_file_that_cannot_be_read_is_left_alone() {
        let scratch = Scratch::new();
        // Not even root reads a directory.
        let path = scratch.path("quotas.json");
        fs::create_dir(&path).unwrap();
        let error = Ledger::load(&path).unwrap_err().to_string();
        assert_eq!(error, format!("cannot read {}", path.display()));
        assert!(path.is_dir() && !scratch.path("quotas.damaged").exists());
    }

    #[test]
    fn a_new_period_begins_at_nothing_and_a_longer_one_goes_on() {
        let january = used("2027-01-01", 7);
        let at = |day: &str| january.at(day.parse().unwrap()).bytes;
        assert_eq!([at("2027-01-01"), at("2027-02-01"), at("1970-01-01")], [7, 0, 7]);
    }
}
