//! First messages that others recorded, answered.

use super::*;
use crate::isakmp::iana::{IkeAttribute, PayloadType};
use crate::isakmp::{Payloads, SaPayload};
use crate::proposal::{Algorithms, IkePolicy, choose_ike};
use crate::vectors::Vectors;

const CAPTURES: &str = include_str!("../../../../tests/vectors/ike-captures.txt");

/// What a message 2 chose: the suite, the transform's number, and the lifetime as it is written.
fn chosen(message2: &[u8]) -> (String, u8, u64) {
    let message = Message::parse(message2).expect("a message");
    let payloads = message.payloads().expect("payloads");
    let sa = SaPayload::parse(payloads.require(PayloadType::SECURITY_ASSOCIATION).expect("SA")).expect("SA");
    let [proposal] = &sa.proposals[..] else { panic!("one proposal") };
    let [transform] = &proposal.transforms[..] else { panic!("one transform") };
    let suite = choose_ike(&sa, IkePolicy::psk(Algorithms::Legacy)).expect("a suite").suite;
    let life = transform.number_of(IkeAttribute::LIFE_DURATION.0).expect("a lifetime");
    (suite.to_string(), transform.number, life)
}

fn vendor_ids(payloads: &Payloads<'_>) -> Vec<Vec<u8>> {
    payloads.of(PayloadType::VENDOR_ID).map(<[u8]>::to_vec).collect()
}

#[test]
fn recorded_clients_are_answered_with_the_strongest_they_offer() {
    let captures = Vectors::of(CAPTURES);
    let cases = [
        // Windows writes its lifetime in four octets and offers ECP-384 first.
        ("windows1", "AES-256-CBC/SHA1/ECP-384", 1, 28_800),
        ("cisco1", "AES-128-CBC/SHA1/MODP-1024", 1, 86_400),
    ];
    for (name, suite, transform, lifetime) in cases {
        let mut world = World::with_psks(&["main"]);
        let path = Path { local: addr("192.0.2.1:500"), remote: addr("198.51.100.7:500") };
        let message1 = captures.get(name);
        let message2 = world.ask(path, message1);
        assert_eq!(chosen(&message2), (suite.into(), transform, lifetime), "{name}");
        assert!(message2.len() <= message1.len(), "{name}: no more goes back than came");
        // Whatever vendor ID is in the answer, the client sent it first: Windows has been broken by others.
        let offered = vendor_ids(&Message::parse(message1).expect("message 1").payloads().expect("payloads"));
        let answered =
            vendor_ids(&Message::parse(&message2).expect("message 2").payloads().expect("payloads"));
        assert!(!answered.is_empty() && answered.iter().all(|id| offered.contains(id)), "{name}");
        // A retransmission is answered with the same octets.
        assert_eq!(world.ask(path, message1), message2, "{name}");
    }
}

/// Openswan and Wireshark's client come with certificates only: the log says so, and what each of them offered.
#[test]
fn recorded_clients_without_a_pre_shared_key_are_refused_with_what_they_offer() {
    let captures = Vectors::of(CAPTURES);
    for (name, offer) in
        [("openswan1", "3DES/SHA1/MODP-1536/RSA signatures"), ("certs1", "3DES/MD5/MODP-1024/RSA signatures")]
    {
        let mut world = World::with_psks(&["main"]);
        let path = Path { local: addr("192.0.2.1:500"), remote: addr("198.51.100.7:500") };
        let answer = world.ask(path, captures.get(name));
        let payloads = Message::parse(&answer).expect("a message").payloads().expect("payloads");
        assert!(payloads.of(PayloadType::NOTIFICATION).next().is_some(), "{name}");
        let [refusal] = &world.refusals()[..] else { panic!("one line") };
        assert!(refusal.contains(offer) && refusal.contains("198.51.100.7:500"), "{name}: {refusal}");
    }
}
