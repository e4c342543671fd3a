use proptest::prelude::*;

use super::*;

use super::segment::{ACK, FIN, PSH};

const TCP: u8 = 6;
const UDP: u8 = 17;
const ALL: Kinds = Kinds { tcp: true, udp: true };

/// A packet with right checksums: made as the kernel cuts a superpacket of one.
fn packet(protocol: u8, port: u8, sequence: u32, flags: u8, payload: &[u8]) -> Vec<u8> {
    let network = [&[0x45, 0, 0, 0, 0, 0, 0x40, 0, 64, protocol, 0, 0][..], &[192, 0, 2, 1, 198, 51, 100, 7]];
    behind(&network.concat(), protocol, port, sequence, flags, payload)
}

/// The same over IPv6, with a traffic class and a flow label.
fn packet6(protocol: u8, port: u8, sequence: u32, flags: u8, payload: &[u8]) -> Vec<u8> {
    let network = [&[0x62, 0x81, 0x23, 0x45, 0, 0, protocol, 64][..], &[0x20; 16], &[0xfd; 16]];
    behind(&network.concat(), protocol, port, sequence, flags, payload)
}

fn behind(network: &[u8], protocol: u8, port: u8, sequence: u32, flags: u8, payload: &[u8]) -> Vec<u8> {
    let mut transport = vec![0; if protocol == TCP { 32 } else { 8 }];
    transport[..4].copy_from_slice(&[4, port, 0, 9]);
    if protocol == TCP {
        transport[4..8].copy_from_slice(&sequence.to_be_bytes());
        transport[12..14].copy_from_slice(&[0x80, ACK | flags]);
    }
    let mut headers = [network, &transport].concat();
    let mut header = vnet::open_superpacket(&mut headers, payload.len(), payload.len());
    if payload.is_empty() {
        // Nothing to cut, a checksum to complete.
        header[1] = 0;
    }
    cut([&header[..], &headers, payload].concat()).remove(0)
}

/// What the kernel makes of what is written.
fn cut(whole: Vec<u8>) -> Vec<Vec<u8>> {
    let segments = vnet::read(&whole).unwrap().segments().unwrap();
    segments
        .iter()
        .map(|segment| {
            let mut packet = vec![0; segment.len()];
            segment.write(&mut packet);
            packet
        })
        .collect()
}

/// What is written for `packets`, each with the number of packets in it.
fn writes(kinds: Kinds, packets: &[Vec<u8>]) -> Vec<(usize, Vec<u8>)> {
    let mut writes = Vec::new();
    coalesce(kinds, packets.iter().map(Vec::as_slice), |write| {
        let bytes: Vec<u8> = write.slices().iter().flat_map(|slice| slice.to_vec()).collect();
        writes.push((write.packets().len(), bytes));
    });
    writes
}

fn counts(packets: &[Vec<u8>]) -> Vec<usize> {
    writes(ALL, packets).iter().map(|(count, _)| *count).collect()
}

/// `count` segments of 100 octets that follow each other, the last with `flags`.
fn train(port: u8, count: usize, flags: u8) -> Vec<Vec<u8>> {
    (0..count)
        .map(|i| {
            let flags = if i + 1 == count { flags } else { 0 };
            let mut packet = packet(TCP, port, 100 * i as u32, flags, &[i as u8; 100]);
            identify(&mut packet, i as u16);
            packet
        })
        .collect()
}

