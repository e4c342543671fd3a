//! PAP.

use super::{Story, hex, verify};
use crate::{AuthProtocol, Config, Discard, Event, Method, NtHash, Proof};

/// As far as waiting for the client's request.
pub(super) fn listening() -> Story {
    let mut story = Story::with(Config { auth: vec![AuthProtocol::Pap], ..Config::default() });
    story.open();
    story.quiet();
    story
}

/// An Authenticate-Request.
pub(super) fn request(identifier: u8, name: &[u8], password: &[u8]) -> String {
    let counted = |octets: &[u8]| format!("{:02x} {}", octets.len(), hex(octets));
    format!("c023 01 {identifier:02x} .. {} {}", counted(name), counted(password))
}

fn ack(identifier: u8) -> String {
    format!("c023 02 {identifier:02x} .. 07 {}", hex(b"Welcome"))
}

#[test]
fn the_right_password() {
    let mut story = listening();
    story.peer(&request(1, b"alice", b"secret"));
    let asked = story.asked();
    assert_eq!((&*asked.name, asked.method), (&b"alice"[..], Method::Pap));
    assert!(verify(&asked, "Secret").is_none());
    story.quiet();
    // While the owner thinks, the client has lost its patience once.
    story.peer(&request(2, b"alice", b"secret"));
    story.quiet();
    assert_eq!(story.discards().count(Discard::Response), 1);

    story.accept(&asked, "secret");
    story.ours(&ack(1));
    story.ours("8021 01 01 .. 0306 0a140001");
    story.quiet();
    // The Ack was lost: pppd asks anew, each time with a number of its own.
    story.peer(&request(3, b"alice", b"secret"));
    story.ours(&ack(3));
    story.quiet();
    // A client that waits in silence hears it again with our next IPCP request.
    story.wait();
    story.ours(&ack(3));
    story.ours("8021 01 01 .. 0306 0a140001");
    story.quiet();
}

/// The code stands in the text, and there is no second try (RFC 1334 §2.2.2).
#[test]
fn every_refusal_brings_its_code() {
    for (code, cause) in [(691, "wrong name or password"), (646, "not at this hour")] {
        let mut story = listening();
        story.peer(&request(9, b"alice", b"wrong"));
        story.asked();
        story.reject_with(code);
        let text = format!("E={code} R=0 M=Access denied");
        story.ours(&format!("c023 03 09 .. {:02x} {}", text.len(), hex(text.as_bytes())));
        let reason = story.refused();
        let expected =
            format!("authentication failed for \"alice\" once: {cause}; Windows shows error {code}");
        assert_eq!(reason, expected);
    }
}

#[test]
fn a_client_that_never_asks() {
    let mut story = listening();
    assert_eq!(story.wait().as_secs(), 57);
    assert!(story.sent().starts_with("ff03c02105"));
    story.peer("c021 06 01 ..");
    let Event::Closed(reason) = story.event() else { panic!("the link should be closed") };
    assert!(reason.to_string().contains("718"), "{reason}");
}

#[test]
fn what_is_no_request_is_discarded() {
    let mut story = listening();
    for (broken, discard) in [
        ("c023 02 01 .. 00", Discard::Code),
        ("c023 01 01 ..", Discard::Length),
        ("c023 01 01 .. 06 616c696365", Discard::Length),
        ("c023 01 01 .. 05 616c696365", Discard::Length),
        ("c023 01 01 .. 05 616c696365 07 736563726574", Discard::Length),
    ] {
        story.peer(broken);
        story.quiet();
        assert_eq!(story.discards().count(discard), 1, "{broken}");
    }
    // Empty is not malformed, only wrong.
    story.peer(&request(1, b"", b""));
    assert!(verify(&story.asked(), "secret").is_none());
}

/// UTF-8 and Latin-1 are both the same word, also for an account that holds only the hash.
#[test]
fn passwords_in_two_scripts() {
    for octets in ["pässwörd".as_bytes(), b"p\xe4ssw\xf6rd"] {
        let mut story = listening();
        story.peer(&request(1, b"alice", octets));
        let asked = story.asked();
        let Proof::Password(password) = &asked.proof else { panic!("another method") };
        assert!(password.verify(&NtHash::from_password("pässwörd")).is_some());
        // The hash of one that was chosen on a device built on pppd.
        let is_utf8 = str::from_utf8(octets).is_ok();
        assert_eq!(password.verify(&NtHash::from_password_octets("pässwörd")).is_some(), is_utf8);
        assert!(password.verify(&NtHash::from_password("passwort")).is_none());
        assert_eq!(format!("{password:?}"), "Password(…)");
    }
}

/// A verdict on a request of yesterday lets nobody in.
#[test]
fn a_late_verdict() {
    let mut story = listening();
    story.peer(&request(1, b"alice", b"secret"));
    let early = story.asked();
    let ours = story.lcp_request(2);
    story.peer("c021 01 02 .. 0506 a1a2a3a4");
    story.ours(&ours);
    story.ours("c021 02 02 .. 0506 a1a2a3a4");
    story.peer(&super::acked(&ours));
    assert!(matches!(story.event(), Event::LcpUp));
    story.peer(&request(1, b"mallory", b"guess"));
    story.asked();
    story.accept(&early, "secret");
    story.reject_late(&early, 691);
    story.quiet();
    story.reject();
    assert!(story.sent().starts_with("ff03c02303"), "a Nak of its own");
}
