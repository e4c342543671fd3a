//! Every client of the field connects, gets an address, moves packets and leaves.

use std::net::{Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use load::profile::{EspTransform, GcmKey, IkeTransform};
use load::{Cipher, End, Group, Hash, Profile};

use crate::world::{Place, Quality, Setup, World};

const NAT: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 10);
const PRIVATE: Ipv4Addr = Ipv4Addr::new(192, 168, 1, 23);
const DNS: [Ipv4Addr; 2] = [Ipv4Addr::new(9, 9, 9, 9), Ipv4Addr::new(149, 112, 112, 112)];

/// Every profile, with the longest a connection may take on a clean line: Android's own pauses are 1 s.
fn profiles() -> [Profile; 5] {
    [Profile::windows_10(), Profile::android(), Profile::android_6(), Profile::apple(), Profile::linux()]
}

/// Connects from behind a NAT, pings both ways, disconnects, and is forgotten; `limit` is for each.
#[track_caller]
fn lives(profile: Profile, setup: &Setup, limit: Duration) -> World {
    let mut world = World::new(setup);
    let nat = world.add_nat(NAT);
    let device = world.dial(profile, Place::Behind(nat, PRIVATE));
    world.until_up(device, limit);
    // Who negotiates PPP anew, because an acknowledgement was lost, may have had another one before.
    assert!(matches!(world.address(device).octets(), [10, 20, 0, 2..=254]), "{}", world.address(device));
    assert_eq!(world.device(device).client.server_address(), Some(Ipv4Addr::new(10, 20, 0, 1)));
    assert_eq!(world.device(device).client.dns(), DNS);
    world.ping(device, limit);
    world.ping_back(device, limit);
    world.with(device, |client, now| client.disconnect(now));
    assert_eq!(world.until_closed(device, limit), End::Left);
    // A farewell that the network swallowed is made up for by the server's own questions.
    let patience = if setup.quality.loss == 0 { 60 } else { 600 };
    world.until("nothing is left", Duration::from_secs(patience), |world| world.server.is_idle());
    let status = world.status();
    assert!(status.sessions.is_empty(), "{status:?}");
    assert_eq!(status.pools[0].used, 0, "the address was given back");
    world
}

#[test]
fn every_profile_on_a_clean_line() {
    for profile in profiles() {
        println!("{}", profile.name);
        let world = lives(profile, &Setup::default(), Duration::from_secs(8));
        println!("{}", world.log.join("\n"));
    }
}

/// Addresses of IPv6 as identities, selectors and original addresses, and a UDP checksum in every packet: the client drops what
/// has none.
#[test]
fn every_profile_over_ipv6() {
    for profile in profiles() {
        for (seed, quality) in [(0, Quality::CLEAN), (1, Quality::BAD), (2, Quality::BAD)] {
            println!("{}, seed {seed}", profile.name);
            let mut world = World::new(&Setup { seed, quality, batches: seed % 2 == 1, ..Setup::default() });
            let home = Ipv6Addr::new(0x2001, 0xdb8, 0xffff, 7, 0xfeed, 0, 0, 5);
            let device = world.dial(profile.clone(), Place::PublicV6(home));
            world.until_up(device, Duration::from_secs(60));
            world.ping(device, Duration::from_secs(60));
            world.ping_back(device, Duration::from_secs(60));
            assert!(!world.lines(&["[2001:db8:ffff:7:feed::5]"]).is_empty(), "{}", world.log.join("\n"));
            world.with(device, |client, now| client.disconnect(now));
            world.until_closed(device, Duration::from_secs(60));
            world.until("nothing is left", Duration::from_secs(600), |world| world.server.is_idle());
        }
    }
}

/// One in ten datagrams is lost, one in twenty comes twice, many overtake each other.
#[test]
fn every_profile_on_a_bad_line() {
    for profile in profiles() {
        for seed in 0..40 {
            println!("{}, seed {seed}", profile.name);
            let setup = Setup { seed, quality: Quality::BAD, batches: seed % 2 == 1, ..Setup::default() };
            // 60 s is what Android's framework allows.
            lives(profile.clone(), &setup, Duration::from_secs(60));
        }
    }
}

/// Without a NAT the server claims there is one, so that ESP travels in UDP.
#[test]
fn every_profile_without_a_nat() {
    for profile in profiles() {
        println!("{}", profile.name);
        let mut world = World::new(&Setup::default());
        let device = world.dial(profile, Place::Public(Ipv4Addr::new(198, 18, 0, 5)));
        world.until_up(device, Duration::from_secs(8));
        world.ping(device, Duration::from_secs(2));
        world.ping_back(device, Duration::from_secs(2));
    }
}

/// Windows may be offered any of its five phase 1 transforms alone, and each of its ciphers for ESP.
#[test]
fn every_suite_of_every_group() {
    use {Cipher::*, Group::*, Hash::*};
    let phase1 = [
        (Aes256, Sha512, Ecp384),
        (Aes192, Sha384, Ecp256),
        (Aes128, Sha256, Modp2048),
        (TripleDes, Sha1, Modp1536),
        (TripleDes, Md5, Modp1024),
        (Des, Md5, Modp768),
    ];
    let phase2 =
        [(Aes256, Sha512), (Aes256, Sha384), (Aes192, Sha256), (Aes128, Sha1), (TripleDes, Sha1), (Des, Md5)];
    for ((cipher, hash, group), (esp, integrity)) in phase1.into_iter().zip(phase2) {
        println!("{cipher:?} {hash:?} {group:?}, {esp:?} {integrity:?}");
        let mut profile = Profile::windows_10();
        profile.ike.transforms = vec![IkeTransform::new(cipher, hash, group)];
        profile.esp.transforms = vec![EspTransform::new(esp, integrity)];
        let setup = Setup { algorithms: "legacy", ..Setup::default() };
        lives(profile, &setup, Duration::from_secs(8));
    }
    for key in [GcmKey::Aes128, GcmKey::Aes256] {
        let mut profile = Profile::linux();
        profile.esp.transforms = vec![EspTransform::Gcm(key)];
        lives(profile, &Setup::default(), Duration::from_secs(8));
    }
}

/// Routers and libreswan ask for a second exchange.
#[test]
fn perfect_forward_secrecy() {
    for group in [Group::Modp1024, Group::Modp2048, Group::Ecp256] {
        let mut profile = Profile::linux();
        profile.esp.pfs = Some(group);
        lives(profile, &Setup::default(), Duration::from_secs(8));
    }
}

/// XP and old Androids speak drafts of NAT traversal only: other payload numbers, mode 61444.
#[test]
fn drafts_of_nat_traversal() {
    let rfc_3947 = Profile::windows_10().ike.vendor_ids[2].clone();
    let mut profile = Profile::windows_10();
    profile.ike.vendor_ids.retain(|id| *id != rfc_3947);
    lives(profile, &Setup::default(), Duration::from_secs(8));
}

/// A client that never refuses what it does not need: CCP, IPV6CP and the like are rejected, not ignored.
#[test]
fn protocols_we_do_not_speak_are_rejected() {
    let mut world = World::new(&Setup::default());
    let device = world.dial(Profile::windows_10(), Place::Public(NAT));
    world.until_up(device, Duration::from_secs(8));
    world.run(Duration::from_secs(1));
    assert_eq!(world.device(device).client.rejected_protocols(), [0x8057, 0x80fd]);
}
