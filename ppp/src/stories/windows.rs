//! Windows 10's built-in client.

use std::time::Duration;

use super::{Story, acked, hex, response};
use crate::{Discard, Event};

/// From its first request to a working address, with nothing waited for.
#[test]
fn windows_10_connects() {
    let mut story = Story::new();
    let begin = story.now;
    let request = story.lcp_request(1);
    let wanted = "0104 0578 0506 4d414749 0702 0802";
    let endpoint = format!("1317 01 {}", "e0".repeat(20));
    story.peer(&format!("c021 01 00 .. {wanted} 0d03 06 1104 064e {endpoint}"));
    // Ours once more, in case Windows was not listening yet.
    story.ours(&request);
    story.ours(&format!("c021 04 00 .. 0d03 06 1104 064e {endpoint}"));
    story.peer(&acked(&request));
    story.peer(&acked(&request));
    assert_eq!(story.discards().count(Discard::Identifier), 1);
    story.quiet();

    story.peer(&format!("c021 01 01 .. {wanted}"));
    story.ours(&format!("c021 02 01 .. {wanted}"));
    let challenge = story.challenged();
    assert!(matches!(story.event(), Event::LcpUp));
    for (identifier, text) in [(2, "MSRASV5.20"), (3, "MSRAS-0-LAPTOP"), (4, "0123456789abcdef")] {
        story.peer(&format!("c021 0c {identifier:02x} .. 4d414749 {}", hex(text.as_bytes())));
    }
    story.quiet();

    story.peer(&response(&challenge, 0, "OFFICE\\alice", "secret"));
    let asked = story.asked();
    assert_eq!(asked.name, b"OFFICE\\alice");
    story.quiet();
    story.accept(&asked, "secret");
    let success = story.sent();
    let text = String::from_utf8(super::bytes(&success[16..])).unwrap();
    assert!(text.starts_with("S=") && text.ends_with(" M=Welcome") && text.len() == 2 + 40 + 10, "{text}");
    assert!(text[2..42].bytes().all(|digit| digit.is_ascii_digit() || (b'A'..=b'F').contains(&digit)));
    story.ours("8021 01 01 .. 0306 0a140001");
    story.quiet();

    story.peer("80fd 01 05 .. 1206 00000001");
    story.ours("c021 08 01 .. 80fd 01 05 000a 1206 00000001");
    story.peer("8057 01 06 .. 010a 0102030405060708");
    story.ours("c021 08 02 .. 8057 01 06 000e 010a 0102030405060708");
    story.peer("8021 01 07 .. 0306 00000000 8106 00000000 8206 00000000 8306 00000000 8406 00000000");
    story.ours("8021 01 01 .. 0306 0a140001");
    story.ours("8021 04 07 .. 8206 00000000 8306 00000000 8406 00000000");
    story.peer("8021 02 01 .. 0306 0a140001");
    story.peer("8021 01 08 .. 0306 00000000 8106 00000000");
    story.ours("8021 03 08 .. 0306 0a140007 8106 09090909");
    story.peer("8021 01 09 .. 0306 0a140007 8106 09090909");
    story.ours("8021 02 09 .. 0306 0a140007 8106 09090909");
    assert!(matches!(story.event(), Event::NetworkUp { .. }));
    story.quiet();
    assert!(story.link.is_up());
    assert_eq!(story.link.mtu(), 1400);
    assert_eq!(story.now, begin);
}

/// The data of Windows' Terminate-Request is not text.
#[test]
fn windows_hangs_up() {
    let mut story = Story::to_up();
    story.peer("c021 05 0a .. 4d414749 003ccd74 00000000");
    story.ours("c021 06 0a ..");
    assert!(matches!(story.event(), Event::NetworkDown));
    let Event::Closed(reason) = story.event() else { panic!("the link should be closed") };
    assert_eq!(reason.to_string(), "the client hung up");
    story.quiet();
}

/// The user corrects the password twice; the Response to a Failure has the next identifier.
#[test]
fn a_wrong_password_is_asked_for_again() {
    let (mut story, first) = Story::to_challenge();
    story.peer(&response(&first, 0, "alice", "wrong"));
    story.asked();
    story.reject();
    let second = failed(&mut story, first.identifier, 1);
    assert_ne!(second.value, first.value);
    story.quiet();

    // Typing takes longer than any timer of ours; and the first Response would not do again.
    story.pass(Duration::from_secs(100));
    story.quiet();
    story.peer(&response(&second, 1, "alice", "also wrong"));
    story.asked();
    story.reject();
    let third = failed(&mut story, first.identifier.wrapping_add(1), 1);

    story.pass(Duration::from_secs(100));
    story.peer(&response(&third, 1, "alice", "secret"));
    let request = story.asked();
    story.accept(&request, "secret");
    story.sent();
    story.ours("8021 01 01 .. 0306 0a140001");
    story.quiet();
}

