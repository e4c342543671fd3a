//! The serving side: one thread, one small runtime, any number of connections.

use std::fmt;
use std::path::Path;
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;

use anyhow::Context as _;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{Mutex, mpsc as async_mpsc, oneshot};
use tokio::time::{sleep, timeout};

use super::{Answer, Command, Reply, Report, Request, socket};
use crate::io::tun;
use crate::reload::{Fresh, Serving};
use crate::server::{Load, Reloaded};
use crate::status::Status;
use crate::users::Progress;

/// Wakes the event loop so that it looks at its commands.
pub type Waker = Arc<dyn Fn() + Send + Sync>;

/// Asks a shard that is not the event loop's own what it has done.
pub type Ask = Arc<dyn Fn(Reply<Load>) + Send + Sync>;

/// Whom the control socket asks.
#[derive(Clone)]
pub struct Asked {
    /// The event loop: every question goes in here,
    pub commands: mpsc::Sender<Command>,
    /// followed by a call of this.
    pub wake: Waker,
    /// The other shards, about the status.
    pub others: Vec<Ask>,
    /// The TUN device, of which the kernel knows what it dropped.
    pub device: String,
}

impl fmt::Debug for Asked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Asked").field("device", &self.device).finish_non_exhaustive()
    }
}

/// The running control socket. Dropping it ends its thread and removes the file.
pub struct Control {
    stop: Option<oneshot::Sender<()>>,
    reload: async_mpsc::UnboundedSender<()>,
    thread: Option<thread::JoinHandle<()>>,
    _file: socket::File,
}

impl Control {
    /// Has the files read anew, as `adit reload` does; the log says what came of it.
    pub fn reload(&self) {
        let _ended = self.reload.send(());
    }
}

impl fmt::Debug for Control {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Control").finish_non_exhaustive()
    }
}

impl Drop for Control {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _panicked = thread.join();
        }
    }
}

/// Binds the socket and serves it. Files are read anew by the same thread.
pub fn serve(path: &Path, asked: Asked, serving: Serving, passwords: Progress) -> anyhow::Result<Control> {
    let bound = socket::bind(path)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start the control socket's runtime")?;
    let listener = {
        let _registers_here = runtime.enter();
        UnixListener::from_std(bound.listener).context("cannot watch the control socket")?
    };
    let (stop, stopped) = oneshot::channel();
    let (reload, reloads) = async_mpsc::unbounded_channel();
    let asks = Asks { asked, serving: Arc::new(Mutex::new(serving)), passwords };
    let thread = thread::Builder::new()
        .name("control".to_owned())
        .spawn(move || {
            runtime.block_on(async {
                tokio::select! {
                    () = accept(listener, asks.clone()) => {}
                    () = reload_when_told(reloads, asks) => {}
                    _ = stopped => {}
                }
            });
        })
        .context("cannot start the control socket's thread")?;
    Ok(Control { stop: Some(stop), reload, thread: Some(thread), _file: bound.file })
}

/// What an answer is made of.
#[derive(Clone)]
struct Asks {
    asked: Asked,
    /// What the server serves by; locked while that changes.
    serving: Arc<Mutex<Serving>>,
    /// What of the users file is still to be written.
    passwords: Progress,
}

impl Asks {
    async fn answer(&self, line: &[u8]) -> Answer {
        match serde_json::from_slice(line) {
            Ok(Request::Status) => {
                let status = self.status().await;
                status.map_or_else(Answer::Error, |status| Answer::Status(Box::new(status)))
            }
            Ok(Request::Disconnect { who }) => {
                let ended = self.ask(|reply| Command::Disconnect(who, reply)).await;
                ended.map_or_else(Answer::Error, Answer::Disconnected)
            }
            Ok(Request::Reload) => self.reload().await.map_or_else(Answer::Error, Answer::Reloaded),
            Err(error) => Answer::Error(format!("not a command: {error}")),
        }
    }

    /// What the event loop says, with what the other shards and the kernel say.
    async fn status(&self) -> Result<Status, String> {
        let mut status = self.ask(Command::Status).await?;
        for other in &self.asked.others {
            let (reply, answer) = oneshot::channel();
            other(Reply(reply));
            status.include(&Self::patiently(answer).await?);
        }
        status.count(tun::dropped(&self.asked.device).map(|count| ("tun", "read_full", count)));
        Ok(status)
    }

    /// Reads the files, and has the event loop take them over; the log says what came of it.
    async fn reload(&self) -> Result<Report, String> {
        let mut serving = self.serving.lock().await;
        let report = self.take_over(&mut serving).await;
        serving.tidy();
        match &report {
            Ok(report) => {
                tracing::info!("reloaded: {report}");
                report.news.iter().for_each(|line| tracing::info!("{line}"));
                report.remarks.iter().for_each(|remark| tracing::warn!("{remark}"));
            }
            Err(why) => why.lines().for_each(|line| tracing::error!("not reloaded: {line}")),
        }
        report
    }

