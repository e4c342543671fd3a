//! A client that is a router: the prefix that it gets by DHCPv6 for the hosts behind it.

use std::net::Ipv6Addr;
use std::time::Duration;

use load::Profile;

use crate::inner6;
use crate::ipv6::{DHCP_SERVERS, HOST, SOON, connected, got, link_local, prefix, send, talks_as};
use crate::world::{Device, Setup, Steering, World};

fn setup() -> Setup {
    Setup { range6: Some("2001:db8:1::/48"), delegate: Some("2001:db8:100::/48"), ..Setup::default() }
}

/// Our association, number 1, with nothing in it.
const WANTED: [u8; 16] = [0, 25, 0, 12, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0];
const REQUEST: u8 = 3;
const RENEW: u8 = 5;
const RELEASE: u8 = 8;

/// A router as far as DHCPv6 goes.
struct Router {
    device: Device,
    /// What the server calls itself, as an option.
    server_id: Vec<u8>,
    /// The association as it was last given.
    association: Vec<u8>,
}

impl Router {
    /// Asks, chooses, and has what it was offered.
    fn new(world: &mut World, device: Device) -> Self {
        let mut router = Self { device, server_id: Vec::new(), association: WANTED.to_vec() };
        let advertise = router.say(world, 1).expect("an Advertise");
        assert_eq!(advertise[0], 2);
        router.server_id = option(&advertise, 2).expect("a server identifier");
        router.association = option(&advertise, 25).expect("an association");
        let reply = router.say(world, REQUEST).expect("a Reply");
        assert_eq!(reply[0], 7);
        let offered = router.prefix();
        router.association = option(&reply, 25).expect("an association");
        assert_eq!(router.prefix(), offered);
        router
    }

    /// Says a message of that kind with its association, and hears the answer.
    fn say(&self, world: &mut World, kind: u8) -> Option<Vec<u8>> {
        let before = world.device(self.device).packets.len();
        let client_id = [0, 1, 0, 10, 0, 3, 0, 1, 2, 0, 0, 0, 0, 7];
        let message =
            [&[kind, 0, 0, kind], &client_id[..], &self.server_id, &self.association, &[0, 6, 0, 0]].concat();
        let from = link_local(world, self.device);
        send(world, self.device, &inner6::udp((from, DHCP_SERVERS), (546, 547), &message));
        let heard = world.device(self.device).packets.len() > before;
        got(world, self.device, 17).filter(|_| heard).map(|datagram| datagram[8..].to_vec())
    }

    /// The prefix that it has, of 56 bits.
    fn prefix(&self) -> Ipv6Addr {
        let prefix = &option_in(&self.association[16..], 26).expect("a prefix")[4..];
        assert_eq!(prefix[8], 56);
        Ipv6Addr::from(*prefix[9..].first_chunk().expect("16 octets"))
    }

    /// A host behind it.
    fn host(&self, subnet: u8) -> Ipv6Addr {
        Ipv6Addr::from_bits(self.prefix().to_bits() | u128::from(subnet) << 64 | 0x99)
    }
}

/// An option of a message, with its head.
fn option(message: &[u8], code: u16) -> Option<Vec<u8>> {
    option_in(&message[4..], code)
}

fn option_in(mut options: &[u8], code: u16) -> Option<Vec<u8>> {
    while let [c0, c1, l0, l1, ..] = *options {
        let end = 4 + usize::from(u16::from_be_bytes([l0, l1]));
        if u16::from_be_bytes([c0, c1]) == code {
            return Some(options[..end].to_vec());
        }
        options = &options[end..];
    }
    None
}

/// None of both comes through, and each is counted.
#[track_caller]
fn does_not_talk(world: &mut World, device: Device, own: Ipv6Addr) {
    let counted = |world: &mut World| [world.discarded("spoofed_source"), world.discarded("no_route")];
    let [spoofed, lost] = counted(world);
    let beyond = world.beyond.len();
    send(world, device, &inner6::icmp(own, HOST, 128, &[0, 1, 0, 1]));
    world.send_from_beyond(&[&inner6::icmp(HOST, own, 129, &[0, 1, 0, 1])]);
    world.run(Duration::from_secs(1));
    assert_eq!((world.beyond.len(), counted(world)), (beyond, [spoofed + 1, lost + 1]));
}

#[test]
fn the_hosts_behind_a_router_are_reached_wherever_the_kernel_brings_packets() {
    for steering in [Steering::Right, Steering::ByNumber, Steering::Wrong] {
        for shards in [1, 2, 3] {
            let setup = Setup { shards, steering, ..setup() };
            let (mut world, devices) = connected(&setup, [Profile::windows_10(), Profile::windows_7()]);
            for device in devices {
                let router = Router::new(&mut world, device);
                let last = u16::from(world.address(device).octets()[3]);
                assert_eq!(router.prefix(), Ipv6Addr::new(0x2001, 0xdb8, 0x100, last << 8, 0, 0, 0, 0));
                for subnet in [0, 1, 2, 255] {
                    talks_as(&mut world, device, router.host(subnet));
                }
            }
            if steering == Steering::Right {
                assert_eq!(world.handed_over(), 0, "{shards} cores");
            }
        }
    }
}

