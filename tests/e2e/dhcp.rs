//! DHCPINFORM: what a client that does not send everything asks for, and gets.

use std::net::Ipv4Addr;
use std::time::Duration;

use load::Profile;

use crate::inner;
use crate::world::{Device, HOST, Place, Quality, Setup, World};

const NAT: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 10);
const PRIVATE: Ipv4Addr = Ipv4Addr::new(192, 168, 1, 23);
const SERVER: Ipv4Addr = Ipv4Addr::new(10, 20, 0, 1);
const SOON: Duration = Duration::from_secs(8);
const SPLIT: &str = "routes: [192.168.7.0/24, 172.16.0.0/12]\ndomain: corp.example";

/// What macOS wants: name servers, NetBIOS twice, netmask, Microsoft's routes, domain.
const MACOS: &[u8] = &[6, 44, 43, 1, 249, 15];
/// What Windows wants, among it the routes under both numbers.
const WINDOWS: &[u8] = &[1, 3, 6, 15, 31, 33, 43, 44, 46, 47, 119, 121, 249, 252];

fn connected(profile: Profile, setup: &Setup) -> (World, Device) {
    let mut world = World::new(setup);
    let nat = world.add_nat(NAT);
    let device = world.dial(profile, Place::Behind(nat, PRIVATE));
    world.until_up(device, Duration::from_secs(60));
    (world, device)
}

/// A DHCPINFORM from `source` with this list of wishes.
fn inform(source: Ipv4Addr, destination: Ipv4Addr, wanted: &[u8]) -> Vec<u8> {
    let mut message = [&[1, 8, 6, 0, 0xca, 0xfe, 0, 7, 0, 0, 0, 0][..], &source.octets()].concat();
    message.resize(28 + 16 + 192, 0);
    message.extend([99, 130, 83, 99, 53, 1, 8, 55, u8::try_from(wanted.len()).expect("a short list")]);
    message.extend(wanted);
    message.push(255);
    let length = u16::try_from(8 + message.len()).expect("a short message").to_be_bytes();
    let header = [&[0, 68, 0, 67][..], &length, &[0, 0]].concat();
    inner::ipv4(source, destination, 17, &[header, message].concat())
}

/// The options of an answer to [`inform`] that is right in every header.
fn options(packet: &[u8], client: Ipv4Addr) -> Vec<(u8, Vec<u8>)> {
    assert_eq!((inner::source(packet), inner::destination(packet)), (SERVER, client));
    let message = inner::udp_payload(packet).expect("right lengths and checksums");
    assert_eq!(packet[20..24], [0, 67, 0, 68]);
    assert_eq!((message[0], &message[4..8]), (2, &[0xca, 0xfe, 0, 7][..]));
    let mut rest = &message[28 + 16 + 192 + 4..];
    let mut options = Vec::new();
    while let [code @ 1..=254, length, tail @ ..] = rest {
        let (value, tail) = tail.split_at((*length).into());
        options.push((*code, value.to_vec()));
        rest = tail;
    }
    options
}

/// Asks until there is an answer.
fn ask(world: &mut World, device: Device, destination: Ipv4Addr, wanted: &[u8]) -> Vec<(u8, Vec<u8>)> {
    let client = world.address(device);
    let question = inform(client, destination, wanted);
    for _ in 0..8 {
        world.with(device, |client, now| client.send_packet(now, &question));
        world.run(Duration::from_secs(4));
        if let Some(answer) = world.device(device).packets.first() {
            return options(answer, client);
        }
    }
    panic!("no answer");
}

#[test]
fn macos_is_told_its_routes() {
    let setup = Setup { extra: SPLIT, quality: Quality::BAD, ..Setup::default() };
    let (mut world, device) = connected(Profile::apple(), &setup);
    let expected = [
        (53, vec![5]),
        (54, vec![10, 20, 0, 1]),
        (1, vec![255; 4]),
        (6, vec![9, 9, 9, 9, 149, 112, 112, 112]),
        (15, b"corp.example".to_vec()),
        (249, vec![24, 192, 168, 7, 10, 20, 0, 1, 12, 172, 16, 10, 20, 0, 1]),
    ];
    assert_eq!(ask(&mut world, device, Ipv4Addr::BROADCAST, MACOS), expected);
    assert!(world.beyond.is_empty(), "nobody else hears of it");
}

