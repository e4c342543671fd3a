//! Which message runs in which lane: a lane whose message is done takes the next one.
//!
//! A message passes three stages, each a run of blocks: its own whole blocks; the rest of it with the padding; the digest of
//! that, padded, under the outer key.

use arrayvec::ArrayVec;

use super::{DIGEST_LEN, Hmac, Words};
use crate::Tier;

/// Computes the MACs of those messages whose key is of this hash. The CPU has the tier.
pub(super) fn run<W: Words>(tier: Tier, messages: &mut [Hmac<'_>]) {
    // No kernel of a tier may take more than one.
    let lanes = if W::width(tier, MAX_LANES) == 1 { 1 } else { MAX_LANES };
    let mut next = 0;
    let mut slots = ArrayVec::<Slot<'_, W>, MAX_LANES>::new();
    while slots.len() < lanes
        && let Some(waiting) = Waiting::find(messages, &mut next)
    {
        slots.push(Slot::new(waiting));
    }
    while !slots.is_empty() {
        step(tier, &mut slots);
        let mut place = 0;
        while let Some(slot) = slots.get_mut(place) {
            if slot.stage != Stage::Done {
                place += 1;
                continue;
            }
            if let Some(message) = messages.get_mut(slot.message) {
                message.mac = slot.words.octets();
            }
            // In its place: a slot is large.
            match Waiting::find(messages, &mut next) {
                Some(waiting) => slot.start(waiting),
                None => drop(slots.swap_remove(place)),
            }
        }
    }
}

/// A message that has no lane yet.
struct Waiting<'a, W> {
    /// Its place among the messages.
    message: usize,
    text: &'a [u8],
    states: &'a [W; 2],
    digest_len: usize,
}

impl<'a, W: Words> Waiting<'a, W> {
    /// The next message of this hash from `next` on, which moves behind it.
    fn find(messages: &[Hmac<'a>], next: &mut usize) -> Option<Self> {
        while let Some(Hmac { key, message: text, .. }) = messages.get(*next) {
            let message = *next;
            *next += 1;
            if let Some((states, digest_len)) = W::of(key) {
                return Some(Self { message, text, states, digest_len });
            }
        }
        None
    }
}

/// Takes as many messages as a kernel holds forward by as many blocks as the shortest stage of theirs has left.
fn step<W: Words>(tier: Tier, slots: &mut [Slot<'_, W>]) {
    let width = W::width(tier, slots.len());
    let group = width.min(slots.len());
    let (slots, _) = slots.split_at_mut(group);
    if width == 1 {
        return slots.iter_mut().for_each(Slot::finish_serially);
    }
    let blocks = slots.iter().map(Slot::left).min().unwrap_or(0);
    // Lanes without a message repeat the first one's; what comes out of them is thrown away.
    let mut words = [slots[0].words; MAX_LANES];
    let mut at = [slots[0].at(); MAX_LANES];
    for ((words, at), slot) in words.iter_mut().zip(&mut at).zip(slots.iter()) {
        (*words, *at) = (slot.words, slot.at());
    }
    // SAFETY: the caller of `run` vouches for the tier; `width` is what it asks for; every slot has `blocks` blocks left.
    unsafe { W::compress_lanes(&mut words[..width], &at[..width], blocks) };
    for (slot, words) in slots.iter_mut().zip(words) {
        slot.words = words;
        slot.advance(blocks);
    }
}

/// A message under way.
struct Slot<'a, W: Words> {
    /// Its place among the messages.
    message: usize,
    words: W,
    outer: W,
    digest_len: usize,
    stage: Stage,
    /// What is left of the message's whole blocks.
    body: &'a [u8],
    /// The end of the message with its padding, then the digest with its own.
    tail: [W::Block; 2],
    /// Which blocks of `tail` are still to be taken in.
    tail_left: core::ops::Range<usize>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Body,
    Tail,
    Outer,
    Done,
}

impl<'a, W: Words> Slot<'a, W> {
    fn new(waiting: Waiting<'a, W>) -> Self {
        let [words, outer] = *waiting.states;
        let mut slot = Self {
            message: waiting.message,
            words,
            outer,
            digest_len: waiting.digest_len,
            stage: Stage::Body,
            body: &[],
            tail: [W::ZEROS; 2],
            tail_left: 0..0,
        };
        slot.start(waiting);
        slot
    }

