//! Packets that came together go in portions, so that a batch has no more of them than it is meant for, and somebody else's may
//! go in between.

use std::ops::Range;

/// Which of so many packets go now, and whether some are left.
#[derive(Clone, Debug)]
pub(super) struct Portion {
    all: usize,
    now: Range<usize>,
}

impl Portion {
    /// None of them yet.
    pub(super) fn of(all: usize) -> Self {
        Self { all, now: 0..0 }
    }

    /// Goes on to those behind, of which there is room for so many; returns their number.
    pub(super) fn next(&mut self, room: usize) -> usize {
        self.now = self.now.end..self.all.min(self.now.end + room);
        self.now.len()
    }

    /// Those that go now.
    pub(super) fn now(&self) -> Range<usize> {
        self.now.clone()
    }

    /// Of so many octets of all packets, about those of the packets behind; `None` if there are none.
    pub(super) fn left(&self, octets: usize) -> Option<usize> {
        let packets = self.all - self.now.end;
        (packets > 0).then(|| octets / self.all * packets)
    }
}