#[test]
fn a_prefix_is_a_clients_from_its_delegation_until_it_is_given_back() {
    let (mut world, [device, other]) = connected(&setup(), [Profile::windows_10(), Profile::windows_7()]);
    let own = "2001:db8:100:300::99".parse().unwrap();
    does_not_talk(&mut world, device, own);
    let router = Router::new(&mut world, device);
    assert_eq!(router.host(0), own);
    talks_as(&mut world, device, own);
    // Not another one's, and not the pool's next.
    let theirs = Router::new(&mut world, other).host(7);
    let spoofed = world.discarded("spoofed_source");
    for source in [theirs, "2001:db8:100:100::1".parse().unwrap()] {
        send(&mut world, device, &inner6::icmp(source, HOST, 128, &[0, 1, 0, 1]));
    }
    assert_eq!(world.discarded("spoofed_source"), spoofed + 2);
    // Nor is another client's network reached from one.
    let before = world.discarded("client_to_client");
    send(&mut world, device, &inner6::icmp(own, theirs, 128, &[0, 1, 0, 1]));
    assert_eq!(world.discarded("client_to_client"), before + 1);

    let status = world.status();
    let delegated: Vec<_> = status.sessions.iter().filter_map(|session| session.delegated.clone()).collect();
    assert_eq!(delegated, ["2001:db8:100:300::/56", "2001:db8:100:200::/56"]);
    assert_eq!(world.lines(&["has 2001:db8:100:300::/56 delegated"]).len(), 1);

    let reply = router.say(&mut world, RELEASE).expect("a Reply");
    assert_eq!(option(&reply, 13), Some(vec![0, 13, 0, 2, 0, 0]));
    does_not_talk(&mut world, device, own);
    talks_as(&mut world, other, theirs);
    assert_eq!(world.lines(&["has given back 2001:db8:100:300::/56"]).len(), 1);
    // Once more, and it is nobody's to give back.
    let reply = router.say(&mut world, RELEASE).expect("a Reply");
    assert_eq!(option(&reply, 25).expect("an association")[16..], [0, 13, 0, 2, 0, 3]);
    Router::new(&mut world, device);
    talks_as(&mut world, device, own);
}

#[test]
fn a_router_extends_what_it_has() {
    let (mut world, [device]) = connected(&setup(), [Profile::windows_10()]);
    let router = Router::new(&mut world, device);
    let lines = world.log.len();
    for _ in 0..4 {
        world.run(Duration::from_secs(1800));
        let reply = router.say(&mut world, RENEW).expect("a Reply");
        assert_eq!(option(&reply, 25).as_ref(), Some(&router.association));
    }
    talks_as(&mut world, device, router.host(3));
    assert!(world.log[lines..].iter().all(|line| !line.contains("delegated")), "that is worth no line");
}

/// 2001:db8:1:3::/64 and 2001:db8:100:300::/56 have the same number, by which the kernel knows them.
#[test]
fn what_is_given_back_leaves_the_way_to_what_is_kept() {
    let (mut world, [device]) = connected(&setup(), [Profile::windows_10()]);
    world.with(device, |client, now| client.disconnect(now));
    world.until_closed(device, SOON);
    // With its old address it comes to the other core: one that its number does not say.
    let device = world.redial(device, Profile::windows_10());
    world.until_up(device, SOON);
    world.run(SOON);
    let own = Ipv6Addr::from_bits(prefix(&world, device).to_bits() | 0x99);
    assert_eq!(own, "2001:db8:1:3::99".parse::<Ipv6Addr>().unwrap());
    talks_as(&mut world, device, own);
    let router = Router::new(&mut world, device);
    assert_eq!(router.prefix(), "2001:db8:100:300::".parse::<Ipv6Addr>().unwrap());
    talks_as(&mut world, device, router.host(1));
    let handed_over = world.handed_over();
    router.say(&mut world, RELEASE).expect("a Reply");
    talks_as(&mut world, device, own);
    assert_eq!(world.handed_over(), handed_over);
}

#[test]
fn the_operator_reads_once_of_a_prefix_that_comes_and_goes() {
    let (mut world, [device]) = connected(&setup(), [Profile::windows_10()]);
    for _ in 0..5 {
        let router = Router::new(&mut world, device);
        router.say(&mut world, RELEASE).expect("a Reply");
        world.run(Duration::from_secs(1));
    }
    for words in ["has 2001:db8:100:300::/56 delegated", "has given back 2001:db8:100:300::/56"] {
        assert_eq!(world.lines(&["Info", words]).len(), 1);
        assert_eq!(world.lines(&["Debug", words]).len(), 4, "for whoever takes it apart");
    }
    // The next session begins anew.
    world.with(device, |client, now| client.disconnect(now));
    world.until_closed(device, SOON);
    world.run(SOON);
    let again = world.redial(device, Profile::windows_10());
    world.until_up(again, SOON);
    world.run(SOON);
    Router::new(&mut world, again);
    assert_eq!(world.lines(&["Info", "has 2001:db8:100:300::/56 delegated"]).len(), 2);
}

