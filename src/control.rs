//! The control socket: how `adit status` and `adit disconnect` reach a running server.
//!
//! A unix socket that only its owner may open. One JSON object a line each way:
//!
//! ```text
//! → {"command":"status"}                        ← {"status":{…}}
//! → {"command":"disconnect","who":"alice"}      ← {"disconnected":1}
//!                                               ← {"error":"…"}
//! ```
//!
//! Connections are served by a thread of their own; what they ask becomes a [`Command`] for the event loop,
//! which answers between two batches of packets and is never waited for by them.

mod client;
mod listener;
mod socket;

use serde::{Deserialize, Serialize};
use tokio::sync::oneshot;

use crate::status::Status;
pub use client::{disconnect, status};
pub use listener::{Ask, Control, Waker, serve};

/// A question to the event loop.
#[derive(Debug)]
pub enum Command {
    /// What is going on?
    Status(Reply<Status>),
    /// End the sessions of this user, or the one with this id; the answer is how many that were.
    Disconnect(String, Reply<usize>),
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
}

#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Answer {
    Status(Box<Status>),
    Disconnected(usize),
    Error(String),
}

#[cfg(test)]
mod tests;