/// Gives an identification, and with it a header checksum that is right.
fn identify(packet: &mut [u8], identification: u16) {
    packet[4..6].copy_from_slice(&identification.to_be_bytes());
    packet[10..12].fill(0);
    let mut sum: u32 = packet[..20].chunks(2).map(|pair| u32::from(pair[0]) << 8 | u32::from(pair[1])).sum();
    while sum >> 16 != 0 {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    packet[10..12].copy_from_slice(&(!(sum as u16)).to_be_bytes());
}

/// The same of IPv6, which has no identification.
fn train6(port: u8, count: usize, flags: u8) -> Vec<Vec<u8>> {
    let flags = |i| if i + 1 == count { flags } else { 0 };
    (0..count).map(|i| packet6(TCP, port, 100 * i as u32, flags(i), &[i as u8; 100])).collect()
}

/// The flow a packet belongs to, and what of it must arrive: everything.
fn of_port(packets: &[Vec<u8>], version: u8, port: u8) -> Vec<Vec<u8>> {
    let port_at = if version == 6 { 41 } else { 21 };
    packets.iter().filter(|packet| packet[0] >> 4 == version && packet[port_at] == port).cloned().collect()
}

#[test]
fn a_train_is_one_write_and_the_kernel_cuts_it_into_the_same_packets() {
    for flags in [0, PSH, PSH | FIN] {
        let packets = train(1, 5, flags);
        let written = writes(ALL, &packets);
        let [(5, whole)] = &written[..] else { panic!("{}", written.len()) };
        assert_eq!(cut(whole.clone()), packets);
    }
    let datagrams: Vec<Vec<u8>> = [300, 300, 300, 20]
        .into_iter()
        .enumerate()
        .map(|(i, len)| {
            let mut packet = packet(UDP, 1, 0, 0, &vec![i as u8; len]);
            identify(&mut packet, i as u16);
            packet
        })
        .collect();
    let written = writes(ALL, &datagrams);
    let [(4, whole)] = &written[..] else { panic!("{}", written.len()) };
    assert_eq!(cut(whole.clone()), datagrams);
    assert_eq!(writes(Kinds { udp: false, tcp: true }, &datagrams).len(), 4);
    assert_eq!(writes(Kinds::default(), &train(1, 5, 0)).len(), 5);
}

#[test]
fn a_train_over_ipv6_is_one_write_as_well() {
    for flags in [0, PSH, PSH | FIN] {
        let packets = train6(1, 5, flags);
        let written = writes(ALL, &packets);
        let [(5, whole)] = &written[..] else { panic!("{}", written.len()) };
        assert_eq!(cut(whole.clone()), packets);
    }
    let lengths = [300, 300, 300, 20].into_iter().enumerate();
    let datagrams: Vec<Vec<u8>> =
        lengths.map(|(i, len)| packet6(UDP, 1, 0, 0, &vec![i as u8; len])).collect();
    let written = writes(ALL, &datagrams);
    let [(4, whole)] = &written[..] else { panic!("{}", written.len()) };
    assert_eq!(cut(whole.clone()), datagrams);
    assert_eq!(writes(Kinds { udp: false, tcp: true }, &datagrams).len(), 4);
    assert_eq!(writes(Kinds { udp: true, tcp: false }, &train6(1, 5, 0)).len(), 5);
}

#[test]
fn a_run_ends_where_the_kernel_could_not_go_on() {
    let good = || train(1, 4, 0);
    let with = |change: fn(&mut Vec<u8>)| {
        let mut packets = good();
        change(&mut packets[2]);
        counts(&packets)
    };
    assert_eq!(with(|_| ()), [4]);
    assert_eq!(with(|packet| *packet = self::packet(TCP, 1, 999, 0, &[2; 100])), [2, 1, 1], "a gap");
    assert_eq!(with(|packet| *packet = self::packet(TCP, 1, 200, PSH, &[2; 100])), [3, 1], "PSH");
    assert_eq!(
        with(|packet| *packet = self::packet(TCP, 1, 200, 0, &[2; 99])),
        [3, 1],
        "a shorter one is the last"
    );
    assert_eq!(with(|packet| *packet = self::packet(TCP, 1, 200, 0, &[2; 101])), [2, 1, 1], "a longer one");
    assert_eq!(with(|packet| *packet = self::packet(TCP, 1, 200, 0x20, &[2; 100])), [2, 1, 1], "URG");
    assert_eq!(
        with(|packet| *packet = self::packet(TCP, 1, 200, 0, &[])),
        [2, 1, 1],
        "an acknowledgement only"
    );
    assert_eq!(with(|packet| packet[60] ^= 1), [2, 1, 1], "a wrong checksum stays wrong");
    assert_eq!(with(|packet| packet[10] ^= 1), [2, 1, 1], "a wrong header checksum");
    assert_eq!(with(|packet| packet.push(0)), [2, 1, 1], "octets behind the datagram");
    assert_eq!(with(|packet| packet.truncate(30)), [2, 1, 1]);
}

#[test]
fn what_differs_in_its_headers_goes_alone() {
    // Type of service, time to live, acknowledgement, window, an option: with checksums that are right again.
    for (offset, field) in [(1, 10), (8, 10), (31, 36), (35, 36), (45, 36)] {
        let mut packets = train(1, 2, 0);
        let packet = &mut packets[1];
        packet[offset] ^= 1;
        // Both fields lie at odd offsets of a word or both at even ones: subtract what was added.
        let added: i32 = if packet[offset] & 1 == 1 { 1 } else { -1 };
        let added = if offset % 2 == 1 { added } else { added << 8 };
        let checksum = i32::from(u16::from_be_bytes([packet[field], packet[field + 1]])) - added;
        let checksum = if checksum < 0 { checksum + 0xffff } else { checksum };
        packet[field..field + 2].copy_from_slice(&(checksum as u16).to_be_bytes());
        assert!(vnet::checksums_are_right(packet), "{offset}");
        assert_eq!(counts(&packets), [1, 1], "{offset}");
    }
}

/// Where a run of TCP was, the next one may be of UDP.
#[test]
fn udp_goes_together_after_tcp() {
    let datagrams = (0..4).map(|i| packet(UDP, 2, 0, 0, &[i; 100]));
    let packets: Vec<_> = train(1, 3, PSH).into_iter().chain(datagrams).collect();
    assert_eq!(counts(&packets), [3, 4]);
}

#[test]
fn what_differs_in_its_headers_over_ipv6_goes_alone() {
    // Traffic class, flow label, next header, hop limit: none of them is in a checksum, but the next header, which makes it wrong.
    for offset in [0, 1, 2, 3, 6, 7] {
        let mut packets = train6(1, 3, 0);
        packets[1][offset] ^= 1;
        assert_eq!(counts(&packets), [1, 1, 1], "{offset}");
    }
    let with = |change: fn(&mut Vec<u8>)| {
        let mut packets = train6(1, 4, 0);
        change(&mut packets[2]);
        counts(&packets)
    };
    assert_eq!(with(|_| ()), [4]);
    assert_eq!(with(|packet| *packet = packet6(TCP, 1, 999, 0, &[2; 100])), [2, 1, 1], "a gap");
    assert_eq!(with(|packet| *packet = packet6(TCP, 1, 200, PSH, &[2; 100])), [3, 1], "PSH");
    assert_eq!(with(|packet| *packet = packet6(TCP, 1, 200, 0, &[2; 99])), [3, 1], "a shorter one");
    assert_eq!(with(|packet| packet[80] ^= 1), [2, 1, 1], "a wrong checksum stays wrong");
    assert_eq!(with(|packet| packet.push(0)), [2, 1, 1], "octets behind the packet");
    let extended = |packet: &mut Vec<u8>| {
        // Destination options of no content, RFC 8200 §4.6.
        packet[6] = 60;
        packet[5] += 8;
        packet.splice(40..40, [6, 0, 1, 4, 0, 0, 0, 0]);
    };
    assert_eq!(with(extended), [2, 1, 1], "an extension header");
    let uncheckable: Vec<Vec<u8>> = (0..2)
        .map(|_| {
            let mut packet = packet6(UDP, 1, 0, 0, &[1; 100]);
            packet[46..48].fill(0);
            packet
        })
        .collect();
    assert_eq!(counts(&uncheckable), [1, 1], "RFC 6935: no checksum");
}

/// Its ports are not looked for, and only the first fragment has any: it may be of each of the flows.
#[test]
fn a_fragment_over_ipv6_overtakes_nothing() {
    let datagram = |port, number: u8| packet6(UDP, port, 0, 0, &[number; 100]);
    let mut fragment = datagram(1, 2);
    // A fragment header, RFC 8200 §4.5: the first of several.
    (fragment[5], fragment[6]) = (fragment[5] + 8, 44);
    fragment.splice(40..40, [UDP, 0, 0, 1, 0, 0, 0, 7]);
    let packets =
        [datagram(1, 0), datagram(2, 0), datagram(1, 1), datagram(2, 1), fragment.clone(), datagram(1, 3)];
    let written = writes(ALL, &packets);
    assert_eq!(written.iter().map(|(count, _)| *count).collect::<Vec<_>>(), [2, 2, 1, 1]);
    assert!(written[2].1.ends_with(&fragment));
}

#[test]
fn versions_and_addresses_are_told_apart() {
    let (a, b) = (train(1, 3, 0), train6(1, 3, 0));
    let mixed: Vec<Vec<u8>> = a.iter().zip(&b).flat_map(|(a, b)| [a.clone(), b.clone()]).collect();
    assert_eq!(counts(&mixed), [3, 3]);
    // Another host of the same network, with a checksum that is right.
    let mut other = train6(1, 3, 0);
    for packet in &mut other {
        packet[39] += 1;
        let sum = u16::from_be_bytes([packet[56], packet[57]]);
        let (sum, borrowed) = sum.overflowing_sub(1);
        packet[56..58].copy_from_slice(&sum.wrapping_sub(u16::from(borrowed)).to_be_bytes());
    }
    let mixed: Vec<Vec<u8>> = b.iter().zip(&other).flat_map(|(a, b)| [a.clone(), b.clone()]).collect();
    assert_eq!(counts(&mixed), [3, 3]);
}

#[test]
fn identifications_count_only_where_a_packet_may_be_fragmented() {
    let mut packets = train(1, 3, 0);
    packets.iter_mut().for_each(|packet| identify(packet, 7));
    assert_eq!(counts(&packets), [3]);
    for packet in &mut packets {
        packet[6] = 0;
        identify(packet, 7);
    }
    assert_eq!(counts(&packets), [1, 1, 1]);
}

#[test]
fn interleaved_flows_are_coalesced_each() {
    let (a, b) = (train(1, 6, 0), train(2, 6, 0));
    let mixed: Vec<Vec<u8>> = a.iter().zip(&b).flat_map(|(a, b)| [a.clone(), b.clone()]).collect();
    assert_eq!(counts(&mixed), [6, 6]);
    let many: Vec<Vec<u8>> =
        (0..3_u32).flat_map(|i| (0..20).map(move |port| packet(TCP, port, 100 * i, 0, &[0; 100]))).collect();
    assert_eq!(counts(&many).iter().sum::<usize>(), 60, "more flows than there is room for");
}

#[test]
fn a_superpacket_is_no_longer_than_a_length_field_says() {
    let packets: Vec<Vec<u8>> = (0..60_u32)
        .map(|i| {
            let mut packet = packet(TCP, 1, 1348 * i, 0, &[i as u8; 1348]);
            identify(&mut packet, i as u16);
            packet
        })
        .collect();
    let written = writes(ALL, &packets);
    assert_eq!(written.iter().map(|(count, _)| *count).collect::<Vec<_>>(), [48, 12]);
    assert!(written.iter().flat_map(|(_, whole)| cut(whole.clone())).eq(packets));
    assert_eq!(counts(&train(1, 200, 0)), [64, 64, 64, 8]);
    let packets: Vec<Vec<u8>> = (0..60_u32).map(|i| packet6(TCP, 1, 1328 * i, 0, &[i as u8; 1328])).collect();
    let written = writes(ALL, &packets);
    assert_eq!(written.iter().map(|(count, _)| *count).collect::<Vec<_>>(), [49, 11]);
    assert!(written.iter().flat_map(|(_, whole)| cut(whole.clone())).eq(packets));
}

proptest! {
    /// Whatever comes in whatever order: each flow's packets come out of the kernel's cutting as they were, in order.
    #[test]
    fn nothing_is_lost_changed_or_overtaken(
        steps in proptest::collection::vec((any::<bool>(), 0..4_u8, 0..5_u8, 1..300_usize), 0..100)
    ) {
        let mut next = [0_u32; 8];
        let mut identification = [0_u16; 4];
        let packets: Vec<Vec<u8>> = steps
            .into_iter()
            .map(|(v6, port, what, len)| {
                let flow = usize::from(port) + if v6 { 4 } else { 0 };
                let (protocol, len) = if port < 3 { (TCP, len) } else { (UDP, 50) };
                let len = if what > 2 { 100 } else { len };
                if what == 0 {
                    next[flow] += 1;
                }
                let flags = if what == 1 { PSH } else { 0 };
                let make = if v6 { packet6 } else { packet };
                let mut packet = make(protocol, port, next[flow], flags, &vec![what; len]);
                next[flow] += len as u32;
                if let Some(identification) = identification.get_mut(flow) {
                    identify(&mut packet, *identification);
                    *identification += 1;
                }
                packet
            })
            .collect();
        let out: Vec<Vec<u8>> = writes(ALL, &packets).into_iter().flat_map(|(_, whole)| cut(whole)).collect();
        for (version, port) in (0..4).flat_map(|port| [(4, port), (6, port)]) {
            prop_assert_eq!(of_port(&out, version, port), of_port(&packets, version, port));
        }
    }

    #[test]
    fn no_bytes_make_it_panic(
        mut packets in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..80), 0..10),
        version in prop_oneof![Just(0x45), Just(0x60)],
        protocol in prop_oneof![Just(TCP), Just(UDP)],
    ) {
        for packet in packets.iter_mut().filter(|packet| packet.len() >= 40) {
            // As far as the lengths it might be a packet.
            (packet[0], packet[if version == 0x60 { 6 } else { 9 }]) = (version, protocol);
            let at = if version == 0x60 { 4 } else { 2 };
            let len = packet.len() - if version == 0x60 { 40 } else { 0 };
            packet[at..at + 2].copy_from_slice(&(len as u16).to_be_bytes());
        }
        let out: usize = writes(ALL, &packets).iter().map(|(count, _)| count).sum();
        prop_assert_eq!(out, packets.len());
    }
}
