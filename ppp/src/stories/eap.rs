//! EAP: who are you, which method, and what is said again.

use std::time::Duration;

use md5::{Digest as _, Md5};

use super::{Story, bytes, hex, new_password, verify};
use crate::auth::mschapv2::hash;
use crate::{AuthProtocol, Config, Discard, EapConfig, EapMethod, Event, NtHash, Proof, Reason};

/// A Request of ours: its identifier, its type, its type-data.
struct Request {
    frame: String,
    identifier: u8,
    kind: u8,
    data: Vec<u8>,
}

impl Story {
    /// As far as the first Request, from a server that has these methods.
    fn to_eap(methods: &[EapMethod]) -> (Self, Request) {
        let eap = EapConfig { methods: methods.to_vec(), ..EapConfig::default() };
        let config = Config { auth: vec![AuthProtocol::Eap], eap, ..Config::default() };
        let mut story = Self::with(config);
        story.open();
        let request = story.request();
        story.quiet();
        (story, request)
    }

    /// Our next frame, which is a Request.
    fn request(&mut self) -> Request {
        let frame = self.sent();
        match &*bytes(&frame) {
            [0xff, 0x03, 0xc2, 0x27, 1, identifier, _, _, kind, data @ ..] => {
                Request { identifier: *identifier, kind: *kind, data: data.to_vec(), frame: frame.clone() }
            }
            _ => panic!("{frame} is no Request"),
        }
    }

    /// The client answers a Request.
    fn respond(&mut self, request: &Request, kind: u8, data: &[u8]) {
        self.peer(&format!("c227 02 {:02x} .. {kind:02x} {}", request.identifier, hex(data)));
    }

    /// As far as the challenge of EAP-MSCHAPv2.
    fn to_mschapv2() -> (Self, Request) {
        let (mut story, identity) = Self::to_eap(&[EapMethod::MsChapV2]);
        story.respond(&identity, 1, b"alice");
        let challenge = story.request();
        (story, challenge)
    }
}

/// A link that asks who the client is.
pub(super) fn asking() -> Story {
    Story::to_eap(&[EapMethod::Md5, EapMethod::MsChapV2]).0
}

/// A link that wants a password.
pub(super) fn challenging() -> Story {
    Story::to_mschapv2().0
}

/// What a well-behaved client of either says.
pub(super) fn vocabulary() -> Vec<Vec<u8>> {
    let (_, identity) = Story::to_eap(&[EapMethod::Md5]);
    let (_, challenge) = Story::to_mschapv2();
    let (identifier, value) = challenge_of(&challenge);
    let response = mschapv2_response(identifier, &value, "alice", "secret");
    let frame = |request: &Request, later: u8, kind: u8, data: &[u8]| {
        let identifier = request.identifier.wrapping_add(later);
        bytes(&format!("c227 02 {identifier:02x} .. {kind:02x} {}", hex(data)))
    };
    vec![
        frame(&identity, 0, 1, b"alice"),
        frame(&identity, 1, 3, &[26]),
        frame(&challenge, 0, 26, &response),
        frame(&challenge, 1, 26, &[3]),
        frame(&challenge, 1, 26, &[4]),
    ]
}

/// A client's Response to what is in a Challenge-Request, or in the text of a Failure-Request.
fn mschapv2_response(identifier: u8, challenge: &[u8; 16], name: &str, password: &str) -> Vec<u8> {
    let peer_challenge = [0x55; 16];
    let challenge_hash = hash::challenge_hash(&peer_challenge, challenge, name.as_bytes());
    let nt_response = hash::challenge_response(&challenge_hash, &NtHash::from_password(password));
    let length = u8::try_from(54 + name.len()).unwrap();
    let head = [2, identifier, 0, length, 49];
    [&head[..], &peer_challenge, &[0; 8], &nt_response, &[0], name.as_bytes()].concat()
}

/// What a Challenge-Request asks: its identifier and its challenge.
fn challenge_of(request: &Request) -> (u8, [u8; 16]) {
    let [1, identifier, 0, 25, 16, rest @ ..] = &*request.data else { panic!("{}", request.frame) };
    let (challenge, name) = rest.split_first_chunk().unwrap();
    assert_eq!((request.kind, name), (26, &b"adit"[..]));
    (*identifier, *challenge)
}

/// The text of a Success- or Failure-Request.
fn text_of(request: &Request, code: u8) -> String {
    let [found, _, high, low, text @ ..] = &*request.data else { panic!("{}", request.frame) };
    assert_eq!((request.kind, *found), (26, code));
    assert_eq!(usize::from(u16::from_be_bytes([*high, *low])), request.data.len());
    String::from_utf8(text.to_vec()).unwrap()
}

