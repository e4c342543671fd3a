//! The asking side, for the command line.

use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, bail};

use super::{Answer, Report, Request};
use crate::status::Status;

/// Asks the server behind `socket` what is going on.
pub fn status(socket: &Path) -> anyhow::Result<Status> {
    match ask(socket, &Request::Status)? {
        Answer::Status(status) => Ok(*status),
        other => unexpected(other),
    }
}

/// Asks the server behind `socket` to end the sessions of a user, or the one with this id; returns how many
/// that were.
pub fn disconnect(socket: &Path, who: &str) -> anyhow::Result<usize> {
    match ask(socket, &Request::Disconnect { who: who.to_owned() })? {
        Answer::Disconnected(count) => Ok(count),
        other => unexpected(other),
    }
}

/// Has the server behind `socket` read its files anew.
pub fn reload(socket: &Path) -> anyhow::Result<Report> {
    match ask(socket, &Request::Reload)? {
        Answer::Reloaded(report) => Ok(report),
        other => unexpected(other),
    }
}

fn ask(socket: &Path, request: &Request) -> anyhow::Result<Answer> {
    let mut stream = UnixStream::connect(socket)
        .with_context(|| format!("no server answers on {}: is `adit serve` running?", socket.display()))?;
    let context = || format!("the server behind {} does not answer", socket.display());
    // A little longer than the server takes to say that it has no answer. A reload takes what it takes: whoever gave up on it would
    // not know what it has come to.
    let patience = (*request != Request::Reload).then_some(Duration::from_secs(12));
    stream.set_read_timeout(patience).with_context(context)?;
    stream.set_write_timeout(Some(Duration::from_secs(12))).with_context(context)?;
    let mut line = serde_json::to_vec(request)?;
    line.push(b'\n');
    stream.write_all(&line).with_context(context)?;
    let mut answer = Vec::new();
    BufReader::new(stream).read_until(b'\n', &mut answer).with_context(context)?;
    if answer.is_empty() {
        bail!("the server behind {} has closed the connection", socket.display());
    }
    serde_json::from_slice(&answer)
        .with_context(|| format!("what answers on {} is not adit", socket.display()))
}

fn unexpected<T>(answer: Answer) -> anyhow::Result<T> {
    match answer {
        Answer::Error(text) => bail!("the server says: {text}"),
        Answer::Status(_) | Answer::Disconnected(_) | Answer::Reloaded(_) => {
            bail!("the server has answered another question")
        }
    }
}
