//! Bytes that no client would send: prefixes, mutations, noise. Nothing panics, nothing grows.

use hex_literal::hex;
use proptest::prelude::*;

use super::*;

/// A conversation; each message is valid when those before it have been handled.
fn conversation(tunnel: u16, session: u16) -> Vec<Vec<u8>> {
    let stop_ccn =
        [STOP_CCN, &avp(0x8000, 9, &[0x0a, 0x0b]), &avp(0x8000, 1, &[0, 1, 0, 0, 0x68, 0x69])].concat();
    let cdn = [CDN, &avp(0x8000, 1, &[0, 3]), &avp(0x8000, 14, &[0x0c, 0x0d])].concat();
    let request =
        [sccrq(0x0a0b), avp(0x8000, 2, &[1, 0]), avp(0x8000, 7, b"host"), avp(0, 8, b"vendor")].concat();
    let connected = [ICCN, &avp(0x8000, 24, &[0, 1, 0, 0]), &avp(0x8000, 19, &[0, 0, 0, 1])].concat();
    vec![
        message(0, 0, 0, 0, &request),
        message(tunnel, 0, 1, 1, SCCCN),
        message(tunnel, 0, 2, 1, &icrq(0x0c0d)),
        message(tunnel, session, 3, 2, &connected),
        message(tunnel, 0, 4, 2, HELLO),
        message(tunnel, session, 5, 2, SLI),
        message(tunnel, session, 6, 2, &cdn),
        message(tunnel, 0, 7, 2, &stop_ccn),
    ]
}

/// The ids are the same in every world, since its seed is.
fn ids() -> (u16, u16) {
    let session = World::new(Config::default()).open_session();
    (session.tunnel_id, session.session_id)
}

#[test]
fn the_conversation_is_valid() {
    let (tunnel, session) = ids();
    let mut world = World::new(Config::default());
    for message in conversation(tunnel, session) {
        assert_eq!(world.say(&message).len(), 1);
    }
    let events = world.events();
    assert!(
        matches!(
            events[..],
            [
                Event::TunnelOpened { .. },
                Event::SessionOpened { .. },
                Event::SessionClosed { .. },
                Event::TunnelClosed { .. }
            ]
        ),
        "{events:?}"
    );
    assert!(world.lns.discards().iter().all(|(_, count)| count == 0));
}

#[test]
fn every_prefix_of_every_message() {
    let (tunnel, session) = ids();
    let whole = conversation(tunnel, session);
    for (index, message) in whole.iter().enumerate() {
        for end in 0..message.len() {
            let mut world = World::new(Config::default());
            whole.iter().take(index).for_each(|message| drop(world.say(message)));
            // Cut short, it is not a control message at all.
            let before: u64 = world.lns.discards().iter().map(|(_, count)| count).sum();
            assert!(world.say(&message[..end]).is_empty());
            let after: u64 = world.lns.discards().iter().map(|(_, count)| count).sum();
            assert_eq!(after, before + 1);
            // With a length that fits, it is one with fewer or broken AVPs.
            let mut patched = message[..end].to_vec();
            if let Some(length) = patched.get_mut(2..4) {
                length.copy_from_slice(&u16::try_from(end).unwrap().to_be_bytes());
            }
            assert!(world.say(&patched).len() <= 2);
            world.wait(300 * SECOND);
        }
    }
}

/// UDP payloads of the packets in tcpdump's test file `l2tp-avp-overflow.pcap`.
#[test]
fn tcpdump_avp_overflow() {
    let payloads = [
        hex!("f0020202023008080808 0000ee230530"),
        hex!("f0020202023008080808 000000303030"),
        hex!("f0020202023008080808 000000230530"),
        hex!("f0020202023008080808 000100230530"),
        hex!("f0020202023008080808 008006a519e8"),
    ];
    for payload in payloads {
        let mut world = World::new(Config::default());
        assert!(world.say(&payload).is_empty());
        // The same with the S bit and a length that fits, so that it gets further than a header check.
        let mut further = payload;
        further[..4].copy_from_slice(&hex!("f8020010"));
        world.say(&further);
        further[4..8].fill(0);
        world.say(&further);
        assert_eq!(world.lns.poll_timeout(), None);
    }
}

fn mutated(mut message: Vec<u8>, at: usize, value: u8, mode: u8) -> Vec<u8> {
    let at = at % message.len();
    match mode % 4 {
        0 => message[at] = value,
        1 => message[at] ^= 1 << (value % 8),
        2 => message.truncate(at),
        _ => message.insert(at, value),
    }
    // Mostly a length that fits, so that the mutation reaches the AVPs.
    if mode < 200 && message.len() >= 4 {
        let length = u16::try_from(message.len()).unwrap();
        message[2..4].copy_from_slice(&length.to_be_bytes());
    }
    message
}

proptest! {
    #[test]
    fn noise(datagrams in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..80), 1..20)) {
        let mut world = World::new(Config::default());
        for mut datagram in datagrams {
            world.say(&datagram);
            // The same noise behind a header that is none.
            let [l0, l1] = u16::try_from(datagram.len()).unwrap().to_be_bytes();
            if let Some(header) = datagram.first_chunk_mut::<10>() {
                *header = [0xc8, 2, l0, l1, 0, 0, 0, 0, 0, 0];
            }
            world.say(&datagram);
        }
        world.wait(600 * SECOND);
        prop_assert_eq!(world.lns.poll_timeout(), None);
    }

    #[test]
    fn mutations(
        steps in proptest::collection::vec((0_usize..8, any::<usize>(), any::<u8>(), any::<u8>(), 0_u64..4), 1..60),
        secret in any::<bool>(),
    ) {
        let (tunnel, session) = ids();
        let whole = conversation(tunnel, session);
        let mut world = if secret { World::with_secret() } else { World::new(Config::default()) };
        let mut tunnels = 0_i32;
        let mut sessions = 0_i32;
        for (index, at, value, mode, pause) in steps {
            let message = whole[index].clone();
            let message = if mode % 8 == 0 { message } else { mutated(message, at, value, mode) };
            let answers = world.say(&message);
            prop_assert!(answers.len() <= 10, "{} answers", answers.len());
            prop_assert!(answers.iter().all(|answer| answer.len() < 200));
            world.wait(Duration::from_secs(pause));
            for event in world.events() {
                match event {
                    Event::TunnelOpened { .. } => tunnels += 1,
                    Event::TunnelClosed { .. } => tunnels -= 1,
                    Event::SessionOpened { .. } => sessions += 1,
                    Event::SessionClosed { .. } => sessions -= 1,
                    Event::TunnelFailed { .. } | Event::SessionFailed { .. } => {}
                }
                prop_assert!(sessions >= 0 && tunnels >= 0);
            }
        }
        // Whatever was left half done comes to its end by itself.
        world.wait(600 * SECOND);
        for event in world.events() {
            match event {
                Event::TunnelClosed { .. } => tunnels -= 1,
                Event::SessionClosed { .. } => sessions -= 1,
                _ => {}
            }
        }
        prop_assert_eq!((tunnels, sessions), (0, 0));
        prop_assert_eq!(world.lns.poll_timeout(), None);
    }
}