#[test]
fn a_password_in_mschapv2() {
    let (mut story, request) = Story::to_mschapv2();
    let (identifier, challenge) = challenge_of(&request);
    story.respond(&request, 26, &mschapv2_response(identifier, &challenge, "alice", "secret"));
    let asked = story.asked();
    assert_eq!((&*asked.name, asked.method.to_string()), (&b"alice"[..], "EAP-MSCHAPv2".to_owned()));
    assert!(verify(&asked, "Secret").is_none());
    story.accept(&asked, "secret");
    let success = story.request();
    let text = text_of(&success, 3);
    assert!(text.starts_with("S=") && text.ends_with(" M=Welcome") && text.len() == 52, "{text}");
    story.quiet();
    story.respond(&success, 26, &[3]);
    story.ours(&format!("c227 03 {:02x} ..", success.identifier));
    story.ours("8021 01 01 .. 0306 0a140001");
    story.quiet();
    // A second answer means that it did not hear the last word.
    story.respond(&success, 26, &[3]);
    story.ours(&format!("c227 03 {:02x} ..", success.identifier));
    story.quiet();
}

#[test]
fn a_second_try_after_a_wrong_password() {
    let (mut story, request) = Story::to_mschapv2();
    let (identifier, challenge) = challenge_of(&request);
    story.respond(&request, 26, &mschapv2_response(identifier, &challenge, "alice", "wrong"));
    story.asked();
    story.reject();
    let failure = story.request();
    let text = text_of(&failure, 4);
    assert!(text.starts_with("E=691 R=1 C="), "{text}");
    let challenge: [u8; 16] = bytes(&text[12..44]).try_into().unwrap();
    // The old challenge does not do any more.
    story.respond(&failure, 26, &mschapv2_response(identifier + 1, &challenge, "alice", "secret"));
    let asked = story.asked();
    story.accept(&asked, "secret");
    let success = story.request();
    assert!(text_of(&success, 3).starts_with("S="));
}

/// Opcode 7, which is the Change-Password packet of RFC 2759 §7 behind a header of this method.
#[test]
fn a_new_password_for_an_expired_one() {
    for (typed, told) in [("better", None), ("secret", Some("E=709 R=0 "))] {
        let (mut story, request) = Story::to_mschapv2();
        let (identifier, value) = challenge_of(&request);
        story.respond(&request, 26, &mschapv2_response(identifier, &value, "alice", "secret"));
        story.asked();
        story.reject_with(648);
        let failure = story.request();
        let text = text_of(&failure, 4);
        assert!(text.starts_with("E=648 R=0 C=") && text.contains(" V=3 "), "{text}");
        let value: [u8; 16] = bytes(&text[12..44]).try_into().unwrap();
        story.respond(&failure, 26, &mschapv2_response(identifier, &value, "alice", "secret"));
        assert_eq!(story.discards().count(Discard::Code), 1, "another Response is not welcome");
        let frame = super::Challenge { identifier: 0, value, frame: String::new() };
        let change = bytes(&new_password::change(&frame, 0, "secret", typed));
        // Behind protocol, code, identifier and length.
        let packet = [&[7, identifier, 0x02, 0x4e], &change[6..]].concat();
        story.respond(&failure, 26, &packet);
        let asked = story.asked();
        assert_eq!((&*asked.name, asked.method.to_string()), (&b"alice"[..], "EAP-MSCHAPv2".to_owned()));
        let Proof::NewPassword(proof) = &asked.proof else { panic!("another proof") };
        let new = proof.verify(&NtHash::from_password("secret")).unwrap();
        assert_eq!(*new.password, typed);
        if let Some(told) = told {
            story.reject_with(709);
            let refused = story.request();
            assert!(text_of(&refused, 4).starts_with(told));
            story.respond(&refused, 26, &[4]);
            story.ours(&format!("c227 04 {:02x} ..", refused.identifier));
        } else {
            story.admit(new.verified);
            let success = story.request();
            assert!(text_of(&success, 3).starts_with("S="));
            story.respond(&success, 26, &[3]);
            story.ours(&format!("c227 03 {:02x} ..", success.identifier));
        }
    }
}

