//! Clients built on pppd: Android's, Apple's and Linux' own.

use super::{Story, acked, hex, response};
use crate::Event;

/// What differs between them.
struct Client {
    lcp: &'static str,
    ccp: Option<&'static str>,
    mtu: u16,
}

/// pppd 2.4.7 as Android starts it.
const ANDROID: Client = Client {
    lcp: "0104 0578 0206 00000000 0506 61626364 0702 0802",
    ccp: Some("1a04 7800 1804 7800 1503 2f"),
    mtu: 1400,
};
/// macOS and iOS leave the MRU at 1500.
const APPLE: Client = Client { lcp: "0206 00000000 0506 61626364 0702 0802", ccp: None, mtu: 1400 };
/// pppd 2.4.9 under xl2tpd, with `mru 1280`.
const LINUX: Client =
    Client { lcp: "0104 0500 0206 00000000 0506 61626364 0702 0802", ccp: Some("1206 00000001"), mtu: 1280 };

#[test]
fn android_connects() {
    connects(&ANDROID);
}

#[test]
fn apple_connects() {
    connects(&APPLE);
}

#[test]
fn linux_connects() {
    connects(&LINUX);
}

fn connects(client: &Client) {
    let mut story = Story::new();
    let begin = story.now;
    let request = story.lcp_request(1);
    story.peer(&format!("c021 01 01 .. {}", client.lcp));
    story.ours(&request);
    story.ours(&format!("c021 02 01 .. {}", client.lcp));
    story.quiet();
    story.peer(&acked(&request));
    let challenge = story.challenged();
    assert!(matches!(story.event(), Event::LcpUp));
    // pppd acknowledges the repeated request too, and checks the new link.
    story.peer(&acked(&request));
    story.peer("c021 09 00 .. 61626364");
    let magic = story.magic.clone();
    story.ours(&format!("c021 0a 00 .. {magic}"));
    story.quiet();

    story.peer(&response(&challenge, 0, "alice", "secret"));
    let asked = story.asked();
    story.accept(&asked, "secret");
    assert!(story.sent().starts_with("ff03c22303"));
    story.ours("8021 01 01 .. 0306 0a140001");

    if let Some(ccp) = client.ccp {
        story.peer(&format!("80fd 01 01 .. {ccp}"));
        let rejected = hex(&super::bytes(&format!("80fd 01 01 .. {ccp}")));
        story.ours(&format!("c021 08 01 .. {rejected}"));
    }
    story.peer("8021 01 01 .. 0206 002d0f01 0306 00000000 8106 00000000 8306 00000000");
    story.ours("8021 01 01 .. 0306 0a140001");
    story.ours("8021 04 01 .. 0206 002d0f01 8306 00000000");
    story.peer("8021 02 01 .. 0306 0a140001");
    story.peer("8021 02 01 .. 0306 0a140001");
    story.peer("8021 01 02 .. 0306 00000000 8106 00000000");
    story.ours("8021 03 02 .. 0306 0a140007 8106 09090909");
    story.peer("8021 01 03 .. 0306 0a140007 8106 09090909");
    story.ours("8021 02 03 .. 0306 0a140007 8106 09090909");
    assert!(matches!(story.event(), Event::NetworkUp { address } if address == super::addressing().peer));
    story.quiet();
    assert_eq!(story.link.mtu(), client.mtu);
    assert_eq!(story.now, begin);
}

/// pppd compresses the protocol field of what it sends once we have allowed it.
#[test]
fn compressed_headers_are_understood() {
    let mut story = Story::to_up();
    story.link.handle_frame(story.now, &super::bytes("ff03 c021 09 05 0008 a1a2a3a4"));
    let magic = story.magic.clone();
    story.ours(&format!("c021 0a 05 .. {magic}"));
    story.peer("fd 00");
    story.ours("c021 08 01 .. 00fd 00");
    story.quiet();
}

/// A pppd that wants to log in with MD5 says so; one that may not log in at all rejects.
#[test]
fn a_client_that_refuses_our_authentication() {
    let mut story = Story::new();
    story.peer("c021 03 01 .. 0305 c22305");
    story.ours(&format!("c021 05 01 .. {}", hex(b"no common authentication protocol")));
    story.peer("c021 06 01 ..");
    let Event::Closed(reason) = story.event() else { panic!("the link should be closed") };
    assert!(reason.to_string().contains("we allow MS-CHAPv2, the client wants CHAP-MD5"), "{reason}");

    let mut story = Story::new();
    story.peer("c021 04 01 .. 0305 c22381");
    story.ours(&format!("c021 05 01 .. {}", hex(b"no common authentication protocol")));
    story.peer("c021 06 01 ..");
    let Event::Closed(reason) = story.event() else { panic!("the link should be closed") };
    assert!(reason.to_string().contains("the client wants none"), "{reason}");
    story.quiet();
}

/// Android's pppd follows a Reject of everything but the MRU.
#[test]
fn a_client_that_rejects_our_magic_number() {
    let mut story = Story::new();
    let magic = story.magic.clone();
    story.peer(&format!("c021 04 01 .. 0506 {magic}"));
    story.ours("c021 01 02 .. 0104 0578 0305 c22381");
    story.peer("c021 02 02 .. 0104 0578 0305 c22381");
    story.peer("c021 01 01 ..");
    story.ours("c021 02 01 ..");
    story.challenged();
    story.peer("c021 09 07 .. 00000000 aabb");
    story.ours("c021 0a 07 .. 00000000 aabb");
}

/// pppd gives up by itself after a Failure: the operator should read about the password, not about a hang-up.
#[test]
fn a_client_that_hangs_up_after_a_wrong_password() {
    let (mut story, challenge) = Story::to_challenge();
    story.peer(&response(&challenge, 0, "alice", "wrong"));
    story.asked();
    story.reject();
    story.sent();
    story.peer(&format!("c021 05 02 .. {}", hex(b"Failed to authenticate ourselves to peer")));
    story.ours("c021 06 02 ..");
    let Event::Closed(reason) = story.event() else { panic!("the link should be closed") };
    assert_eq!(
        reason.to_string(),
        "authentication failed for \"alice\" once: wrong name or password; Windows shows error 691"
    );
}
