//! What the kernel leaves to us and takes from us: asked for, tried, given up.

use std::fmt;
use std::io;

use arrayvec::ArrayVec;

use super::vnet;
use crate::config::Switch;
use crate::superpacket::Transport;

/// What of a device's packets is done together, or not at all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Offload {
    /// The kernel hands packets over with their checksums open.
    pub checksums: bool,
    /// It hands superpackets over,
    pub reads: Kinds,
    /// and takes them.
    pub writes: Kinds,
}

/// Protocols whose packets go together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Kinds {
    /// TCP.
    pub tcp: bool,
    /// UDP.
    pub udp: bool,
}

impl Offload {
    /// Settles what is used. `grant` says whether the kernel agrees to a set of `TUN_F_…`; `write` puts something on the device,
    /// which is not up yet.
    pub(super) fn settle(
        switch: Switch,
        grant: impl Fn(libc::c_uint) -> bool,
        write: impl Fn(&[u8]) -> io::Result<usize>,
    ) -> Self {
        let reads = match switch {
            Switch::Off => return Self::default(),
            Switch::Auto | Switch::On => ask(grant),
        };
        let Some(reads) = reads else { return Self::default() };
        let takes = |protocol| switch == Switch::On || takes(protocol, &write);
        // What a kernel does not hand over it may not know.
        let writes = Kinds { tcp: reads.tcp && takes(TCP), udp: reads.udp && takes(UDP) };
        Self { checksums: true, reads, writes }
    }
}

/// Asks for all there is, then for less and less; `None` if not even checksums may be left open.
fn ask(grant: impl Fn(libc::c_uint) -> bool) -> Option<Kinds> {
    let checksums = libc::TUN_F_CSUM;
    let tcp = checksums | libc::TUN_F_TSO4 | libc::TUN_F_TSO6;
    // Since Linux 6.2, and there only for both families at once.
    let udp = tcp | libc::TUN_F_USO4 | libc::TUN_F_USO6;
    let steps = [
        (udp, Kinds { tcp: true, udp: true }),
        (tcp, Kinds { tcp: true, udp: false }),
        (checksums, Kinds::default()),
    ];
    steps.into_iter().find(|(flags, _)| grant(*flags)).map(|(_, kinds)| kinds)
}

/// Whether the kernel takes superpackets of `protocol`, over IPv4 and over IPv6. Some do not that should (Linux 6.1.103, 6.6.44 and their like), and say so
/// with EINVAL, before they see that the device is down and drop it with EIO: so nothing of this goes anywhere.
fn takes(protocol: u8, write: impl Fn(&[u8]) -> io::Result<usize>) -> bool {
    let refuses = |version| {
        write(&superpacket(version, protocol)).is_err_and(|error| error.raw_os_error() == Some(libc::EINVAL))
    };
    ![Version::V4, Version::V6].into_iter().any(refuses)
}

/// Of IP.
#[derive(Clone, Copy, Debug)]
enum Version {
    V4,
    V6,
}

/// Two octets of payload, to be cut in two, from nobody to nobody (RFC 5737, RFC 3849).
fn superpacket(version: Version, protocol: u8) -> ArrayVec<u8, 80> {
    let mut headers = ArrayVec::<u8, 60>::new();
    match version {
        Version::V4 => {
            headers.extend([0x45, 0, 0, 0, 0, 0, 0x40, 0, 64, protocol, 0, 0, 192, 0, 2, 1, 192, 0, 2, 2])
        }
        Version::V6 => {
            headers.extend([0x60, 0, 0, 0, 0, 0, protocol, 64]);
            for last in [1, 2] {
                headers.extend([0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, last]);
            }
        }
    }
    headers.extend([0, 9, 0, 9]);
    if protocol == TCP {
        let (data_offset, ack) = (0x50, 0x10);
        headers.extend([0, 0, 0, 1, 0, 0, 0, 1, data_offset, ack, 0, 0, 0, 0, 0, 0]);
    } else {
        headers.extend([0; 4]);
    }
    let header = vnet::open_superpacket(&mut headers, 2, 1);
    header.into_iter().chain(headers).chain([0; 2]).collect()
}

