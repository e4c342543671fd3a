//! Messages byte by byte, laid out by hand after the figures of RFC 8415 §8, §21 and RFC 3646.

use std::net::Ipv6Addr;

use hex_literal::hex;
use proptest::prelude::*;

use super::association::Association;
use super::message::options_of;
use super::*;
use crate::onlink::LONGEST;
use crate::pool::{Delegation, Prefix};

const SERVER: ServerId = ServerId([0xab; 16]);
/// The client's and our own identifier, as options.
const CLIENT_ID: [u8; 18] = hex!("0001 000e 0001000127d2a1e1080027aabbcc");
const SERVER_ID: [u8; 22] = hex!("0002 0012 0004 abababababababababababababababab");
/// Name servers and domain, as options.
const DIRECTIONS: [u8; 38] =
    hex!("0017 0010 262000fe0000000000000000000000fe 0018 000e 04636f7270076578616d706c6500");
/// An association for prefixes with nothing in it, and what we put in: T1 and T2, lifetimes, 2001:db8:100:700::/56.
const WANTED: [u8; 16] = hex!("0019 000c 00000001 00000000 00000000");
const GRANTED: [u8; 45] = hex!(
    "0019 0029 00000001 00000708 00000b40 001a 0019 00000e10 00001c20 38 20010db8010007000000000000000000"
);
const IAID: [u8; 4] = [0, 0, 0, 1];

fn directions() -> Directions {
    Directions {
        dns6: [Some("2620:fe::fe".parse().unwrap()), None],
        domain: Some("corp.example".parse().unwrap()),
        ..Directions::default()
    }
}

fn lease() -> Lease {
    let delegation = Delegation::new("2001:db8:100::/40".parse().unwrap(), 16).unwrap();
    Lease { prefix: delegation.nth(7), holder: None, left: None }
}

/// The same once the client has it.
fn held() -> Lease {
    Lease { holder: Association::parse(25, &GRANTED[4..]).unwrap().for_prefixes(), ..lease() }
}

/// The reply to a message to `destination`, behind UDP's header.
fn say(destination: &str, lease: Option<Lease>, message: &[u8]) -> Option<(Vec<u8>, Option<Change>)> {
    let datagram = [&hex!("0222 0223 0000 0000")[..], message].concat();
    let source = "fe80::7".parse().unwrap();
    let destination = destination.parse().unwrap();
    let received = Received { source, destination, hop_limit: 1, payload: &datagram };
    let prefix = Prefix::of("2001:db8:1:7::".parse().unwrap());
    let link = Link6 { local: "fe80::1".parse().unwrap(), prefix, mtu: 1400, delegates: true };
    let Answer { packet, change } = answer(received, link, &directions(), &SERVER, lease)?;
    assert!(packet.len() <= LONGEST, "{} octets", packet.len());
    assert_eq!(packet[24..40], source.octets());
    assert_eq!(packet[40..44], hex!("0223 0222"));
    Some((packet[48..].to_vec(), change))
}

fn reply(message: &[u8]) -> Option<Vec<u8>> {
    say("ff02::1:2", None, message).map(|(reply, _)| reply)
}

/// A message of that kind, from the client, and to us if that is so.
fn message(kind: u8, to_us: bool, options: &[&[u8]]) -> Vec<u8> {
    let server_id: &[u8] = if to_us { &SERVER_ID } else { &[] };
    [&[kind, 0, 0xaa, 1], &CLIENT_ID[..], server_id, &options.concat()].concat()
}

/// What we say to it: kind and both identifiers, and what follows.
fn ours(kind: u8, options: &[&[u8]]) -> Vec<u8> {
    [&[kind, 0, 0xaa, 1], &CLIENT_ID[..], &SERVER_ID, &options.concat()].concat()
}

