//! What may pass once a client is in.

use std::net::{Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use load::Profile;

use crate::inner;
use crate::world::{CERTIFICATE, Device, HOST, Place, Quality, Setup, World};

const NAT: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 10);
const PRIVATE: Ipv4Addr = Ipv4Addr::new(192, 168, 1, 23);
const SOON: Duration = Duration::from_secs(8);

fn two_clients(extra: &'static str) -> (World, [Device; 2]) {
    let mut world = World::new(&Setup { extra, ..Setup::default() });
    let nat = world.add_nat(NAT);
    let devices = [Profile::windows_10(), Profile::linux()];
    let devices = devices.map(|profile| world.dial(profile, Place::Behind(nat, PRIVATE)));
    for device in devices {
        world.until_up(device, SOON);
    }
    (world, devices)
}

#[test]
fn a_false_source_is_dropped_and_counted() {
    let (mut world, [mallory, victim]) = two_clients("");
    for source in [world.address(victim), HOST, Ipv4Addr::BROADCAST, Ipv4Addr::UNSPECIFIED, PRIVATE] {
        let packet = inner::ping(source, HOST, 7);
        let (beyond, dropped) = (world.beyond.len(), world.discarded("spoofed_source"));
        world.with(mallory, |client, now| client.send_packet(now, &packet));
        world.run(SOON);
        assert_eq!(world.beyond.len(), beyond, "from {source}");
        assert_eq!(world.discarded("spoofed_source"), dropped + 1);
    }
    world.ping(mallory, SOON);
}

#[test]
fn clients_do_not_reach_each_other() {
    let (mut world, [one, other]) = two_clients("");
    let packet = inner::ping(world.address(one), world.address(other), 7);
    world.with(one, |client, now| client.send_packet(now, &packet));
    world.run(SOON);
    assert!(world.device(one).packets.is_empty());
    assert!(world.beyond.is_empty());
    assert_eq!(world.discarded("client_to_client"), 1);
}

#[test]
fn clients_reach_each_other_if_the_operator_wants() {
    let (mut world, [one, other]) = two_clients("client_to_client: true");
    let packet = inner::ping(world.address(one), world.address(other), 7);
    world.with(one, |client, now| client.send_packet(now, &packet));
    // The packet goes up into the TUN device, from where the kernel routes it back.
    world.run(SOON);
    let up: Vec<Vec<u8>> = world.beyond.drain(..).collect();
    assert_eq!(up, std::slice::from_ref(&packet));
    world.send_from_beyond(&[&packet]);
    world.run(SOON);
    let back: Vec<Vec<u8>> = world.beyond.drain(..).collect();
    assert_eq!(back.len(), 1, "the other one answers");
    world.send_from_beyond(&[&back[0]]);
    world.run(SOON);
    assert_eq!(inner::pong_number(&world.device(one).packets[0]), Some(7));
}

/// L2TP outside of ESP is not looked at: neither a session nor an answer comes of it.
#[test]
fn l2tp_in_clear_is_dropped() {
    let (mut world, _) = two_clients("");
    let sccrq = b"\xc8\x02\x00\x45\0\0\0\0\0\0\0\0\x80\x08\0\0\0\0\0\x01\x80\x08\0\0\0\x02\x01\0\
                  \x80\x0f\0\0\0\x07anonymous\x80\x0a\0\0\0\x03\0\0\0\x03\x80\x08\0\0\0\x09\0\x07\
                  \x80\x08\0\0\0\x0a\0\x01";
    for from in ["192.0.2.10:4500", "192.0.2.10:1701", "198.18.0.9:1701"] {
        for message in [sccrq.to_vec(), [&[0; 4], &sccrq[..]].concat()] {
            for port in [500, 4500] {
                let before = world.record.len();
                let answer = world.inject(from.parse().unwrap(), port, &message);
                // IKE may complain of a version it does not know; L2TP has heard nothing.
                assert!(answer <= message.len());
                let l2tp = |payload: &[u8]| payload.starts_with(&[0xc8, 2]);
                assert!(!world.record[before + 1..].iter().any(|sent| l2tp(&sent.payload)));
            }
        }
    }
    assert!(world.lines(&["anonymous"]).is_empty());
    assert_eq!(world.status().sessions.len(), 2);
}

/// Packets for nobody, or too large, or of another family go nowhere and are counted.
#[test]
fn packets_for_nobody() {
    let (mut world, [device, _]) = two_clients("");
    world.send_from_beyond(&[&inner::ping(HOST, Ipv4Addr::new(10, 20, 0, 99), 1)]);
    assert_eq!(world.discarded("no_route"), 1);
    world.send_from_beyond(&[&[0x70; 60]]);
    assert_eq!(world.discarded("not_ip"), 1);
    for junk in [&[][..], &[0x45], &[0x45; 19], &[0xff; 40]] {
        world.send_from_beyond(&[junk]);
    }
    world.ping_back(device, SOON);
}

