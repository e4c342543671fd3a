use proptest::prelude::*;

use super::*;

const ALL: Kinds = Kinds { tcp: true, udp: true };

/// A packet with right checksums: made as the kernel cuts a superpacket of one.
fn packet(protocol: u8, port: u8, sequence: u32, flags: u8, payload: &[u8]) -> Vec<u8> {
    let transport_len = if protocol == TCP { 32 } else { 8 };
    let mut headers = vec![0; IP_LEN + transport_len];
    headers[..10].copy_from_slice(&[0x45, 0, 0, 0, 0, 0, 0x40, 0, 64, protocol]);
    headers[12..24].copy_from_slice(&[192, 0, 2, 1, 198, 51, 100, 7, 4, port, 0, 9]);
    if protocol == TCP {
        headers[24..28].copy_from_slice(&sequence.to_be_bytes());
        headers[32..34].copy_from_slice(&[0x80, ACK | flags]);
    }
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

/// The flow a packet belongs to, and what of it must arrive: everything.
fn of_port(packets: &[Vec<u8>], port: u8) -> Vec<Vec<u8>> {
    packets.iter().filter(|packet| packet[21] == port).cloned().collect()
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
}

proptest! {
    /// Whatever comes in whatever order: each flow's packets come out of the kernel's cutting as they were, in order.
    #[test]
    fn nothing_is_lost_changed_or_overtaken(
        steps in proptest::collection::vec((0..4_u8, 0..5_u8, 1..300_usize), 0..100)
    ) {
        let mut next = [0_u32; 4];
        let mut identification = [0_u16; 4];
        let packets: Vec<Vec<u8>> = steps
            .into_iter()
            .map(|(port, what, len)| {
                let flow = usize::from(port);
                let (protocol, len) = if port < 3 { (TCP, len) } else { (UDP, 50) };
                let len = if what > 2 { 100 } else { len };
                if what == 0 {
                    next[flow] += 1;
                }
                let flags = if what == 1 { PSH } else { 0 };
                let mut packet = packet(protocol, port, next[flow], flags, &vec![what; len]);
                next[flow] += len as u32;
                identify(&mut packet, identification[flow]);
                identification[flow] += 1;
                packet
            })
            .collect();
        let out: Vec<Vec<u8>> = writes(ALL, &packets).into_iter().flat_map(|(_, whole)| cut(whole)).collect();
        for port in 0..4 {
            prop_assert_eq!(of_port(&out, port), of_port(&packets, port));
        }
    }

    #[test]
    fn no_bytes_make_it_panic(packets in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..80), 0..10)) {
        let out: usize = writes(ALL, &packets).iter().map(|(count, _)| count).sum();
        prop_assert_eq!(out, packets.len());
    }
}
