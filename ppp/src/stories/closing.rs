//! How links end, and how they are kept.

use std::sync::Arc;
use std::time::Duration;

use super::{Story, acked, hex};
use crate::{Config, Discard, Event, Link, Reason};

fn closed(story: &mut Story) -> String {
    let Event::Closed(reason) = story.event() else { panic!("the link should be closed") };
    story.quiet();
    reason.to_string()
}

#[test]
fn we_say_goodbye_and_the_client_agrees() {
    let mut story = Story::to_up();
    story.link.close(story.now, Reason::Administrative);
    assert!(matches!(story.event(), Event::NetworkDown));
    story.ours(&format!("c021 05 01 .. {}", hex(b"disconnected by the administrator")));
    story.link.close(story.now, Reason::Shutdown);
    story.peer("21 4500");
    story.quiet();
    story.peer("c021 06 01 ..");
    assert_eq!(closed(&mut story), "disconnected by the administrator");
    assert_eq!(story.link.poll_timeout(), None);
}

#[test]
fn we_say_goodbye_twice_and_leave() {
    let mut story = Story::to_up();
    story.link.close(story.now, Reason::Shutdown);
    assert!(matches!(story.event(), Event::NetworkDown));
    let text = hex(b"the server is shutting down");
    story.ours(&format!("c021 05 01 .. {text}"));
    assert_eq!(story.wait(), Duration::from_secs(3));
    story.ours(&format!("c021 05 02 .. {text}"));
    story.quiet();
    assert_eq!(story.wait(), Duration::from_secs(3));
    assert_eq!(closed(&mut story), "the server is shutting down");
}

#[test]
fn a_link_can_be_closed_in_every_phase() {
    for mut story in [Story::new(), Story::to_challenge().0, Story::to_network()] {
        story.link.close(story.now, Reason::Shutdown);
        assert!(story.sent().starts_with("ff03c02105"));
        story.peer("c021 06 01 ..");
        assert_eq!(closed(&mut story), "the server is shutting down");
    }
}

/// Its owner hears of it at once; a repeated request still gets its Ack.
#[test]
fn the_client_says_goodbye() {
    for mut story in [Story::new(), Story::to_challenge().0, Story::to_network()] {
        story.peer(&format!("c021 05 09 .. {}", hex(b"User request")));
        story.ours("c021 06 09 ..");
        assert_eq!(closed(&mut story), "the client hung up: User request");
        story.peer(&format!("c021 05 09 .. {}", hex(b"User request")));
        story.ours("c021 06 09 ..");
        story.peer("c021 01 0a .. 0506 a1a2a3a4");
        story.link.handle_timeout(story.now + Duration::from_secs(1000));
        story.quiet();
    }
}

/// Both hang up at the same time: ours is the reason, and nobody waits.
#[test]
fn crossed_goodbyes() {
    let mut story = Story::to_up();
    story.link.close(story.now, Reason::Administrative);
    assert!(matches!(story.event(), Event::NetworkDown));
    story.sent();
    story.peer("c021 05 09 ..");
    story.ours("c021 06 09 ..");
    assert_eq!(closed(&mut story), "disconnected by the administrator");
}

#[test]
fn a_silent_client_is_asked_and_in_the_end_given_up() {
    let mut story = Story::to_up();
    let magic = story.magic.clone();
    for identifier in 1..=6 {
        assert_eq!(story.wait(), Duration::from_secs(30));
        story.ours(&format!("c021 09 {identifier:02x} .. {magic}"));
    }
    assert_eq!(story.wait(), Duration::from_secs(30));
    assert!(matches!(story.event(), Event::NetworkDown));
    assert!(story.sent().starts_with("ff03c02105"));
    story.wait();
    story.sent();
    story.wait();
    assert_eq!(closed(&mut story), "the client fell silent and did not answer LCP echoes");
}