#[test]
fn windows_is_told_name_servers_and_domain() {
    // Elapsed time, client identifier, vendor class, wishes: vendor options, name servers, domains.
    let request = hex!(
        "0b 123456 0008 0002 0000 0001 000e 0001000127d2a1e1080027aabbcc 0010 000e 00000137 0008 4d53465420352e30"
        "0006 0006 0011 0017 0018"
    );
    assert_eq!(reply(&request), Some([&hex!("07 123456")[..], &CLIENT_ID, &SERVER_ID, &DIRECTIONS].concat()));
}

#[test]
fn only_what_is_wanted_is_told() {
    let codes = |request: &[u8]| -> Vec<u16> {
        options_of(&reply(request).unwrap()[4..]).map(|(code, _)| code).collect()
    };
    assert_eq!(codes(&hex!("0b 000001 0006 0002 0018")), [2, 24]);
    assert_eq!(codes(&hex!("0b 000001")), [2, 23, 24]);
}

#[test]
fn a_prefix_is_offered_and_then_delegated() {
    let all = "ff02::1:2";
    let solicit = message(1, false, &[&hex!("0008 0002 0000"), &WANTED]);
    let preference = hex!("0007 0001 ff");
    let advertise = ours(2, &[&preference, &GRANTED, &DIRECTIONS]);
    assert_eq!(say(all, Some(lease()), &solicit), Some((advertise, None)), "nothing holds yet");
    let request = message(3, true, &[&GRANTED, &hex!("0006 0002 0000")]);
    let delegated = Some(Change::Delegated(held().holder.unwrap()));
    assert_eq!(say(all, Some(lease()), &request), Some((ours(7, &[&GRANTED]), delegated)));
    // A repetition changes nothing.
    assert_eq!(say(all, Some(held()), &request), Some((ours(7, &[&GRANTED]), None)));
    // §18.3.1: both at once.
    let rapid = message(1, false, &[&hex!("000e 0000"), &WANTED]);
    let reply = ours(7, &[&hex!("000e 0000"), &GRANTED, &DIRECTIONS]);
    assert_eq!(say(all, Some(lease()), &rapid), Some((reply, delegated)));
}

#[test]
fn what_is_held_is_extended_and_what_is_not_ours_is_over() {
    // 2001:db8:aa00::/56, of another session; and the same with no time left.
    let stale = hex!("001a 0019 00000e10 00001c20 38 20010db8aa0000000000000000000000");
    let over = hex!("001a 0019 00000000 00000000 38 20010db8aa0000000000000000000000");
    let body = |first: &[u8], second: &[u8]| {
        let len = u16::try_from(12 + first.len() + second.len()).unwrap().to_be_bytes();
        [&[0, 25][..], &len, &IAID[..], &hex!("00000708 00000b40"), first, second].concat()
    };
    for (kind, to_us) in [(5, true), (6, false)] {
        let extend = message(kind, to_us, &[&body(&stale, &[]), &hex!("0006 0002 0000")]);
        let expected = ours(7, &[&body(&GRANTED[16..], &over)]);
        assert_eq!(say("ff02::1:2", Some(held()), &extend), Some((expected.clone(), None)), "kind {kind}");
        // A server that has been started anew under the same name: §18.3.4, the first of the choices.
        let (reply, change) = say("ff02::1:2", Some(lease()), &extend).unwrap();
        assert_eq!(reply, expected, "kind {kind}");
        assert!(matches!(change, Some(Change::Delegated(_))), "kind {kind}");
    }
    // Asking for another one is a wish.
    let request = message(3, true, &[&body(&stale, &[]), &hex!("0006 0002 0000")]);
    assert_eq!(say("ff02::1:2", Some(held()), &request).unwrap().0, ours(7, &[&GRANTED]));
}

