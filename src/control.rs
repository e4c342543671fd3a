//! The control socket: how `adit status`, `adit disconnect` and `adit reload` reach a running server.
//!
//! A unix socket that only its owner may open. One JSON object a line each way:
//!
//! ```text
//! → {"command":"status"}                        ← {"status":{…}}
//! → {"command":"disconnect","who":"alice"}      ← {"disconnected":1}
//! → {"command":"reload"}                        ← {"reloaded":{…}}
//!                                               ← {"error":"…"}
//! ```
//!
//! Connections are served by a thread of their own; what they ask becomes a [`Command`] for the event loop,
//! which answers between two batches of packets and is never waited for by them.

mod client;
mod listener;
mod socket;

use std::fmt;

use serde::{Deserialize, Serialize};
use tokio::sync::oneshot;

use crate::server::Reload;
use crate::status::Status;
pub use client::{disconnect, reload, status};
pub use listener::{Ask, Asked, Control, Waker, serve};

/// A question to the event loop.
#[derive(Debug)]
pub enum Command {
    /// What is going on?
    Status(Reply<Status>),
    /// End the sessions of this user, or the one with this id; the answer is how many that were.
    Disconnect(String, Reply<usize>),
    /// Take this over; the answer is what came of it, with what is to be taken apart.
    ///
    /// It was read when so many passwords that users chose had been written down. If there are more by now, it is not taken over:
    /// it has the old ones.
    Reload(Box<Reload>, u64, Reply<Box<Reload>>),
}

/// Takes the answer to one [`Command`]. Dropping it tells the asker that there is none.
#[derive(Debug)]
pub struct Reply<T>(oneshot::Sender<T>);

impl<T> Reply<T> {
    /// Gives the answer; never waits. An asker that has gone away meanwhile misses it.
    pub fn send(self, answer: T) {
        let _gone = self.0.send(answer);
    }
}

#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "command", rename_all = "lowercase", deny_unknown_fields)]
enum Request {
    Status,
    Disconnect { who: String },
    Reload,
}

#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Answer {
    Status(Box<Status>),
    Disconnected(usize),
    Reloaded(Report),
    Error(String),
}

/// What came of a reload, for the operator.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Report {
    /// Accounts that there are.
    pub users: usize,
    /// Sessions that ended.
    pub ended: usize,
    /// Sessions that go on with other settings.
    pub changed: usize,
    /// Of those, the ones whose user has another pool now: they keep their address.
    pub kept: usize,
    /// Files of certificates that were read anew.
    pub news: Vec<String>,
    /// Settings that take a restart, and warnings.
    pub remarks: Vec<String>,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let many = |count: usize, what: &str| match count {
            1 => format!("1 {what}"),
            count => format!("{count} {what}s"),
        };
        let Self { users, ended, changed, kept, .. } = *self;
        write!(f, "{} ended, {changed} changed; {}", many(ended, "session"), many(users, "user"))?;
        match kept {
            0 => Ok(()),
            1 => f.write_str("; 1 session keeps its address of another pool until the user logs in again"),
            _ => write!(
                f,
                "; {kept} sessions keep their addresses of other pools until their users log in again"
            ),
        }
    }
}

#[cfg(test)]
mod tests;
