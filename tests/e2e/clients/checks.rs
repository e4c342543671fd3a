//! What every client goes through.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use load::{Certificate, Client, Credentials, End, Event, Profile};

use super::Row;
use crate::world::{CERTIFICATE, Device, Place, Quality, Setup, World};

const NAT: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 10);
const PRIVATE: Ipv4Addr = Ipv4Addr::new(192, 168, 1, 23);
const SOON: Duration = Duration::from_secs(8);
const HOUR: Duration = Duration::from_secs(3_600);

/// One client, connected from behind a NAT.
#[track_caller]
fn connected(row: &Row) -> (World, Device) {
    println!("{}, {} ({})", row.client, row.versions, row.source);
    let mut world = World::new(&Setup::default());
    let nat = world.add_nat(NAT);
    let device = world.dial((row.profile)(), Place::Behind(nat, PRIVATE));
    world.until_up(device, SOON);
    talk(&mut world, device, SOON);
    (world, device)
}

/// A ping each way.
#[track_caller]
fn talk(world: &mut World, device: Device, limit: Duration) {
    world.ping(device, limit);
    world.ping_back(device, limit);
}

/// Disconnects in its own way, and the server has nothing left of it.
#[track_caller]
fn leaves(world: &mut World, device: Device, limit: Duration) {
    world.with(device, |client, now| client.disconnect(now));
    assert_eq!(world.until_closed(device, limit), End::Left);
    world.until("nothing is left", limit, |world| world.server.is_idle());
    assert_eq!(world.status().pools[0].used, 0, "the address was given back");
}

/// The one session there is, all along.
#[track_caller]
fn never_dropped(world: &World, client: &str) {
    let log = || world.log.join("\n");
    assert_eq!(world.status().sessions.len(), 1, "{client}: {}", log());
    assert_eq!(world.lines(&["is in from"]).len(), 1, "{client}: {}", log());
    assert_eq!(world.lines(&["is out"]).len(), 0, "{client}: {}", log());
}

fn count(world: &World, device: Device, event: &Event) -> usize {
    world.device(device).events.iter().filter(|seen| *seen == event).count()
}

#[derive(Clone, Copy, Debug)]
enum Phase {
    One,
    Two,
}

impl Phase {
    fn renew(self, client: &mut Client, now: Instant) {
        match self {
            Self::One => client.rekey_phase1(now),
            Self::Two => client.rekey_phase2(now),
        }
    }

    /// What tells that it has new keys.
    fn event(self) -> Event {
        match self {
            Self::One => Event::Established { behind_nat: true, renewed: true },
            Self::Two => Event::SaOpened { renewed: true },
        }
    }
}

/// The server chooses what the row says; packets go both ways; the client says goodbye.
pub(super) fn connects(row: &Row) {
    let (mut world, device) = connected(row);
    let sessions = world.status().sessions;
    assert_eq!((&*sessions[0].ike, &*sessions[0].esp), (row.ike, row.esp), "{}", row.client);
    assert!(world.lines(&["Warn"]).is_empty(), "{}: {}", row.client, world.log.join("\n"));
    leaves(&mut world, device, Duration::from_secs(60));
}

/// One in ten datagrams is lost, one in twenty comes twice, many overtake each other.
pub(super) fn connects_on_a_bad_line(row: &Row) {
    for seed in 0..8 {
        println!("{}, seed {seed}", row.client);
        let setup = Setup { seed, quality: Quality::BAD, batches: seed % 2 == 1, ..Setup::default() };
        let mut world = World::new(&setup);
        let nat = world.add_nat(NAT);
        let device = world.dial((row.profile)(), Place::Behind(nat, PRIVATE));
        // What Android's framework allows.
        world.until_up(device, Duration::from_secs(60));
        talk(&mut world, device, Duration::from_secs(30));
        // A farewell that the network swallowed is made up for by the server's own questions.
        leaves(&mut world, device, Duration::from_secs(600));
    }
}

