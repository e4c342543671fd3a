//! How cores speak with each other: letters to a thread, which is woken once for all that one turn had for it.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering::Relaxed},
    mpsc,
};

use crate::{
    control::Reply,
    io::poll::Waker,
    server::{Handover, Load, Orders},
    shard::Report,
};

/// What a core is sent.
#[derive(Debug)]
pub(super) enum Letter {
    /// To one that is not the first: what the server wants done.
    Orders(Orders),
    /// To the first: what a shard could not do by itself.
    Report(Report),
    /// Packets that another core received.
    Handover(Handover),
    /// What have you done so far?
    Load(Reply<Load>),
    /// To the first: that core cannot go on.
    Failed(anyhow::Error),
    /// To one that is not the first: do all that came before this, and end.
    Stop,
}

/// Where a core gets its letters from.
#[derive(Debug)]
pub(super) struct Mailbox {
    letters: mpsc::Receiver<Letter>,
    waiting: Arc<AtomicUsize>,
}

/// How a core is written to.
#[derive(Clone, Debug)]
pub(super) struct Post {
    letters: mpsc::Sender<Letter>,
    /// Packets in letters that nobody has read yet.
    waiting: Arc<AtomicUsize>,
    waker: Waker,
}

/// A mailbox whose thread waits for `waker`.
pub(super) fn mailbox(waker: Waker) -> (Post, Mailbox) {
    let (sender, letters) = mpsc::channel();
    let waiting = Arc::new(AtomicUsize::new(0));
    (Post { letters: sender, waiting: waiting.clone(), waker }, Mailbox { letters, waiting })
}

impl Post {
    /// Puts a letter into the box; [`Self::wake`] has it read. A thread that has ended reads nothing any more.
    pub(super) fn put(&self, letter: Letter) {
        let _ended = self.letters.send(letter);
    }

    /// The same of packets, unless that core is behind with reading: then they are lost, and their number is returned.
    pub(super) fn hand_over(&self, packets: Handover) -> usize {
        let count = packets.len();
        if self.waiting.load(Relaxed) > MOST_WAITING {
            return count;
        }
        self.waiting.fetch_add(count, Relaxed);
        self.put(Letter::Handover(packets));
        0
    }

    pub(super) fn wake(&self) {
        self.waker.wake();
    }
}

impl Mailbox {
    /// The next letter.
    pub(super) fn read(&self) -> Option<Letter> {
        let letter = self.letters.try_recv().ok()?;
        if let Letter::Handover(packets) = &letter {
            self.waiting.fetch_sub(packets.len(), Relaxed);
        }
        Some(letter)
    }
}

/// Packets that may wait for a core: what a socket's buffer holds of full ones.
const MOST_WAITING: usize = 4096;
