//! Control messages beside a datagram: its local address, the size of the segments it consists of, and how many before it were dropped.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::{mem, ptr};

use libc::{c_int, cmsghdr};

/// Room for the control messages of one datagram, aligned for their headers.
#[derive(Clone, Copy, Debug)]
#[repr(C, align(8))]
pub(super) struct Control {
    bytes: [u8; CAPACITY],
    used: usize,
}

impl Control {
    pub(super) const EMPTY: Self = Self { bytes: [0; CAPACITY], used: 0 };

    pub(super) fn as_mut_ptr(&mut self) -> *mut libc::c_void {
        self.bytes.as_mut_ptr().cast()
    }

    /// Bytes that hold control messages.
    pub(super) fn used(&self) -> usize {
        self.used
    }

    /// Writes what goes along with a send: the address to send from, and the size of each segment.
    pub(super) fn set(&mut self, local: IpAddr, segment: Option<u16>) {
        self.used = 0;
        match local {
            local if local.is_unspecified() => {}
            IpAddr::V4(local) => {
                let spec = libc::in_addr { s_addr: u32::from_ne_bytes(local.octets()) };
                let info = libc::in_pktinfo {
                    ipi_ifindex: 0,
                    ipi_spec_dst: spec,
                    ipi_addr: libc::in_addr { s_addr: 0 },
                };
                self.push(libc::IPPROTO_IP, libc::IP_PKTINFO, info);
            }
            IpAddr::V6(local) => {
                let info = libc::in6_pktinfo {
                    ipi6_addr: libc::in6_addr { s6_addr: local.octets() },
                    ipi6_ifindex: 0,
                };
                self.push(libc::IPPROTO_IPV6, libc::IPV6_PKTINFO, info);
            }
        }
        if let Some(segment) = segment {
            self.push(libc::SOL_UDP, libc::UDP_SEGMENT, segment);
        }
    }

    fn push<T: Copy>(&mut self, level: c_int, kind: c_int, data: T) {
        let size = size_of::<T>() as u32;
        // SAFETY: both only compute with their argument.
        let (length, space) = unsafe { (libc::CMSG_LEN(size), libc::CMSG_SPACE(size) as usize) };
        let Some(room) = self.bytes.get_mut(self.used..self.used + space) else {
            unreachable!("CAPACITY holds every pair that set() writes")
        };
        let header: *mut cmsghdr = room.as_mut_ptr().cast();
        // SAFETY: `room` is CMSG_SPACE bytes long, so the header and the data behind it lie within; it is
        // aligned because `bytes` is and CMSG_SPACE rounds up. All-zero is a valid cmsghdr.
        unsafe {
            header.write(mem::zeroed());
            (*header).cmsg_len = length as _;
            (*header).cmsg_level = level;
            (*header).cmsg_type = kind;
            libc::CMSG_DATA(header).cast::<T>().write_unaligned(data);
        }
        self.used += space;
    }

    /// Reads what the kernel wrote: `length` is the `msg_controllen` it returned.
    pub(super) fn received(&mut self, length: usize) -> Received {
        let mut received = Received::default();
        // SAFETY: all-zero is a valid msghdr.
        let mut message: libc::msghdr = unsafe { mem::zeroed() };
        message.msg_control = self.as_mut_ptr();
        message.msg_controllen = length.min(CAPACITY) as _;
        let end = message.msg_control as usize + length.min(CAPACITY);
        // SAFETY: the control buffer is as long as `msg_controllen` says and initialised, so the macros stay
        // within it; a header that claims to reach beyond it ends the walk, and each datum is read only where
        // the header says that it is there, whatever its alignment.
        unsafe {
            let mut header = libc::CMSG_FIRSTHDR(&raw const message);
            while let Some(fields) = header.as_ref() {
                if end.saturating_sub(header as usize) < fields.cmsg_len {
                    break;
                }
                match (fields.cmsg_level, fields.cmsg_type) {
                    (libc::IPPROTO_IP, libc::IP_PKTINFO) => {
                        if let Some(info) = datum::<libc::in_pktinfo>(header) {
                            received.local = Some(Ipv4Addr::from(info.ipi_addr.s_addr.to_ne_bytes()).into());
                        }
                    }
                    (libc::IPPROTO_IPV6, libc::IPV6_PKTINFO) => {
                        if let Some(info) = datum::<libc::in6_pktinfo>(header) {
                            received.local = Some(Ipv6Addr::from(info.ipi6_addr.s6_addr).into());
                        }
                    }
                    (libc::SOL_UDP, libc::UDP_GRO) => {
                        received.segment = datum::<c_int>(header).and_then(|size| usize::try_from(size).ok());
                    }
                    (libc::SOL_SOCKET, libc::SO_RXQ_OVFL) => received.dropped = datum::<u32>(header),
                    _ => {}
                }
                header = libc::CMSG_NXTHDR(&raw const message, header);
            }
        }
        received
    }
}

