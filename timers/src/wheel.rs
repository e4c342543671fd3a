//! The wheel itself: slots of linked entries for the future, and the entries of the present in order.

use std::{
    collections::BTreeSet,
    num::NonZeroU32,
    time::{Duration, Instant},
};

use slab::Slab;

/// Entries by their deadlines.
pub(crate) struct Wheel<K> {
    /// The first deadline there ever was; it is at [`ORIGIN`] on the wheel.
    origin: Option<Instant>,
    /// The present tick. What is due until its end is in `present`, what is due later in `levels`.
    tick: u64,
    entries: Slab<Entry<K>>,
    levels: Box<[Level; LEVELS]>,
    present: BTreeSet<(Nanos, Place)>,
}

/// Where an entry is, for as long as it is set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place(NonZeroU32);

/// A time on the wheel.
type Nanos = u64;

struct Entry<K> {
    key: K,
    deadline: Nanos,
    /// Its neighbours in the slot.
    previous: Option<Place>,
    next: Option<Place>,
}

/// 64 slots, each as wide as all of the next finer level.
#[derive(Clone, Copy)]
struct Level {
    /// One bit for each slot that holds something.
    occupied: u64,
    slots: [Slot; SLOTS],
}

#[derive(Clone, Copy)]
struct Slot {
    first: Option<Place>,
    /// No entry is due before; it may be that the one that was has been removed.
    earliest: Nanos,
}

impl<K: Copy> Wheel<K> {
    pub(crate) fn new() -> Self {
        let slot = Slot { first: None, earliest: Nanos::MAX };
        let level = Level { occupied: 0, slots: [slot; SLOTS] };
        Self {
            origin: None,
            tick: 0,
            entries: Slab::new(),
            levels: Box::new([level; LEVELS]),
            present: BTreeSet::new(),
        }
    }

    pub(crate) fn insert(&mut self, key: K, deadline: Instant) -> Place {
        let deadline = self.nanos(deadline);
        if self.entries.len() == self.entries.capacity() {
            // By an eighth, not twofold: half of the memory would be empty.
            self.entries.reserve_exact(self.entries.len() / 8 + 8);
        }
        let place = Place::of(self.entries.insert(Entry { key, deadline, previous: None, next: None }));
        self.link(place);
        place
    }

    pub(crate) fn key(&self, place: Place) -> K {
        self.entries[place.index()].key
    }

    /// Gives an entry another deadline.
    pub(crate) fn shift(&mut self, place: Place, deadline: Instant) {
        let deadline = self.nanos(deadline);
        if self.entries[place.index()].deadline != deadline {
            self.unlink(place);
            self.entries[place.index()].deadline = deadline;
            self.link(place);
        }
    }

    pub(crate) fn remove(&mut self, place: Place) {
        self.unlink(place);
        self.entries.remove(place.index());
    }

    /// Not after the earliest deadline.
    pub(crate) fn next(&self) -> Option<Instant> {
        let at = match self.present.first() {
            Some((deadline, _)) => *deadline,
            None => {
                let (level, slot) = self.first_slot()?;
                self.levels[level].slots[slot].earliest
            }
        };
        let origin = self.origin?;
        Some(match at.checked_sub(ORIGIN) {
            Some(after) => origin + Duration::from_nanos(after),
            None => origin - Duration::from_nanos(ORIGIN - at),
        })
    }

    pub(crate) fn pop_due(&mut self, now: Instant) -> Option<(Place, K)> {
        let now = self.nanos(now);
        self.advance(tick(now));
        let (_, place) = *self.present.first().filter(|(deadline, _)| *deadline <= now)?;
        self.present.pop_first();
        Some((place, self.entries.remove(place.index()).key))
    }

