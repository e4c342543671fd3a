//! An expired password, and the new one that the client makes.

use std::time::Duration;

use rc4::{KeyInit, Rc4, StreamCipher};

use super::{Challenge, Story, frame_start, hex, response};
use crate::auth::mschapv2::hash;
use crate::{AuthRequest, Discard, Event, NewPassword, NtHash, Proof};

/// As far as the Failure that asks for a new password.
pub(super) fn expired() -> (Story, Challenge, String) {
    let (mut story, challenge) = Story::to_challenge();
    let old = response(&challenge, 0, "alice", "secret");
    story.peer(&old);
    story.asked();
    story.reject_with(648);
    let challenge = failed(&mut story, 648, 0);
    story.quiet();
    (story, challenge, old)
}

/// Reads the Failure that we sent, and the challenge in it.
fn failed(story: &mut Story, code: u16, retry: u8) -> Challenge {
    let frame = story.sent();
    let octets = super::bytes(&frame);
    let [0xff, 0x03, 0xc2, 0x23, 4, identifier, _, _, text @ ..] = &*octets else {
        panic!("{frame} is no Failure");
    };
    let text = str::from_utf8(text).unwrap();
    let digits = text.strip_prefix(&format!("E={code} R={retry} C=")).expect("a Failure begins so");
    let (digits, rest) = digits.split_at(32);
    assert_eq!(rest, " V=3 M=Access denied");
    Challenge { identifier: *identifier, value: super::bytes(digits).try_into().unwrap(), frame }
}

/// A Change-Password; `later` is added to the Failure's identifier.
pub(super) fn change(challenge: &Challenge, later: u8, old: &str, new: &str) -> String {
    let (old_hash, new_hash) = (NtHash::from_password(old), NtHash::from_password(new));
    let utf16: Vec<u8> = new.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let mut block = [0x77; 516];
    block[512 - utf16.len()..512].copy_from_slice(&utf16);
    block[512..].copy_from_slice(&u32::try_from(utf16.len()).unwrap().to_le_bytes());
    Rc4::new_from_slice(old_hash.as_bytes()).unwrap().apply_keystream(&mut block);
    let peer_challenge = [0x66; 16];
    let challenge_hash = hash::challenge_hash(&peer_challenge, &challenge.value, b"alice");
    format!(
        "c223 07 {:02x} .. {} {} {} 0000000000000000 {} 0000",
        challenge.identifier.wrapping_add(later),
        hex(&block),
        hex(&hash::hash_encrypted_with(&old_hash, &new_hash)),
        hex(&peer_challenge),
        hex(&hash::challenge_response(&challenge_hash, &new_hash)),
    )
}

fn verify(request: &AuthRequest, old: &str) -> Option<NewPassword> {
    let Proof::NewPassword(proof) = &request.proof else { panic!("another proof") };
    proof.verify(&NtHash::from_password(old))
}

#[test]
fn a_new_password_lets_in() {
    let (mut story, challenge, _) = expired();
    // Somebody has to think of one, twice.
    story.pass(Duration::from_secs(140));
    story.quiet();
    let packet = change(&challenge, 1, "secret", "better");
    story.peer(&packet);
    let request = story.asked();
    assert_eq!(request.name, b"alice");
    assert!(verify(&request, "Secret").is_none());
    let new = verify(&request, "secret").unwrap();
    assert_eq!(*new.password, "better");
    story.admit(new.verified);

    let challenge_hash = hash::challenge_hash(&[0x66; 16], &challenge.value, b"alice");
    let new = NtHash::from_password("better");
    let nt_response = hash::challenge_response(&challenge_hash, &new);
    let proof = hash::authenticator_response(&new, &nt_response, &challenge_hash);
    let text = format!("S={} M=Welcome", hex(&proof).to_uppercase());
    let identifier = challenge.identifier.wrapping_add(1);
    let success = format!("c223 03 {identifier:02x} .. {}", hex(text.as_bytes()));
    story.ours(&success);
    story.ours("8021 01 01 .. 0306 0a140001");
    story.quiet();
    // The Success was lost.
    story.peer(&packet);
    story.ours(&success);
    story.quiet();
}

#[test]
fn a_lost_failure_is_repeated() {
    let (mut story, challenge, old) = expired();
    story.peer(&old);
    assert_eq!(story.sent(), challenge.frame);
    // Some clients keep the identifier.
    story.peer(&change(&challenge, 0, "secret", "better"));
    assert!(verify(&story.asked(), "secret").is_some());
    story.quiet();
}

/// Nothing is changed that nobody asked to change, nor twice.
#[test]
fn what_is_not_asked_for_is_discarded() {
    let (mut story, challenge) = Story::to_challenge();
    story.peer(&change(&challenge, 0, "secret", "better"));
    assert_eq!(story.discards().count(Discard::Code), 1);
    story.quiet();

    let (mut story, challenge, _) = expired();
    let good = change(&challenge, 1, "secret", "better");
    for (packet, discard) in [
        (response(&challenge, 1, "alice", "secret"), Discard::Code),
        (change(&challenge, 2, "secret", "better"), Discard::Identifier),
        (good.replacen(" .. ", " .. 00 ", 1), Discard::Length),
    ] {
        story.peer(&packet);
        assert_eq!(story.discards().count(discard), 1, "{packet}");
        story.quiet();
    }
    story.peer(&good);
    let request = story.asked();
    story.peer(&change(&challenge, 1, "secret", "another"));
    assert_eq!(story.discards().count(Discard::Response), 1);
    story.quiet();
    story.admit(verify(&request, "secret").unwrap().verified);
    assert!(story.sent().starts_with(&frame_start("c223 03")));
}

#[test]
fn a_refused_password_ends_the_link() {
    let (mut story, challenge, _) = expired();
    story.peer(&change(&challenge, 1, "secret", ""));
    assert_eq!(*verify(&story.asked(), "secret").unwrap().password, "");
    story.reject_with(709);
    failed(&mut story, 709, 0);
    let expected = "authentication failed for \"alice\" repeatedly: the new password was refused; Windows shows error 709";
    assert_eq!(story.refused(), expected);
}

/// The owner cannot want a new password for the new password.
#[test]
fn one_change_is_enough() {
    let (mut story, challenge, _) = expired();
    story.peer(&change(&challenge, 1, "secret", "better"));
    story.asked();
    story.reject_with(648);
    failed(&mut story, 648, 0);
    assert!(story.refused().contains("648"));
}

/// The old password was mistyped in the dialog: there may be another try at logging in.
#[test]
fn a_wrong_old_password() {
    let (mut story, challenge, _) = expired();
    story.peer(&change(&challenge, 1, "Secret", "better"));
    assert!(verify(&story.asked(), "secret").is_none());
    story.reject_with(691);
    let challenge = failed(&mut story, 691, 1);
    story.peer(&response(&challenge, 1, "alice", "secret"));
    story.asked();
}

/// Who has no dialog for it hangs up, or says nothing any more.
#[test]
fn a_client_that_makes_no_new_one() {
    let (mut story, ..) = expired();
    story.peer("c021 05 09 .. 6661696c6564");
    story.ours("c021 06 09 ..");
    let Event::Closed(reason) = story.event() else { panic!("the link should be closed") };
    let expected =
        "authentication failed for \"alice\" once: the password has expired; Windows shows error 648";
    assert_eq!(reason.to_string(), expected);

    let (mut story, ..) = expired();
    assert_eq!(story.wait(), Duration::from_secs(150));
    assert!(story.sent().starts_with(&frame_start("c021 05")));
}
