//! CHAP with MD5.

use md5::{Digest, Md5};

use super::{Challenge, Story, hex, verify};
use crate::{AuthProtocol, Config, Discard, Event, Method};

pub(super) fn to_challenge() -> (Story, Challenge) {
    Story::to_challenge_with(Config { auth: vec![AuthProtocol::Chap], ..Config::default() })
}

/// A client's Response.
pub(super) fn response(challenge: &Challenge, name: &str, password: &str) -> String {
    let value = Md5::new()
        .chain_update([challenge.identifier])
        .chain_update(password)
        .chain_update(challenge.value)
        .finalize();
    format!("c223 02 {:02x} .. 10 {} {}", challenge.identifier, hex(&value), hex(name.as_bytes()))
}

#[test]
fn the_right_password() {
    let (mut story, challenge) = to_challenge();
    let answer = response(&challenge, "alice", "secret");
    story.peer(&answer);
    let request = story.asked();
    assert_eq!((&*request.name, request.method), (&b"alice"[..], Method::Chap));
    assert!(verify(&request, "Secret").is_none());
    story.quiet();
    // While the owner thinks, the same Response is no second question.
    story.peer(&answer);
    story.quiet();
    assert_eq!(story.discards().count(Discard::Response), 1);

    story.accept(&request, "secret");
    let success = format!("c223 03 {:02x} .. {}", challenge.identifier, hex(b"Welcome"));
    story.ours(&success);
    story.ours("8021 01 01 .. 0306 0a140001");
    story.quiet();
    // The Success was lost; for another Response it is not said again.
    story.peer(&answer);
    story.ours(&success);
    story.peer(&response(&challenge, "bob", "secret"));
    story.quiet();
    assert_eq!(story.discards().count(Discard::Response), 1);
}

/// Free text carries the code, and there is no second try (RFC 1994 §4.2).
#[test]
fn every_refusal_brings_its_code() {
    for (code, cause) in [(691, "wrong name or password"), (647, "the account is disabled")] {
        let (mut story, challenge) = to_challenge();
        story.peer(&response(&challenge, "alice", "wrong"));
        story.asked();
        story.reject_with(code);
        let text = format!("E={code} R=0 M=Access denied");
        story.ours(&format!("c223 04 {:02x} .. {}", challenge.identifier, hex(text.as_bytes())));
        let reason = story.refused();
        let expected =
            format!("authentication failed for \"alice\" once: {cause}; Windows shows error {code}");
        assert_eq!(reason, expected);
    }
}

#[test]
fn a_challenge_that_nobody_answers() {
    let (mut story, challenge) = to_challenge();
    for seconds in [3, 6, 12, 12, 12] {
        assert_eq!(story.wait().as_secs(), seconds);
        assert_eq!(story.sent(), challenge.frame);
        story.quiet();
    }
    assert_eq!(story.wait().as_secs(), 12);
    assert!(story.sent().starts_with("ff03c02105"));
}

#[test]
fn what_is_no_response_to_our_challenge_is_discarded() {
    let (mut story, challenge) = to_challenge();
    let answer = response(&challenge, "alice", "secret");
    for (broken, discard) in [
        (answer.replacen(" 10 ", " 31 ", 1), Discard::Length),
        (answer.replacen("c223 02", "c223 07", 1), Discard::Code),
        (
            response(&Challenge { identifier: challenge.identifier ^ 1, ..challenge }, "alice", "secret"),
            Discard::Identifier,
        ),
    ] {
        story.peer(&broken);
        story.quiet();
        assert_eq!(story.discards().count(discard), 1, "{broken}");
    }
    story.peer(&answer);
    story.asked();
}

/// A verdict on the Response to a challenge of yesterday lets nobody in.
#[test]
fn a_late_verdict() {
    let (mut story, challenge) = to_challenge();
    story.peer(&response(&challenge, "alice", "secret"));
    let early = story.asked();
    let request = story.lcp_request(2);
    story.peer("c021 01 02 .. 0506 a1a2a3a4");
    story.ours(&request);
    story.ours("c021 02 02 .. 0506 a1a2a3a4");
    story.peer(&super::acked(&request));
    let challenge = story.challenged();
    assert!(matches!(story.event(), Event::LcpUp));
    story.peer(&response(&challenge, "mallory", "guess"));
    story.asked();
    story.accept(&early, "secret");
    story.quiet();
}
