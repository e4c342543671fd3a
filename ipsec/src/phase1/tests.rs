//! A handshake between two other implementations, with our half computed anew.

use std::net::Ipv4Addr;

use super::*;
use crate::crypto::modp::{MODP_1024, ModpKey};
use crate::isakmp::{Cookie, IdPayload, Message};
use crate::isakmp_sa::{Answered, IsakmpSa, Origin};
use crate::nat::{Nat, NatTraversal};
use crate::path::PeerId;
use crate::phase2;
use crate::proposal::Algorithms;
use crate::responder::tests::start;
use crate::secret::Secret;
use crate::vectors::{HANDSHAKE, Vectors};
use crate::{Credential, Phase1, Timings};

fn psk(secret: &str) -> Psk {
    Psk { name: secret.into(), id: None, secret: Secret::new(secret) }
}

fn psks() -> [Psk; 3] {
    [psk("AAA"), psk("AAAA"), psk("AAAAA")]
}

/// What we would know after message 4, had we been that responder.
fn await_id(vectors: &Vectors) -> AwaitId {
    let message =
        |name: &str| Message::parse(vectors.get(name)).expect("a message").payloads().expect("payloads");
    let (message1, message3, message4) = (message("mm1"), message("mm3"), message("mm4"));
    let message1 = Message1::try_from(&message1).expect("message 1");
    let (agreed, _) = Agreed::choose(start(), &message1, IkePolicy::psk(Algorithms::Compatible), None)
        .expect("a transform");
    assert_eq!(agreed.suite.to_string(), "AES-128-CBC/SHA1/MODP-1024");
    let message3 = Message3::try_from(&message3).expect("message 3");
    let message4 = Message3::try_from(&message4).expect("message 4");
    let private = ModpKey::new(&MODP_1024, vectors.get("initiator_private"));
    let exchange = KeyExchange {
        peer_public: message3.public.into(),
        public: message4.public.into(),
        shared: private.shared(message4.public).expect("a shared secret"),
    };
    let nat = Nat { client: false, server: false };
    let traversal = Traversal::Detected(NatTraversal::Rfc3947, nat);
    let initiator_nonce = message3.nonce.into();
    let computing = Computing { agreed, traversal, message3: start(), initiator_nonce };
    computing.finish(start(), exchange, message4.nonce.try_into().expect("32 octets"), [&[1], &[2]]).0
}

#[test]
fn the_recorded_client_is_authenticated_and_answered_as_strongswan_did() {
    let vectors = Vectors::of(HANDSHAKE);
    let await_id = await_id(&vectors);
    let message5 = Message::parse(vectors.get("mm5")).expect("message 5");
    let psks = psks();
    let client = await_id.authenticate(&message5.header, message5.body, &psks).expect("one of the keys");
    assert_eq!((&*client.psk.name, client.identity.to_string()), ("AAAA", "10.0.3.1".into()));
    assert!(!client.initial_contact);
    let cookies = message5.header.cookies;
    let (message6, keys) = await_id.message6(cookies, client, Ipv4Addr::new(10, 0, 3, 10).into());
    assert_eq!(message6, vectors.get("mm6"), "octet by octet");

    // Its quick mode verifies under the SA we made of it.
    let request = crate::crypto::Hash::Sha256.digest(&[vectors.get("mm5")]);
    let phase1 = Phase1 {
        suite: await_id.agreed.suite,
        identity: IdPayload::parse(&[1, 0, 0, 0, 10, 0, 3, 1]).expect("an ID").to_id(),
        credential: Credential::Psk("AAAA".into()),
        nat: await_id.traversal.nat(),
        lifetime: await_id.agreed.lifetime,
        rekey: false,
        vendor: None,
        timings: Timings { message1: start(), message3: start(), shared: start(), message5: start() },
    };
    let origin = Origin {
        attempt: PeerId(1),
        traversal: await_id.traversal,
        fragmentation: false,
        dpd: true,
        phase1: phase1.into(),
    };
    let sa = IsakmpSa::new(cookies, keys, Answered { request, response: message6 }, origin);
    let quick1 = Message::parse(vectors.get("qm1")).expect("a message");
    let opened = sa.open_first(&quick1.header, quick1.body).expect("HASH(1)");
    let payloads = opened.payloads().expect("payloads");
    assert!(phase2::Message1::try_from(&payloads).is_ok());
    let mut forged = quick1.body.to_vec();
    forged[20] ^= 1;
    assert!(sa.open_first(&quick1.header, &forged).is_none());
    let other = Header { message_id: 7, ..quick1.header };
    assert!(sa.open_first(&other, quick1.body).is_none(), "another message id");
}

#[test]
fn no_other_key_and_no_other_message_authenticates() {
    let vectors = Vectors::of(HANDSHAKE);
    let await_id = await_id(&vectors);
    let message5 = Message::parse(vectors.get("mm5")).expect("message 5");
    let authenticates =
        |header: &Header, body: &[u8], psks: &[Psk]| await_id.authenticate(header, body, psks).is_some();
    assert!(authenticates(&message5.header, message5.body, &psks()));
    assert!(!authenticates(&message5.header, message5.body, &[psk("AAA"), psk("AAAAA"), psk("")]));
    assert!(!authenticates(&message5.header, message5.body, &[]));
    for len in 0..message5.body.len() {
        assert!(!authenticates(&message5.header, &message5.body[..len], &psks()), "cut at {len}");
    }
    for index in 0..36 {
        let mut forged = message5.body.to_vec();
        forged[index] ^= 0x10;
        assert!(!authenticates(&message5.header, &forged, &psks()), "octet {index}");
    }
    let mut cookies = message5.header.cookies;
    cookies.responder = Cookie([1; 8]);
    assert!(!authenticates(&Header { cookies, ..message5.header }, message5.body, &psks()));
}