/// A client that leaves it at that, or that is told that there is no point, is failed and hung up on.
#[test]
fn a_password_that_stays_wrong() {
    let (mut story, mut request) = Story::to_mschapv2();
    let (identifier, mut challenge) = challenge_of(&request);
    for last in [false, false, true] {
        story.respond(&request, 26, &mschapv2_response(identifier, &challenge, "alice", "wrong"));
        story.asked();
        story.reject();
        request = story.request();
        let text = text_of(&request, 4);
        assert!(text.starts_with(if last { "E=691 R=0 " } else { "E=691 R=1 " }), "{text}");
        challenge = bytes(&text[12..44]).try_into().unwrap();
    }
    story.respond(&request, 26, &mschapv2_response(identifier, &challenge, "alice", "secret"));
    assert_eq!(story.discards().count(Discard::Code), 1, "that was the last try");
    story.respond(&request, 26, &[4]);
    story.ours(&format!("c227 04 {:02x} ..", request.identifier));
    assert!(story.sent().starts_with("ff03c02105"));
    story.peer("c021 06 02 ..");
    let Event::Closed(Reason::AuthFailed { name, code: 691, attempts: 3 }) = story.event() else {
        panic!("a reason")
    };
    assert_eq!(name, "alice");
}

/// Nor is starting LCP over, instead of taking note of the last refusal, a way to more attempts.
#[test]
fn refusals_survive_a_renegotiation() {
    let (mut story, mut request) = Story::to_mschapv2();
    let (identifier, mut challenge) = challenge_of(&request);
    for _ in 0..3 {
        story.respond(&request, 26, &mschapv2_response(identifier, &challenge, "alice", "wrong"));
        story.asked();
        story.reject();
        request = story.request();
        challenge = bytes(&text_of(&request, 4)[12..44]).try_into().unwrap();
    }
    story.peer("c021 01 02 .. 0506 a1a2a3a4");
    let lcp = story.lcp_request(2);
    story.ours(&lcp);
    story.ours("c021 02 02 .. 0506 a1a2a3a4");
    story.peer(&super::acked(&lcp));
    assert!(story.sent().starts_with("ff03c02105"));
    story.peer("c021 06 02 ..");
    assert!(matches!(story.event(), Event::Closed(Reason::AuthFailed { code: 691, attempts: 3, .. })));
}

/// What was said, and then the client hangs up without a word: the refusal explains it.
#[test]
fn a_client_that_hangs_up_on_a_refusal() {
    let (mut story, request) = Story::to_mschapv2();
    let (identifier, challenge) = challenge_of(&request);
    story.respond(&request, 26, &mschapv2_response(identifier, &challenge, "alice", "wrong"));
    story.asked();
    story.reject();
    story.request();
    story.peer("c021 05 09 ..");
    assert!(story.sent().starts_with("ff03c02106"));
    assert!(matches!(story.event(), Event::Closed(Reason::AuthFailed { code: 691, .. })));
}

/// RFC 3748 §5.4: a value of its own size; the name behind it is nobody's business.
#[test]
fn a_password_in_md5() {
    for (password, name) in [("secret", &b""[..]), ("secret", b"whoever"), ("wrong", b"alice")] {
        let (mut story, identity) = Story::to_eap(&[EapMethod::Md5]);
        story.respond(&identity, 1, b"alice");
        let request = story.request();
        let [16, challenge @ ..] = &*request.data else { panic!("{}", request.frame) };
        let (challenge, server) = challenge.split_at(16);
        assert_eq!((request.kind, server), (4, &b"adit"[..]));
        let value: [u8; 16] = Md5::new_with_prefix([request.identifier])
            .chain_update(password)
            .chain_update(challenge)
            .finalize()
            .into();
        story.respond(&request, 4, &[&[15], &value[..]].concat());
        assert_eq!(story.discards().count(Discard::Length), 1);
        story.respond(&request, 4, &[&[16], &value[..], name].concat());
        let asked = story.asked();
        assert_eq!((&*asked.name, asked.method.to_string()), (&b"alice"[..], "EAP-MD5".to_owned()));
        if password == "secret" {
            story.accept(&asked, "secret");
            story.ours(&format!("c227 03 {:02x} ..", request.identifier));
            story.ours("8021 01 01 .. 0306 0a140001");
        } else {
            assert!(verify(&asked, "secret").is_none());
            story.reject();
            story.ours(&format!("c227 04 {:02x} ..", request.identifier));
        }
    }
}

#[test]
fn a_client_gets_the_method_that_it_wants() {
    let (mut story, identity) = Story::to_eap(&[EapMethod::Md5, EapMethod::MsChapV2]);
    story.respond(&identity, 1, b"alice");
    let md5 = story.request();
    assert_eq!(md5.kind, 4);
    // EAP-TTLS if there is, else MSCHAPv2.
    story.respond(&md5, 3, &[21, 26]);
    let mschapv2 = story.request();
    assert_eq!(mschapv2.kind, 26);
    assert_eq!(mschapv2.identifier, md5.identifier.wrapping_add(1));
}