#[test]
fn the_last_wrong_password_ends_the_link() {
    let (mut story, mut challenge) = Story::to_challenge();
    let begin = challenge.identifier;
    for later in 0..3 {
        story.peer(&response(&challenge, later.min(1), "alice", "wrong"));
        story.asked();
        story.reject();
        challenge = failed(&mut story, begin.wrapping_add(later), u8::from(later < 2));
    }
    story.ours(&format!("c021 05 01 .. {}", hex(b"authentication failed")));
    story.quiet();
    story.peer("c021 06 01 ..");
    let Event::Closed(reason) = story.event() else { panic!("the link should be closed") };
    assert_eq!(
        reason.to_string(),
        "authentication failed for \"alice\" repeatedly: wrong name or password; Windows shows error 691"
    );
    story.quiet();
}

/// A disabled account does not get better by typing.
#[test]
fn a_refused_account_is_not_asked_again() {
    let (mut story, challenge) = Story::to_challenge();
    story.peer(&response(&challenge, 0, "alice", "secret"));
    story.asked();
    story.reject_with(647);
    let text = String::from_utf8(super::bytes(&story.sent()[16..])).unwrap();
    assert!(text.starts_with("E=647 R=0 C="), "{text}");
    story.ours(&format!("c021 05 01 .. {}", hex(b"authentication failed")));
    story.peer("c021 06 01 ..");
    let Event::Closed(reason) = story.event() else { panic!("the link should be closed") };
    assert_eq!(
        reason.to_string(),
        "authentication failed for \"alice\" once: the account is disabled; Windows shows error 647"
    );
}

/// Starting LCP over is no way to more attempts.
#[test]
fn refusals_survive_a_renegotiation() {
    let (mut story, mut challenge) = Story::to_challenge();
    for identifier in 2..4 {
        story.peer(&response(&challenge, 0, "alice", "wrong"));
        story.asked();
        story.reject();
        failed(&mut story, challenge.identifier, 1);
        story.peer(&format!("c021 01 {identifier:02x} .. 0506 a1a2a3a4"));
        let request = story.lcp_request(identifier);
        story.ours(&request);
        story.ours(&format!("c021 02 {identifier:02x} .. 0506 a1a2a3a4"));
        story.peer(&acked(&request));
        challenge = story.challenged();
        assert!(matches!(story.event(), Event::LcpUp));
    }
    story.peer(&response(&challenge, 0, "alice", "wrong"));
    story.asked();
    story.reject();
    failed(&mut story, challenge.identifier, 0);
    assert!(story.sent().starts_with("ff03c02105"));
}

/// Reads the Failure that we sent, and the challenge in it.
fn failed(story: &mut Story, identifier: u8, retry: u8) -> super::Challenge {
    let frame = story.sent();
    assert!(frame.starts_with(&format!("ff03c22304{identifier:02x}")), "{frame}");
    let text = String::from_utf8(super::bytes(&frame[16..])).unwrap();
    let digits = text.strip_prefix(&format!("E=691 R={retry} C=")).expect("a Failure begins so");
    let (digits, rest) = digits.split_at(32);
    assert_eq!(rest, " V=3 M=Access denied");
    assert_eq!(digits, digits.to_uppercase());
    let value = super::bytes(digits).try_into().unwrap();
    super::Challenge { frame, identifier, value }
}

/// Compression, bridging, MPLS, OSI, IPX, multilink's neighbours: each is refused by name, and nothing else comes of it.
#[test]
fn whatever_else_is_offered_is_rejected() {
    let mut story = Story::to_up();
    for (number, protocol) in
        (1..).zip(["80fd", "8031", "8281", "8023", "802b", "80fb", "8235", "c02b", "c029"])
    {
        story.peer(&format!("{protocol} 01 05 .. 0102"));
        story.ours(&format!("c021 08 {number:02x} .. {protocol} 01 05 0006 0102"));
    }
    story.quiet();
    assert!(story.link.is_up());
}
