//! Receiving: many datagrams in one call, each with the path it came by.

use std::io;
use std::mem;
use std::net::SocketAddr;
use std::os::fd::AsRawFd;

use libc::{iovec, mmsghdr};
use socket2::{SockAddr, SockAddrStorage};

use super::control::{self, Control};
use super::{NO_PORT, OuterSocket, Path};

/// The memory that datagrams are received into. One serves all sockets, one after the other.
#[derive(Debug)]
pub struct Inbox {
    /// [`SLOT`] bytes for each message. Only what is ever written takes memory.
    arena: Vec<u8>,
    headers: Headers,
    messages: Vec<Message>,
}

/// One message as received: a datagram, or several of equal size put together by the kernel.
#[derive(Clone, Copy, Debug)]
struct Message {
    path: Path,
    /// Octets of the IPv4 header before it, which the kernel leaves on what a raw socket receives.
    header: usize,
    length: usize,
    segment: usize,
}

impl Inbox {
    /// Takes address space for the largest batch; memory comes with use.
    #[must_use]
    pub fn new() -> Self {
        Self {
            arena: vec![0; SLOT * MESSAGES],
            headers: Headers::new(),
            messages: Vec::with_capacity(MESSAGES),
        }
    }

    /// The datagrams of the last [`OuterSocket::receive`], in the order of their arrival.
    pub fn segments(&mut self) -> impl Iterator<Item = (Path, &mut [u8])> {
        self.arena.chunks_exact_mut(SLOT).zip(&self.messages).flat_map(|(slot, message)| {
            let filled = slot.get_mut(message.header..message.length).unwrap_or_default();
            filled.chunks_mut(message.segment).map(|bytes| (message.path, bytes))
        })
    }
}

impl Default for Inbox {
    fn default() -> Self {
        Self::new()
    }
}

impl OuterSocket {
    /// Receives what is there, up to one batch, in place of what `inbox` held; returns the number of datagrams.
    ///
    /// A full batch is no sign of more, and less than one no sign of the end: ask [`super::super::poll`].
    /// Fails only when the socket itself is unusable.
    pub fn receive(&mut self, inbox: &mut Inbox) -> io::Result<usize> {
        let Inbox { arena, headers, messages } = inbox;
        messages.clear();
        let batch = self.batch;
        let filled = loop {
            match headers.receive(&self.socket, arena, batch) {
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
        for index in 0..filled {
            let (mut message, mut count) = headers.message(index, self.local);
            if self.is_esp() && count > 0 {
                let packet = arena.get(index * SLOT..).unwrap_or_default();
                message.header = ipv4_header_len(packet);
                count = usize::from(message.header < message.length);
            }
            datagrams += count;
            octets += message.length;
            self.counters.unusable += u64::from(count == 0);
            messages.push(message);
        }
        self.counters.received += datagrams as u64;
        self.batch = batch_for(octets / filled.max(1));
        Ok(datagrams)
    }
}

/// The kernel's view of the arena, kept between calls.
#[derive(Debug)]
struct Headers {
    entries: Box<[mmsghdr]>,
    vectors: Box<[iovec]>,
    names: Box<[libc::sockaddr_storage]>,
    controls: Box<[Control]>,
}

// SAFETY: the pointers inside `entries` and `vectors` lead into this value's other parts and into the arena;
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

    fn receive(&mut self, socket: &impl AsRawFd, arena: &mut [u8], batch: usize) -> io::Result<usize> {
        let parts = self.vectors.iter_mut().zip(&mut self.names).zip(&mut self.controls);
        let slots = arena.chunks_exact_mut(SLOT).take(batch);
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
        // exclusively borrowed buffers: slots of the arena, and this value's names and controls.
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

    /// The message at `index` and the number of datagrams in it; none if it cannot be used.
    fn message(&mut self, index: usize, bound: SocketAddr) -> (Message, usize) {
        let unusable =
            (Message { path: Path { local: bound, remote: bound }, header: 0, length: 0, segment: 1 }, 0);
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
        (Message { path, header: 0, length, segment }, length.div_ceil(segment))
    }
}

/// RFC 791 §3.1: the low half of the first octet counts words of four octets.
fn ipv4_header_len(packet: &[u8]) -> usize {
    packet.first().map_or(0, |first| usize::from(first & 0x0f) * 4)
}

/// How many messages to ask for when they are as long as the last ones: what is worked on at once should still be in the
/// caches when it leaves.
fn batch_for(message: usize) -> usize {
    (OCTETS / message.max(1)).clamp(FEWEST, MESSAGES)
}

/// Room for the longest datagram, and for the longest superpacket that `UDP_GRO` makes; and another full datagram, lest all
/// messages begin in the same few sets of the caches.
const SLOT: usize = (1 << 16) + 23 * 64;

/// Messages in one call at most, and at least.
pub(super) const MESSAGES: usize = 64;
const FEWEST: usize = 4;
const OCTETS: usize = 256 << 10;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_messages_come_by_the_few_and_short_ones_by_the_many() {
        assert_eq!([0, 1, 1500, 8000, 62_000, 65_535].map(batch_for), [64, 64, 64, 32, 4, 4]);
    }
}