#[test]
fn windows_is_told_its_routes_under_both_numbers() {
    let setup = Setup { extra: SPLIT, ..Setup::default() };
    let (mut world, device) = connected(Profile::windows_10(), &setup);
    for destination in [Ipv4Addr::BROADCAST, SERVER] {
        let options = ask(&mut world, device, destination, WINDOWS);
        let routes: Vec<_> = options.iter().filter(|(code, _)| matches!(code, 121 | 249)).collect();
        assert_eq!(routes.iter().map(|(code, _)| *code).collect::<Vec<_>>(), [121, 249]);
        assert_eq!(routes[0].1, routes[1].1);
        assert_eq!(routes[0].1, [24, 192, 168, 7, 10, 20, 0, 1, 12, 172, 16, 10, 20, 0, 1]);
    }
}

#[test]
fn somebody_with_directions_of_their_own_is_told_those() {
    let users =
        "alice: { password: secret, routes: [10.99.0.0/16], dns: [10.99.0.53], domain: lab.example }\n";
    let setup = Setup { extra: SPLIT, users, ..Setup::default() };
    let (mut world, device) = connected(Profile::windows_10(), &setup);
    assert_eq!(world.device(device).client.dns(), [Ipv4Addr::new(10, 99, 0, 53)], "by IPCP as well");
    let expected = [
        (53, vec![5]),
        (54, vec![10, 20, 0, 1]),
        (1, vec![255; 4]),
        (6, vec![10, 99, 0, 53]),
        (15, b"lab.example".to_vec()),
        (249, vec![16, 10, 99, 10, 20, 0, 1]),
    ];
    assert_eq!(ask(&mut world, device, Ipv4Addr::BROADCAST, MACOS), expected);
}

#[test]
fn without_routes_everything_goes_here() {
    let (mut world, device) = connected(Profile::windows_10(), &Setup::default());
    let options = ask(&mut world, device, Ipv4Addr::BROADCAST, WINDOWS);
    assert_eq!(options.iter().map(|(code, _)| *code).collect::<Vec<_>>(), [53, 54, 1, 6]);
}

#[test]
fn who_asks_without_end_is_answered_now_and_then() {
    let (mut world, device) = connected(Profile::apple(), &Setup::default());
    let question = inform(world.address(device), Ipv4Addr::BROADCAST, MACOS);
    for _ in 0..100 {
        world.with(device, |client, now| client.send_packet(now, &question));
    }
    world.run(SOON);
    assert_eq!((world.device(device).packets.len(), world.discarded("too_many_questions")), (40, 60));
    world.with(device, |client, now| client.send_packet(now, &question));
    world.run(SOON);
    assert_eq!(world.device(device).packets.len(), 41, "after a pause it is answered again");
}

#[test]
fn who_asks_without_end_hides_nobodys_refusal() {
    let (mut world, first) = connected(Profile::apple(), &Setup::default());
    let place = |last| Place::Public(Ipv4Addr::new(198, 51, 100, last));
    let more = [71, 72, 73].map(|last| world.dial(Profile::apple(), place(last)));
    for device in more {
        world.until_up(device, Duration::from_secs(60));
    }
    let [second, third, fourth] = more;
    let askers = [first, second, third, fourth]
        .map(|device| (device, inform(world.address(device), Ipv4Addr::BROADCAST, MACOS)));
    for _ in 0..5 {
        let guess = world.dial_as(Profile::windows_10(), place(77), ("alice", "wrong"));
        for _ in 0..100 {
            for (device, question) in &askers {
                world.with(*device, |client, now| client.send_packet(now, question));
            }
            world.run(Duration::from_millis(50));
        }
        world.with(guess, |client, now| client.disconnect(now));
    }
    assert_eq!(world.lines(&["wrong password"]).len(), 5, "{}", world.log.join("\n"));
}

#[test]
fn other_questions_and_false_sources_have_no_answer() {
    let (mut world, device) = connected(Profile::windows_10(), &Setup::default());
    let client = world.address(device);
    let mut discover = inform(client, Ipv4Addr::BROADCAST, MACOS);
    discover[20 + 8 + 28 + 16 + 192 + 4 + 2] = 1;
    world.with(device, |client, now| client.send_packet(now, &discover));
    world.run(SOON);
    assert_eq!(world.discarded("on_link"), 1);
    let foreign = inform(Ipv4Addr::UNSPECIFIED, Ipv4Addr::BROADCAST, MACOS);
    world.with(device, |client, now| client.send_packet(now, &foreign));
    world.run(SOON);
    assert_eq!(world.discarded("spoofed_source"), 1);
    assert!(world.device(device).packets.is_empty() && world.beyond.is_empty());
}

#[test]
fn a_dhcp_server_beyond_is_none_of_ours() {
    let (mut world, device) = connected(Profile::windows_10(), &Setup::default());
    let question = inform(world.address(device), HOST, MACOS);
    world.with(device, |client, now| client.send_packet(now, &question));
    world.run(SOON);
    assert_eq!(world.beyond, [question]);
}
