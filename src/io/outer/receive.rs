//! Receiving: many datagrams in one call, each with the path it came by.

use std::io;
use std::mem;
use std::net::SocketAddr;
use std::ops::Range;
use std::os::fd::AsRawFd;

use arrayvec::ArrayVec;
use libc::{iovec, mmsghdr};
use socket2::{SockAddr, SockAddrStorage};

use super::control::{self, Control};
use super::{NO_PORT, OuterSocket, Path};
use crate::io::{
    portion::Portion,
    waiting::{Turn, Waiting},
};

/// Datagrams that were received and wait for their turn, and the memory for more. One serves all sockets.
#[derive(Debug)]
pub struct Inbox {
    headers: Headers,
    /// Those used last are last, as they may still be in the caches.
    free: Vec<Slot>,
    waiting: Waiting<SocketAddr, Received>,
    /// Those whose turn it is.
    batch: Vec<(Turn<SocketAddr>, Received)>,
}

/// A message, where it lies, and which of its datagrams' turn it is.
#[derive(Debug)]
struct Received {
    slot: Slot,
    message: Message,
    portion: Portion,
}

/// [`SLOT`] octets. Only what is ever written takes memory.
type Slot = Box<[u8]>;

/// One message as received: a datagram, or several of equal size put together by the kernel.
#[derive(Clone, Copy, Debug)]
struct Message {
    path: Path,
    /// Octets of the IPv4 header before it, which the kernel leaves on what a raw socket receives.
    header: usize,
    length: usize,
    segment: usize,
    /// The kernel's count of what it dropped before, if that was anything.
    dropped: Option<u32>,
}

impl Inbox {
    /// Takes address space for all that may wait; memory comes with use.
    #[must_use]
    pub fn new() -> Self {
        Self {
            headers: Headers::new(),
            free: (0..SLOTS).map(|_| vec![0; SLOT].into_boxed_slice()).collect(),
            waiting: Waiting::with_capacity(SLOTS),
            batch: Vec::with_capacity(SLOTS),
        }
    }

    /// Goes on to the next batch: 128 datagrams at most, of those first who sent least. False if there are none.
    pub fn next_batch(&mut self) -> bool {
        for (turn, received) in self.batch.drain(..).rev() {
            match received.portion.left(received.message.length) {
                Some(left) => self.waiting.put_back(turn, left, received),
                None => self.free.push(received.slot),
            }
        }
        let mut count = 0;
        while count < BATCH
            && let Some((turn, mut received)) = self.waiting.pop()
        {
            count += received.portion.next(BATCH - count);
            self.batch.push((turn, received));
        }
        count > 0
    }

    /// How many datagrams the batch has.
    #[must_use]
    pub fn count(&self) -> usize {
        self.batch.iter().map(|(_, received)| received.portion.now().len()).sum()
    }

    /// Whether nothing is left for another batch.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        let left = self.batch.last().and_then(|(_, received)| received.portion.left(0));
        self.waiting.is_empty() && left.is_none()
    }

    /// The datagrams of the batch; those from one address are in the order of their arrival.
    pub fn segments(&mut self) -> impl Iterator<Item = (Path, &mut [u8])> {
        self.batch.iter_mut().flat_map(|(_, Received { slot, message, portion })| {
            let datagrams = slot.get_mut(message.part(portion.now())).unwrap_or_default();
            datagrams.chunks_mut(message.segment).map(|bytes| (message.path, bytes))
        })
    }
}

impl Message {
    /// How many datagrams it is.
    fn count(&self) -> usize {
        self.length.saturating_sub(self.header).div_ceil(self.segment)
    }

    /// Where these of its datagrams lie.
    fn part(&self, datagrams: Range<usize>) -> Range<usize> {
        let place = |number| self.length.min(self.header + number * self.segment);
        place(datagrams.start)..place(datagrams.end)
    }
}

impl Default for Inbox {
    fn default() -> Self {
        Self::new()
    }
}

