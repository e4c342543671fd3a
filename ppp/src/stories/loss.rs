//! Frames that do not arrive, or arrive twice.

use std::time::Duration;

use super::{Story, acked, response};
use crate::{Discard, Event};

const RESTART: Duration = Duration::from_secs(3);

#[test]
fn nobody_answers_lcp() {
    let mut story = Story::new();
    let request = story.lcp_request(1);
    for _ in 1..10 {
        assert_eq!(story.wait(), RESTART);
        story.ours(&request);
        story.quiet();
    }
    assert_eq!(story.wait(), RESTART);
    let Event::Closed(reason) = story.event() else { panic!("the link should be closed") };
    assert!(reason.to_string().starts_with("no answer to LCP"), "{reason}");
    story.quiet();
    assert_eq!(story.link.poll_timeout(), None);
}

/// Our Ack was lost: pppd is not open and drops the Challenge. Its request comes again; ours must not.
#[test]
fn a_lost_lcp_ack_is_repeated_together_with_the_challenge() {
    let (mut story, challenge) = Story::to_challenge();
    story.pass(RESTART - Duration::from_millis(10));
    story.peer("c021 01 01 .. 0506 a1a2a3a4");
    story.ours("c021 02 01 .. 0506 a1a2a3a4");
    assert_eq!(story.sent(), challenge.frame);
    story.quiet();
    story.peer(&response(&challenge, 0, "alice", "secret"));
    story.asked();
}

/// The client's Ack was lost: it is open already, and our repeated request makes it start over.
#[test]
fn a_lost_ack_of_the_clients() {
    let mut story = Story::new();
    let request = story.lcp_request(1);
    story.peer("c021 01 01 .. 0506 a1a2a3a4");
    story.ours(&request);
    story.ours("c021 02 01 .. 0506 a1a2a3a4");
    assert_eq!(story.wait(), RESTART);
    story.ours(&request);
    story.peer("c021 01 02 .. 0506 b1b2b3b4");
    story.ours("c021 02 02 .. 0506 b1b2b3b4");
    story.peer(&acked(&request));
    story.challenged();
}

#[test]
fn a_lost_challenge_is_sent_again_ever_more_slowly() {
    let (mut story, challenge) = Story::to_challenge();
    for seconds in [3, 6, 12, 12, 12] {
        assert_eq!(story.wait(), Duration::from_secs(seconds));
        assert_eq!(story.sent(), challenge.frame);
        story.quiet();
    }
    assert_eq!(story.wait(), Duration::from_secs(12));
    story.ours(&format!("c021 05 01 .. {}", super::hex(b"no answer to the authentication challenge")));
    story.peer("c021 06 01 ..");
    let Event::Closed(reason) = story.event() else { panic!("the link should be closed") };
    assert!(reason.to_string().contains("718"), "{reason}");
}

/// While the owner thinks, a repeated Response is not a second question, and no timer of ours runs.
#[test]
fn a_slow_verdict() {
    let (mut story, challenge) = Story::to_challenge();
    let answer = response(&challenge, 0, "alice", "secret");
    story.peer(&answer);
    let request = story.asked();
    story.pass(Duration::from_secs(20));
    story.peer(&answer);
    story.peer(&response(&challenge, 0, "bob", "secret"));
    story.quiet();
    assert_eq!(story.discards().count(Discard::Response), 2);
    story.accept(&request, "secret");
    assert!(story.sent().starts_with("ff03c22303"));
}

#[test]
fn a_lost_success_is_repeated_for_the_same_response_only() {
    let (mut story, challenge) = Story::to_challenge();
    let answer = response(&challenge, 0, "alice", "secret");
    story.peer(&answer);
    let request = story.asked();
    story.accept(&request, "secret");
    let success = story.sent();
    story.ours("8021 01 01 .. 0306 0a140001");
    story.peer(&answer);
    assert_eq!(story.sent(), success);
    story.peer(&response(&challenge, 0, "bob", "secret"));
    story.quiet();
    // A client that waits in silence hears it again with our next IPCP request.
    assert_eq!(story.wait(), RESTART);
    assert_eq!(story.sent(), success);
    story.ours("8021 01 01 .. 0306 0a140001");
    story.quiet();
    // One that has begun with IPCP has heard it.
    story.peer("8021 01 01 .. 0306 00000000");
    story.ours("8021 01 01 .. 0306 0a140001");
    story.ours("8021 03 01 .. 0306 0a140007");
    assert_eq!(story.wait(), RESTART);
    story.ours("8021 01 01 .. 0306 0a140001");
    story.quiet();
}