    /// Takes up a message.
    fn start(&mut self, Waiting { message, text, states, digest_len }: Waiting<'a, W>) {
        let (body, rest) = text.split_at(text.len() - text.len() % W::BLOCK_LEN);
        [self.words, self.outer] = *states;
        (self.message, self.digest_len) = (message, digest_len);
        (self.stage, self.body) = (Stage::Body, body);
        self.pad(rest, text.len());
        self.advance(0);
    }

    /// Fills `tail` with the end of a message of `len` octets behind one block that was the key, and its padding
    /// (FIPS 180-4 §5.1): a one bit, zeros, the length in bits.
    fn pad(&mut self, rest: &[u8], len: usize) {
        // The length field takes an eighth of a block, of which a message in memory needs eight octets.
        let two = rest.len() + 1 + W::BLOCK_LEN / 8 > W::BLOCK_LEN;
        let [first, second] = &mut self.tail;
        let octets = first.as_mut();
        octets.fill(0);
        octets[..rest.len()].copy_from_slice(rest);
        octets[rest.len()] = 0x80;
        if two {
            second.as_mut().fill(0);
        }
        write_len::<W>(if two { second } else { first }, len);
        self.tail_left = 0..1 + usize::from(two);
    }

    /// Fills `tail` with a digest as a message behind one block that was the key; like [`Self::pad`] of it.
    fn pad_digest(&mut self, digest: &[u8; DIGEST_LEN]) {
        let [first, _] = &mut self.tail;
        let octets = first.as_mut();
        octets.fill(0);
        // Whole, because to copy as much as is known beforehand takes no call; what it has beyond its length is cut off again.
        octets[..DIGEST_LEN].copy_from_slice(digest);
        octets[self.digest_len..DIGEST_LEN].fill(0);
        octets[self.digest_len] = 0x80;
        write_len::<W>(first, self.digest_len);
        self.tail_left = 0..1;
    }

    /// How many blocks are left of the stage.
    fn left(&self) -> usize {
        match self.stage {
            Stage::Body => self.body.len() / W::BLOCK_LEN,
            _ => self.tail_left.len(),
        }
    }

    /// Where the next block is.
    fn at(&self) -> *const u8 {
        match self.stage {
            Stage::Body => self.body.as_ptr(),
            _ => self.tail[self.tail_left.clone()].as_ptr().cast(),
        }
    }

    /// So many blocks were taken in; goes on to the next stage that has any.
    fn advance(&mut self, blocks: usize) {
        match self.stage {
            Stage::Body => self.body = &self.body[blocks * W::BLOCK_LEN..],
            _ => self.tail_left.start += blocks,
        }
        if self.left() > 0 {
            return;
        }
        self.stage = match self.stage {
            Stage::Body => Stage::Tail,
            Stage::Tail => {
                let digest: [u8; DIGEST_LEN] = self.words.octets();
                self.pad_digest(&digest);
                self.words = self.outer;
                Stage::Outer
            }
            Stage::Outer | Stage::Done => Stage::Done,
        };
    }

    /// Takes in all that is left, alone.
    fn finish_serially(&mut self) {
        while self.stage != Stage::Done {
            let blocks = self.left();
            // SAFETY: that many blocks lie there, and a block is an array of octets.
            let run = unsafe { core::slice::from_raw_parts(self.at().cast::<W::Block>(), blocks) };
            self.words.compress(run);
            self.advance(blocks);
        }
    }
}

/// Writes the length of a message behind one block to the end of its last one.
fn write_len<W: Words>(last: &mut W::Block, len: usize) {
    let bits = (W::BLOCK_LEN as u64 + len as u64) * 8;
    if let Some(length) = last.as_mut().last_chunk_mut() {
        *length = bits.to_be_bytes();
    }
}

/// Of the widest kernel.
const MAX_LANES: usize = 16;