impl OuterSocket {
    /// Receives what is there, up to one batch and as far as `inbox` has room; returns the number of datagrams.
    ///
    /// A full batch is no sign of more, and less than one no sign of the end: ask [`super::super::poll`].
    /// Fails only when the socket itself is unusable.
    pub fn receive(&mut self, inbox: &mut Inbox) -> io::Result<usize> {
        let Inbox { headers, free, waiting, .. } = inbox;
        let most = self.batch;
        let filled = loop {
            match headers.receive(&self.socket, free.iter_mut().rev().take(most)) {
                Ok(filled) => break filled,
                Err(error) => match error.raw_os_error() {
                    Some(libc::EINTR) => {}
                    Some(libc::EAGAIN) => return Ok(0),
                    // An earlier send's fate, reported here; that destination's retransmissions cope.
                    Some(libc::ECONNREFUSED | libc::EHOSTUNREACH | libc::ENETUNREACH | libc::ENETDOWN) => {
                        self.counters.unreachable += 1;
                        return Ok(0);
                    }
                    _ => return Err(error),
                },
            }
        };
        let (mut datagrams, mut octets) = (0, 0);
        let received = free.drain(free.len().saturating_sub(filled)..).rev();
        let mut unusable = ArrayVec::<Slot, MESSAGES>::new();
        for (index, slot) in received.enumerate() {
            let mut message = headers.message(index, self.local);
            octets += message.length;
            if let Some(count) = message.dropped {
                self.counters.overflowed += self.overflow.grown(count);
            }
            if self.is_esp() {
                message.header = ipv4_header_len(&slot).min(message.length);
            }
            if message.count() == 0 {
                self.counters.unusable += 1;
                unusable.push(slot);
                continue;
            }
            let count = message.count();
            datagrams += count;
            let received = Received { slot, message, portion: Portion::of(count) };
            waiting.push(message.path.remote, message.length, received);
        }
        free.extend(unusable);
        self.counters.received += datagrams as u64;
        self.batch = batch_for(octets / filled.max(1));
        Ok(datagrams)
    }
}

/// The kernel's view of some slots, kept between calls.
#[derive(Debug)]
struct Headers {
    entries: Box<[mmsghdr]>,
    vectors: Box<[iovec]>,
    names: Box<[libc::sockaddr_storage]>,
    controls: Box<[Control]>,
}

// SAFETY: the pointers inside `entries` and `vectors` lead into this value's other parts and into slots;
// every call writes them anew before the kernel reads them, and nothing else follows them.
unsafe impl Send for Headers {}

impl Headers {
    fn new() -> Self {
        // SAFETY: all-zero is valid for all three.
        let (entry, vector, name) = unsafe { (mem::zeroed(), mem::zeroed(), mem::zeroed()) };
        Self {
            entries: vec![entry; MESSAGES].into_boxed_slice(),
            vectors: vec![vector; MESSAGES].into_boxed_slice(),
            names: vec![name; MESSAGES].into_boxed_slice(),
            controls: vec![Control::EMPTY; MESSAGES].into_boxed_slice(),
        }
    }

    fn receive<'a>(
        &mut self,
        socket: &impl AsRawFd,
        slots: impl Iterator<Item = &'a mut Slot>,
    ) -> io::Result<usize> {
        let parts = self.vectors.iter_mut().zip(&mut self.names).zip(&mut self.controls);
        let mut count = 0;
        for ((entry, ((vector, name), control)), slot) in self.entries.iter_mut().zip(parts).zip(slots) {
            vector.iov_base = slot.as_mut_ptr().cast();
            vector.iov_len = slot.len();
            let header = &mut entry.msg_hdr;
            header.msg_name = (&raw mut *name).cast();
            header.msg_namelen = size_of::<libc::sockaddr_storage>() as _;
            header.msg_iov = vector;
            header.msg_iovlen = 1;
            header.msg_control = control.as_mut_ptr();
            header.msg_controllen = control::CAPACITY as _;
            header.msg_flags = 0;
            count += 1;
        }
        // SAFETY: the first `count` entries were filled above with pointers and lengths of distinct, live,
        // exclusively borrowed buffers: slots, and this value's names and controls.
        let filled = unsafe {
            libc::recvmmsg(
                socket.as_raw_fd(),
                self.entries.as_mut_ptr(),
                count,
                libc::MSG_DONTWAIT as _,
                std::ptr::null_mut(),
            )
        };
        usize::try_from(filled).map_err(|_| io::Error::last_os_error())
    }

    /// The message at `index`; one of no datagrams if it cannot be used.
    fn message(&mut self, index: usize, bound: SocketAddr) -> Message {
        let nowhere = Path { local: bound, remote: bound };
        let unusable = Message { path: nowhere, header: 0, length: 0, segment: 1, dropped: None };
        let (Some(entry), Some(name), Some(control)) =
            (self.entries.get(index), self.names.get(index), self.controls.get_mut(index))
        else {
            return unusable;
        };
        let header = &entry.msg_hdr;
        if header.msg_flags & (libc::MSG_TRUNC | libc::MSG_CTRUNC) != 0 {
            return unusable;
        }
        // SAFETY: SockAddrStorage is a transparent sockaddr_storage, and the kernel wrote an address of the
        // socket's own family, `msg_namelen` bytes long, into this one.
        let name = unsafe {
            let storage = mem::transmute::<libc::sockaddr_storage, SockAddrStorage>(*name);
            SockAddr::new(storage, header.msg_namelen)
        };
        let received = control.received(header.msg_controllen);
        let local = received.local.unwrap_or_else(|| bound.ip());
        // A UDP datagram from port 0 cannot be answered; native ESP has no ports.
        let no_port = |remote: &SocketAddr| remote.port() == NO_PORT;
        let Some(remote) = name.as_socket().filter(|remote| no_port(remote) == no_port(&bound)) else {
            return unusable;
        };
        let length = entry.msg_len as usize;
        let segment = received.segment.filter(|&size| size > 0).unwrap_or(length).max(1);
        let path = Path { local: SocketAddr::new(local, bound.port()), remote };
        Message { path, header: 0, length, segment, dropped: received.dropped }
    }
}

