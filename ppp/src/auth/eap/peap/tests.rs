//! PEAP with rustls at the other end, and the figures of [MS-PEAP].

use hex_literal::hex;
use rustls::SupportedProtocolVersion;
use rustls::version::{TLS12, TLS13};

use super::super::tls::tests::{Client, YEAR_2027, settings};
use super::*;
use crate::auth::mschapv2::hash;
use crate::auth::{Addressing, AuthRequest, Reject};
use crate::stories::{addressing, verify};
use crate::{NtHash, Verified};

const ROOM: usize = 600;

/// A client within its tunnel.
struct Story {
    peap: Peap,
    client: Client,
    settings: Settings,
    wire: Wire,
    /// The first Request.
    start: Vec<u8>,
}

impl Story {
    /// As far as the question within the tunnel who the client is.
    fn new(version: &'static SupportedProtocolVersion) -> Self {
        let mut story = Self::begin(version);
        assert_eq!(story.first_word(), [1], "Identity");
        story
    }

    fn begin(version: &'static SupportedProtocolVersion) -> Self {
        let settings = settings(ROOM);
        let mut wire = Wire::new([9; 32]);
        let (peap, start) = Peap::begin(&settings, &mut wire).unwrap();
        let client = Client::new(version, None, "ca.pem");
        Self { peap, client, settings, wire, start }
    }

    /// The first that the client hears within the tunnel.
    fn first_word(&mut self) -> Vec<u8> {
        let start = self.start.clone();
        self.hear(Step::Request(start))
    }

    fn respond(&mut self, data: &[u8]) -> Step {
        match self.peap.handle_response(b"anonymous", data, &self.settings, &mut self.wire) {
            Step::Work(job) => {
                self.peap.handle_job(b"anonymous", job.run(YEAR_2027), &self.settings, &mut self.wire)
            }
            step => step,
        }
    }

    /// What comes of something that the client says within the tunnel.
    fn say(&mut self, text: &[u8]) -> Step {
        let data = self.client.say(text, ROOM);
        self.respond(&data)
    }

    /// What the client hears of a step.
    fn hear(&mut self, step: Step) -> Vec<u8> {
        let (Step::Request(mut request) | Step::Refused(mut request)) = step else { panic!("no Request") };
        loop {
            let acknowledgement = self.client.answer(&request, ROOM);
            let heard = self.client.heard();
            if !heard.is_empty() {
                return heard;
            }
            let Step::Request(next) = self.respond(&acknowledgement) else { panic!("no Request") };
            request = next;
        }
    }

    /// As far as the question to the owner.
    fn ask(&mut self, password: &str) -> AuthRequest {
        let step = self.say(b"\x01alice");
        let challenge = self.hear(step);
        let [26, 1, identifier, 0, _, 16, rest @ ..] = &*challenge else { panic!("no challenge") };
        let challenge = rest.first_chunk().unwrap();
        let hashed = hash::challenge_hash(&[0x55; 16], challenge, b"alice");
        let nt_response = hash::challenge_response(&hashed, &NtHash::from_password(password));
        let head = [26, 2, *identifier, 0, 59, 49];
        let response = [&head[..], &[0x55; 16], &[0; 8], &nt_response, &[0], b"alice"].concat();
        let Step::Ask(request) = self.say(&response) else { panic!("no question") };
        assert_eq!(
            (request.method.to_string(), &*request.name),
            ("PEAP/EAP-MSCHAPv2".to_owned(), &b"alice"[..])
        );
        request
    }

    fn accept(&mut self, verified: Verified) -> Vec<u8> {
        let addressing = Addressing { ipv4: Some(addressing()), ipv6: None };
        let accept = Accept { verified, message: "Welcome".to_owned(), addressing };
        let step = self.peap.handle_verdict(Verdict::Accept(Box::new(accept)), &mut self.wire);
        self.hear(step)
    }

    /// As far as the Extensions Request of a client that has logged in: its nonce, and the key that the client has.
    fn to_binding(version: &'static SupportedProtocolVersion) -> (Self, [u8; 32], CompoundMacKey) {
        let mut story = Self::new(version);
        let request = story.ask("secret");
        assert!(verify(&request, "wrong").is_none());
        let verified = verify(&request, "secret").unwrap();
        let Evidence::MsChapV2 { master_key, .. } = verified.evidence.clone() else { panic!("no keys") };
        let success = story.accept(verified);
        assert!(success.starts_with(&[26, 3]) && success.ends_with(b" M=Welcome"));
        let step = story.say(&[26, 3]);
        let extensions = story.hear(step);
        // Code, identifier, length, type; Result TLV; Cryptobinding TLV with version and subtype of a request.
        assert_eq!(extensions[..5], hex!("01 00 0047 21"));
        assert_eq!(extensions[5..19], hex!("8003 0002 0001 000c 0038 00000000"));
        let nonce = *extensions[19..].first_chunk().unwrap();
        let (label, context): (&[u8], Option<&[u8]>) = if version == &TLS12 {
            (b"client EAP encryption", None)
        } else {
            (b"EXPORTER_EAP_TLS_Key_Material", Some(&[25]))
        };
        let tunnel_key = *story.client.export(label, context).first_chunk().unwrap();
        let key = CompoundMacKey::derive(&tunnel_key, &master_key.session_keys());
        assert_eq!(extensions[11..], key.seal(0, &nonce), "what the client computes is what it got");
        (story, nonce, key)
    }

