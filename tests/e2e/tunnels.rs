//! L2TP tunnels that are not one tunnel with one call.

use std::net::Ipv4Addr;
use std::time::Duration;

use load::{Event, Profile};

use crate::world::{Place, Setup, World};

const NAT: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 10);
const PRIVATE: Ipv4Addr = Ipv4Addr::new(192, 168, 1, 23);
const SOON: Duration = Duration::from_secs(8);
/// LCP Terminate-Request without a text, RFC 1661 §5.5.
const TERMINATE: &[u8] = &[0xff, 0x03, 0xc0, 0x21, 5, 9, 0, 4];

/// A LAC calls for two users through one tunnel: each has an address of its own, is spoken to through its own call, and when one
/// hangs up the other stays.
#[test]
fn two_users_in_one_tunnel() {
    for profile in [Profile::linux(), Profile::android_8(), Profile::apple()] {
        println!("{}", profile.name);
        let mut world = World::new(&Setup::default());
        let nat = world.add_nat(NAT);
        let device = world.dial(profile, Place::Behind(nat, PRIVATE));
        world.until_up(device, SOON);
        let alices = world.address(device);
        let parked = world.with(device, |client, now| client.call_again(now, "bob", "hunter2"));
        let parked = parked.expect("alice's call was up");
        world.until_up(device, SOON);
        let bobs = world.address(device);
        assert_ne!(alices, bobs);
        world.ping(device, SOON);
        world.ping_back(device, SOON);
        let parked = world.with(device, |client, _| client.switch_to(parked)).expect("bob's call was up");
        assert_eq!(world.address(device), alices);
        world.ping(device, SOON);
        world.ping_back(device, SOON);
        let sessions = world.status().sessions;
        let users: Vec<_> = sessions.iter().map(|session| (&*session.user, session.inside)).collect();
        assert_eq!(users, [("alice", alices), ("bob", bobs)]);
        assert_eq!(world.lines(&["L2TP tunnel from"]).len(), 1, "{}", world.log.join("\n"));

        // Bob hangs up.
        let parked = world.with(device, |client, _| client.switch_to(parked)).expect("alice's call is up");
        world.with(device, |client, _| client.send_frame(TERMINATE));
        world.with(device, |client, _| client.switch_to(parked)).expect("bob's call is not over yet");
        world.until("bob is out", SOON, |world| !world.lines(&["\"bob\" is out"]).is_empty());
        world.ping(device, SOON);
        world.ping_back(device, SOON);
        assert_eq!(world.status().pools[0].used, 1);
    }
}

/// The client's first request is under way when it asks again, under another tunnel id: one session comes of it, and no alarm.
#[test]
fn a_request_repeated_under_another_id() {
    for profile in [Profile::windows_10(), Profile::linux()] {
        println!("{}", profile.name);
        let mut world = World::new(&Setup::default());
        let nat = world.add_nat(NAT);
        let device = world.dial(profile, Place::Behind(nat, PRIVATE));
        let opened = Event::SaOpened { renewed: false };
        world.until("keys", SOON, |world| world.device(device).events.contains(&opened));
        let first = world.device(device).client.l2tp_ids();
        world.with(device, |client, now| client.redial_l2tp(now));
        assert_ne!(world.device(device).client.l2tp_ids(), first);
        world.until_up(device, SOON);
        world.run(Duration::from_secs(180));
        world.ping(device, SOON);
        world.ping_back(device, SOON);
        assert_eq!(world.status().sessions.len(), 1);
        assert_eq!(world.lines(&["is in from"]).len(), 1);
        assert_eq!(world.lines(&["Warn"]), Vec::<&str>::new(), "{}", world.log.join("\n"));
        // Though the other one was there, and was given up.
        assert_eq!(world.lines(&["Debug", "no longer answers"]).len(), 1, "{}", world.log.join("\n"));
    }
}
