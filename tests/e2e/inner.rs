//! IP packets as they travel inside the tunnel: just enough to ping and to claim a false source.

use std::net::Ipv4Addr;

/// ICMP types.
const ECHO_REPLY: u8 = 0;
const ECHO_REQUEST: u8 = 8;

/// An IPv4 packet with a right header checksum.
pub(crate) fn ipv4(source: Ipv4Addr, destination: Ipv4Addr, protocol: u8, payload: &[u8]) -> Vec<u8> {
    let length = u16::try_from(payload.len() + 20).expect("a small packet");
    let mut header = [0x45, 0, 0, 0, 0, 0, 0x40, 0, 64, protocol, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    header[2..4].copy_from_slice(&length.to_be_bytes());
    header[12..16].copy_from_slice(&source.octets());
    header[16..].copy_from_slice(&destination.octets());
    let sum = checksum(&header);
    header[10..12].copy_from_slice(&sum.to_be_bytes());
    [&header, payload].concat()
}

/// An echo request.
pub(crate) fn ping(source: Ipv4Addr, destination: Ipv4Addr, number: u16) -> Vec<u8> {
    ipv4(source, destination, 1, &echo(ECHO_REQUEST, number, &[0x5a; 56]))
}

/// The reply to an echo request, from whom it was meant for.
pub(crate) fn pong(packet: &[u8]) -> Option<Vec<u8>> {
    let icmp = packet.get(20..)?;
    (is_icmp(packet) && icmp.first() == Some(&ECHO_REQUEST)).then_some(())?;
    let number = u16::from_be_bytes([icmp[6], icmp[7]]);
    Some(ipv4(destination(packet), source(packet), 1, &echo(ECHO_REPLY, number, &icmp[8..])))
}

/// The number of an echo reply.
pub(crate) fn pong_number(packet: &[u8]) -> Option<u16> {
    let icmp = packet.get(20..)?;
    (is_icmp(packet) && icmp.first() == Some(&ECHO_REPLY)).then(|| u16::from_be_bytes([icmp[6], icmp[7]]))
}

pub(crate) fn source(packet: &[u8]) -> Ipv4Addr {
    Ipv4Addr::new(packet[12], packet[13], packet[14], packet[15])
}

pub(crate) fn destination(packet: &[u8]) -> Ipv4Addr {
    Ipv4Addr::new(packet[16], packet[17], packet[18], packet[19])
}

fn echo(kind: u8, number: u16, data: &[u8]) -> Vec<u8> {
    let mut icmp = [&[kind, 0, 0, 0, 0, 1][..], &number.to_be_bytes(), data].concat();
    let sum = checksum(&icmp);
    icmp[2..4].copy_from_slice(&sum.to_be_bytes());
    icmp
}

fn is_icmp(packet: &[u8]) -> bool {
    packet[0] >> 4 == 4 && packet[9] == 1
}

/// RFC 1071.
pub(crate) fn checksum(bytes: &[u8]) -> u16 {
    let words = bytes.chunks(2).map(|pair| u32::from(pair[0]) << 8 | u32::from(*pair.get(1).unwrap_or(&0)));
    let mut sum: u32 = words.sum();
    while sum >> 16 != 0 {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !(sum as u16)
}

/// A TCP SYN that announces a maximum segment size.
pub(crate) fn syn(source: Ipv4Addr, destination: Ipv4Addr, mss: u16) -> Vec<u8> {
    let mut segment = [0xc0, 0, 0, 80, 0, 0, 0, 1, 0, 0, 0, 0, 0x60, 2, 0xff, 0xff, 0, 0, 0, 0, 2, 4, 0, 0];
    segment[22..].copy_from_slice(&mss.to_be_bytes());
    let sum = checksum(&[&source.octets()[..], &destination.octets(), &[0, 6, 0, 24], &segment].concat());
    segment[16..18].copy_from_slice(&sum.to_be_bytes());
    ipv4(source, destination, 6, &segment)
}

/// The maximum segment size of a SYN whose checksum is right.
pub(crate) fn mss(packet: &[u8]) -> Option<u16> {
    let segment = packet.get(20..44)?;
    let addresses = &packet[12..20];
    let sum = checksum(&[addresses, &[0, 6, 0, 24], segment].concat());
    (sum == 0).then(|| u16::from_be_bytes([segment[22], segment[23]]))
}

/// A UDP datagram whose checksum is only begun: its field holds the pseudo header's sum.
pub(crate) fn udp_begun(source: Ipv4Addr, destination: Ipv4Addr, payload: &[u8]) -> Vec<u8> {
    let length = u16::try_from(payload.len() + 8).expect("a small packet").to_be_bytes();
    let sum = !checksum(&[&source.octets()[..], &destination.octets(), &[0, 17], &length].concat());
    let header = [&[0x9c, 0x40, 0, 9][..], &length, &sum.to_be_bytes()].concat();
    ipv4(source, destination, 17, &[&header[..], payload].concat())
}

/// The payload of a UDP datagram in an IP packet if all lengths and checksums are right.
pub(crate) fn udp_payload(packet: &[u8]) -> Option<&[u8]> {
    let (header, datagram) = packet.split_at_checked(20)?;
    let (ip_len, udp_len) = (packet.len().to_be_bytes(), datagram.len().to_be_bytes());
    let right = checksum(header) == 0
        && checksum(&[&header[12..20], &[0, 17], &udp_len[6..], datagram].concat()) == 0
        && header[2..4] == ip_len[6..]
        && datagram.get(4..6)? == &udp_len[6..];
    right.then(|| &datagram[8..])
}