    /// What becomes of a client that answers with these TLVs.
    fn conclude(mut self, tlvs: &[u8]) -> Step {
        let length = u8::try_from(5 + tlvs.len()).unwrap();
        self.say(&[&[2, 0, 0, length, 33], tlvs].concat())
    }
}

const SUCCESS: [u8; 6] = hex!("8003 0002 0001");
const FAILURE: [u8; 6] = hex!("8003 0002 0002");

#[test]
fn a_client_that_binds_the_two_conversations_is_in() {
    for version in [&TLS12, &TLS13] {
        let (story, nonce, key) = Story::to_binding(version);
        let step = story.conclude(&[&SUCCESS[..], &key.seal(1, &nonce)].concat());
        assert!(matches!(step, Step::Accepted(_)));
    }
}

/// RFC 8446 §4.6.3: TLS has to answer before we do.
#[test]
fn new_keys_beside_an_answer() {
    let mut story = Story::new(&TLS13);
    story.client.update_keys();
    story.ask("secret");
}

/// In one flight with its Finished, or as soon as it has ours.
#[test]
fn a_client_that_says_who_it_is_before_it_is_asked() {
    for version in [&TLS12, &TLS13] {
        let mut story = Story::begin(version);
        story.client.say_early(b"\x01alice");
        assert!(story.first_word().starts_with(&[26, 1]), "a challenge");
        let mut story = Story::begin(version);
        story.client.say_early(b"\x03\x06");
        assert_eq!(story.first_word(), [1], "Identity");
        story.ask("secret");
    }
}

#[test]
fn a_client_that_knows_nothing_of_cryptobinding_is_in() {
    assert!(matches!(Story::to_binding(&TLS12).0.conclude(&SUCCESS), Step::Accepted(_)));
}

/// Somebody who passes on a login that is meant for a tunnel of his own has another key.
#[test]
fn somebody_in_between_is_not() {
    let (story, nonce, key) = Story::to_binding(&TLS12);
    let mut altered = key.seal(1, &nonce);
    *altered.last_mut().unwrap() ^= 1;
    // An answer of another tunnel, and our own request sent back.
    for tlv in [altered, key.seal(0, &nonce), hex!("000c 0002 0001").to_vec()] {
        let (story, ..) = Story::to_binding(&TLS12);
        let Step::Failed(reason) = story.conclude(&[&SUCCESS[..], &tlv].concat()) else { panic!("let in") };
        let line = reason.to_string();
        for words in ["\"alice\" (PEAP/EAP-MSCHAPv2)", "cryptobinding is of another tunnel", "691"] {
            assert!(line.contains(words), "no {words:?} in: {line}");
        }
    }
    let Step::Failed(reason) = story.conclude(&FAILURE) else { panic!("let in") };
    assert!(reason.to_string().contains("does not take our cryptobinding"));
}

#[test]
fn a_wrong_password_may_be_typed_again_and_is_told_in_the_end() {
    let mut story = Story::new(&TLS12);
    let request = story.ask("wrong");
    let late = Verdict::Reject(Reject { question: [0; 16], code: 647, message: String::new() });
    assert!(matches!(story.peap.handle_verdict(late, &mut story.wire), Step::Waiting));
    let step = story.peap.handle_verdict(request.reject(691, ""), &mut story.wire);
    assert!(matches!(step, Step::Refused(_)));
    let failure = story.hear(step);
    assert!(failure.starts_with(&[26, 4]) && failure.windows(9).any(|text| text == b"E=691 R=1"));
    let step = story.say(&[26, 4]);
    assert_eq!(story.hear(step)[4..], hex!("21 8003 0002 0002"));
    let Step::Failed(Reason::AuthFailed { code: 691, name, .. }) = story.conclude(&FAILURE) else {
        panic!("no reason")
    };
    assert_eq!(name, "alice");
}

/// Some only acknowledge that they were refused.
#[test]
fn a_refusal_that_is_acknowledged_is_the_end() {
    let mut story = Story::new(&TLS12);
    let step = story.say(b"\x01alice");
    story.hear(step);
    let step = story.say(&[3, 6]);
    story.hear(step);
    assert!(matches!(story.respond(&[0]), Step::Failed(Reason::NoEapMethod { .. })));
}

#[test]
fn a_client_that_wants_another_method_within() {
    let mut story = Story::new(&TLS12);
    let step = story.say(b"\x01alice");
    story.hear(step);
    let step = story.say(&[3, 6]);
    assert_eq!(story.hear(step)[4..], hex!("21 8003 0002 0002"));
    let Step::Failed(reason) = story.conclude(&FAILURE) else { panic!("no reason") };
    assert!(reason.to_string().contains("the client wants EAP type 6 within PEAP"), "{reason}");
}

#[test]
fn what_makes_no_sense_within_is_discarded() {
    for text in [&b"\x03\x1a"[..], b"\x1a\x02", b"\x02\0\0\x0b\x21\x80\x03\0\x02\0\x01"] {
        assert!(matches!(Story::new(&TLS12).say(text), Step::Discard(Discard::Answer)), "{text:?}");
    }
    assert!(matches!(Story::new(&TLS12).respond(&[0]), Step::Discard(Discard::Answer)));
    let (story, ..) = Story::to_binding(&TLS12);
    assert!(matches!(story.conclude(&[]), Step::Discard(Discard::Answer)), "how did it go?");
    let (mut story, ..) = Story::to_binding(&TLS12);
    assert!(matches!(story.say(&SUCCESS), Step::Discard(Discard::Answer)), "no header");
}
