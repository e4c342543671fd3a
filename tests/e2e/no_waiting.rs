//! From message 1 to the address nobody waits for a timer of the server.

use std::net::Ipv4Addr;
use std::time::Duration;

use load::{Mark, Profile};

use crate::world::{Place, Quality, Setup, World};

/// Connects over a network that takes no time; each answer of the server comes at the instant of its question.
#[track_caller]
fn connect(profile: Profile, batches: bool) -> World {
    println!("{}", profile.name);
    let mut world = World::new(&Setup { quality: Quality::PERFECT, batches, ..Setup::default() });
    let nat = world.add_nat(Ipv4Addr::new(192, 0, 2, 10));
    let device = world.dial(profile, Place::Behind(nat, Ipv4Addr::new(192, 168, 1, 23)));
    world.until_up(device, Duration::from_secs(60));
    assert_eq!(world.timers_that_spoke, [], "no timer of ours did anything\n{}", world.log.join("\n"));
    let timeline = world.device(device).client.timeline().clone();
    for (mark, after) in timeline.iter() {
        let processor = world.processor.get(&Some(mark)).copied().unwrap_or_default();
        println!("  {mark:?}: after {after:?}; then {processor:?} of the server's processor");
    }
    println!("  in all {:?}", world.processor.values().sum::<Duration>());
    world
}

#[test]
fn every_answer_comes_at_once() {
    for profile in [Profile::windows_10(), Profile::apple(), Profile::linux()] {
        for batches in [false, true] {
            let world = connect(profile.clone(), batches);
            assert_eq!(world.elapsed(), Duration::ZERO, "{}", world.log.join("\n"));
        }
    }
}

/// Android pauses by itself, 1 s before Quick Mode and some milliseconds until pppd is there. What the server says to pppd
/// meanwhile is lost, and must not have to be waited for.
#[test]
fn android_waits_for_nobody_but_itself() {
    let profile = Profile::android();
    let own = profile.esp.delay + profile.ppp.attach_delay;
    let world = connect(profile, false);
    assert_eq!(world.elapsed(), own, "{}", world.log.join("\n"));
}

/// Not a second round trip more than the protocols need.
#[test]
fn round_trips() {
    let latency = Duration::from_millis(50);
    let quality = Quality { latency, ..Quality::PERFECT };
    let mut world = World::new(&Setup { quality, ..Setup::default() });
    let nat = world.add_nat(Ipv4Addr::new(192, 0, 2, 10));
    let device = world.dial(Profile::windows_10(), Place::Behind(nat, Ipv4Addr::new(192, 168, 1, 23)));
    world.until_up(device, Duration::from_secs(60));
    let timeline = world.device(device).client.timeline().clone();
    let trips = |from, to| {
        let time = timeline.at(to).unwrap() - timeline.at(from).unwrap();
        time.as_millis() / (2 * latency).as_millis()
    };
    assert_eq!(trips(Mark::Message1, Mark::Message6), 3, "Main Mode");
    assert_eq!(trips(Mark::QuickMode1, Mark::QuickMode2), 1, "Quick Mode");
    assert_eq!(trips(Mark::QuickMode2, Mark::Icrp), 2, "L2TP");
    // Windows asks for callback, multilink and an endpoint, and is told no once.
    assert!(trips(Mark::Icrp, Mark::LcpOpen) <= 2, "LCP");
    assert!(trips(Mark::LcpOpen, Mark::Authenticated) <= 2, "MS-CHAPv2");
    // NBNS is refused, then the address is told, then both agree.
    assert!(trips(Mark::Authenticated, Mark::NetworkUp) <= 3, "IPCP");
}