/// Whoever sends data, or answers one question in five, lives.
#[test]
fn a_client_that_is_heard_is_not_asked() {
    let mut story = Story::to_up();
    for _ in 0..100 {
        story.pass(Duration::from_secs(29));
        story.link.note_inbound(story.now);
        story.quiet();
    }
    for _ in 0..5 {
        story.wait();
        story.sent();
    }
    story.peer("c021 0a 05 .. a1a2a3a4");
    for _ in 0..6 {
        story.wait();
        assert!(story.sent().starts_with("ff03c02109"));
    }
    assert!(story.link.is_up());
}

#[test]
fn echo_requests_are_answered_when_lcp_is_opened() {
    let mut story = Story::new();
    story.peer("c021 09 01 .. 00000000");
    story.quiet();
    let mut story = Story::to_up();
    let magic = story.magic.clone();
    story.peer("c021 09 44 .. a1a2a3a4 68656c6c6f");
    story.ours(&format!("c021 0a 44 .. {magic} 68656c6c6f"));
    // Our own, come back.
    story.peer(&format!("c021 09 44 .. {magic}"));
    story.peer("c021 09 44 .. a1a2");
    story.peer("c021 0b 45 .. a1a2a3a4");
    story.peer("c021 0d 46 .. a1a2a3a4 00000e10");
    story.quiet();
    let discards = story.discards();
    assert_eq!(discards.count(Discard::Magic), 1);
    assert_eq!(discards.count(Discard::Truncated), 1);
}

/// RouterOS closes IPCP and opens it again.
#[test]
fn the_client_puts_ip_down_for_a_while() {
    let mut story = Story::to_up();
    story.peer("8021 05 02 ..");
    story.ours("8021 06 02 ..");
    assert!(matches!(story.event(), Event::NetworkDown));
    story.wait();
    story.quiet();
    story.peer("8021 01 03 .. 0306 0a140007");
    story.ours("8021 01 02 .. 0306 0a140001");
    story.ours("8021 02 03 .. 0306 0a140007");
    story.peer("8021 02 02 .. 0306 0a140001");
    assert!(matches!(story.event(), Event::NetworkUp { .. }));
    story.quiet();

    story.peer("8021 05 04 ..");
    story.ours("8021 06 04 ..");
    assert!(matches!(story.event(), Event::NetworkDown));
    story.pass(Duration::from_secs(160));
    let mut last = None;
    while let Some(event) = story.link.poll_event() {
        last = Some(event);
    }
    assert!(matches!(last, Some(Event::Closed(Reason::SetupTimeout))), "{last:?}");
}

#[test]
fn a_client_without_ip() {
    let mut story = Story::to_network();
    story.peer("c021 08 05 .. 8021 01 01 000a 0306 0a140001");
    assert!(story.sent().starts_with("ff03c02105"));
    story.peer("c021 06 01 ..");
    assert!(closed(&mut story).starts_with("the client rejected IPCP"));

    let mut story = Story::to_network();
    for _ in 1..10 {
        story.wait();
        story.sent();
        story.ours("8021 01 01 .. 0306 0a140001");
    }
    story.wait();
    assert!(story.sent().starts_with("ff03c02105"));
    story.peer("c021 06 01 ..");
    assert!(closed(&mut story).starts_with("no answer to IPCP"));
}