/// RFC 791 §3.1: the low half of the first octet counts words of four octets.
fn ipv4_header_len(packet: &[u8]) -> usize {
    packet.first().map_or(0, |first| usize::from(first & 0x0f) * 4)
}

/// How many messages to ask for when they are as long as the last ones: more than a batch takes, so that a flood waits here and not in the
/// kernel, where others would wait behind it; not many more, lest they leave the caches.
fn batch_for(message: usize) -> usize {
    (OCTETS / message.max(1)).clamp(FEWEST, MESSAGES)
}

/// Room for the longest datagram, and for the longest superpacket that `UDP_GRO` makes; and another full datagram, lest all
/// messages begin in the same few sets of the caches.
const SLOT: usize = (1 << 16) + 23 * 64;

/// Messages in one call at most, and at least.
pub(super) const MESSAGES: usize = 64;
const FEWEST: usize = 8;
const OCTETS: usize = 512 << 10;

/// Messages that may wait: more than a connection has under way.
const SLOTS: usize = 64;

/// Datagrams to work on at once: enough for the ciphers' lanes, of which it fills sixteen eight times; few enough for whoever waits.
const BATCH: usize = 128;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_messages_come_by_the_few_and_short_ones_by_the_many() {
        assert_eq!([0, 1, 1500, 16_000, 62_000, 65_535].map(batch_for), [64, 64, 64, 32, 8, 8]);
    }

    #[test]
    fn what_a_batch_has_no_room_for_is_in_the_next() {
        let mut inbox = Inbox::new();
        let here = "127.0.0.1:4500".parse().unwrap();
        for number in 1..=2 {
            let mut slot = inbox.free.pop().unwrap();
            slot[..995].fill(number);
            // A hundred datagrams of ten octets, the last of which has five.
            let path = Path { local: here, remote: here };
            let message = Message { path, header: 0, length: 995, segment: 10, dropped: None };
            let portion = Portion::of(message.count());
            inbox.waiting.push(here, 995, Received { slot, message, portion });
        }
        let mut batches = Vec::new();
        while inbox.next_batch() {
            let count = inbox.count();
            let datagrams: Vec<(u8, usize)> =
                inbox.segments().map(|(_, bytes)| (bytes[0], bytes.len())).collect();
            assert_eq!(datagrams.len(), count);
            batches.push(datagrams);
            assert_eq!(inbox.is_empty(), batches.len() == 2);
        }
        assert_eq!(batches.iter().map(Vec::len).collect::<Vec<_>>(), [128, 72]);
        let hundred = |number| [vec![(number, 10); 99], vec![(number, 5)]].concat();
        assert_eq!(batches.concat(), [hundred(1), hundred(2)].concat());
        assert_eq!(inbox.free.len(), SLOTS);
    }
}
