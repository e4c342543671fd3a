//! The checksum of the UDP header inside ESP, for clients that are reached over IPv6.
//!
//! Over IPv4 the field stays zero: RFC 3948 §3.1.2 recommends it and ESP authenticates the packet already. A client's kernel
//! hands the decrypted datagram to its UDP over IPv6, however, and that drops a zero (RFC 8200 §8.1); so for those clients, and
//! only for them, every packet is summed. (The sum of a TCP or UDP packet could be had from its own checksum instead, but then
//! whatever damages a packet before it comes here would pass.)

use std::net::{IpAddr, SocketAddr};

use ipsec::Path;

use crate::checksum::{finish_udp, sum, word};

/// Whether the inner UDP header of what goes along `path` needs a checksum.
pub(super) fn is_needed(path: Path) -> bool {
    path.remote.ip().to_canonical().is_ipv6()
}

/// Writes the checksum into `datagram`, a UDP header with its payload, if a client at the end of `path` needs it.
///
/// The addresses of the pseudo header are those we see. Without a NAT they are the client's too; RFC 6296 §3.1 translates
/// prefixes so that the sum stays as it is; and behind a NAT that keeps ports and not sums, RFC 3948 §3.1.2 has the client
/// ignore the value. Linux does; that it is not zero is all that it looks at then.
pub(super) fn fill(path: Path, datagram: &mut [u8]) {
    if !is_needed(path) {
        return;
    }
    let Some(len) = u16::try_from(datagram.len()).ok() else { return };
    let pseudo = address(path.local) + address(path.remote) + word(UDP) + word(len);
    let Some(field) = datagram.get_mut(CHECKSUM) else { return };
    field.fill(0);
    let checksum = finish_udp(pseudo + sum(datagram));
    if let Some(field) = datagram.get_mut(CHECKSUM) {
        field.copy_from_slice(&checksum);
    }
}

fn address(address: SocketAddr) -> u64 {
    match address.ip() {
        IpAddr::V4(v4) => sum(&v4.octets()),
        IpAddr::V6(v6) => sum(&v6.octets()),
    }
}

/// RFC 768.
const UDP: u16 = 17;
const CHECKSUM: std::ops::Range<usize> = 6..8;

#[cfg(test)]
mod tests {
    use super::*;

    fn path(local: &str, remote: &str) -> Path {
        Path { local: local.parse().unwrap(), remote: remote.parse().unwrap() }
    }

    /// Slowly, by RFC 768 and RFC 8200 §8.1: whatever is summed with its checksum gives all ones.
    fn verifies(path: Path, datagram: &[u8]) -> bool {
        let (IpAddr::V6(local), IpAddr::V6(remote)) = (path.local.ip(), path.remote.ip()) else {
            unreachable!("IPv6 only")
        };
        let length = u32::try_from(datagram.len()).unwrap().to_be_bytes();
        let mut covered = [&local.octets()[..], &remote.octets(), &length, &[0, 0, 0, 17], datagram].concat();
        if covered.len() % 2 == 1 {
            covered.push(0);
        }
        let total = covered.chunks(2).fold(0u32, |total, pair| {
            let total = total + u32::from(pair[0]) * 256 + u32::from(pair[1]);
            (total & 0xffff) + (total >> 16)
        });
        total == 0xffff
    }

    #[test]
    fn every_length_verifies() {
        let path = path("[2001:db8::1]:4500", "[2001:db8:ffff:ffff:ffff:ffff:ffff:fffe]:4500");
        for length in 8..1500 {
            let mut datagram: Vec<u8> = (0..length).map(|index| (index * 37 + length) as u8).collect();
            fill(path, &mut datagram);
            assert_ne!(datagram[CHECKSUM], [0, 0], "{length}");
            assert!(verifies(path, &datagram), "{length}");
        }
    }

    #[test]
    fn a_sum_of_zero_is_sent_as_its_complement() {
        let path = path("[::]:4500", "[::]:4500");
        // Length twice, protocol, and this word make ffff.
        let mut datagram = [0, 0, 0, 0, 0, 10, 0, 0, 0xff, 0xff - 10 - 10 - 17];
        fill(path, &mut datagram);
        assert_eq!(datagram[CHECKSUM], [0xff, 0xff]);
        assert!(verifies(path, &datagram));
    }

    #[test]
    fn over_ipv4_it_stays_zero() {
        for remote in ["198.51.100.7:4500", "[::ffff:198.51.100.7]:4500"] {
            let mut datagram = [1; 20];
            datagram[CHECKSUM].fill(0);
            fill(path("203.0.113.1:4500", remote), &mut datagram);
            assert_eq!(datagram[CHECKSUM], [0, 0], "{remote}");
        }
    }
}
