//! The packets that clients of a flood send, as their kernels would make them.

use std::net::{Ipv4Addr, SocketAddr};

use anyhow::bail;

/// An IPv4 packet of UDP from and to the port of `far`, `size` bytes with its headers (RFC 768, RFC 791).
pub(crate) fn udp(from: Ipv4Addr, far: SocketAddr, size: u16) -> anyhow::Result<Vec<u8>> {
    let SocketAddr::V4(far) = far else { bail!("IPv4 only") };
    let length = size - IP_LEN;
    let mut datagram = [far.port(), far.port(), length, 0].map(u16::to_be_bytes).concat();
    datagram.resize(length.into(), 0x5a);
    let mut packet = ip(UDP, from, *far.ip(), size);
    let pseudo = [&packet[12..20], &[0, UDP], &length.to_be_bytes()].concat();
    let sum = checksum(&[&pseudo[..], &datagram].concat());
    datagram[6..8].copy_from_slice(&sum.to_be_bytes());
    packet.extend(datagram);
    Ok(packet)
}

/// Gives a packet of [`udp`] another identification, as kernels do: SoftEther takes packets that are the same for a loop, and
/// drops them.
pub(crate) fn identify(packet: &mut [u8], identification: u16) {
    let Some(header) = packet.first_chunk_mut::<{ IP_LEN as usize }>() else { return };
    [header[4], header[5]] = identification.to_be_bytes();
    [header[10], header[11]] = [0; 2];
    [header[10], header[11]] = checksum(header).to_be_bytes();
}

/// An IPv4 packet with an echo request of 56 bytes, as ping sends (RFC 792).
pub(crate) fn echo_request(from: Ipv4Addr, to: Ipv4Addr, identifier: u16, sequence: u16) -> Vec<u8> {
    let message = echo_message(identifier, sequence);
    let size = IP_LEN + u16::try_from(message.len()).unwrap_or(u16::MAX);
    [ip(ICMP, from, to, size), message].concat()
}

/// The echo request without the IP header, for sockets that bring their own.
pub(crate) fn echo_message(identifier: u16, sequence: u16) -> Vec<u8> {
    let mut message = vec![ECHO_REQUEST, 0, 0, 0];
    message.extend([identifier, sequence].into_iter().flat_map(u16::to_be_bytes));
    message.resize(8 + 56, 0x5a);
    let sum = checksum(&message);
    message[2..4].copy_from_slice(&sum.to_be_bytes());
    message
}

/// Identifier and sequence number of an IPv4 packet that is an echo reply.
pub(crate) fn echo_reply(packet: &[u8]) -> Option<(u16, u16)> {
    let header = usize::from(packet.first()? & 0x0f) * 4;
    (packet.get(9) == Some(&ICMP)).then_some(())?;
    let [ECHO_REPLY, 0, _, _, i0, i1, s0, s1] = *packet.get(header..)?.first_chunk()? else { return None };
    Some((u16::from_be_bytes([i0, i1]), u16::from_be_bytes([s0, s1])))
}

fn ip(protocol: u8, from: Ipv4Addr, to: Ipv4Addr, size: u16) -> Vec<u8> {
    let mut header = vec![0x45, 0];
    header.extend(size.to_be_bytes());
    header.extend([0, 0, 0x40, 0, 64, protocol, 0, 0]);
    header.extend(from.octets());
    header.extend(to.octets());
    let sum = checksum(&header);
    header[10..12].copy_from_slice(&sum.to_be_bytes());
    header
}

/// RFC 1071.
fn checksum(bytes: &[u8]) -> u16 {
    let word = |pair: &[u8]| u32::from(pair[0]) << 8 | u32::from(*pair.get(1).unwrap_or(&0));
    let sum: u32 = bytes.chunks(2).map(word).sum();
    let folded = (sum >> 16) + (sum & 0xffff);
    !((folded >> 16) + (folded & 0xffff)) as u16
}

const IP_LEN: u16 = 20;
const ICMP: u8 = 1;
const UDP: u8 = 17;
const ECHO_REPLY: u8 = 0;
const ECHO_REQUEST: u8 = 8;

#[cfg(test)]
mod tests {
    use super::*;

    const FROM: Ipv4Addr = Ipv4Addr::new(10, 20, 0, 2);

    #[test]
    fn checksums_are_right() {
        let mut packet = udp(FROM, "192.0.2.1:9000".parse().unwrap(), 101).unwrap();
        assert_eq!(checksum(&packet[..20]), 0);
        identify(&mut packet, 0x1234);
        assert_eq!((packet.len(), checksum(&packet[..20])), (101, 0));
        let pseudo = [&packet[12..20], &[0, UDP, 0, 81], &packet[20..]].concat();
        assert_eq!(checksum(&pseudo), 0);
        let echo = echo_request(FROM, FROM, 7, 9);
        assert_eq!((echo.len(), checksum(&echo[..20]), checksum(&echo[20..])), (84, 0, 0));
    }

    #[test]
    fn a_reply_is_known_by_its_numbers() {
        let mut packet = echo_request(FROM, FROM, 7, 9);
        assert_eq!(echo_reply(&packet), None, "a request");
        packet[20] = ECHO_REPLY;
        assert_eq!(echo_reply(&packet), Some((7, 9)));
        assert!((0..28).all(|length| echo_reply(&packet[..length]).is_none()));
    }
}
