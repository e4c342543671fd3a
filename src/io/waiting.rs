//! What waits for its turn, in an order that is fair among flows: start-time fair queueing (Goyal, Vin, Cheng 1996).
//!
//! ```text
//! came   A A A A A A A B A A          goes   A B A A A A A A A A
//! ```
//!
//! Each item is stamped with where it starts in the work of its flow, counted from the stamp of what went last; the least stamp goes first.
//! Whoever sends much waits for himself, and whoever sends little hardly waits at all. A flow's own items keep their order.

use std::collections::VecDeque;

/// Items of flows that wait.
#[derive(Debug)]
pub(super) struct Waiting<F, T> {
    /// In the order in which they go: by their stamps, and of one stamp as they came.
    entries: VecDeque<Entry<F, T>>,
    /// The stamp of what went last.
    clock: u64,
}

#[derive(Debug)]
struct Entry<F, T> {
    flow: F,
    start: u64,
    end: u64,
    item: T,
}

impl<F: PartialEq, T> Waiting<F, T> {
    /// Has room for so many without another allocation.
    pub(super) fn with_capacity(items: usize) -> Self {
        Self { entries: VecDeque::with_capacity(items), clock: 0 }
    }

    /// Puts an item of `flow` that makes so much work behind what the flow has here.
    pub(super) fn push(&mut self, flow: F, work: usize, item: T) {
        let before = self.entries.iter().rfind(|entry| entry.flow == flow);
        let start = before.map_or(self.clock, |entry| entry.end);
        let place = self.entries.partition_point(|entry| entry.start <= start);
        self.entries.insert(place, Entry { flow, start, end: start + work as u64, item });
    }

    /// Whether nothing waits.
    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The item that goes next.
    pub(super) fn pop(&mut self) -> Option<T> {
        let Entry { start, item, .. } = self.entries.pop_front()?;
        self.clock = start;
        Some(item)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drain(waiting: &mut Waiting<char, u32>) -> Vec<u32> {
        std::iter::from_fn(|| waiting.pop()).collect()
    }

    #[test]
    fn a_packet_of_a_quiet_flow_does_not_wait_for_a_flood() {
        let mut waiting = Waiting::with_capacity(0);
        for number in 0..20 {
            waiting.push('a', 64_000, number);
        }
        waiting.push('b', 100, 100);
        assert_eq!(waiting.pop(), Some(0), "who came first of those who had nothing yet");
        assert_eq!(waiting.pop(), Some(100));
        assert_eq!(waiting.pop(), Some(1));
        waiting.push('b', 100, 101);
        assert_eq!(waiting.pop(), Some(101), "what it had before does not count for ever");
    }

    #[test]
    fn flows_share_by_work_and_keep_their_own_order() {
        let mut waiting = Waiting::with_capacity(0);
        for number in 0..4 {
            waiting.push('a', 200, number);
        }
        for number in 10..18 {
            waiting.push('b', 100, number);
        }
        assert_eq!(drain(&mut waiting), [0, 10, 11, 1, 12, 13, 2, 14, 15, 3, 16, 17]);
    }

    #[test]
    fn one_flow_goes_as_it_came() {
        let mut waiting = Waiting::with_capacity(0);
        for round in 0..3 {
            for number in 0..5 {
                waiting.push('a', 7, number);
            }
            assert_eq!(drain(&mut waiting), [0, 1, 2, 3, 4], "{round}");
        }
    }
}