#[test]
fn a_lost_failure_is_repeated_and_not_counted_twice() {
    let (mut story, challenge) = Story::to_challenge();
    let answer = response(&challenge, 0, "alice", "wrong");
    story.peer(&answer);
    story.asked();
    story.reject();
    let failure = story.sent();
    story.peer(&answer);
    assert_eq!(story.sent(), failure);
    story.quiet();
}

/// The client is up, we too, but it did not hear our Ack: data flows on.
#[test]
fn a_lost_ipcp_ack_does_not_take_the_network_down() {
    let mut story = Story::to_up();
    story.pass(RESTART);
    story.peer("8021 01 01 .. 0306 0a140007");
    story.ours("8021 02 01 .. 0306 0a140007");
    story.quiet();
    assert!(story.link.is_up());
    // Half a minute later it can only be a new negotiation.
    story.pass(Duration::from_secs(27));
    story.peer("8021 01 01 .. 0306 0a140007");
    assert!(matches!(story.event(), Event::NetworkDown));
    story.ours("8021 01 02 .. 0306 0a140001");
    story.ours("8021 02 01 .. 0306 0a140007");
    story.peer("8021 02 02 .. 0306 0a140001");
    assert!(matches!(story.event(), Event::NetworkUp { .. }));
}

/// Both requests cross on the way, whichever answer comes first.
#[test]
fn simultaneous_open() {
    for client_acks_first in [true, false] {
        let mut story = Story::new();
        let request = story.lcp_request(1);
        if client_acks_first {
            story.peer(&acked(&request));
            story.peer("c021 01 01 .. 0506 a1a2a3a4");
        } else {
            story.peer("c021 01 01 .. 0506 a1a2a3a4");
            story.ours(&request);
            story.peer(&acked(&request));
        }
        story.ours("c021 02 01 .. 0506 a1a2a3a4");
        story.challenged();
        assert!(matches!(story.event(), Event::LcpUp));
        story.quiet();
    }
}

/// IPCP that comes too early is none of our business; the same packet after the Success is.
#[test]
fn ipcp_waits_for_authentication() {
    let (mut story, challenge) = Story::to_challenge();
    story.peer("8021 01 01 .. 0306 00000000");
    story.peer("80fd 01 01 .. 1206 00000001");
    story.quiet();
    assert_eq!(story.discards().count(Discard::Phase), 2);
    story.peer(&response(&challenge, 0, "alice", "secret"));
    let request = story.asked();
    story.accept(&request, "secret");
    story.peer("8021 01 01 .. 0306 00000000");
    story.sent();
    story.ours("8021 01 01 .. 0306 0a140001");
    story.ours("8021 01 01 .. 0306 0a140001");
    story.ours("8021 03 01 .. 0306 0a140007");
}

/// A client that starts LCP over has to log in again; a verdict on its former self is void.
#[test]
fn renegotiation() {
    let (mut story, challenge) = Story::to_challenge();
    story.peer(&response(&challenge, 0, "alice", "secret"));
    let former = story.asked();
    story.peer("c021 01 05 .. 0506 b1b2b3b4");
    let request = story.lcp_request(2);
    story.ours(&request);
    story.ours("c021 02 05 .. 0506 b1b2b3b4");
    story.peer(&acked(&request));
    let challenge = story.challenged();
    assert!(matches!(story.event(), Event::LcpUp));
    story.accept(&former, "secret");
    story.peer(&response(&challenge, 0, "mallory", "secret"));
    let latter = story.asked();
    story.accept(&former, "secret");
    story.reject_late(&former, 647);
    story.quiet();
    story.accept(&latter, "secret");
    assert!(story.sent().starts_with("ff03c22303"));

    let mut story = Story::to_up();
    story.peer("c021 01 05 .. 0506 b1b2b3b4");
    assert!(matches!(story.event(), Event::NetworkDown));
    assert!(!story.link.is_up());
}