    async fn take_over(&self, serving: &mut Serving) -> Result<Report, String> {
        loop {
            let written = self.all_written().await;
            let Fresh { reload, served, news, remarks } =
                serving.read().map_err(|error| format!("{error:#}"))?;
            // However long that takes: to give up on it would not stop it.
            let reload = self.send(|reply| Command::Reload(Box::new(reload), written, reply))?;
            let reload = reload.await.map_err(|_| STOPPING.to_owned())?;
            // A user chose a password while the file was read, which may have the old one.
            if !reload.is_begun() {
                continue;
            }
            serving.replace(served);
            let done = reload.outcome();
            // With it goes what was served until now: here, where nobody waits.
            drop(reload);
            let Reloaded { users, ended, changed, kept } = done;
            return Ok(Report { users, ended, changed, kept, news, remarks });
        }
    }

    /// Waits until every password that users chose stands in the file; returns how many those were.
    async fn all_written(&self) -> u64 {
        loop {
            match self.passwords.settled() {
                Some(count) => return count,
                None => sleep(WRITING).await,
            }
        }
    }

    async fn ask<T>(&self, command: impl FnOnce(Reply<T>) -> Command) -> Result<T, String> {
        Self::patiently(self.send(command)?).await
    }

    fn send<T>(&self, command: impl FnOnce(Reply<T>) -> Command) -> Result<oneshot::Receiver<T>, String> {
        let (reply, answer) = oneshot::channel();
        self.asked.commands.send(command(Reply(reply))).map_err(|_| STOPPING.to_owned())?;
        (self.asked.wake)();
        Ok(answer)
    }

    async fn patiently<T>(answer: oneshot::Receiver<T>) -> Result<T, String> {
        match timeout(PATIENCE, answer).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(_)) => Err(STOPPING.to_owned()),
            Err(_) => Err(format!("the server has not answered for {} seconds", PATIENCE.as_secs())),
        }
    }
}

async fn reload_when_told(mut reloads: async_mpsc::UnboundedReceiver<()>, asks: Asks) {
    while reloads.recv().await.is_some() {
        let _logged = asks.reload().await;
    }
    // The other end is gone only when all of this is about to end.
    std::future::pending().await
}

async fn accept(listener: UnixListener, asks: Asks) {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => drop(tokio::spawn(converse(stream, asks.clone()))),
            // Out of descriptors, most likely: trying again at once would only burn time.
            Err(_) => sleep(Duration::from_secs(1)).await,
        }
    }
}

/// Answers line after line until the other side has enough, is silent for too long, or sends no lines at all.
async fn converse(mut stream: UnixStream, asks: Asks) {
    let (reading, mut writing) = stream.split();
    let mut reading = BufReader::new(reading);
    let mut line = Vec::new();
    loop {
        line.clear();
        let read = timeout(PATIENCE, (&mut reading).take(LONGEST_LINE).read_until(b'\n', &mut line)).await;
        if !matches!(read, Ok(Ok(_))) || line.pop() != Some(b'\n') {
            return;
        }
        let answer = asks.answer(&line).await;
        let Ok(mut answer) = serde_json::to_vec(&answer) else { return };
        answer.push(b'\n');
        if !matches!(timeout(PATIENCE, writing.write_all(&answer)).await, Ok(Ok(()))) {
            return;
        }
    }
}

const STOPPING: &str = "the server is stopping";
/// How long either side may keep the other waiting.
const PATIENCE: Duration = Duration::from_secs(10);
/// How often to see whether a password is written.
const WRITING: Duration = Duration::from_millis(10);
const LONGEST_LINE: u64 = 64 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    /// Asks, and what of them reaches the event loop.
    fn asks() -> (Asks, mpsc::Receiver<Command>) {
        let (commands, arrived) = mpsc::channel();
        let asked = Asked { commands, wake: Arc::new(|| {}), others: Vec::new(), device: "lo".to_owned() };
        let serving = Arc::new(Mutex::new(Serving::example()));
        let asks = Asks { asked, serving, passwords: Progress::default() };
        (asks, arrived)
    }

    /// Time flies as soon as nothing else happens: whatever has a limit is over at once.
    #[tokio::test(start_paused = true)]
    async fn a_reload_takes_as_long_as_it_takes() {
        let (asks, arrived) = asks();
        let event_loop = thread::spawn(move || {
            let mut unanswered = Vec::new();
            for command in arrived {
                match command {
                    Command::Reload(mut reload, _, reply) => {
                        thread::sleep(Duration::from_millis(100));
                        reload.skip();
                        reply.send(reload);
                        return;
                    }
                    other => unanswered.push(other),
                }
            }
        });
        let why = asks.answer(br#"{"command":"status"}"#).await;
        assert_eq!(why, Answer::Error("the server has not answered for 10 seconds".to_owned()));
        let before = tokio::time::Instant::now();
        let Answer::Reloaded(report) = asks.answer(br#"{"command":"reload"}"#).await else {
            panic!("no reload")
        };
        assert_eq!(report.users, 3);
        assert_eq!(before.elapsed(), Duration::ZERO, "nobody looked at a clock");
        event_loop.join().unwrap();
    }
}
