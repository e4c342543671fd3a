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
    turn: Turn<F>,
    item: T,
}

/// When it is an item's turn.
#[derive(Clone, Copy, Debug)]
pub(super) struct Turn<F> {
    flow: F,
    start: u64,
    end: u64,
}

impl<F: PartialEq, T> Waiting<F, T> {
    /// Has room for so many without another allocation.
    pub(super) fn with_capacity(items: usize) -> Self {
        Self { entries: VecDeque::with_capacity(items), clock: 0 }
    }

    /// Puts an item of `flow` that makes so much work behind what the flow has here.
    pub(super) fn push(&mut self, flow: F, work: usize, item: T) {
        let before = self.entries.iter().rfind(|entry| entry.turn.flow == flow);
        let start = before.map_or(self.clock, |entry| entry.turn.end);
        let place = self.entries.partition_point(|entry| entry.turn.start <= start);
        let turn = Turn { flow, start, end: start + work as u64 };
        self.entries.insert(place, Entry { turn, item });
    }

    /// Puts back an item whose turn it was and of which so much work is left: before whatever else its flow has here.
    pub(super) fn put_back(&mut self, turn: Turn<F>, left: usize, item: T) {
        let start = turn.end.saturating_sub(left as u64);
        let place = self.entries.partition_point(|entry| entry.turn.start < start);
        self.entries.insert(place, Entry { turn: Turn { start, ..turn }, item });
    }

    /// Whether nothing waits.
    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The item that goes next.
    pub(super) fn pop(&mut self) -> Option<(Turn<F>, T)> {
        let Entry { turn, item } = self.entries.pop_front()?;
        self.clock = turn.start;
        Some((turn, item))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pop(waiting: &mut Waiting<char, u32>) -> Option<u32> {
        waiting.pop().map(|(_, item)| item)
    }

    fn drain(waiting: &mut Waiting<char, u32>) -> Vec<u32> {
        std::iter::from_fn(|| pop(waiting)).collect()
    }

    #[test]
    fn a_packet_of_a_quiet_flow_does_not_wait_for_a_flood() {
        let mut waiting = Waiting::with_capacity(0);
        for number in 0..20 {
            waiting.push('a', 64_000, number);
        }
        waiting.push('b', 100, 100);
        assert_eq!(pop(&mut waiting), Some(0), "who came first of those who had nothing yet");
        assert_eq!(pop(&mut waiting), Some(100));
        assert_eq!(pop(&mut waiting), Some(1));
        waiting.push('b', 100, 101);
        assert_eq!(pop(&mut waiting), Some(101), "what it had before does not count for ever");
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

    #[test]
    fn what_is_put_back_waits_for_others_and_goes_before_its_own() {
        let mut waiting = Waiting::with_capacity(0);
        waiting.push('a', 1000, 0);
        waiting.push('a', 10, 1);
        let (turn, item) = waiting.pop().unwrap();
        waiting.push('b', 100, 10);
        waiting.push('b', 100, 11);
        waiting.put_back(turn, 900, item);
        assert_eq!(pop(&mut waiting), Some(10));
        let (turn, item) = waiting.pop().unwrap();
        assert_eq!(item, 0);
        waiting.put_back(turn, 0, item);
        assert_eq!(drain(&mut waiting), [11, 0, 1]);
    }
}