#[test]
fn rejects_of_what_nobody_can_do_without() {
    // Code-Reject of our Configure-Request while negotiating: over at once.
    let mut story = Story::new();
    story.peer("c021 07 01 .. 01 01 0004");
    assert!(closed(&mut story).starts_with("the client rejected LCP; "));
    // When LCP was opened, with a goodbye.
    let mut story = Story::to_up();
    story.peer("c021 07 01 .. 02 01 0004");
    assert!(matches!(story.event(), Event::NetworkDown));
    story.ours("c021 05 01 ..");
    story.peer("c021 06 01 ..");
    assert!(closed(&mut story).starts_with("the client rejected LCP; "));
    // A client need not know echoes, nor does it hurt while we are leaving.
    let mut story = Story::to_up();
    story.peer("c021 07 01 .. 09 01 0008 00000000");
    story.quiet();
    story.link.close(story.now, Reason::Shutdown);
    assert!(matches!(story.event(), Event::NetworkDown));
    story.sent();
    story.peer("c021 07 01 .. 05 01 0004");
    assert_eq!(closed(&mut story), "the server is shutting down");
    // CHAP itself.
    let mut story = Story::to_challenge().0;
    story.peer("c021 08 01 .. c223 01 01 0004");
    assert!(story.sent().starts_with("ff03c02105"));
    story.peer("c021 06 01 ..");
    assert!(closed(&mut story).starts_with("no common authentication protocol"));
}

#[test]
fn unknown_codes_and_protocols_are_sent_back_shortened() {
    let mut story = Story::to_up();
    story.peer("c021 0f 05 .. aabb");
    story.ours("c021 07 01 .. 0f 05 0006 aabb");
    story.peer("8021 08 05 .. aabb");
    story.ours("8021 07 01 .. 08 05 0006 aabb");
    story.peer(&format!("0057 {}", "60".repeat(1400)));
    story.ours(&format!("c021 08 02 .. 0057 {}", "60".repeat(512)));
    story.quiet();
}

/// Everything that we send comes back: no line does that here, but then no peer may get us to talk to ourselves.
#[test]
fn a_looped_link_is_noticed() {
    let mut story = Story::new();
    story.peer(&story.lcp_request(1));
    for _ in 0..40 {
        let Some(frame) = story.link.poll_transmit() else { break };
        story.link.handle_frame(story.now, &frame);
    }
    assert!(closed(&mut story).starts_with("the link is looped back; "));
}

/// RFC 1661 §4.6, Max-Failure: hints end, and what cannot be agreed upon is left out.
#[test]
fn a_client_that_insists() {
    let mut story = Story::new();
    let request = story.lcp_request(1);
    story.peer(&acked(&request));
    for identifier in 0..5 {
        story.peer(&format!("c021 01 {identifier:02x} .. 0104 0080"));
        story.ours(&format!("c021 03 {identifier:02x} .. 0104 0240"));
    }
    story.peer("c021 01 05 .. 0104 0080");
    story.ours("c021 04 05 .. 0104 0080");
    story.peer("c021 01 06 ..");
    story.ours("c021 02 06 ..");
    story.challenged();

    let mut story = Story::to_network();
    story.peer("8021 02 01 .. 0306 0a140001");
    for identifier in 0..5 {
        story.peer(&format!("8021 01 {identifier:02x} .. 0306 c0a80102"));
        story.ours(&format!("8021 03 {identifier:02x} .. 0306 0a140007"));
    }
    story.peer("8021 01 05 .. 0306 c0a80102");
    assert!(story.sent().starts_with("ff03c02105"));
    story.peer("c021 06 01 ..");
    assert!(closed(&mut story).contains("insists on 192.168.1.2"));
}

/// A server without any authentication protocol lets nobody in, rather than everybody.
#[test]
fn without_authentication_nobody_gets_in() {
    let config = Config { auth: Vec::new(), ..Config::default() };
    let mut link = Link::new(super::start(), Arc::new(config), [7; 32]);
    let request = hex(&link.poll_transmit().unwrap()).replacen("c02101", "c02102", 1);
    link.handle_frame(super::start(), &super::bytes(&request));
    link.handle_frame(super::start(), &super::bytes("c021 01 01 .."));
    assert_eq!(hex(&link.poll_transmit().unwrap()), "ff03c02102010004");
    assert!(hex(&link.poll_transmit().unwrap()).starts_with("ff03c02105"));
    assert!(link.poll_transmit().is_none());
    assert!(!link.is_up());
}
