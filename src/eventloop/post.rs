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

/// How much of a mailbox one turn reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Read {
    /// All that was there.
    All,
    /// A turn's worth; there is more, and nobody wakes the thread for it.
    Some,
    /// Until it was told to stop.
    Stop,
}

/// How a core is written to.
#[derive(Clone, Debug)]
pub(super) struct Post {
    letters: mpsc::Sender<Letter>,
    /// Octets of packets in letters that nobody has read yet.
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
    pub(super) fn hand_over(&self, packets: Handover) -> u64 {
        if !self.has_room() {
            return packets.count();
        }
        self.put_counted(packets.octets(), Letter::Handover(packets));
        0
    }

    /// The same of a report. Of a core that is behind, messages are kept, which are repeated by who sent them; what is said once is
    /// not. The number of lost ones is returned.
    pub(super) fn report(&self, mut report: Report) -> u64 {
        let lost = if self.has_room() { 0 } else { report.shed() };
        if !report.is_empty() {
            self.put_counted(report.octets(), Letter::Report(report));
        }
        lost
    }

    fn has_room(&self) -> bool {
        self.waiting.load(Relaxed) < MOST_WAITING
    }

    fn put_counted(&self, octets: usize, letter: Letter) {
        self.waiting.fetch_add(octets, Relaxed);
        self.put(letter);
    }

    pub(super) fn wake(&self) {
        self.waker.wake();
    }
}

impl Mailbox {
    /// The next letter.
    pub(super) fn read(&self) -> Option<Letter> {
        let letter = self.letters.try_recv().ok()?;
        match &letter {
            Letter::Handover(packets) => _ = self.waiting.fetch_sub(packets.octets(), Relaxed),
            Letter::Report(report) => _ = self.waiting.fetch_sub(report.octets(), Relaxed),
            Letter::Orders(_) | Letter::Load(_) | Letter::Failed(_) | Letter::Stop => {}
        }
        Some(letter)
    }
}

/// Octets that may wait for a core: what a socket's buffer holds.
const MOST_WAITING: usize = 8 << 20;
/// Letters that one turn reads, so that a core which gets many still serves its own sockets.
pub(super) const LETTERS: usize = 32;

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use ipsec::{Path, PeerId, Spi};

    use super::*;
    use crate::datapath::Control;

    fn report(len: usize) -> Report {
        let path =
            Path { local: (Ipv4Addr::LOCALHOST, 4500).into(), remote: (Ipv4Addr::LOCALHOST, 9).into() };
        let control =
            vec![Control::Ike { datagram: 0, message: 0..len }, Control::Confirmed { inbound: Spi(7) }];
        Report {
            datagrams: vec![(path, vec![0; len])],
            control,
            exhausted: vec![PeerId(3)],
            ..Report::default()
        }
    }

    #[test]
    fn a_core_that_is_behind_loses_what_is_repeated_and_hears_what_is_not() {
        let (post, mailbox) = mailbox(Waker::new().unwrap());
        assert_eq!(post.report(report(MOST_WAITING)), 0);
        assert_eq!(post.report(report(5)), 1);
        assert_eq!(post.hand_over(Handover::default()), 0, "nothing is nothing lost");
        let read = |mailbox: &Mailbox| match mailbox.read() {
            Some(Letter::Report(Report { datagrams, control, exhausted, .. })) => {
                (datagrams.len(), control.len(), exhausted.len())
            }
            other => panic!("{other:?}"),
        };
        assert_eq!(read(&mailbox), (1, 2, 1));
        assert_eq!(read(&mailbox), (0, 1, 1));
        // Everything was read, so there is room again.
        assert_eq!(post.report(report(5)), 0);
        assert_eq!(read(&mailbox), (1, 2, 1));
        assert!(mailbox.read().is_none());
    }
}
