//! Deadlines, by whose they are and in the order in which they are due, at a cost that does not grow with their number.
//!
//! A hierarchical wheel (Varghese and Lauck, "Hashed and Hierarchical Timing Wheels", 1987): a deadline stands in the slot of
//! the coarsest level at which it differs from the present, and moves to finer ones as it comes nearer, at most once for each
//! level. Within the present millisecond deadlines are kept in order, so that what is due comes out exactly in time and in order.
//!
//! ```text
//!            level 2: 4.1 s each       level 1: 64 ms each      level 0: 1 ms each        the present
//!           ┌──┬──┬──┬──┬─ ─ ┬──┐     ┌──┬──┬─ ─ ┬──┐          ┌──┬──┬─ ─ ┬──┐          ┌─────────────┐
//!     ─ ─ ▶ │  │  │ a│  │    │  │ ──▶ │  │ b│    │  │ ───────▶ │  │ c│    │  │ ───────▶ │ d, e: sorted│ ──▶ due
//!           └──┴──┴──┴──┴─ ─ ┴──┘     └──┴──┴─ ─ ┴──┘          └──┴──┴─ ─ ┴──┘          └─────────────┘
//! ```
#![forbid(unsafe_code)]

mod wheel;

use std::{
    fmt,
    hash::{BuildHasher as _, Hash, RandomState},
    time::Instant,
};

use hashbrown::{HashTable, hash_table::Entry};
use wheel::{Place, Wheel};

/// At most one deadline for each key.
pub struct Timers<K> {
    wheel: Wheel<K>,
    /// By the hash of their keys, which the wheel has. Nobody sees the order of it, so everything stays as deterministic as its
    /// owner is.
    places: HashTable<Place>,
    hasher: RandomState,
}

impl<K: Copy + Eq + Hash> Timers<K> {
    /// No deadlines yet.
    pub fn new() -> Self {
        Self { wheel: Wheel::new(), places: HashTable::new(), hasher: RandomState::new() }
    }

    /// Sets the deadline of `key`, or moves it.
    pub fn set(&mut self, key: K, deadline: Instant) {
        let Self { wheel, places, hasher } = self;
        let hash = hasher.hash_one(key);
        let rehash = |place: &Place| hasher.hash_one(wheel.key(*place));
        match places.entry(hash, |place| wheel.key(*place) == key, rehash) {
            Entry::Occupied(place) => wheel.shift(*place.get(), deadline),
            Entry::Vacant(free) => _ = free.insert(wheel.insert(key, deadline)),
        }
    }

    /// Takes the deadline of `key` back, if there is one.
    pub fn stop(&mut self, key: K) {
        let Self { wheel, places, hasher } = self;
        if let Ok(entry) = places.find_entry(hasher.hash_one(key), |place| wheel.key(*place) == key) {
            let (place, _) = entry.remove();
            wheel.remove(place);
        }
    }

    /// When to ask for what is due: at the earliest deadline, or before it if an earlier one was taken back.
    pub fn next(&self) -> Option<Instant> {
        self.wheel.next()
    }

    /// Takes out the earliest key that is due at `now`. Time must not run backwards.
    pub fn pop_due(&mut self, now: Instant) -> Option<K> {
        let (place, key) = self.wheel.pop_due(now)?;
        if let Ok(entry) = self.places.find_entry(self.hasher.hash_one(key), |other| *other == place) {
            entry.remove();
        }
        Some(key)
    }

    /// How many deadlines there are.
    pub fn len(&self) -> usize {
        self.places.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.places.is_empty()
    }
}

impl<K: Copy + Eq + Hash> Default for Timers<K> {
    fn default() -> Self {
        Self::new()
    }
}

impl<K> fmt::Debug for Timers<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Timers").field("len", &self.places.len()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