/// In Aggressive Mode, as whoever it says it is, on a good line and on a bad one: it renews both phases so, vanishes, and comes back.
pub(super) fn connects_with_an_identifier(row: &Row, by: fn(Profile, &str) -> Profile) {
    let lines = [(1, Quality::CLEAN), (2, Quality::BAD), (3, Quality::BAD), (4, Quality::BAD)];
    for name in ["staff", "vpn.example.org", "staff@example.org"] {
        for (seed, quality) in lines {
            println!("{}, {name}, seed {seed}", row.client);
            let mut world = World::new(&Setup { seed, quality, identifier: Some(name), ..Setup::default() });
            let nat = world.add_nat(NAT);
            let profile = || by((row.profile)(), name);
            let device = world.dial(profile(), Place::Behind(nat, PRIVATE));
            world.until_up(device, Duration::from_secs(60));
            talk(&mut world, device, Duration::from_secs(30));
            only_aggressive(&world);
            let sessions = world.status().sessions;
            assert_eq!((&*sessions[0].key, &*sessions[0].ike), ("main", row.ike), "{}", row.client);
            assert_eq!(
                world.lines(&["proved a key", "identity ", name]).len(),
                1,
                "{}",
                world.log.join("\n")
            );
            for phase in [Phase::One, Phase::Two, Phase::One] {
                let before = count(&world, device, &phase.event());
                world.with(device, |client, now| phase.renew(client, now));
                world.until("new keys", Duration::from_secs(60), |world| {
                    count(world, device, &phase.event()) > before
                });
                talk(&mut world, device, Duration::from_secs(30));
            }
            never_dropped(&world, row.client);

            let address = world.address(device);
            world.with(device, |client, _| client.vanish());
            let again = world.redial(device, profile());
            world.until_up(again, Duration::from_secs(60));
            talk(&mut world, again, Duration::from_secs(30));
            assert_eq!(world.address(again), address, "{}: {}", row.client, world.log.join("\n"));
            assert_eq!(world.status().sessions.len(), 1, "{}", row.client);
            leaves(&mut world, again, Duration::from_secs(600));
        }
    }
}

/// Message 1 to port 500, message 3 to port 4500 and in clear, and no Main Mode.
#[track_caller]
fn only_aggressive(world: &World) {
    let to_server = world.record.iter().filter(|sent| sent.to_server);
    let ike = to_server.filter_map(|sent| match sent.port {
        500 => Some((500, &sent.payload[..])),
        port => Some((port, sent.payload.strip_prefix(&[0; 4])?)),
    });
    // Port, whether it answers, exchange type, flags (RFC 2408 §3.1).
    let first_phase = ike.filter(|(_, message)| matches!(message[18], 2 | 4));
    let mut seen: Vec<_> = first_phase
        .map(|(port, message)| (port, message[8..16] != [0; 8], message[18], message[19]))
        .collect();
    seen.sort_unstable();
    seen.dedup();
    assert_eq!(seen, [(500, false, 4, 0), (4500, true, 4, 0)]);
}

/// Instead of the pre-shared key, on a good line and on a bad one, and it renews both phases with it.
pub(super) fn connects_with_a_certificate(row: &Row) {
    for (seed, quality) in [(1, Quality::CLEAN), (2, Quality::BAD), (3, Quality::BAD)] {
        let setup = Setup { seed, quality, certificate: CERTIFICATE, ..Setup::default() };
        let mut world = World::new(&setup);
        let nat = world.add_nat(NAT);
        let credentials = Credentials {
            psk: b"not the key".into(),
            certificate: Some(Arc::new(alices_certificate())),
            user: "alice".into(),
            password: "secret".into(),
        };
        let device = world.dial_with((row.profile)(), Place::Behind(nat, PRIVATE), credentials);
        world.until_up(device, Duration::from_secs(60));
        talk(&mut world, device, Duration::from_secs(30));
        for phase in [Phase::One, Phase::Two] {
            let before = count(&world, device, &phase.event());
            world.with(device, |client, now| phase.renew(client, now));
            world.until("new keys", Duration::from_secs(60), |world| {
                count(world, device, &phase.event()) > before
            });
            talk(&mut world, device, Duration::from_secs(30));
        }
        let sessions = world.status().sessions;
        assert_eq!((&*sessions[0].key, &*sessions[0].ike), ("O=Example,CN=alice", row.ike), "{}", row.client);
        assert_eq!(world.lines(&["proved a certificate"]).len(), 1, "{}", row.client);
        leaves(&mut world, device, Duration::from_secs(600));
    }
}

fn alices_certificate() -> Certificate {
    Certificate::from_pem(
        include_bytes!("../../vectors/pki/client.pem"),
        include_bytes!("../../vectors/pki/client.key"),
        include_bytes!("../../vectors/pki/server.pem"),
    )
    .expect("a certificate with its key")
}

/// Both phases, on a bad line, with pings all along.
pub(super) fn renews_keys_amid_traffic(row: &Row) {
    let (mut world, device) = connected(row);
    world.set_quality(Quality::BAD);
    for _ in 0..4 {
        for phase in [Phase::One, Phase::Two] {
            let before = count(&world, device, &phase.event());
            world.with(device, |client, now| phase.renew(client, now));
            let mut pings = 0;
            while count(&world, device, &phase.event()) == before {
                pings += 1;
                assert!(pings < 60, "{}: {phase:?}\n{}", row.client, world.log.join("\n"));
                talk(&mut world, device, Duration::from_secs(20));
            }
            talk(&mut world, device, Duration::from_secs(20));
        }
    }
    never_dropped(&world, row.client);
}

