//! Sending: many runs of equal datagrams in one call.

use std::io;
use std::mem;
use std::os::fd::AsRawFd;

use libc::{c_int, c_uint, iovec, mmsghdr};
use socket2::{SockAddr, Socket};

use super::control::Control;
use super::{Counters, Offload, OuterSocket, Path};

impl OuterSocket {
    /// Sends every run: bytes for one path that are datagrams of `segment` bytes each, the last maybe shorter.
    /// A `segment` of zero or beyond the length means one datagram.
    ///
    /// Never waits and never fails. What the kernel does not take at once is dropped and counted, ESP and
    /// control messages alike: waiting here would delay every other client, inner protocols slow down by
    /// loss, and control protocols retransmit.
    pub fn send<'a>(&mut self, runs: impl IntoIterator<Item = (Path, &'a [u8], usize)>) {
        // Nothing may be left of an earlier call, not even after a panic within `runs`.
        self.outbox.clear();
        for (path, bytes, segment) in runs {
            let segment = if segment == 0 { bytes.len().max(1) } else { segment };
            let together = if self.offload.segmentation { segments_together(segment) } else { 1 };
            for chunk in bytes.chunks(segment * together) {
                if self.outbox.is_full() {
                    self.flush();
                }
                self.outbox.push(path, chunk, segment);
            }
        }
        // Within this call: the outbox points into `runs`, whose bytes outlive it.
        self.flush();
    }

    fn flush(&mut self) {
        let Self { socket, offload, outbox, counters, .. } = self;
        let mut next = 0;
        while next < outbox.len() {
            match outbox.transmit(socket, next) {
                Ok(count) => {
                    counters.sent += outbox.datagrams(next..next + count);
                    next += count;
                }
                Err(libc::EINTR) => {}
                Err(libc::EAGAIN | libc::ENOBUFS | libc::ENOMEM) => {
                    counters.full += outbox.datagrams(next..outbox.len());
                    break;
                }
                Err(errno @ (libc::EIO | libc::EINVAL | libc::EMSGSIZE)) if outbox.is_segmented(next) => {
                    let before = counters.sent;
                    outbox.transmit_singly(socket, next, counters);
                    counters.offload_refused += 1;
                    // EMSGSIZE is the route's answer to segments beyond its MTU, which alone are fragmented.
                    // The others mean the offload only if the same bytes go out without it.
                    if errno != libc::EMSGSIZE && counters.sent > before && offload.segmentation {
                        *offload = Offload { segmentation: false, ..*offload };
                        let error = io::Error::from_raw_os_error(errno);
                        tracing::warn!("UDP segmentation offload refused ({error}): sending without it");
                    }
                    next += 1;
                }
                Err(errno) => {
                    counters.refuse(errno, outbox.datagrams(next..next + 1));
                    next += 1;
                }
            }
        }
        outbox.clear();
    }
}

impl Counters {
    fn refuse(&mut self, errno: i32, datagrams: u64) {
        let counter = match errno {
            libc::EAGAIN | libc::ENOBUFS | libc::ENOMEM => &mut self.full,
            libc::ECONNREFUSED
            | libc::EHOSTUNREACH
            | libc::EHOSTDOWN
            | libc::ENETUNREACH
            | libc::ENETDOWN
            | libc::ENODEV => &mut self.unreachable,
            libc::EPERM | libc::EACCES => &mut self.forbidden,
            _ => &mut self.failed,
        };
        *counter += datagrams;
    }
}

/// The kernel's view of what is to be sent, kept between calls. It is empty between two calls of
/// [`OuterSocket::send`], so its pointers are followed only while what they point at is borrowed.
#[derive(Debug)]
pub(super) struct Outbox {
    entries: Box<[mmsghdr]>,
    slots: Vec<Slot>,
    /// `sendmmsg`, but in tests of what a kernel or a driver may do to us.
    pub(super) call: Call,
}

pub(super) type Call = unsafe extern "C" fn(c_int, *mut mmsghdr, c_uint, SendFlags) -> c_int;

#[derive(Debug)]
struct Slot {
    name: SockAddr,
    control: Control,
    vector: iovec,
    path: Path,
    segment: usize,
}

// SAFETY: see above: between calls there is no slot, and entries are written anew before each use.
unsafe impl Send for Outbox {}

impl Outbox {
    pub(super) fn new() -> Self {
        // SAFETY: all-zero is a valid mmsghdr.
        let entry = unsafe { mem::zeroed() };
        Self {
            entries: vec![entry; MESSAGES].into_boxed_slice(),
            slots: Vec::with_capacity(MESSAGES),
            call: libc::sendmmsg,
        }
    }

