//! Whatever arrives, the server neither falls nor swells, nor answers a stranger with more than it sent.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use load::{Client, Credentials, Event, Profile};
use proptest::collection::vec;
use proptest::prelude::*;
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng as _;

use crate::world::{Device, Incoming, PSK, Place, SERVER, Setup, World};

const NAT: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 10);
const PRIVATE: Ipv4Addr = Ipv4Addr::new(192, 168, 1, 23);
const SOON: Duration = Duration::from_secs(8);

fn one_client(profile: Profile) -> (World, Device, Place) {
    let mut world = World::new(&Setup::default());
    let nat = world.add_nat(NAT);
    let place = Place::Behind(nat, PRIVATE);
    let device = world.dial(profile, place);
    world.until_up(device, SOON);
    (world, device, place)
}

fn stranger() -> impl Strategy<Value = SocketAddr> {
    (any::<u8>(), prop_oneof![Just(500), Just(4500), any::<u16>()])
        .prop_map(|(host, port)| (Ipv4Addr::new(198, 18, 0, host), port).into())
}

/// Bytes of any kind: wild ones, and ones that begin like an ISAKMP message or an ESP packet.
fn datagram() -> impl Strategy<Value = Vec<u8>> {
    let isakmp = (vec(any::<u8>(), 16), any::<u8>(), 0..40_u8, any::<u8>(), vec(any::<u8>(), 0..200))
        .prop_map(|(cookies, next, exchange, flags, body)| {
            let length = u32::try_from(28 + body.len()).expect("a small message");
            let fixed = [next % 24, 0x10, exchange, flags & 1, 0, 0, 0, 0];
            [&cookies[..], &fixed, &length.to_be_bytes(), &body].concat()
        });
    let first = (vec(any::<u8>(), 0..400), 0..16_u8).prop_map(|(body, next)| {
        let length = u32::try_from(28 + body.len()).expect("a small message");
        [&[7; 8][..], &[0; 8], &[next, 0x10, 2, 0, 0, 0, 0, 0], &length.to_be_bytes(), &body].concat()
    });
    prop_oneof![
        vec(any::<u8>(), 0..600),
        isakmp.clone(),
        first,
        isakmp.prop_map(|message| [vec![0; 4], message].concat())
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_from_anybody(storm in vec((stranger(), any::<bool>(), datagram()), 1..80)) {
        let (mut world, device, _) = one_client(Profile::windows_10());
        for (from, natted, payload) in &storm {
            let answer = world.inject(*from, if *natted { 4500 } else { 500 }, payload);
            prop_assert!(answer <= payload.len(), "{} bytes for {}", answer, payload.len());
        }
        // The same all at once, with a session's own address among them.
        let known = (NAT, 4500).into();
        let mut batch = Vec::new();
        for (from, natted, payload) in storm {
            let port = if natted { 4500 } else { 500 };
            batch.push(Incoming { from, port, payload: payload.clone() });
            batch.push(Incoming { from, port, payload: payload.clone() });
            batch.push(Incoming { from: known, port, payload });
        }
        world.deliver(batch);
        let before = world.record.len();
        world.run(Duration::from_secs(120));
        let strangers = world.record[before..].iter().filter(|sent| !sent.to_server && sent.remote != known);
        prop_assert_eq!(strangers.count(), 0, "nothing is sent to strangers later on");
        world.ping(device, SOON);
        world.ping_back(device, SOON);
    }

    #[test]
    fn any_packet_from_the_tun_device(packets in vec(vec(any::<u8>(), 0..1600), 1..40)) {
        let (mut world, device, _) = one_client(Profile::windows_10());
        let address = world.address(device);
        for mut packet in packets {
            world.send_from_beyond(&[&packet]);
            // Once more as if it were for the client.
            if let Some(header) = packet.first_chunk_mut::<20>() {
                header[0] = 0x40 | header[0] & 0xf;
                header[16..].copy_from_slice(&address.octets());
            }
            world.send_from_beyond(&[&packet]);
        }
        world.run(SOON);
        world.ping(device, SOON);
    }

    /// A client that logged in may say what it likes to L2TP and PPP: it harms itself at most.
    #[test]
    fn any_bytes_inside_esp(storm in vec((any::<bool>(), inner_message()), 1..60)) {
        let (mut world, bystander, place) = one_client(Profile::windows_10());
        let mallory = world.dial_as(Profile::linux(), place, ("bob", "hunter2"));
        world.until_up(mallory, SOON);
        for (frame, message) in &storm {
            world.with(mallory, |client, _| {
                if *frame { client.send_frame(message) } else { client.send_l2tp(message) }
            });
            world.run(Duration::from_millis(50));
        }
        world.run(Duration::from_secs(60));
        world.ping(bystander, SOON);
        world.ping_back(bystander, SOON);
        prop_assert!(world.log.len() < 200 + storm.len(), "a line each at most");
    }
}

/// L2TP and PPP of any kind: wild, with a right header, with right options.
fn inner_message() -> impl Strategy<Value = Vec<u8>> {
    let control = (0..4_u16, 0..4_u16, 0..6_u16, 0..6_u16, vec(avp(), 0..8)).prop_map(
        |(tunnel, session, ns, nr, avps)| {
            let body = avps.concat();
            let length = u16::try_from(12 + body.len()).expect("a small message");
            let head = [0xc802, length, tunnel, session, ns, nr].map(u16::to_be_bytes).concat();
            [head, body].concat()
        },
    );
    let protocol = prop_oneof![
        Just(0xc021_u16),
        Just(0xc223),
        Just(0x8021),
        Just(0x0021),
        Just(0x8057),
        Just(0x80fd),
        any::<u16>()
    ];
    let ppp = (protocol, 0..16_u8, any::<u8>(), vec(any::<u8>(), 0..60)).prop_map(
        |(protocol, code, identifier, data)| {
            let length = u16::try_from(4 + data.len()).expect("a small packet");
            let head = [&[0xff, 0x03][..], &protocol.to_be_bytes(), &[code, identifier]].concat();
            [&head[..], &length.to_be_bytes(), &data].concat()
        },
    );
    prop_oneof![vec(any::<u8>(), 0..200), control, ppp]
}

fn avp() -> impl Strategy<Value = Vec<u8>> {
    (0..45_u16, any::<bool>(), vec(any::<u8>(), 0..20)).prop_map(|(kind, mandatory, value)| {
        let length =
            u16::try_from(6 + value.len()).expect("a small AVP") | if mandatory { 0x8000 } else { 0 };
        let kind = if kind > 42 { 0 } else { kind };
        [&length.to_be_bytes()[..], &[0, 0], &kind.to_be_bytes(), &value].concat()
    })
}

/// Every prefix of every datagram of a whole life, each just before the datagram itself: not even a detour.
#[test]
fn every_prefix_of_every_datagram() {
    for profile in [Profile::windows_10(), Profile::android(), Profile::apple(), Profile::linux()] {
        let mut world = World::new(&Setup::default());
        let nat = world.add_nat(NAT);
        world.company = Some(Box::new(|datagram| {
            [(0..datagram.len()).map(|length| datagram[..length].to_vec()).collect(), Vec::new()]
        }));
        let device = world.dial(profile, Place::Behind(nat, PRIVATE));
        world.until_up(device, SOON);
        assert_eq!(world.timers_that_spoke, []);
        world.ping(device, SOON);
        let before = world.device(device).events.len();
        world.with(device, |client, now| client.rekey_phase1(now));
        world.with(device, |client, now| client.rekey_phase2(now));
        let renewed = Event::SaOpened { renewed: true };
        world.until("new keys", SOON, |world| world.device(device).events[before..].contains(&renewed));
        world.ping(device, SOON);
        world.with(device, |client, now| client.disconnect(now));
        world.until_closed(device, SOON);
        world.until("it is forgotten", Duration::from_secs(60), |world| world.server.is_idle());
    }
}

/// A datagram with something changed.
fn mutate(rng: &mut ChaCha20Rng, datagram: &[u8]) -> Vec<u8> {
    let mut mutant = datagram.to_vec();
    let mut below = |limit: usize| rng.next_u32() as usize % limit.max(1);
    for _ in 0..=below(3) {
        let at = below(mutant.len());
        match below(6) {
            0 => mutant.iter_mut().skip(at).take(1).for_each(|byte| *byte ^= 1 << below(8)),
            1 => mutant.iter_mut().skip(at).take(1).for_each(|byte| *byte = [0, 1, 0x7f, 0xff][below(4)]),
            2 => mutant.truncate(at),
            3 => mutant.extend(vec![0x5a; below(40)]),
            4 => mutant.iter_mut().skip(at).take(4).for_each(|byte| *byte = 0xff),
            _ => {
                let piece = mutant.get(at..at + below(32)).map(<[u8]>::to_vec).unwrap_or_default();
                let to = below(mutant.len());
                mutant.splice(to..to, piece);
            }
        }
    }
    // An ISAKMP message keeps its length right now and then, or nothing else would be looked at.
    if below(2) == 0 && mutant.len() >= 28 && datagram.len() >= 28 {
        let marker = if mutant.starts_with(&[0; 4]) { 4 } else { 0 };
        let length = u32::try_from(mutant.len() - marker).expect("a small message");
        if let Some(field) = mutant.get_mut(marker + 24..marker + 28) {
            field.copy_from_slice(&length.to_be_bytes());
        }
    }
    mutant
}

/// Changed copies after each datagram harm nobody: the connection comes up.
#[test]
fn mutants_after_every_datagram() {
    for seed in 0..40 {
        let mut world = World::new(&Setup { seed, ..Setup::default() });
        let nat = world.add_nat(NAT);
        let mut rng = ChaCha20Rng::from_seed([u8::try_from(seed).expect("few seeds"); 32]);
        world.company = Some(Box::new(move |datagram| {
            [Vec::new(), (0..20).map(|_| mutate(&mut rng, datagram)).collect()]
        }));
        // Windows would believe the errors that mutants of its first message are answered with.
        let device = world.dial(Profile::android(), Place::Behind(nat, PRIVATE));
        world.until_up(device, Duration::from_secs(20));
        world.ping(device, SOON);
        world.ping_back(device, SOON);
    }
}

/// Before it, they may take its place in messages that nothing authenticates yet; but then that is all.
#[test]
fn mutants_before_every_datagram() {
    for seed in 0..40 {
        let mut world = World::new(&Setup { seed, ..Setup::default() });
        let nat = world.add_nat(NAT);
        let mut rng = ChaCha20Rng::from_seed([u8::try_from(seed).expect("few seeds"); 32]);
        world.company = Some(Box::new(move |datagram| {
            [(0..5).map(|_| mutate(&mut rng, datagram)).collect(), Vec::new()]
        }));
        let place = Place::Behind(nat, PRIVATE);
        let device = world.dial(Profile::android(), place);
        world.until("in or out", Duration::from_secs(300), |world| {
            world.is_up(device) || world.end(device).is_some()
        });
        world.company = None;
        world.run(Duration::from_secs(120));
        let next = world.dial(Profile::windows_10(), place);
        world.until_up(next, SOON);
    }
}

/// Forty thousand first messages from everywhere: the server remembers the 8192 that it is told to, and still
/// lets a client in at once.
#[test]
fn a_flood_of_first_messages() {
    let (mut world, device, place) = one_client(Profile::windows_10());
    for number in 0..40_000_u32 {
        let [a, b, c, d] = (0xc612_0000 + number % 10_007).to_be_bytes();
        let message = first_message(&world, number);
        world.inject((Ipv4Addr::new(a, b, c, d), 500).into(), 500, &message);
        if number % 100 == 0 {
            world.run(Duration::from_millis(10));
        }
    }
    assert!(world.lines(&["began a key exchange"]).len() > 8_192, "the newest have room");
    assert!(world.discarded("ike.half_open_limit") >= 40_000 - 8_192);
    world.ping(device, SOON);
    let next = world.dial(Profile::windows_10(), place);
    world.until_up(next, SOON);
    assert!(world.log.len() < 41_000, "one line each at most");
}

/// Message 1 of a client that is never heard of again.
fn first_message(world: &World, number: u32) -> Vec<u8> {
    let credentials =
        Credentials { psk: PSK.into(), certificate: None, user: String::new(), password: String::new() };
    let mut seed = [0; 32];
    seed[..4].copy_from_slice(&number.to_be_bytes());
    let mut client = Client::new(world.now, Profile::windows_10(), credentials, PRIVATE, SERVER, seed);
    client.poll_transmit().expect("message 1").payload
}

/// A thousand Quick Modes by one client leave it with eight pairs of SAs at most.
#[test]
fn a_client_that_never_stops_renewing() {
    let mut profile = Profile::windows_10();
    profile.esp.deletes_replaced = None;
    let (mut world, device, _) = one_client(profile);
    for _ in 0..1_000 {
        world.with(device, |client, now| client.rekey_phase2(now));
        world.run(Duration::from_millis(100));
    }
    let opened = world.lines(&["ESP keys", "for 3600s"]).len();
    let removed = world.lines(&["ESP keys", "removed"]).len();
    assert!(opened > 900, "{opened}");
    assert!(opened - removed <= 8, "{opened} opened, {removed} removed");
    world.ping(device, SOON);
}

/// A client that opens tunnel after tunnel is held to eight, and cannot flood the log with it.
#[test]
fn a_client_that_never_stops_dialling() {
    let (mut world, device, place) = one_client(Profile::windows_10());
    let mallory = world.dial_as(Profile::linux(), place, ("bob", "hunter2"));
    world.until_up(mallory, SOON);
    for tunnel in 1..=2_000_u16 {
        let sccrq = [
            &b"\xc8\x02\x00\x45\0\0\0\0\0\0\0\0\x80\x08\0\0\0\0\0\x01\x80\x08\0\0\0\x02\x01\0"[..],
            b"\x80\x0f\0\0\0\x07anonymous\x80\x0a\0\0\0\x03\0\0\0\x03\x80\x08\0\0\0\x09",
            &tunnel.to_be_bytes(),
            b"\x80\x08\0\0\0\x0a\0\x01",
        ]
        .concat();
        world.with(mallory, |client, _| client.send_l2tp(&sccrq));
        world.run(Duration::from_millis(1));
    }
    world.run(SOON);
    // Two seconds of it: each second has its share of lines, and one that counts the rest.
    let refused = world.lines(&["L2TP tunnel of \"anonymous\"", "refused"]).len();
    assert!((20..=100).contains(&refused), "{refused} lines");
    assert!(!world.lines(&["more lines about clients in one second were not written"]).is_empty());
    world.run(Duration::from_secs(60));
    world.ping(device, SOON);
    world.ping_back(device, SOON);
}
