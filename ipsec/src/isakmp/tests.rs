use crate::proposal::{Algorithms, IkePolicy, describe_ike};
use proptest::prelude::*;

use super::iana::{EspAttribute, IkeAttribute, NotifyType, ProtocolId};
use super::*;
use crate::crypto::{Cipher, CipherKey, Hash, Iv};
use crate::envelope;
use crate::isakmp::sa::AttributeValue;
use crate::vectors::Vectors;

const CAPTURES: &str = include_str!("../../../tests/vectors/ike-captures.txt");

fn kinds(payloads: &Payloads<'_>) -> Vec<String> {
    payloads.iter().map(|payload| payload.kind.to_string()).collect()
}

#[test]
fn recorded_first_phases_are_read() {
    let captures = Vectors::of(CAPTURES);
    let expected = [
        ("cisco1", "SA VID VID VID VID"),
        ("cisco2", "SA VID"),
        ("cisco3", "KE NONCE VID VID VID NAT-D NAT-D"),
        ("cisco4", "KE NONCE VID VID VID VID NAT-D NAT-D"),
        ("openswan1", "SA VID VID VID VID VID VID"),
        ("openswan2", "SA VID VID VID"),
        ("openswan3", "KE NONCE NAT-D NAT-D"),
        ("openswan4", "KE NONCE NAT-D NAT-D"),
        ("certs1", "SA VID VID"),
        ("certs2", "SA VID VID VID VID VID VID VID VID VID"),
        ("certs3", "KE NONCE"),
        ("certs4", "KE NONCE CERTREQ"),
        ("setup1", "SA VID VID VID"),
        ("windows1", "SA VID VID VID VID VID VID VID VID"),
        // Draft 07 numbers its NAT-D 15, which nobody else does.
        ("setup3", "KE NONCE VID VID VID VID PayloadType 15 PayloadType 15"),
    ];
    for (name, expected) in expected {
        let message = Message::parse(captures.get(name)).expect("a message");
        assert!(!message.header.flags.is_encrypted());
        assert_eq!(message.header.exchange, ExchangeType::MAIN_MODE);
        assert_eq!(kinds(&message.payloads().expect("payloads")).join(" "), expected, "{name}");
    }
}

#[test]
fn what_was_recorded_is_written_again_octet_by_octet() {
    let captures = Vectors::of(CAPTURES);
    for name in ["cisco1", "cisco3", "openswan1", "openswan4", "certs2", "certs4", "setup3", "windows1"] {
        let message = Message::parse(captures.get(name)).expect("a message");
        let payloads = message.payloads().expect("payloads");
        let mut chain = Chain::default();
        payloads.iter().for_each(|payload| {
            chain.push(payload.kind, payload.body);
        });
        let written = MessageWriter::new(message.header.cookies, ExchangeType::MAIN_MODE, 0).clear(&chain);
        assert_eq!(written, captures.get(name), "{name}");
        // The first payload put in front of the others, as a hash is.
        let mut rest = Chain::default();
        payloads.iter().skip(1).for_each(|payload| {
            rest.push(payload.kind, payload.body);
        });
        let first = payloads.first().expect("a payload");
        let chain = rest.prefixed(first.kind, first.body);
        let written = MessageWriter::new(message.header.cookies, ExchangeType::MAIN_MODE, 0).clear(&chain);
        assert_eq!(written, captures.get(name), "{name}");
    }
}

#[test]
fn an_answered_proposal_is_written_as_openswan_did() {
    let captures = Vectors::of(CAPTURES);
    let [offer, answer] =
        ["openswan1", "openswan2"].map(|name| Message::parse(captures.get(name)).expect("a message"));
    let offer = offer.payloads().expect("payloads");
    let offer = SaPayload::parse(offer.require(PayloadType::SECURITY_ASSOCIATION).expect("SA")).expect("SA");
    let proposal = &offer.proposals[0];
    let mut chain = Chain::default();
    chain.push_sa(proposal, &proposal.transforms[0], &[]);
    let answer = answer.payloads().expect("payloads");
    assert_eq!(chain.as_bytes()[4..], *answer.require(PayloadType::SECURITY_ASSOCIATION).expect("SA"));
}