    fn len(&self) -> usize {
        self.slots.len()
    }

    fn is_full(&self) -> bool {
        self.slots.len() >= MESSAGES
    }

    fn clear(&mut self) {
        self.slots.clear();
    }

    fn push(&mut self, path: Path, bytes: &[u8], segment: usize) {
        let mut control = Control::EMPTY;
        // Never for a single datagram: it gains nothing, and some paths (PPPoE) break on it.
        let several = bytes.len() > segment;
        control.set(path.local.ip(), u16::try_from(segment).ok().filter(|_| several));
        let vector = iovec { iov_base: bytes.as_ptr().cast_mut().cast(), iov_len: bytes.len() };
        self.slots.push(Slot { name: path.remote.into(), control, vector, path, segment });
    }

    fn is_segmented(&self, index: usize) -> bool {
        self.slots.get(index).is_some_and(|slot| slot.vector.iov_len > slot.segment)
    }

    fn datagrams(&self, range: std::ops::Range<usize>) -> u64 {
        let slots = self.slots.get(range).unwrap_or_default();
        slots.iter().map(|slot| slot.vector.iov_len.div_ceil(slot.segment).max(1) as u64).sum()
    }

    /// Hands everything from `first` on to the kernel; returns how many messages it took, or why not the first.
    fn transmit(&mut self, socket: &Socket, first: usize) -> Result<usize, i32> {
        let mut count = 0;
        for (slot, entry) in self.slots.iter_mut().skip(first).zip(&mut self.entries) {
            fill(&mut entry.msg_hdr, slot);
            count += 1;
        }
        // SAFETY: the first `count` entries were filled above from live slots, and the bytes that the slots
        // point at are borrowed by the `send` that this call is part of; the kernel only reads them.
        let sent = unsafe {
            (self.call)(socket.as_raw_fd(), self.entries.as_mut_ptr(), count, libc::MSG_DONTWAIT as _)
        };
        usize::try_from(sent).map_err(|_| last_errno())
    }

    /// Sends the datagrams of one message one by one.
    fn transmit_singly(&mut self, socket: &Socket, index: usize, counters: &mut Counters) {
        let (Some(slot), Some(entry)) = (self.slots.get_mut(index), self.entries.first_mut()) else { return };
        slot.control.set(slot.path.local.ip(), None);
        let whole = slot.vector;
        // SAFETY: the vector was made from a slice that the `send` in progress still borrows.
        let bytes: &[u8] = unsafe { std::slice::from_raw_parts(whole.iov_base.cast(), whole.iov_len) };
        for datagram in bytes.chunks(slot.segment) {
            slot.vector = iovec { iov_base: datagram.as_ptr().cast_mut().cast(), iov_len: datagram.len() };
            fill(&mut entry.msg_hdr, slot);
            let sent = loop {
                // SAFETY: the header was just filled from a live slot and a live slice; it is only read.
                let sent = unsafe {
                    libc::sendmsg(socket.as_raw_fd(), &raw const entry.msg_hdr, libc::MSG_DONTWAIT)
                };
                if sent >= 0 {
                    break Ok(());
                }
                match last_errno() {
                    libc::EINTR => {}
                    errno => break Err(errno),
                }
            };
            match sent {
                Ok(()) => counters.sent += 1,
                Err(errno) => counters.refuse(errno, 1),
            }
        }
        slot.vector = whole;
    }
}

fn fill(header: &mut libc::msghdr, slot: &mut Slot) {
    header.msg_name = slot.name.as_ptr().cast_mut().cast();
    header.msg_namelen = slot.name.len();
    header.msg_iov = &raw mut slot.vector;
    header.msg_iovlen = 1;
    header.msg_controllen = slot.control.used() as _;
    header.msg_control =
        if slot.control.used() == 0 { std::ptr::null_mut() } else { slot.control.as_mut_ptr() };
    header.msg_flags = 0;
}

fn last_errno() -> i32 {
    io::Error::last_os_error().raw_os_error().unwrap_or(libc::EIO)
}

/// How many datagrams of this size one message may carry: the kernel takes 64 and one IP packet's length.
fn segments_together(segment: usize) -> usize {
    (LONGEST / segment).clamp(1, 64)
}

/// The payload of the longest UDP datagram over IPv4.
const LONGEST: usize = 65507;

/// C libraries do not agree on its type.
#[cfg(target_env = "musl")]
type SendFlags = c_uint;
#[cfg(not(target_env = "musl"))]
type SendFlags = c_int;

/// Messages in one call.
const MESSAGES: usize = 128;
