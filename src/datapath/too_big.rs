//! What the sender of a packet hears that the client's link cannot carry: RFC 1191 for IPv4, RFC 4443 §3.2 for IPv6.
//!
//! ```text
//! ┌────────────────────────┬───────────┬────────────┬────────────────────────────────────┐
//! │ IP, back to the sender │ 3, 4 or 2 │ the MTU    │ the packet, as much of it as fits  │
//! └────────────────────────┴───────────┴────────────┴────────────────────────────────────┘
//! ```
//!
//! The device has the MTU of the configuration; a client may have asked for less. It is said in the name of the packet's destination,
//! as a kernel does it for its own tunnels: from one of the machine's own addresses it would be taken for forged.

use super::pace::Pace;
use crate::checksum;

/// How often the senders of a session's packets are told: one that goes on regardless is told often enough.
pub(super) type Told = Pace<10, 20>;

/// How often a core tells anybody: as often as a kernel does at most (`icmp_msgs_per_sec`).
pub(super) type Telling = Pace<1000, 200>;

/// Whether something is said of `packet`: not of what is itself an error, RFC 1122 §3.2.2 and RFC 4443 §2.4 (e).
pub(super) fn has_answer(packet: &[u8]) -> bool {
    let Some(first) = packet.first() else { return false };
    let is_of = |protocol, at: usize| packet.get(at).is_none_or(|next| *next == protocol);
    match first >> 4 {
        // Of ICMP, only echo is none.
        4 if is_of(ICMP, 9) => matches!(packet.get(usize::from(first & 0x0f) * 4), Some(0 | 8)),
        // Errors are the types below 128.
        6 if is_of(ICMPV6, 6) => packet.get(40).is_some_and(|kind| kind & 0x80 != 0),
        version => version == 4 || version == 6,
    }
}

/// The packet that says so, if `packet` may not be cut on its way: IPv4 that forbids it, and all of IPv6. [`has_answer`] was asked.
pub(super) fn answer(packet: &[u8], mtu: u16) -> Option<Vec<u8>> {
    match packet.first()? >> 4 {
        4 => answer_ipv4(packet, mtu),
        6 => answer_ipv6(packet, mtu),
        _ => None,
    }
}

/// Whether `packet` must arrive whole or not at all.
pub(super) fn is_atomic(packet: &[u8]) -> bool {
    match packet.first().map(|byte| byte >> 4) {
        Some(4) => packet.get(6).is_some_and(|flags| flags & DONT_FRAGMENT != 0),
        Some(6) => true,
        _ => false,
    }
}

