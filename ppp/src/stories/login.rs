//! Names, domains and identifiers.

use super::{Story, hex, response, verify};
use crate::auth::mschapv2::hash;
use crate::{Discard, NtHash, Proof};

/// Most clients leave the domain out of the hash; some do not. Neither is let in with a wrong password.
#[test]
fn a_domain_may_or_may_not_be_hashed() {
    for hashed in ["alice", "OFFICE\\alice"] {
        let (mut story, challenge) = Story::to_challenge();
        let peer_challenge = [0x55; 16];
        let challenge_hash = hash::challenge_hash(&peer_challenge, &challenge.value, hashed.as_bytes());
        let nt_response = hash::challenge_response(&challenge_hash, &NtHash::from_password("secret"));
        story.peer(&format!(
            "c223 02 {:02x} .. 31 {} {} {} 00 {}",
            challenge.identifier,
            hex(&peer_challenge),
            "00".repeat(8),
            hex(&nt_response),
            hex(b"OFFICE\\alice")
        ));
        let request = story.asked();
        assert!(verify(&request, "Secret").is_none());
        // The client checks our proof with the hash that it computed itself.
        let proof =
            hash::authenticator_response(&NtHash::from_password("secret"), &nt_response, &challenge_hash);
        story.accept(&request, "secret");
        let success = story.sent();
        let text = String::from_utf8(super::bytes(&success[16..])).unwrap();
        assert_eq!(text, format!("S={} M=Welcome", hex(&proof).to_uppercase()));
    }
}

/// A user principal name is hashed as it is.
#[test]
fn an_at_sign_is_part_of_the_name() {
    let (mut story, challenge) = Story::to_challenge();
    story.peer(&response(&challenge, 0, "alice@office.example", "secret"));
    let request = story.asked();
    assert!(verify(&request, "secret").is_some());
}

#[test]
fn names_and_passwords_beyond_ascii() {
    let (mut story, challenge) = Story::to_challenge();
    story.peer(&response(&challenge, 0, "jürgen", "pässwörd"));
    let request = story.asked();
    assert_eq!(request.name, "jürgen".as_bytes());
    assert!(verify(&request, "pässwörd").is_some());
    let Proof::MsChapV2(proof) = &request.proof else { panic!("another method") };
    assert!(proof.verify(&NtHash::from_password_octets("pässwörd")).is_none());
}

#[test]
fn a_response_to_no_challenge_of_ours_is_discarded() {
    let (mut story, challenge) = Story::to_challenge();
    story.peer(&response(&challenge, 1, "alice", "secret"));
    assert_eq!(story.discards().count(Discard::Identifier), 1);
    let answer = response(&challenge, 0, "alice", "secret");
    story.peer(&answer.replacen(" 31 ", " 30 ", 1));
    assert_eq!(story.discards().count(Discard::Length), 1);
    story.peer(&format!("c223 07 {:02x} .. 00", challenge.identifier));
    assert_eq!(story.discards().count(Discard::Code), 1);
    story.quiet();
    story.peer(&answer);
    story.asked();
}

/// Some clients answer a Failure with the identifier that they used before.
#[test]
fn a_second_try_with_the_old_identifier() {
    let (mut story, first) = Story::to_challenge();
    story.peer(&response(&first, 0, "alice", "wrong"));
    story.asked();
    story.reject();
    let failure = story.sent();
    let text = String::from_utf8(super::bytes(&failure[16..])).unwrap();
    let value = super::bytes(&text[12..44]).try_into().unwrap();
    let second = super::Challenge { frame: failure, value, ..first };
    story.peer(&response(&second, 2, "alice", "secret"));
    story.quiet();
    story.peer(&response(&second, 0, "alice", "secret"));
    let request = story.asked();
    assert!(verify(&request, "secret").is_some());
}

#[test]
fn debug_shows_a_name_and_nothing_else() {
    let (mut story, challenge) = Story::to_challenge();
    story.peer(&response(&challenge, 0, "alice", "secret"));
    let shown = format!("{:?}", story.asked());
    assert_eq!(shown, "AuthRequest { name: \"alice\", method: MsChapV2, .. }");
}
