use proptest::prelude::*;

use super::*;

/// A slow checksum from the RFC's text, to compare with.
fn valid(bytes: &[u8], pseudo: &[u8]) -> bool {
    let words = |bytes: &[u8]| -> u64 {
        bytes.chunks(2).map(|pair| u64::from(pair[0]) << 8 | u64::from(*pair.get(1).unwrap_or(&0))).sum()
    };
    let mut sum = words(bytes) + words(pseudo);
    while sum >> 16 != 0 {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    sum == 0xffff
}

fn pseudo(packet: &[u8]) -> Vec<u8> {
    let length = (packet.len() - 20) as u16;
    [&packet[12..20], &[0, packet[9]], &length.to_be_bytes()].concat()
}

fn uncut(protocol: u8, payload: usize) -> Vec<u8> {
    let transport = if protocol == TCP { 32 } else { 8 };
    let mut packet = vec![0; 20 + transport];
    packet[0] = 0x45;
    packet[2..4].copy_from_slice(&((20 + transport + payload) as u16).to_be_bytes());
    packet[4..6].copy_from_slice(&0xfffe_u16.to_be_bytes());
    packet[8..10].copy_from_slice(&[64, protocol]);
    packet[12..20].copy_from_slice(&[192, 0, 2, 1, 198, 51, 100, 7]);
    // What the kernel may leave where checksums will be.
    packet[10..12].copy_from_slice(&[0x12, 0x34]);
    let checksum = if protocol == TCP { 36 } else { 26 };
    packet[checksum..checksum + 2].copy_from_slice(&[0x56, 0x78]);
    if protocol == TCP {
        // Window and urgent pointer.
        packet[34..36].copy_from_slice(&[0x9a, 0xbc]);
        packet[38..40].copy_from_slice(&[0xde, 0xf0]);
        packet[24..28].copy_from_slice(&0xffff_ff00_u32.to_be_bytes());
        packet[32..34].copy_from_slice(&[0x80, 0x10 | FIN | PSH | CWR]);
    }
    packet.extend((0..payload).map(|i| (i * 7) as u8));
    packet
}

fn segments(packet: &[u8], left: Left) -> Result<Vec<Vec<u8>>, Malformed> {
    let segments = Superpacket::new(packet, left).segments()?;
    Ok(segments
        .iter()
        .map(|segment| {
            let mut written = vec![0xee; segment.len()];
            segment.write(&mut written);
            written
        })
        .collect())
}

fn tcp(size: u16) -> Left {
    Left::Segmentation { transport: Transport::Tcp, size }
}

fn udp(size: u16) -> Left {
    Left::Segmentation { transport: Transport::Udp, size }
}

#[test]
fn tcp_is_cut_at_the_segment_size() {
    let whole = uncut(TCP, 3001);
    let packets = segments(&whole, tcp(1000)).unwrap();
    assert_eq!(packets.iter().map(Vec::len).collect::<Vec<_>>(), [1052, 1052, 1052, 53]);
    for (index, packet) in packets.iter().enumerate() {
        assert_eq!(packet[2..4], (packet.len() as u16).to_be_bytes());
        assert_eq!(packet[4..6], 0xfffe_u16.wrapping_add(index as u16).to_be_bytes());
        assert_eq!(packet[24..28], 0xffff_ff00_u32.wrapping_add(1000 * index as u32).to_be_bytes());
        assert!(valid(&packet[..20], &[]) && valid(&packet[20..], &pseudo(packet)), "{index}");
    }
    let flags: Vec<u8> = packets.iter().map(|packet| packet[33]).collect();
    assert_eq!(flags, [0x10 | CWR, 0x10, 0x10, 0x10 | FIN | PSH]);
    assert_eq!(packets.iter().flat_map(|packet| &packet[52..]).copied().collect::<Vec<_>>(), whole[52..]);
}

#[test]
fn udp_is_cut_into_datagrams() {
    let packets = segments(&uncut(UDP, 2500), udp(1200)).unwrap();
    assert_eq!(packets.iter().map(Vec::len).collect::<Vec<_>>(), [1228, 1228, 128]);
    for packet in &packets {
        assert_eq!(packet[24..26], ((packet.len() - 20) as u16).to_be_bytes());
        assert!(valid(&packet[..20], &[]) && valid(&packet[20..], &pseudo(packet)));
    }
}

#[test]
fn options_of_the_ip_header_are_repeated() {
    let mut whole = uncut(UDP, 300);
    whole[0] = 0x46;
    whole.splice(20..20, [1, 1, 1, 0]);
    let packets = segments(&whole, udp(200)).unwrap();
    assert_eq!(packets.iter().map(Vec::len).collect::<Vec<_>>(), [232, 132]);
    for packet in &packets {
        assert_eq!(packet[20..24], [1, 1, 1, 0]);
        assert!(valid(&packet[..24], &[]));
    }
}

#[test]
fn an_open_checksum_is_completed() {
    let mut packet = uncut(TCP, 77);
    let mut partial: u32 = pseudo(&packet).chunks(2).map(|p| u32::from(p[0]) << 8 | u32::from(p[1])).sum();
    partial = (partial & 0xffff) + (partial >> 16);
    packet[36..38].copy_from_slice(&(partial as u16).to_be_bytes());
    let written = segments(&packet, Left::Checksum { start: 20, field: 16 }).unwrap();
    assert_eq!(written.len(), 1);
    assert!(valid(&written[0][20..], &pseudo(&written[0])));
    packet[36..38].copy_from_slice(&written[0][36..38]);
    assert_eq!(written[0], packet, "and nothing else");
}

#[test]
fn a_udp_checksum_is_never_zero() {
    // All ones in the data make the sum all ones and its complement zero.
    let written = segments(&[0, 0, 0xff, 0xff], Left::Checksum { start: 0, field: 0 }).unwrap();
    assert_eq!(written, [[0xff; 4]]);
}

#[test]
fn a_checksum_beyond_the_packet_is_refused() {
    let packet = uncut(UDP, 10);
    for (start, field, good) in [(20, 16, true), (20, 17, false), (38, 0, false), (u16::MAX, u16::MAX, false)]
    {
        assert_eq!(segments(&packet, Left::Checksum { start, field }).is_ok(), good, "{start} {field}");
    }
}

#[test]
fn every_prefix_of_a_superpacket_is_cut_or_refused() {
    let whole = uncut(TCP, 300);
    for length in 0..whole.len() {
        assert_eq!(segments(&whole[..length], tcp(100)).is_ok(), length > 52, "{length}");
    }
    assert_eq!(segments(&whole, udp(100)), Err(Malformed), "another protocol");
    assert_eq!(segments(&whole, tcp(0)), Err(Malformed), "no size");
    let mut ipv6 = whole;
    ipv6[0] = 0x65;
    assert_eq!(segments(&ipv6, tcp(100)), Err(Malformed));
}

#[test]
fn parts_of_a_superpacket_are_its_packets() {
    for (whole, left) in [(uncut(TCP, 3001), tcp(1000)), (uncut(UDP, 2500), udp(1200))] {
        let all = segments(&whole, left).unwrap();
        let superpacket = Superpacket::new(&whole, left);
        let mut together = Vec::new();
        for (part, count) in [(0..1, 1), (1..3, 2), (3..9, all.len() - 3), (9..10, 0)] {
            assert_eq!(superpacket.part(part.clone()).count(), count, "{part:?}");
            for segment in superpacket.part(part).segments().unwrap().iter() {
                let mut written = vec![0xee; segment.len()];
                segment.write(&mut written);
                together.push(written);
            }
        }
        assert_eq!(together, all);
        assert_eq!(superpacket.part(1..3).of_copy(&whole.clone()), superpacket.part(1..3));
    }
}

#[test]
fn they_are_counted_before_they_are_cut() {
    // With options of TCP, and with more of them of IP.
    let with_options = |payload| {
        let mut whole = uncut(TCP, payload);
        whole[0] = 0x4f;
        whole.splice(20..20, [1; 40]);
        whole
    };
    for payload in [1, 99, 100, 101, 200, 250] {
        for (whole, left) in [
            (uncut(UDP, payload), udp(100)),
            (uncut(TCP, payload), tcp(100)),
            (with_options(payload), tcp(100)),
        ] {
            let packet = Superpacket::new(&whole, left);
            assert_eq!(packet.count(), packet.segments().unwrap().iter().count(), "{payload}");
        }
    }
    assert_eq!(Superpacket::from(&[][..]).count(), 1);
}

proptest! {
    #[test]
    fn whatever_is_said_nothing_panics(
        mut bytes in proptest::collection::vec(any::<u8>(), 0..200),
        version in any::<bool>(),
        protocol in prop_oneof![Just(TCP), Just(UDP), any::<u8>()],
        left in prop_oneof![
            (0..300_u16, 0..40_u16).prop_map(|(start, field)| Left::Checksum { start, field }),
            any::<u16>().prop_map(tcp),
            (0..9_u16).prop_map(udp),
        ],
    ) {
        if version && bytes.len() > 10 {
            bytes[0] = 0x45;
            bytes[9] = protocol;
        }
        if let Ok(cut) = segments(&bytes, left) {
            prop_assert!(!cut.is_empty());
        }
    }
}

/// The packet of [`uncut`] over IPv6.
fn uncut6(protocol: u8, payload: usize) -> Vec<u8> {
    let packet = uncut(protocol, payload);
    let (_, transport) = packet.split_at(20);
    let length = (transport.len() as u16).to_be_bytes();
    let mut whole = vec![0x60, 0, 0, 0, length[0], length[1], protocol, 64];
    whole.extend((0..32).map(|octet| 0x20 + octet));
    whole.extend(transport);
    whole
}

fn pseudo6(packet: &[u8]) -> Vec<u8> {
    let length = ((packet.len() - 40) as u32).to_be_bytes();
    [&packet[8..40], &length, &[0, 0, 0, packet[6]]].concat()
}

#[test]
fn ipv6_is_cut_as_well() {
    for (protocol, left, headers) in [(TCP, tcp(1000), 72), (UDP, udp(1000), 48)] {
        let whole = uncut6(protocol, 2500);
        let pieces = segments(&whole, left).unwrap();
        assert_eq!(Superpacket::new(&whole, left).count(), 3);
        assert_eq!(
            pieces.iter().map(Vec::len).collect::<Vec<_>>(),
            [headers + 1000, headers + 1000, headers + 500]
        );
        for piece in &pieces {
            assert_eq!(usize::from(u16::from_be_bytes([piece[4], piece[5]])), piece.len() - 40);
            assert_eq!((piece[0], &piece[6..40]), (0x60, &whole[6..40]));
            assert!(valid(&piece[40..], &pseudo6(piece)));
        }
        let payload: Vec<u8> = pieces.iter().flat_map(|piece| &piece[headers..]).copied().collect();
        assert_eq!(payload, whole[headers..]);
    }
    let mut extended = uncut6(TCP, 2500);
    extended[6] = 0;
    assert_eq!(segments(&extended, tcp(1000)), Err(Malformed), "an extension header");
}