/// `ikev1-certs`: the key is published, so every message can be read, and every IV is derived as RFC 2409 App. B says.
#[test]
fn a_recorded_connection_is_decrypted_from_end_to_end() {
    let captures = Vectors::of(CAPTURES);
    let message = |name: &str| Message::parse(captures.get(name)).expect("a message");
    let public = |name: &str| {
        message(name).payloads().expect("payloads").require(PayloadType::KEY_EXCHANGE).expect("KE")
    };
    let (cipher, hash) = (Cipher::TripleDes, Hash::Md5);
    let key = CipherKey::new(cipher, captures.get("certs_key")).expect("a key");
    let mut iv = Iv::new(cipher, &hash.digest(&[public("certs3"), public("certs4")]));
    let read = |name: &str, iv: &mut Iv| {
        let message = message(name);
        assert!(message.header.flags.is_encrypted());
        let text = envelope::open(&key, iv, message.body).expect("whole blocks");
        kinds(&Payloads::parse(message.header.next_payload, &text).expect("payloads")).join(" ")
    };
    assert_eq!(read("certs5", &mut iv), "ID CERT CERTREQ SIG");
    assert_eq!(read("certs6", &mut iv), "ID CERT SIG");
    let message_id = message("certs7").header.message_id;
    let mut quick = Iv::new(cipher, &hash.digest(&[iv.as_bytes(), &message_id.to_be_bytes()]));
    assert_eq!(read("certs7", &mut quick), "HASH SA NONCE KE ID ID");
    assert_eq!(read("certs8", &mut quick), "HASH SA NONCE KE ID ID");
    assert_eq!(read("certs9", &mut quick), "HASH");
}

#[test]
fn a_header_is_held_to_its_length_and_version() {
    let good = Vectors::of(CAPTURES).get("cisco1").to_vec();
    let with = |change: fn(&mut Vec<u8>)| {
        let mut bytes = good.clone();
        change(&mut bytes);
        Message::parse(&bytes).map(|message| message.body.len())
    };
    assert_eq!(with(|_| ()), Ok(good.len() - 28));
    assert_eq!(with(|bytes| bytes.extend([1, 2, 3])), Ok(good.len() - 28), "octets behind it are ignored");
    assert_eq!(with(|bytes| bytes.truncate(27)), Err(Malformed::Truncated));
    assert_eq!(with(|bytes| bytes.truncate(100)), Err(Malformed::Length));
    assert_eq!(with(|bytes| bytes[24..28].fill(0)), Err(Malformed::Length));
    assert_eq!(with(|bytes| bytes[24..28].fill(0xff)), Err(Malformed::Length));
    assert_eq!(with(|bytes| bytes[27] = 27), Err(Malformed::Length));
    assert_eq!(with(|bytes| bytes[17] = 0x20), Err(Malformed::Version));
    assert!(with(|bytes| bytes[17] = 0x11).is_ok(), "a later minor version");
    assert!(with(|bytes| bytes[19] = 0xf0).is_ok(), "flags nobody knows");
}

#[test]
fn a_chain_ends_with_its_octets_whatever_it_says() {
    let parse = |bytes: &[u8]| Payloads::parse(PayloadType::HASH, bytes).map(|payloads| payloads.len());
    assert_eq!(parse(&[0, 0, 0, 4]), Ok(4));
    assert_eq!(parse(&[0, 0xff, 0, 4, 9, 9, 9, 9]), Ok(4), "reserved octet and padding are ignored");
    assert_eq!(parse(&[8, 0, 0, 4]), Err(Malformed::Truncated));
    assert_eq!(parse(&[8, 0, 0, 0]), Err(Malformed::Length));
    assert_eq!(parse(&[8, 0, 0, 3]), Err(Malformed::Length));
    assert_eq!(parse(&[0, 0, 0, 5]), Err(Malformed::Length));
    assert_eq!(parse(&[]), Err(Malformed::Truncated));
    assert_eq!(Payloads::parse(PayloadType::NONE, &[1, 2, 3]).map(|payloads| payloads.len()), Ok(0));
    let endless = [8, 0, 0, 4].repeat(10_000);
    assert_eq!(parse(&endless), Err(Malformed::TooMany));
}

#[test]
fn attributes_are_read_in_both_forms_and_any_order() {
    let number = |bytes: &[u8]| AttributeValue::Variable(bytes).number();
    assert_eq!(number(&[0, 0, 0x70, 0x80]), Some(28_800));
    assert_eq!(number(&[]), Some(0));
    assert_eq!(number(&[0; 20]), Some(0));
    assert_eq!(number(&[0xff; 8]), Some(u64::MAX));
    assert_eq!(number(&[1; 9]), None);

    // Duration before type, something between, an attribute nobody knows, kilobytes as well.
    let attributes = hex_literal::hex!(
        "80020e10" "80040002" "80010001" "c00000aa" "80010002" "00020004 0003d090" "00630003 010203"
    );
    let transform = [&[1, 12, 0xde, 0xad][..], &attributes].concat();
    let length = u8::try_from(transform.len() + 4).expect("short");
    let body = [&[1, 3, 4, 1, 0xaa, 0xbb, 0xcc, 0xdd, 0, 0, 0, length][..], &transform].concat();
    let length = u8::try_from(body.len() + 4).expect("short");
    let sa = [&[0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, length][..], &body].concat();
    let sa = SaPayload::parse(&sa).expect("an SA");
    let proposal = &sa.proposals[0];
    assert_eq!((proposal.protocol, proposal.spi), (ProtocolId::ESP, &[0xaa, 0xbb, 0xcc, 0xdd][..]));
    let transform = &proposal.transforms[0];
    assert_eq!(transform.raw, attributes);
    let lifetimes: Vec<_> =
        transform.lifetimes(EspAttribute::LIFE_TYPE.0, EspAttribute::LIFE_DURATION.0).collect();
    assert_eq!(lifetimes, [(1, 3600), (2, 250_000)]);
    assert_eq!(transform.number_of(0x4000), Some(0xaa));
    assert_eq!(
        transform.attributes.last().map(|attribute| attribute.value),
        Some(AttributeValue::Variable(&[1, 2, 3]))
    );
    assert_eq!(transform.number_of(IkeAttribute::KEY_LENGTH.0), None);
}

