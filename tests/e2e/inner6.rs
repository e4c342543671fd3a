//! IPv6 packets as they travel inside the tunnel.

use std::net::Ipv6Addr;

use crate::inner::checksum;

/// A packet whose transport has its checksum at `field`.
pub(crate) fn ipv6(
    (source, destination): (Ipv6Addr, Ipv6Addr),
    (next_header, field): (u8, usize),
    payload: &[u8],
) -> Vec<u8> {
    let mut payload = payload.to_vec();
    let length = u16::try_from(payload.len()).expect("a small packet").to_be_bytes();
    let addresses = [source.octets(), destination.octets()].concat();
    let sum = checksum(&[&addresses[..], &[0, 0], &length, &[0, 0, 0, next_header], &payload].concat());
    payload[field..field + 2].copy_from_slice(&sum.to_be_bytes());
    [&[0x60, 0, 0, 0][..], &length, &[next_header, 255], &addresses, &payload].concat()
}

/// A message of ICMPv6.
pub(crate) fn icmp(source: Ipv6Addr, destination: Ipv6Addr, kind: u8, body: &[u8]) -> Vec<u8> {
    ipv6((source, destination), (58, 2), &[&[kind, 0, 0, 0], body].concat())
}

/// A datagram.
pub(crate) fn udp(addresses: (Ipv6Addr, Ipv6Addr), ports: (u16, u16), payload: &[u8]) -> Vec<u8> {
    let length = u16::try_from(payload.len() + 8).expect("a small packet").to_be_bytes();
    let header = [&ports.0.to_be_bytes()[..], &ports.1.to_be_bytes(), &length, &[0, 0]].concat();
    ipv6(addresses, (17, 6), &[header, payload.to_vec()].concat())
}

/// A TCP SYN that announces a maximum segment size.
pub(crate) fn syn(source: Ipv6Addr, destination: Ipv6Addr, mss: u16) -> Vec<u8> {
    let mut segment = [0xc0, 0, 0, 80, 0, 0, 0, 1, 0, 0, 0, 0, 0x60, 2, 0xff, 0xff, 0, 0, 0, 0, 2, 4, 0, 0];
    segment[22..].copy_from_slice(&mss.to_be_bytes());
    ipv6((source, destination), (6, 16), &segment)
}

/// Next header and payload, if the checksum is right.
pub(crate) fn payload(packet: &[u8]) -> Option<(u8, &[u8])> {
    let (header, payload) = packet.split_at_checked(40)?;
    let length = u16::try_from(payload.len()).ok()?.to_be_bytes();
    let sum = checksum(&[&header[8..], &[0, 0], &length, &[0, 0, 0, header[6]], payload].concat());
    (header[0] >> 4 == 6 && header[4..6] == length && sum == 0).then_some((header[6], payload))
}

pub(crate) fn source(packet: &[u8]) -> Ipv6Addr {
    let octets: [u8; 16] = packet[8..24].try_into().expect("an IPv6 header");
    octets.into()
}