#[test]
fn a_router_that_comes_back_goes_on_with_what_it_had() {
    let (mut world, [device]) = connected(&setup(), [Profile::windows_10()]);
    let router = Router::new(&mut world, device);
    world.with(device, |client, now| client.disconnect(now));
    world.until_closed(device, SOON);
    world.run(SOON);
    let lost = world.discarded("no_route");
    world.send_from_beyond(&[&inner6::icmp(HOST, router.host(1), 128, &[0, 1, 0, 1])]);
    assert_eq!(world.discarded("no_route"), lost + 1, "who is away has none");

    let again = world.redial(device, Profile::windows_10());
    world.until_up(again, SOON);
    world.run(SOON);
    let router = Router { device: again, ..router };
    does_not_talk(&mut world, again, router.host(1));
    let reply = router.say(&mut world, RENEW).expect("a Reply");
    assert_eq!(option(&reply, 25).as_ref(), Some(&router.association), "it is given anew");
    talks_as(&mut world, again, router.host(1));
}

#[test]
fn a_router_that_comes_back_to_a_server_that_was_started_anew_is_answered_at_once() {
    let (mut world, [device]) = connected(&setup(), [Profile::windows_10()]);
    let router = Router::new(&mut world, device);
    // Nothing is left but the name.
    let (mut world, [device]) = connected(&Setup { seed: 2, ..setup() }, [Profile::windows_10()]);
    let router = Router { device, ..router };
    does_not_talk(&mut world, device, router.host(1));
    let reply = router.say(&mut world, RENEW).expect("a Reply");
    assert_eq!(option(&reply, 25).as_ref(), Some(&router.association));
    talks_as(&mut world, device, router.host(1));
    // To one with another name there would be no answer: the name is what did it.
    let stranger =
        Router { server_id: [&router.server_id[..21], &[!router.server_id[21]]].concat(), ..router };
    assert_eq!(stranger.say(&mut world, RENEW), None);
}

#[test]
fn a_router_is_to_forget_an_address_of_another_network() {
    let (mut world, [device]) = connected(&setup(), [Profile::windows_10()]);
    let router = Router::new(&mut world, device);
    // 2001:db8:9::9 for an hour, in an association for addresses.
    let lifetimes = [0, 0, 14, 16, 0, 0, 14, 16];
    let place = [0x20, 1, 0x0d, 0xb8, 0, 9, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9];
    let head = [0, 3, 0, 40, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 5, 0, 24];
    let router = Router { association: [&head[..], &place, &lifetimes].concat(), ..router };
    let reply = router.say(&mut world, REQUEST).expect("a Reply");
    let association = option(&reply, 3).expect("an association");
    assert_eq!(association[16..], [0, 13, 0, 2, 0, 4], "NotOnLink");
    let reply = router.say(&mut world, RENEW).expect("a Reply");
    assert_eq!(option(&reply, 3), Some([&head[..], &place, &[0; 8]].concat()), "no time is left");
}

#[test]
fn what_is_lent_does_not_outlast_the_session() {
    let users = "alice: { password: secret, session_timeout: 1h }";
    let (mut world, [device]) = connected(&Setup { users, ..setup() }, [Profile::windows_10()]);
    let router = Router::new(&mut world, device);
    let prefix = option_in(&router.association[16..], 26).expect("a prefix");
    let [preferred, valid] =
        [4, 8].map(|at| u32::from_be_bytes(*prefix[at..].first_chunk().expect("a lifetime")));
    assert_eq!(preferred, valid);
    assert!((3500..3600).contains(&valid), "{valid} s");
}

#[test]
fn a_pool_without_any_refuses_and_says_so_once() {
    let (mut world, [device]) = connected(&Setup { delegate: None, ..setup() }, [Profile::windows_10()]);
    let router = Router { device, server_id: Vec::new(), association: WANTED.to_vec() };
    for _ in 0..3 {
        let advertise = router.say(&mut world, 1).expect("an Advertise");
        let association = option(&advertise, 25).expect("an association");
        assert_eq!(option_in(&association[16..], 13).expect("a status")[4..6], [0, 6], "NoPrefixAvail");
        assert_eq!(option_in(&association[16..], 26), None);
    }
    assert_eq!(world.lines(&["asked for a prefix", "NoPrefixAvail", "has no `delegate`"]).len(), 1);
    does_not_talk(&mut world, device, "2001:db8:100:200::99".parse().unwrap());
}

/// What an advertisement says of DHCPv6: without anything else to tell, there is a prefix.
#[test]
fn the_advertisement_tells_that_there_is_something_to_ask_for() {
    for (delegate, flags) in [(None, 0), (Some("2001:db8:100::/48"), 0x40)] {
        let users = "alice: { password: secret, dns: [9.9.9.9] }";
        let setup = Setup { delegate, users, ..setup() };
        let (world, [device]) = connected(&setup, [Profile::windows_10()]);
        prefix(&world, device);
        let advertisement = got(&world, device, 58).expect("an advertisement");
        assert_eq!(advertisement[5], flags, "{delegate:?}");
    }
}