#[test]
fn lifetimes_end_with_the_session() {
    let lease = Lease { left: Some(Duration::from_secs(4000)), ..lease() };
    let (reply, _) = say("ff02::1:2", Some(lease), &message(3, true, &[&WANTED])).unwrap();
    assert!(reply.windows(8).any(|lifetimes| lifetimes == hex!("00000e10 00000fa0")), "3600 and 4000 s");
    let lease = Lease { left: Some(Duration::from_secs(60)), ..lease };
    let (reply, _) = say("ff02::1:2", Some(lease), &message(3, true, &[&WANTED])).unwrap();
    assert!(reply.windows(8).any(|times| times == hex!("0000001e 00000030")), "T1 30, T2 48 s");
    assert!(reply.windows(8).any(|lifetimes| lifetimes == hex!("0000003c 0000003c")), "60 s each");
}

#[test]
fn an_address_is_not_to_be_had_but_the_prefix_beside_it() {
    let address = hex!("0003 000c 00000009 00000000 00000000");
    let temporary = hex!("0004 0004 00000008");
    let wishes = hex!("0006 0002 0000");
    let (reply, change) =
        say("ff02::1:2", Some(lease()), &message(3, true, &[&address, &temporary, &WANTED, &wishes]))
            .unwrap();
    let refused = b"addresses are made of the router's prefix";
    let expected = [
        &hex!("0003 003b 00000009 00000000 00000000 000d 002b 0002")[..],
        refused,
        &hex!("0004 0033 00000008 000d 002b 0002"),
        refused,
        &GRANTED,
    ];
    assert_eq!(reply, ours(7, &expected));
    assert!(matches!(change, Some(Change::Delegated(_))));
}

/// An association for addresses, or for temporary ones, with these options.
fn of_addresses(code: u8, options: &[&[u8]]) -> Vec<u8> {
    let head: &[u8] = if code == 3 { &hex!("00000009 00000000 00000000") } else { &hex!("00000009") };
    let value = [head, &options.concat()].concat();
    [&[0, code][..], &u16::try_from(value.len()).unwrap().to_be_bytes(), &value].concat()
}

#[test]
fn an_address_of_another_link_is_over() {
    let wishes = hex!("0006 0002 0000");
    let ours_7 = hex!("0005 0018 20010db8000100070000000000000009 00000e10 00001c20");
    let elsewhere = hex!("0005 0018 20010db8000100080000000000000009 00000e10 00001c20");
    let over = hex!("0005 0018 20010db8000100080000000000000009 00000000 00000000");
    let not_on_link = hex!("000d 0002 0004");
    let told = |kind, to_us, options: &[u8]| {
        say("ff02::1:2", Some(lease()), &message(kind, to_us, &[options, &wishes])).unwrap().0
    };
    for code in [3, 4] {
        let both = of_addresses(code, &[&ours_7, &elsewhere]);
        // §18.3.2: none of it.
        let expected = ours(7, &[&of_addresses(code, &[&not_on_link])]);
        assert_eq!(told(3, true, &both), expected, "option {code}");
        // §18.3.4, §18.3.5: the client stops using that one.
        let expected = ours(7, &[&of_addresses(code, &[&over])]);
        assert_eq!(told(5, true, &both), expected, "option {code}");
        assert_eq!(told(6, false, &both), expected, "option {code}");
        // One of the link is no more to be had than any other, and does no harm; nor does a wish.
        for (kind, to_us, address) in
            [(3, true, ours_7), (5, true, ours_7), (6, false, ours_7), (1, false, elsewhere)]
        {
            let reply = told(kind, to_us, &of_addresses(code, &[&address]));
            assert!(reply.ends_with(b"\x00\x02addresses are made of the router's prefix"), "kind {kind}");
        }
    }
    // The prefix beside it is had all the same.
    let renew = message(5, true, &[&of_addresses(3, &[&elsewhere]), &GRANTED, &wishes]);
    let expected = ours(7, &[&of_addresses(3, &[&over]), &GRANTED]);
    assert_eq!(say("ff02::1:2", Some(held()), &renew), Some((expected, None)));
    // As many as there is room for, in every association.
    let greedy: Vec<u8> = of_addresses(3, &[&elsewhere.repeat(30)]).repeat(4);
    let reply = told(6, false, &greedy);
    assert_eq!(reply.windows(28).filter(|part| *part == over).count(), 16);
}