#[test]
fn an_sa_payload_cut_anywhere_is_an_error_or_an_empty_offer() {
    let captures = Vectors::of(CAPTURES);
    let message = Message::parse(captures.get("openswan1")).expect("a message");
    let payloads = message.payloads().expect("payloads");
    let body = payloads.require(PayloadType::SECURITY_ASSOCIATION).expect("SA");
    assert_eq!(SaPayload::parse(body).expect("whole").proposals[0].transforms.len(), 4);
    for len in 0..body.len() {
        assert!(SaPayload::parse(&body[..len]).is_err(), "cut at {len}");
    }
    let mut labelled = body.to_vec();
    labelled[7] = 3;
    assert_eq!(SaPayload::parse(&labelled).map(|_| ()), Err(Malformed::Doi));
}

#[test]
fn notifications_and_deletes_are_held_to_their_lengths() {
    let notify = [0, 0, 0, 1, 1, 2, 0x60, 0x02, 7, 8, 9];
    let parsed = NotifyPayload::parse(&notify).expect("N");
    assert_eq!((parsed.kind, parsed.spi, parsed.data), (NotifyType::INITIAL_CONTACT, &[7, 8][..], &[9][..]));
    assert!((0..10).all(|len| NotifyPayload::parse(&notify[..len]).is_err()));

    let delete = [0, 0, 0, 1, 3, 4, 0, 2, 1, 1, 1, 1, 2, 2, 2, 2];
    let parsed = DeletePayload::parse(&delete).expect("D");
    assert_eq!(parsed.spis().collect::<Vec<_>>(), [[1; 4], [2; 4]]);
    assert!((0..16).all(|len| DeletePayload::parse(&delete[..len]).is_err()));
    let many = [0, 0, 0, 1, 3, 0, 0xff, 0xff];
    assert_eq!(DeletePayload::parse(&many).map(|_| ()), Err(Malformed::Value), "65535 SPIs of no octets");
}

#[test]
fn identities_are_shown_without_the_peers_control_characters() {
    let show = |bytes: &[u8]| IdPayload::parse(bytes).expect("an ID").to_id().to_string();
    assert_eq!(show(&[1, 17, 1, 0xf4, 10, 0, 0, 2]), "10.0.0.2");
    assert_eq!(show(&[11, 0, 0, 0, b'v', b'p', b'n', b'\n', 0x1b]), "vpn\\n\\x1b");
    assert_eq!(show(&[1, 0, 0, 0, 10, 0, 0]), "address of 3 octets");
    assert_eq!(show(&[9, 0, 0, 0, 1, 2]), "subject of 2 octets");
    assert_eq!(show(&[&[2, 0, 0, 0][..], &[b'a'; 500]].concat()).len(), 64);
    assert!((0..4).all(|len| IdPayload::parse(&[1, 17, 1, 0xf4][..len]).is_err()));
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_octets_are_survived(first in 0_u8..30, bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _ = Message::parse(&bytes).and_then(|message| message.payloads().map(|_| ()));
        let _ = SaPayload::parse(&bytes);
        let _ = NotifyPayload::parse(&bytes);
        let _ = DeletePayload::parse(&bytes).map(|delete| delete.spis().count());
        let _ = IdPayload::parse(&bytes).map(|id| id.to_id().to_string());
        let labelled = [&[0, 0, 0, 1, 0, 0, 0, 1][..], &bytes].concat();
        if let Ok(offer) = SaPayload::parse(&labelled) {
            let _ = describe_ike(&offer, IkePolicy::psk(Algorithms::Legacy));
        }
        if let Ok(payloads) = Payloads::parse(PayloadType(first), &bytes) {
            prop_assert!(payloads.len() <= bytes.len());
            prop_assert_eq!(payloads.iter().map(|payload| payload.whole.len()).sum::<usize>(), payloads.len());
        }
    }
}
