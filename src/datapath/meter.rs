//! What a session moved, counted where its packets are and read where its log line is written.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Inner IP bytes and packets of a session.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Traffic {
    pub(crate) bytes_in: u64,
    pub(crate) packets_in: u64,
    pub(crate) bytes_out: u64,
    pub(crate) packets_out: u64,
}

impl Traffic {
    /// What was moved since `before`.
    pub(crate) fn since(self, before: Self) -> Self {
        Self {
            bytes_in: self.bytes_in - before.bytes_in,
            packets_in: self.packets_in - before.packets_in,
            bytes_out: self.bytes_out - before.bytes_out,
            packets_out: self.packets_out - before.packets_out,
        }
    }
}

/// Counters with one writer, the shard that has the session; so adding needs no locked instruction.
#[derive(Debug, Default)]
pub(crate) struct Meter {
    bytes_in: AtomicU64,
    packets_in: AtomicU64,
    bytes_out: AtomicU64,
    packets_out: AtomicU64,
}

impl Meter {
    /// Packets of these many bytes in all came from the client.
    pub(super) fn count_in(&self, packets: u64, bytes: u64) {
        add(&self.packets_in, packets);
        add(&self.bytes_in, bytes);
    }

    /// Packets of these many bytes in all went to the client.
    pub(super) fn count_out(&self, packets: u64, bytes: u64) {
        add(&self.packets_out, packets);
        add(&self.bytes_out, bytes);
    }

    /// Fetches it into the caches.
    pub(super) fn prefetch(&self) {
        ipsec::prefetch(self);
    }

    /// What was counted so far; a packet under way on another core may be in one of the numbers only.
    pub(crate) fn read(&self) -> Traffic {
        Traffic {
            bytes_in: self.bytes_in.load(Relaxed),
            packets_in: self.packets_in.load(Relaxed),
            bytes_out: self.bytes_out.load(Relaxed),
            packets_out: self.packets_out.load(Relaxed),
        }
    }
}

fn add(counter: &AtomicU64, count: u64) {
    counter.store(counter.load(Relaxed) + count, Relaxed);
}