impl Kinds {
    /// All but one.
    pub(super) fn without(self, transport: Transport) -> Self {
        match transport {
            Transport::Tcp => Self { tcp: false, ..self },
            Transport::Udp => Self { udp: false, ..self },
        }
    }
}

impl fmt::Display for Offload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if *self == Self::default() {
            return f.write_str("nothing");
        }
        let checksums = if self.checksums { "checksums left open" } else { "checksums complete" };
        write!(f, "{checksums}, superpackets read: {}, written: {}", self.reads, self.writes)
    }
}

impl fmt::Display for Kinds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match (self.tcp, self.udp) {
            (true, true) => "TCP and UDP",
            (true, false) => "TCP",
            (false, true) => "UDP",
            (false, false) => "none",
        })
    }
}

const TCP: u8 = 6;
const UDP: u8 = 17;

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;

    const ALL: Kinds = Kinds { tcp: true, udp: true };
    const TCP_ONLY: Kinds = Kinds { tcp: true, udp: false };

    fn down(_: &[u8]) -> io::Result<usize> {
        Err(io::Error::from_raw_os_error(libc::EIO))
    }

    /// A kernel that knows no flags beyond these.
    fn knows(known: libc::c_uint) -> impl Fn(libc::c_uint) -> bool {
        move |flags| flags & !known == 0
    }

    #[test]
    fn a_kernel_is_asked_for_less_and_less() {
        let everything = Offload { checksums: true, reads: ALL, writes: ALL };
        let tso = libc::TUN_F_CSUM | libc::TUN_F_TSO4 | libc::TUN_F_TSO6;
        for (known, expected) in [
            (u32::MAX, everything),
            // Before 6.2.
            (tso, Offload { reads: TCP_ONLY, writes: TCP_ONLY, ..everything }),
            (libc::TUN_F_CSUM, Offload { reads: Kinds::default(), writes: Kinds::default(), ..everything }),
            (0, Offload::default()),
        ] {
            assert_eq!(Offload::settle(Switch::Auto, knows(known), down), expected, "{known:#x}");
        }
    }

    #[test]
    fn a_kernel_that_refuses_superpackets_gets_none() {
        // Of one version alone: what is used is used of both.
        let refuses = |refused: (u8, u8)| {
            move |bytes: &[u8]| {
                let version = bytes[vnet::LEN] >> 4;
                let protocol = bytes[vnet::LEN + if version == 6 { 6 } else { 9 }];
                let errno = if (version, protocol) == refused { libc::EINVAL } else { libc::EIO };
                Err(io::Error::from_raw_os_error(errno))
            }
        };
        let settled = |switch, refused| Offload::settle(switch, knows(u32::MAX), refuses(refused));
        for version in [4, 6] {
            assert_eq!(settled(Switch::Auto, (version, UDP)).writes, TCP_ONLY);
            assert_eq!(settled(Switch::Auto, (version, TCP)).writes, Kinds { tcp: false, udp: true });
            assert_eq!(settled(Switch::Auto, (version, TCP)).reads, ALL, "what is read is another matter");
            assert_eq!(settled(Switch::On, (version, TCP)).writes, ALL, "as ordered");
        }
    }

    #[test]
    fn switched_off_nothing_is_asked_or_tried() {
        let tried = RefCell::new(0);
        let settled = Offload::settle(
            Switch::Off,
            |_| unreachable!("not asked"),
            |bytes| {
                *tried.borrow_mut() += 1;
                Ok(bytes.len())
            },
        );
        assert_eq!((settled, tried.into_inner()), (Offload::default(), 0));
    }

    #[test]
    fn what_is_tried_is_a_superpacket_of_two() {
        let versions = [Version::V4, Version::V6];
        for (version, protocol) in versions.into_iter().flat_map(|version| [(version, TCP), (version, UDP)]) {
            let bytes = superpacket(version, protocol);
            let packet = vnet::read(&bytes).unwrap();
            assert_eq!((packet.count(), packet.segments().unwrap().iter().count()), (2, 2));
        }
    }

    #[test]
    fn it_is_told_in_words() {
        let offload = Offload { checksums: true, reads: ALL, writes: TCP_ONLY };
        assert_eq!(offload.to_string(), "checksums left open, superpackets read: TCP and UDP, written: TCP");
        assert_eq!(Offload::default().to_string(), "nothing");
    }
}