fn answer_ipv4(packet: &[u8], mtu: u16) -> Option<Vec<u8>> {
    let header: &[u8; 20] = packet.first_chunk()?;
    let quoted = packet.get(..(usize::from(header[0] & 0x0f) * 4 + 8).min(packet.len()))?;
    let [m0, m1] = mtu.to_be_bytes();
    let mut message = vec![3, 4, 0, 0, 0, 0, m0, m1];
    message.extend(quoted);
    let sum = checksum::finish(checksum::sum(&message));
    message[2..4].copy_from_slice(&sum);
    let [l0, l1] = u16::try_from(header.len() + message.len()).ok()?.to_be_bytes();
    let mut ip = [0x45, 0xc0, l0, l1, 0, 0, 0, 0, 64, ICMP, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    ip[12..16].copy_from_slice(&header[16..20]);
    ip[16..20].copy_from_slice(&header[12..16]);
    let sum = checksum::finish(checksum::sum(&ip));
    ip[10..12].copy_from_slice(&sum);
    Some([&ip[..], &message].concat())
}

fn answer_ipv6(packet: &[u8], mtu: u16) -> Option<Vec<u8>> {
    let header: &[u8; 40] = packet.first_chunk()?;
    let mut message = vec![2, 0, 0, 0];
    message.extend(u32::from(mtu).to_be_bytes());
    message.extend(packet.get(..MINIMUM_MTU - 48).unwrap_or(packet));
    let [l0, l1] = u16::try_from(message.len()).ok()?.to_be_bytes();
    let mut ip = vec![0x60, 0, 0, 0, l0, l1, ICMPV6, 64];
    ip.extend(&header[24..40]);
    ip.extend(&header[8..24]);
    let pseudo = checksum::pseudo6(ip.last_chunk()?, ICMPV6, message.len());
    let sum = checksum::finish(pseudo + checksum::sum(&message));
    message[2..4].copy_from_slice(&sum);
    Some([ip, message].concat())
}

/// RFC 791 §3.1.
const DONT_FRAGMENT: u8 = 0x40;
const ICMP: u8 = 1;
const ICMPV6: u8 = 58;
/// RFC 8200 §5: as long as the answer may be.
const MINIMUM_MTU: usize = 1280;

#[cfg(test)]
mod tests {
    use super::*;

    fn ipv4(flags: u8, protocol: u8, payload: &[u8]) -> Vec<u8> {
        let mut packet =
            vec![0x45, 0, 0, 0, 0, 7, flags, 0, 64, protocol, 0, 0, 198, 51, 100, 7, 10, 20, 0, 2];
        packet.extend(payload);
        packet
    }

    fn ipv6(next_header: u8, payload: &[u8]) -> Vec<u8> {
        let mut packet = vec![0x60, 0, 0, 0, 5, 0x78, next_header, 64];
        packet.extend([1; 16].iter().chain(&[2; 16]).chain(payload));
        packet
    }

    #[test]
    fn the_sender_over_ipv4_hears_the_mtu() {
        let packet = ipv4(DONT_FRAGMENT, 17, &[7; 1380]);
        let answer = answer(&packet, 1300).unwrap();
        let (ip, message) = answer.split_at(20);
        assert_eq!(checksum::finish(checksum::sum(ip)), [0, 0]);
        assert_eq!(checksum::finish(checksum::sum(message)), [0, 0]);
        assert_eq!((&ip[12..16], &ip[16..]), (&[10, 20, 0, 2][..], &[198, 51, 100, 7][..]));
        assert_eq!((&message[..2], &message[4..8]), (&[3, 4][..], &[0, 0, 5, 20][..]));
        assert_eq!(message[8..], packet[..28]);
    }

    #[test]
    fn the_sender_over_ipv6_hears_the_mtu() {
        let packet = ipv6(17, &[7; 1400]);
        let answer = answer(&packet, 1300).unwrap();
        assert_eq!(answer.len(), 1280);
        let (ip, message) = answer.split_at(40);
        let pseudo = checksum::pseudo6(ip.last_chunk().unwrap(), 58, message.len());
        assert_eq!(checksum::finish(pseudo + checksum::sum(message)), [0, 0]);
        assert_eq!((&ip[8..24], &ip[24..]), (&[2; 16][..], &[1; 16][..]));
        assert_eq!((&message[..2], &message[4..8]), (&[2, 0][..], &[0, 0, 5, 20][..]));
        assert_eq!(message[8..], packet[..1232]);
    }

    #[test]
    fn of_errors_nothing_is_said_but_of_pings_it_is() {
        assert!(!has_answer(&ipv4(DONT_FRAGMENT, ICMP, &[3; 1400])));
        assert!(has_answer(&ipv4(DONT_FRAGMENT, ICMP, &[8; 1400])));
        assert!(has_answer(&ipv4(DONT_FRAGMENT, 17, &[3; 1400])));
        // Behind options.
        let mut packet = ipv4(DONT_FRAGMENT, ICMP, &[&[1; 4][..], &[3; 1400]].concat());
        packet[0] = 0x46;
        assert!(!has_answer(&packet));
        assert!(!has_answer(&ipv6(ICMPV6, &[1; 1400])));
        assert!(has_answer(&ipv6(ICMPV6, &[128; 1400])) && has_answer(&ipv6(17, &[1; 1400])));
        for len in 0..20 {
            assert!(answer(&ipv4(DONT_FRAGMENT, 17, &[])[..len], 1300).is_none());
        }
    }

    #[test]
    fn what_may_be_cut_is_not_atomic() {
        assert!(!is_atomic(&ipv4(0, 17, &[])) && is_atomic(&ipv4(DONT_FRAGMENT, 17, &[])));
        assert!(is_atomic(&ipv6(17, &[])) && !is_atomic(&[]));
    }
}