#[test]
fn a_client_that_wants_what_there_is_not() {
    let (mut story, identity) = Story::to_eap(&[EapMethod::Peap, EapMethod::MsChapV2, EapMethod::Md5]);
    story.respond(&identity, 1, b"alice");
    let mschapv2 = story.request();
    assert_eq!(mschapv2.kind, 26, "there are no certificates here");
    story.respond(&mschapv2, 3, &[13, 21]);
    story.ours(&format!("c227 04 {:02x} ..", mschapv2.identifier));
    assert!(story.sent().starts_with("ff03c02105"));
    story.peer("c021 06 02 ..");
    let Event::Closed(reason) = story.event() else { panic!("a reason") };
    let line = reason.to_string();
    for words in
        ["we allow EAP-MSCHAPv2, EAP-MD5, the client wants EAP-TLS, EAP type 21", "691", "eap.methods"]
    {
        assert!(line.contains(words), "no {words:?} in {line}");
    }
}

/// Nor is it asked again for what it has refused, nor may it change its mind in the midst of it.
#[test]
fn a_nak_has_its_time() {
    let (mut story, identity) = Story::to_eap(&[EapMethod::MsChapV2]);
    story.respond(&identity, 3, &[26]);
    assert_eq!(story.discards().count(Discard::Answer), 1, "who are you? is not to be refused");
    story.respond(&identity, 1, b"alice");
    let request = story.request();
    let (identifier, challenge) = challenge_of(&request);
    story.respond(&request, 26, &mschapv2_response(identifier, &challenge, "alice", "wrong"));
    story.asked();
    story.reject();
    let failure = story.request();
    story.respond(&failure, 3, &[26]);
    assert_eq!(story.discards().count(Discard::Answer), 1);
    story.quiet();
}

#[test]
fn requests_are_repeated_and_answers_to_old_ones_discarded() {
    let (mut story, identity) = Story::to_eap(&[EapMethod::MsChapV2]);
    for seconds in [3, 6, 12, 12] {
        assert_eq!(story.wait(), Duration::from_secs(seconds));
        assert_eq!(story.sent(), identity.frame);
    }
    story.respond(&identity, 1, b"alice");
    let challenge = story.request();
    // The answers to those that were repeated.
    story.respond(&identity, 1, b"alice");
    story.respond(&identity, 1, b"alice");
    assert_eq!(story.discards().count(Discard::Identifier), 2);
    assert_eq!(story.wait(), Duration::from_secs(3));
    assert_eq!(story.sent(), challenge.frame);
}

#[test]
fn a_client_that_says_nothing_is_given_up() {
    let (mut story, _) = Story::to_eap(&[EapMethod::MsChapV2]);
    let mut passed = Duration::ZERO;
    while passed < Duration::from_secs(140) {
        passed += story.wait();
    }
    story.pass(Duration::from_secs(20));
    let end = std::iter::from_fn(|| story.link.poll_event()).last();
    assert!(matches!(end, Some(Event::Closed(Reason::AuthTimeout))), "{end:?}");
}

/// While the owner decides, nothing else is heard; and a verdict on an earlier question is none on this one.
#[test]
fn a_late_verdict_lets_nobody_in() {
    let (mut story, request) = Story::to_mschapv2();
    let (identifier, challenge) = challenge_of(&request);
    let first = mschapv2_response(identifier, &challenge, "alice", "secret");
    story.respond(&request, 26, &first);
    let asked = story.asked();
    story.respond(&request, 26, &first);
    assert_eq!(story.discards().count(Discard::Response), 1);
    story.reject();
    let failure = story.request();
    let again: [u8; 16] = bytes(&text_of(&failure, 4)[12..44]).try_into().unwrap();
    story.respond(&failure, 26, &mschapv2_response(identifier, &again, "mallory", "wrong"));
    story.asked();
    story.accept(&asked, "secret");
    story.quiet();
}

#[test]
fn what_makes_no_sense_is_discarded() {
    let (mut story, request) = Story::to_mschapv2();
    story.respond(&request, 26, &[]);
    assert_eq!(story.discards().count(Discard::Truncated), 1);
    story.respond(&request, 26, &[3]);
    assert_eq!(story.discards().count(Discard::Code), 1);
    story.respond(&request, 26, &[2, 1, 0, 5, 49]);
    assert_eq!(story.discards().count(Discard::Length), 1);
    story.respond(&request, 4, &[16; 17]);
    assert_eq!(story.discards().count(Discard::Answer), 1);
    story.peer(&format!("c227 03 {:02x} ..", request.identifier));
    assert_eq!(story.discards().count(Discard::Code), 1);
    story.quiet();
    let (identifier, challenge) = challenge_of(&request);
    story.respond(&request, 26, &mschapv2_response(identifier, &challenge, "alice", "secret"));
    story.asked();
}