#[test]
fn without_a_prefix_the_client_is_told_so() {
    let refused = b"no prefix is delegated to this client";
    let expected =
        [&hex!("0019 0037 00000001 00000000 00000000 000d 0027 0006")[..], refused, &DIRECTIONS].concat();
    let rapid = hex!("000e 0000");
    let told = say("ff02::1:2", None, &message(1, false, &[&WANTED, &rapid]));
    let advertise = ours(2, &[&hex!("0007 0001 ff"), &expected]);
    assert_eq!(told, Some((advertise, Some(Change::Refused))));
    // §18.3.4: what it had, from a server that was set up otherwise, is over at once.
    let head = hex!("0019 0029 00000001 00000000 00000000 001a 0019 00000000 00000000");
    let over = [&head[..], &hex!("38 20010db8010007000000000000000000"), &DIRECTIONS].concat();
    let told = say("ff02::1:2", None, &message(5, true, &[&GRANTED]));
    assert_eq!(told, Some((ours(7, &[&over]), Some(Change::Refused))));
    // One for each client: an association that has it keeps it, wherever it stands.
    let second = hex!("0019 000c 00000002 00000000 00000000");
    let (reply, change) = say("ff02::1:2", Some(held()), &message(3, true, &[&second, &WANTED])).unwrap();
    assert_eq!(change, None);
    assert!(reply.windows(45).any(|part| part == GRANTED));
    assert!(reply.windows(8).any(|part| part == hex!("0019 0037 00000002")));
}

#[test]
fn what_is_given_back_is_confirmed() {
    let success = hex!("000d 0002 0000");
    let release = message(8, true, &[&GRANTED]);
    let told = say("ff02::1:2", Some(held()), &release);
    assert_eq!(told, Some((ours(7, &[&success]), Some(Change::Released))));
    // §18.3.7: of what is not held, only the association.
    let unknown = hex!("0019 0012 00000001 00000000 00000000 000d 0002 0003");
    assert_eq!(say("ff02::1:2", Some(lease()), &release), Some((ours(7, &[&success, &unknown]), None)));
    assert_eq!(say("ff02::1:2", None, &release), Some((ours(7, &[&success, &unknown]), None)));
    let nothing = message(8, true, &[&WANTED]);
    assert_eq!(say("ff02::1:2", Some(held()), &nothing), Some((ours(7, &[&success]), None)));
}

#[test]
fn addresses_are_confirmed_if_they_are_of_the_link() {
    let confirm = |address: [u8; 16]| {
        let option = [&hex!("0003 0028 00000009 0000000000000000 0005 0018")[..], &address, &[0; 8]].concat();
        say("ff02::1:2", None, &message(4, false, &[&option]))
    };
    let here = "2001:db8:1:7::9".parse::<Ipv6Addr>().unwrap().octets();
    let elsewhere = "2001:db8:1:8::9".parse::<Ipv6Addr>().unwrap().octets();
    assert_eq!(confirm(here), Some((ours(7, &[&hex!("000d 0002 0000")]), None)));
    assert_eq!(confirm(elsewhere), Some((ours(7, &[&hex!("000d 0002 0004")]), None)));
    assert_eq!(say("ff02::1:2", None, &message(4, false, &[&WANTED])), None, "no address in it");
}

#[test]
fn what_comes_to_our_own_address_is_sent_to_the_group() {
    let use_multicast = ours(7, &[&hex!("000d 0002 0005")]);
    for kind in [3, 5, 8] {
        let told = say("fe80::1", Some(held()), &message(kind, true, &[&GRANTED]));
        assert_eq!(told, Some((use_multicast.clone(), None)), "kind {kind}");
    }
    for kind in [1, 4, 6, 11] {
        assert_eq!(say("fe80::1", Some(held()), &message(kind, false, &[&GRANTED])), None, "kind {kind}");
    }
}