    /// Moves the present on, and what is due in it where it belongs.
    fn advance(&mut self, to: u64) {
        while let Some((level, slot)) = self.first_slot() {
            let begin = (self.tick >> shift(level + 1) << shift(level + 1)) | (slot as u64) << shift(level);
            if begin > to {
                break;
            }
            self.tick = begin;
            let Level { occupied, slots } = &mut self.levels[level];
            *occupied &= !(1 << slot);
            slots[slot].earliest = Nanos::MAX;
            let mut next = slots[slot].first.take();
            while let Some(place) = next {
                next = self.entries[place.index()].next;
                self.link(place);
            }
        }
        self.tick = self.tick.max(to);
    }

    /// The slot that is reached first: a finer level is all before the next slot of a coarser one.
    fn first_slot(&self) -> Option<(usize, usize)> {
        let (level, first) = self.levels.iter().enumerate().find(|(_, level)| level.occupied != 0)?;
        Some((level, first.occupied.trailing_zeros() as usize))
    }

    /// Puts an entry where its deadline belongs.
    fn link(&mut self, place: Place) {
        let deadline = self.entries[place.index()].deadline;
        let Some((level, slot)) = self.slot(deadline) else {
            self.present.insert((deadline, place));
            return;
        };
        let Level { occupied, slots } = &mut self.levels[level];
        *occupied |= 1 << slot;
        let slot = &mut slots[slot];
        slot.earliest = slot.earliest.min(deadline);
        let second = slot.first.replace(place);
        let entry = &mut self.entries[place.index()];
        (entry.previous, entry.next) = (None, second);
        if let Some(second) = second {
            self.entries[second.index()].previous = Some(place);
        }
    }

    /// Takes an entry from where its deadline put it: time has not changed its slot since, or it would have been moved.
    fn unlink(&mut self, place: Place) {
        let Entry { deadline, previous, next, .. } = self.entries[place.index()];
        let Some((level, slot)) = self.slot(deadline) else {
            self.present.remove(&(deadline, place));
            return;
        };
        if let Some(next) = next {
            self.entries[next.index()].previous = previous;
        }
        if let Some(previous) = previous {
            self.entries[previous.index()].next = next;
            return;
        }
        let Level { occupied, slots } = &mut self.levels[level];
        slots[slot].first = next;
        if next.is_none() {
            *occupied &= !(1 << slot);
            slots[slot].earliest = Nanos::MAX;
        }
    }

    /// Level and slot of a deadline: those of the highest digit in which it differs from the present; none if it is the present,
    /// or past.
    fn slot(&self, deadline: Nanos) -> Option<(usize, usize)> {
        let due = tick(deadline);
        if due <= self.tick {
            return None;
        }
        let level = (due ^ self.tick).ilog2() / DIGIT;
        let slot = due >> (level * DIGIT) & (SLOTS as u64 - 1);
        Some((level as usize, slot as usize))
    }

    fn nanos(&mut self, at: Instant) -> Nanos {
        let origin = *self.origin.get_or_insert(at);
        let nanos = |duration: Duration| u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        match at.checked_duration_since(origin) {
            Some(after) => ORIGIN.saturating_add(nanos(after)),
            None => ORIGIN.saturating_sub(nanos(origin - at)),
        }
    }
}

impl Place {
    fn of(index: usize) -> Self {
        let number = u32::try_from(index + 1).ok().and_then(NonZeroU32::new);
        Self(number.expect("fewer than 2^32 deadlines fit any memory"))
    }

    fn index(self) -> usize {
        self.0.get() as usize - 1
    }
}

fn tick(at: Nanos) -> u64 {
    at >> TICK
}

fn shift(level: usize) -> u32 {
    level as u32 * DIGIT
}

/// A tick has 2^20 nanoseconds, a millisecond or so.
const TICK: u32 = 20;
/// Bits of a tick that one level tells apart.
const DIGIT: u32 = 6;
const SLOTS: usize = 1 << DIGIT;
/// As many as all ticks have digits.
const LEVELS: usize = (u64::BITS - TICK).div_ceil(DIGIT) as usize;
/// Deadlines may be set that are this much earlier than the first one was: 36 years.
const ORIGIN: Nanos = 1 << 60;