/// A TCP connection is told to keep its segments within the tunnel's packets, both ways.
#[test]
fn segments_fit_the_tunnel() {
    let (mut world, [device, _]) = two_clients("");
    let address = world.address(device);
    let up = inner::syn(address, HOST, 1460);
    world.with(device, |client, now| client.send_packet(now, &up));
    world.run(SOON);
    assert_eq!(inner::mss(&world.beyond[0]), Some(1360));
    world.send_from_beyond(&[&inner::syn(HOST, address, 1460)]);
    world.run(SOON);
    assert_eq!(inner::mss(&world.device(device).packets[0]), Some(1360));
    // One that is small already stays as it is.
    world.send_from_beyond(&[&inner::syn(HOST, address, 536)]);
    world.run(SOON);
    assert_eq!(world.device(device).packets[1], inner::syn(HOST, address, 536));
}

/// Many packets of every size for several clients at once arrive once each, whole and in order, both ways.
#[test]
fn bursts() {
    let mut world = World::new(&Setup { batches: true, quality: Quality::PERFECT, ..Setup::default() });
    let nat = world.add_nat(NAT);
    let devices = [Profile::windows_10(), Profile::android(), Profile::linux()];
    let devices = devices.map(|profile| world.dial(profile, Place::Behind(nat, PRIVATE)));
    for device in devices {
        world.until_up(device, SOON);
    }
    let addresses = devices.map(|device| world.address(device));
    let sizes = (0..=1372).chain([1372; 40]).chain([0, 1, 1372, 5, 1372]);
    let down: Vec<Vec<u8>> = sizes
        .clone()
        .zip(addresses.iter().cycle())
        .map(|(size, address)| inner::ipv4(HOST, *address, 99, &vec![0x5a; size]))
        .collect();
    for burst in down.chunks(64) {
        world.send_from_beyond(&burst.iter().map(Vec::as_slice).collect::<Vec<_>>());
    }
    world.run(SOON);
    for (device, address) in devices.into_iter().zip(addresses) {
        let expected = down.iter().filter(|packet| inner::destination(packet) == address);
        assert!(expected.eq(&world.device(device).packets));
    }
    let up: Vec<Vec<u8>> = sizes
        .zip(addresses.iter().cycle())
        .map(|(size, address)| inner::ipv4(*address, HOST, 99, &vec![0xa5; size]))
        .collect();
    for (packet, device) in up.iter().zip(devices.iter().cycle()) {
        world.with(*device, |client, now| client.send_packet(now, packet));
    }
    world.run(SOON);
    // Cores keep the order of each client's packets.
    for address in addresses {
        let of = |packets: &[Vec<u8>]| -> Vec<Vec<u8>> {
            packets.iter().filter(|packet| inner::source(packet) == address).cloned().collect()
        };
        assert!(of(&world.beyond) == of(&up));
    }
    // What was sent counts.
    let status = world.status();
    let counted: u64 = status.sessions.iter().map(|session| session.packets_in + session.packets_out).sum();
    assert_eq!(counted, (up.len() + down.len()) as u64);
}

/// Outside, IPv6 takes 20 bytes more: with AES-CBC and a 12-byte ICV 1388 bytes are left inside, 40 of them headers.
#[test]
fn segments_fit_the_tunnel_over_ipv6() {
    let mut world = World::new(&Setup::default());
    let home = Ipv6Addr::new(0x2001, 0xdb8, 7, 0, 0, 0, 0, 5);
    let device = world.dial(Profile::windows_10(), Place::PublicV6(home));
    world.until_up(device, SOON);
    let address = world.address(device);
    let up = inner::syn(address, HOST, 1460);
    world.with(device, |client, now| client.send_packet(now, &up));
    world.run(SOON);
    assert_eq!(inner::mss(&world.beyond[0]), Some(1348));
    world.send_from_beyond(&[&inner::syn(HOST, address, 1460)]);
    world.run(SOON);
    assert_eq!(inner::mss(&world.device(device).packets[0]), Some(1348));
}

/// The certificate of these tests ends in 2120.
#[test]
fn the_servers_own_certificate_out_of_date_is_warned_about_at_the_start() {
    let setup = Setup { certificate: CERTIFICATE, ..Setup::default() };
    assert!(World::new(&setup).lines(&["Warn"]).is_empty());
    let late = World::new(&Setup { wall: Duration::from_secs(4_765_000_000), ..setup });
    let warned = late.lines(&["Warn", "own certificate is valid from 2020-01-01", "until 2120-01-01"]);
    assert_eq!(warned.len(), 1, "{}", late.log.join("\n"));
}