#[test]
fn what_is_not_in_order_has_no_answer() {
    // §16.2 to §16.9: with and without what each kind has to have.
    for (kind, to_us) in [(1, true), (3, false), (4, true), (5, false), (6, true), (8, false)] {
        assert_eq!(say("ff02::1:2", Some(lease()), &message(kind, to_us, &[&WANTED])), None, "kind {kind}");
    }
    assert_eq!(reply(&[&hex!("01 000001")[..], &WANTED].concat()), None, "nobody's");
    assert_eq!(reply(&message(1, false, &[])), None, "nothing is asked for");
    assert_eq!(reply(&hex!("0b 000001 0003 000c 000000010000000000000000")), None, "with an IA_NA");
    assert_eq!(reply(&hex!("0b 000001 0002 0003 000401")), None, "another server");
    assert_eq!(reply(&message(9, true, &[&WANTED])), None, "Decline");
    assert_eq!(reply(&hex!("0b 0000")), None);
}

#[test]
fn identifiers_are_of_the_length_that_they_may_have() {
    let solicit = |len: usize| {
        let id = vec![0xcc; len];
        let len = u16::try_from(len).unwrap().to_be_bytes();
        say("ff02::1:2", Some(lease()), &[&hex!("01 000001 0001"), &len[..], &id, &WANTED].concat())
    };
    assert!(solicit(3).is_some() && solicit(130).is_some());
    assert!(solicit(2).is_none() && solicit(131).is_none() && solicit(0).is_none());
}

#[test]
fn a_greedy_client_gets_a_small_answer() {
    // A hundred associations, each with twenty prefixes of others.
    let stale = hex!("001a 0019 00000e10 00001c20 38 20010db8aa0000000000000000000000").repeat(20);
    let len = u16::try_from(12 + stale.len()).unwrap().to_be_bytes();
    let greedy: Vec<u8> = (0..100_u32)
        .flat_map(|iaid| [&[0, 25][..], &len, &iaid.to_be_bytes(), &[0; 8], &stale].concat())
        .collect();
    let (reply, _) = say("ff02::1:2", Some(lease()), &message(6, false, &[&greedy])).unwrap();
    let associations = options_of(&reply[4..]).filter(|(code, _)| *code == 25).count();
    assert_eq!(associations, 4);
}

#[test]
fn no_message_cut_short_does_anything() {
    let release = message(8, true, &[&GRANTED]);
    for end in 0..release.len() {
        let change = say("ff02::1:2", Some(held()), &release[..end]).and_then(|(_, change)| change);
        assert_eq!(change, None, "{end} octets");
    }
}

proptest! {
    /// Whatever a message is turned into: the answer fits (`say` sees to that), and nothing is delegated but the client's prefix.
    #[test]
    fn a_distorted_message_does_no_harm(
        kind in 0..14_u8,
        to_us: bool,
        unicast: bool,
        options in prop::collection::vec(prop::sample::select(vec![&WANTED[..], &GRANTED, &DIRECTIONS, &CLIENT_ID]), 0..6),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..6),
    ) {
        let mut message = message(kind, to_us, &options);
        for (place, value) in changes {
            let place = place.index(message.len());
            message[place] = value;
        }
        let destination = if unicast { "fe80::1" } else { "ff02::1:2" };
        for lease in [None, Some(lease()), Some(held())] {
            let Some((reply, change)) = say(destination, lease, &message) else { continue };
            prop_assert!(lease.is_some() || change.is_none_or(|change| change == Change::Refused));
            prop_assert!(!unicast || change.is_none());
            let associations = options_of(&reply[4..]).filter(|(code, _)| *code == 25);
            for (_, association) in associations {
                for (_, prefix) in options_of(&association[12..]).filter(|(code, _)| *code == 26) {
                    prop_assert!(prefix[8..] == GRANTED[28..] || prefix[..8] == [0; 8]);
                }
            }
        }
    }
}