/// What the kernel says about a datagram it delivered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Received {
    /// The destination address in its header.
    pub(super) local: Option<IpAddr>,
    /// The size of each datagram, the last excepted, when several were put together.
    pub(super) segment: Option<usize>,
    /// How many were dropped since the socket was made, if any: modulo 2^32.
    pub(super) dropped: Option<u32>,
}

/// # Safety
///
/// `header` points at a control message that lies, with the length it states, in readable memory, and all bit patterns are valid for `T`.
unsafe fn datum<T: Copy>(header: *const cmsghdr) -> Option<T> {
    // SAFETY: the caller vouches for the header; CMSG_LEN only computes.
    unsafe {
        let complete = (*header).cmsg_len >= libc::CMSG_LEN(size_of::<T>() as u32) as usize;
        complete.then(|| ptr::read_unaligned(libc::CMSG_DATA(header).cast::<T>()))
    }
}

/// Enough for IPV6_PKTINFO, a segment size and a number of drops, with what the kernel may add.
pub(super) const CAPACITY: usize = 128;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_set_can_be_read() {
        for local in [IpAddr::from([192, 0, 2, 7]), IpAddr::from([0x2001, 0xdb8, 0, 0, 0, 0, 0, 9])] {
            let mut control = Control::EMPTY;
            control.set(local, Some(1400));
            let used = control.used();
            let Received { segment, .. } = control.received(used);
            // UDP_SEGMENT is not UDP_GRO, and for IPv4 the kernel fills ipi_addr where we fill ipi_spec_dst.
            assert_eq!(segment, None);
            assert_eq!(control.received(0), Received::default());
        }
        let mut control = Control::EMPTY;
        control.push(libc::SOL_UDP, libc::UDP_GRO, 1234 as c_int);
        control.push(
            libc::IPPROTO_IPV6,
            libc::IPV6_PKTINFO,
            libc::in6_pktinfo {
                ipi6_addr: libc::in6_addr { s6_addr: Ipv6Addr::LOCALHOST.octets() },
                ipi6_ifindex: 3,
            },
        );
        control.push(libc::SOL_SOCKET, libc::SO_RXQ_OVFL, 7_u32);
        let used = control.used();
        let expected =
            Received { local: Some(Ipv6Addr::LOCALHOST.into()), segment: Some(1234), dropped: Some(7) };
        assert_eq!(control.received(used), expected);
    }

    #[test]
    fn nothing_is_set_for_an_unspecified_address_and_a_single_datagram() {
        let mut control = Control::EMPTY;
        control.set(Ipv4Addr::UNSPECIFIED.into(), None);
        assert_eq!(control.used(), 0);
    }

    #[test]
    fn a_cut_control_message_is_not_read() {
        let mut control = Control::EMPTY;
        control.push(libc::SOL_UDP, libc::UDP_GRO, 1234 as c_int);
        for length in 0..control.used() - 4 {
            assert_eq!(control.received(length), Received::default(), "{length}");
        }
    }
}