/// Hours without a packet of the user's, and the host beyond still finds it.
pub(super) fn idles(row: &Row) {
    let (mut world, device) = connected(row);
    world.run(5 * HOUR);
    world.ping_back(device, SOON);
    world.ping(device, SOON);
    never_dropped(&world, row.client);
}

/// Its NAT gives it another port, in mid-session and in the very moment in which it renews its keys: of either phase, or of both
/// before another packet is sent. It is the same client all along, also to who looks at its ISAKMP SA.
pub(super) fn roams(row: &Row) {
    let (mut world, device) = connected(row);
    world.remap(device);
    talk(&mut world, device, SOON);
    let mut moves = 1;
    for phases in [&[Phase::Two][..], &[Phase::One], &[Phase::One, Phase::Two], &[Phase::Two, Phase::One]] {
        world.remap(device);
        moves += 1;
        for phase in phases {
            renews(&mut world, device, *phase);
        }
        talk(&mut world, device, Duration::from_secs(10));
        renews(&mut world, device, Phase::Two);
        talk(&mut world, device, SOON);
    }
    let log = || world.log.join("\n");
    assert_eq!(world.lines(&["moved from"]).len(), moves, "{}: {}", row.client, log());
    // Once proved by its old keys, once by what it sends through the new ones.
    assert_eq!(world.lines(&["too: its NAT changed"]).len(), 2, "{}: {}", row.client, log());
    never_dropped(&world, row.client);
    leaves(&mut world, device, Duration::from_secs(60));
}

/// Renews the keys of a phase.
#[track_caller]
fn renews(world: &mut World, device: Device, phase: Phase) {
    let before = count(world, device, &phase.event());
    world.with(device, |client, now| phase.renew(client, now));
    world.until("new keys", SOON, |world| count(world, device, &phase.event()) > before);
}

/// Not a word more: it is found dead, and nothing of it stays.
pub(super) fn vanishes(row: &Row) {
    let (mut world, device) = connected(row);
    world.with(device, |client, _| client.vanish());
    world.until("it is found dead", Duration::from_secs(420), |world| world.status().sessions.is_empty());
    assert_eq!(world.status().pools[0].used, 0, "{}", row.client);
    // Its ISAKMP SA may have a day to live; it is not kept for somebody who is dead.
    world.until("nothing is left", HOUR, |world| world.server.is_idle());
}

/// It vanished, and dials again from the same ports of its NAT.
pub(super) fn comes_back_at_once(row: &Row) {
    let (mut world, device) = connected(row);
    let before = world.address(device);
    world.with(device, |client, _| client.vanish());
    let again = world.redial(device, (row.profile)());
    world.until_up(again, SOON);
    talk(&mut world, again, SOON);
    assert_eq!(world.address(again), before, "{}: {}", row.client, world.log.join("\n"));
    assert_eq!(world.status().sessions.len(), 1, "{}", row.client);
}

/// 72 hours with everything it does by itself, and a ping each way every two minutes.
pub(super) fn stays_for_three_days(row: &Row) {
    let (mut world, device) = connected(row);
    let discards = world.status().discards;
    for _ in 0..36 {
        for _ in 0..60 {
            world.run(Duration::from_secs(120));
            // An answer on a clean line within a second, or it was lost.
            talk(&mut world, device, Duration::from_secs(1));
        }
        // What was said in two hours does not matter to the next.
        world.record.clear();
        world.beyond.clear();
    }
    never_dropped(&world, row.client);
    let profile = (row.profile)();
    let three_days = 72 * HOUR;
    let renewals = |after: Duration| (three_days.as_secs() / after.as_secs()) as usize;
    let esp = profile.esp.rekey_after.map_or(0, renewals);
    let ike = profile.ike.rekey_after.map_or(1, renewals);
    assert!(count(&world, device, &Phase::Two.event()) + 2 >= esp, "{}: new ESP keys", row.client);
    assert!(count(&world, device, &Phase::One.event()) + 2 >= ike, "{}: new ISAKMP SAs", row.client);
    let alarms: Vec<_> =
        world.log.iter().filter(|line| line.contains("Warn") || line.contains("Error")).collect();
    assert!(alarms.is_empty(), "{}: {alarms:#?}", row.client);
    // Keepalives are meant to be thrown away.
    let mut after = world.status().discards;
    after.remove("data.keepalive");
    let before = |name: &String| discards.get(name).copied().unwrap_or(0);
    let grown: Vec<_> = after.iter().filter(|(name, count)| **count > before(name)).collect();
    assert!(grown.is_empty(), "{}: {grown:?}", row.client);
    leaves(&mut world, device, Duration::from_secs(60));
}
