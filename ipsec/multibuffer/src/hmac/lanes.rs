//! Which message runs in which lane: a lane whose message is done takes the next one.
//!
//! First the inner hashes, whose messages are of any length: a message passes two stages, each a run of blocks, its own whole blocks and
//! the rest of it with the padding. Then the outer hashes, which take one block each.

use arrayvec::ArrayVec;

use super::{DIGEST_LEN, Hmac, Words};
use crate::Tier;

/// Computes the MACs of those messages whose key is of this hash. The CPU has the tier.
pub(super) fn run<W: Words>(tier: Tier, messages: &mut [Hmac<'_>]) {
    match messages.iter().filter(|message| W::of(message.key).is_some()).take(2).count() {
        // Most batches have one hash only.
        0 => {}
        1 => alone::<W>(messages),
        _ => {
            inner::<W>(tier, messages);
            outer::<W>(tier, messages);
        }
    }
}

/// Of the one message of this hash: no lanes, no more than its own time.
fn alone<W: Words>(messages: &mut [Hmac<'_>]) {
    for message in messages {
        let Some(([inner, outer], digest_len)) = W::of(message.key) else { continue };
        let mut words = *inner;
        let (body, rest) = W::blocks(message.message);
        words.compress(body);
        let mut tail = [W::ZEROS; 2];
        let tail_len = pad::<W>(&mut tail, rest, message.message.len());
        words.compress(&tail[..tail_len]);
        pad_digest::<W>(&mut tail[0], &words.octets(), digest_len);
        words = *outer;
        words.compress(&tail[..1]);
        message.mac = words.octets();
    }
}

/// Leaves each message's inner hash where its MAC will be.
fn inner<W: Words>(tier: Tier, messages: &mut [Hmac<'_>]) {
    let mut next = 0;
    let mut words = W::NO_ROWS;
    let mut slots = ArrayVec::<Slot<'_, W>, MAX_LANES>::new();
    while slots.len() < MAX_LANES
        && let Some(waiting) = Waiting::<W>::find(messages, &mut next)
    {
        waiting.state.put(&mut words, slots.len());
        slots.push(Slot::new(waiting));
    }
    while !slots.is_empty() {
        step(tier, &mut words, &mut slots);
        // From the end, so that what leaves last is not moved before.
        for lane in (0..slots.len()).rev() {
            let slot = &mut slots[lane];
            if slot.stage != Stage::Done {
                continue;
            }
            if let Some(message) = messages.get_mut(slot.message) {
                message.mac = W::take(&words, lane).octets();
            }
            // In its place: a slot is large.
            if let Some(waiting) = Waiting::<W>::find(messages, &mut next) {
                waiting.state.put(&mut words, lane);
                slot.start(&waiting);
            } else {
                W::take(&words, slots.len() - 1).put(&mut words, lane);
                slots.swap_remove(lane);
            }
        }
    }
}

/// Makes MACs of the inner hashes.
fn outer<W: Words>(tier: Tier, messages: &mut [Hmac<'_>]) {
    let mut words = W::NO_ROWS;
    let mut blocks = [W::ZEROS; MAX_LANES];
    let mut messages = messages.iter_mut().filter(|message| W::of(message.key).is_some());
    loop {
        let mut some: ArrayVec<_, MAX_LANES> = messages.by_ref().take(MAX_LANES).collect();
        if some.is_empty() {
            return;
        }
        while !some.is_empty() {
            let group = W::width(tier, some.len()).min(some.len());
            for (lane, (message, block)) in some.iter().zip(&mut blocks).take(group).enumerate() {
                let Some(([_, state], digest_len)) = W::of(message.key) else { continue };
                state.put(&mut words, lane);
                pad_digest::<W>(block, &message.mac, digest_len);
            }
            let at: ArrayVec<_, MAX_LANES> =
                blocks.iter().take(group).map(|block| block.as_ref().as_ptr()).collect();
            // SAFETY: the caller of `run` vouches for the tier; a block is at each place.
            unsafe { compress::<W>(tier, &mut words, &at, some.len(), 1) };
            for (lane, message) in some.drain(..group).enumerate() {
                message.mac = W::take(&words, lane).octets();
            }
        }
    }
}

/// A message that has no lane yet.
struct Waiting<'a, W> {
    /// Its place among the messages.
    message: usize,
    text: &'a [u8],
    /// Of the inner hash.
    state: &'a W,
}

impl<'a, W: Words> Waiting<'a, W> {
    /// The next message of this hash from `next` on, which moves behind it.
    fn find(messages: &[Hmac<'a>], next: &mut usize) -> Option<Self> {
        while let Some(Hmac { key, message: text, .. }) = messages.get(*next) {
            let message = *next;
            *next += 1;
            if let Some(([state, _], _)) = W::of(key) {
                return Some(Self { message, text, state });
            }
        }
        None
    }
}

/// Takes as many messages as a kernel holds forward by as many blocks as the shortest stage of theirs has left.
fn step<W: Words>(tier: Tier, words: &mut W::Rows, slots: &mut [Slot<'_, W>]) {
    let active = slots.len();
    let group = W::width(tier, active).min(active);
    let (slots, _) = slots.split_at_mut(group);
    let blocks = slots.iter().map(Slot::left).min().unwrap_or(0);
    let at: ArrayVec<_, MAX_LANES> = slots.iter().map(Slot::at).collect();
    // SAFETY: the caller of `run` vouches for the tier; every slot has `blocks` blocks left.
    unsafe { compress::<W>(tier, words, &at, active, blocks) };
    slots.iter_mut().for_each(|slot| slot.advance(blocks));
}

/// Takes `blocks` blocks from each place into the words of the lane of that number.
///
/// # Safety
///
/// The CPU has the tier. There are as many places as its kernel for so many `active` lanes holds, or one for each of these if it holds more;
/// and at each place as many blocks.
unsafe fn compress<W: Words>(
    tier: Tier,
    words: &mut W::Rows,
    places: &[*const u8],
    active: usize,
    blocks: usize,
) {
    let width = W::width(tier, active);
    if width == 1 {
        let mut alone = W::take(words, 0);
        // SAFETY: that many blocks lie there, and a block is an array of octets.
        alone.compress(unsafe { core::slice::from_raw_parts(places[0].cast::<W::Block>(), blocks) });
        alone.put(words, 0);
        return;
    }
    // Lanes without a message repeat the first one's; what comes out of them is thrown away.
    let mut at = [places[0]; MAX_LANES];
    at[..places.len()].copy_from_slice(places);
    // SAFETY: the caller's word; `width` is what the tier asks for.
    unsafe { W::compress_lanes(words, width, &at, blocks) };
}

/// A message under way.
struct Slot<'a, W: Words> {
    /// Its place among the messages.
    message: usize,
    stage: Stage,
    /// What is left of the message's whole blocks.
    body: &'a [W::Block],
    /// The end of the message with its padding.
    tail: [W::Block; 2],
    /// Which blocks of `tail` are still to be taken in.
    tail_left: core::ops::Range<usize>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Body,
    Tail,
    Done,
}

impl<'a, W: Words> Slot<'a, W> {
    fn new(waiting: Waiting<'a, W>) -> Self {
        let mut slot =
            Self { message: 0, stage: Stage::Body, body: &[], tail: [W::ZEROS; 2], tail_left: 0..0 };
        slot.start(&waiting);
        slot
    }

    /// Takes up a message.
    fn start(&mut self, waiting: &Waiting<'a, W>) {
        let (body, rest) = W::blocks(waiting.text);
        self.message = waiting.message;
        (self.stage, self.body) = (Stage::Body, body);
        self.tail_left = 0..pad::<W>(&mut self.tail, rest, waiting.text.len());
        self.advance(0);
    }

    /// How many blocks are left of the stage.
    fn left(&self) -> usize {
        match self.stage {
            Stage::Body => self.body.len(),
            Stage::Tail => self.tail_left.len(),
            Stage::Done => 0,
        }
    }

    /// Where the next block is.
    fn at(&self) -> *const u8 {
        match self.stage {
            Stage::Body => self.body.as_ptr().cast(),
            _ => self.tail[self.tail_left.clone()].as_ptr().cast(),
        }
    }

    /// So many blocks were taken in; goes on to the next stage that has any.
    fn advance(&mut self, blocks: usize) {
        match self.stage {
            Stage::Body => self.body = &self.body[blocks..],
            _ => self.tail_left.start += blocks,
        }
        if self.left() == 0 {
            self.stage = if self.stage == Stage::Body { Stage::Tail } else { Stage::Done };
        }
    }
}

/// Fills `tail` with the end of a message of `len` octets behind one block that was the key, and its padding
/// (FIPS 180-4 §5.1): a one bit, zeros, the length in bits. Returns how many blocks of it that takes.
fn pad<W: Words>(tail: &mut [W::Block; 2], rest: &[u8], len: usize) -> usize {
    // The length field takes an eighth of a block, of which a message in memory needs eight octets.
    let two = rest.len() + 1 + W::BLOCK_LEN / 8 > W::BLOCK_LEN;
    let [first, second] = tail;
    *first = W::ZEROS;
    let octets = first.as_mut();
    octets[..rest.len()].copy_from_slice(rest);
    octets[rest.len()] = 0x80;
    if two {
        *second = W::ZEROS;
    }
    write_len::<W>(if two { second } else { first }, len);
    1 + usize::from(two)
}

/// Makes a digest the padded message behind one block that was the key.
fn pad_digest<W: Words>(block: &mut W::Block, digest: &[u8; DIGEST_LEN], digest_len: usize) {
    *block = W::ZEROS;
    let octets = block.as_mut();
    // Whole, because to copy as much as is known beforehand takes no call; behind the words of a hash it has zeros.
    octets[..DIGEST_LEN].copy_from_slice(digest);
    for octet in &mut octets[digest_len..W::OCTETS] {
        *octet = 0;
    }
    octets[digest_len] = 0x80;
    write_len::<W>(block, digest_len);
}

/// Writes the length of a message behind one block to the end of its last one.
fn write_len<W: Words>(last: &mut W::Block, len: usize) {
    let bits = (W::BLOCK_LEN as u64 + len as u64) * 8;
    if let Some(length) = last.as_mut().last_chunk_mut() {
        *length = bits.to_be_bytes();
    }
}

/// Of the widest kernel.
pub(super) const MAX_LANES: usize = 16;
