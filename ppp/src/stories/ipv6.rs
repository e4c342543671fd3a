//! IPv6 beside IPv4, and without it.

use std::time::Duration;

use super::{Story, response};
use crate::{Discard, Event, InterfaceId, Ipv6Config, Reason};

const LOCAL: InterfaceId = InterfaceId([0, 0, 0, 0, 0, 0, 0, 1]);

/// A client that may have IPv6, as far as our first IPCP request.
fn to_network() -> Story {
    let (mut story, challenge) = Story::to_challenge();
    story.ipv6 = Some(Ipv6Config { local: LOCAL, peer: InterfaceId([0, 0, 0, 0, 0, 0, 0, 2]) });
    story.peer(&response(&challenge, 0, "alice", "secret"));
    let request = story.asked();
    story.accept(&request, "secret");
    story.sent();
    story.ours("8021 01 01 .. 0306 0a140001");
    story.quiet();
    story
}

fn ipv6_up(story: &mut Story) {
    story.peer("8057 01 06 .. 010a 0102030405060708");
    story.ours("8057 01 01 .. 010a 0000000000000001");
    story.ours("8057 02 06 .. 010a 0102030405060708");
    story.peer("8057 02 01 .. 010a 0000000000000001");
    assert!(matches!(story.event(), Event::Ipv6Up { local: LOCAL }));
    story.quiet();
    assert!(story.link.has_ipv6());
}

fn ipv4_up(story: &mut Story) {
    story.peer("8021 02 01 .. 0306 0a140001");
    story.peer("8021 01 01 .. 0306 0a140007");
    story.ours("8021 02 01 .. 0306 0a140007");
    assert!(matches!(story.event(), Event::NetworkUp { .. }));
    story.quiet();
}

#[test]
fn a_client_that_asks_gets_both() {
    let mut story = to_network();
    ipv6_up(&mut story);
    assert!(!story.link.is_up(), "IPv6 does not wait for IPv4");
    ipv4_up(&mut story);
    story.pass(Duration::from_secs(29));
    story.quiet();
}

#[test]
fn a_client_that_does_not_ask_is_not_asked() {
    let mut story = to_network();
    ipv4_up(&mut story);
    story.pass(Duration::from_secs(29));
    story.quiet();
    assert!(!story.link.has_ipv6());
}

#[test]
fn without_a_prefix_for_it_the_protocol_is_rejected() {
    let mut story = Story::to_up();
    story.peer("8057 01 06 .. 010a 0102030405060708");
    story.ours("c021 08 01 .. 8057 01 06 000e 010a 0102030405060708");
    story.peer("0057 60");
    story.ours("c021 08 02 .. 0057 60");
    story.quiet();
}

#[test]
fn a_link_too_narrow_for_it_has_none() {
    let (mut story, challenge) = {
        let mut story = Story::new();
        let request = story.lcp_request(1);
        story.peer(&super::acked(&request));
        story.peer("c021 01 01 .. 0104 04ff");
        story.ours("c021 02 01 .. 0104 04ff");
        let challenge = story.challenged();
        story.event();
        (story, challenge)
    };
    story.ipv6 = Some(Ipv6Config { local: LOCAL, peer: LOCAL });
    story.peer(&response(&challenge, 0, "alice", "secret"));
    let request = story.asked();
    story.accept(&request, "secret");
    story.sent();
    story.sent();
    story.peer("8057 01 06 .. 010a 0102030405060708");
    story.ours("c021 08 01 .. 8057 01 06 000e 010a 0102030405060708");
}

#[test]
fn before_the_login_there_is_nothing_to_talk_about() {
    let (mut story, _) = Story::to_challenge();
    story.peer("8057 01 06 .. 010a 0102030405060708");
    story.quiet();
    assert_eq!(story.discards().count(Discard::Phase), 1);
}

/// pppd that was told `noip`.
#[test]
fn ipv6_is_enough_for_a_client_without_ipv4() {
    let mut story = to_network();
    ipv6_up(&mut story);
    story.peer("c021 08 01 .. 8021 01 01 000a 0306 0a140001");
    story.quiet();
    story.pass(Duration::from_secs(29));
    story.quiet();
    // It has put down all that it had: as much time as anybody has to set something up.
    story.peer("8057 05 07 ..");
    story.ours("8057 06 07 ..");
    assert!(matches!(story.event(), Event::Ipv6Down));
    story.quiet();
    assert!(!story.link.has_ipv6());
}

#[test]
fn whatever_becomes_of_ipv6_ipv4_goes_on() {
    let mut story = to_network();
    ipv4_up(&mut story);
    story.peer("8057 01 06 .. 010a 0102030405060708");
    story.ours("8057 01 01 .. 010a 0000000000000001");
    story.ours("8057 02 06 .. 010a 0102030405060708");
    // It has thought better of it.
    story.peer("c021 08 01 .. 8057 01 01 000e 010a 0000000000000001");
    story.quiet();
    story.pass(Duration::from_secs(29));
    story.quiet();
    assert!(story.link.is_up());
}

#[test]
fn neither_is_the_end() {
    let mut story = to_network();
    story.peer("c021 08 01 .. 8021 01 01 000a 0306 0a140001");
    story.sent();
    story.pass(Duration::from_secs(7));
    story.sent();
    let Event::Closed(reason) = story.event() else { panic!("nothing is left") };
    assert_eq!(reason, Reason::IpcpRejected);
}

#[test]
fn both_come_down_with_the_link() {
    let mut story = to_network();
    ipv6_up(&mut story);
    ipv4_up(&mut story);
    story.peer("c021 05 0a .. 62796521");
    story.ours("c021 06 0a ..");
    assert!(matches!(story.event(), Event::Ipv6Down));
    assert!(matches!(story.event(), Event::NetworkDown));
    assert!(matches!(story.event(), Event::Closed(_)));
    assert!(!story.link.has_ipv6());
}
