//! The other side of a quick mode that the server starts.

use rand_core::Rng as _;

use super::{ClientPair, Initiator, seal};
use crate::crypto::{Digest, Iv};
use crate::dh::PrivateKey;
use crate::envelope;
use crate::esp::Spi;
use crate::isakmp::iana::{ExchangeType, PayloadType};
use crate::isakmp::{Chain, Message, MessageWriter, Payloads, SaPayload};
use crate::isakmp_sa::open_first;
use crate::keymat::Nonces;
use crate::path::Encapsulation;
use crate::proposal::{Algorithms, EspPolicy, choose_esp};

/// A client that has sent message 2.
pub(crate) struct Answered {
    iv: Iv,
    hash_3: Digest,
    pub(crate) pair: ClientPair,
}

impl Initiator {
    /// Takes the one transform that the server asks for, and writes message 2.
    pub(crate) fn answer_quick(&mut self, message1: &[u8]) -> (Vec<u8>, Answered) {
        let message = Message::parse(message1).expect("message 1");
        let (header, message_id) = (message.header, message.header.message_id);
        assert_eq!((header.exchange, header.cookies), (ExchangeType::QUICK_MODE, self.cookies));
        let (keys, phase1_iv) = self.sa.as_ref().expect("phase 1");
        let keys = keys.clone();
        let opened = open_first(&keys, phase1_iv, &header, message.body).expect("HASH(1)");
        let payloads = opened.payloads().expect("payloads");
        let offer = payloads.require(PayloadType::SECURITY_ASSOCIATION).expect("an SA");
        let offer = SaPayload::parse(offer).expect("an SA");
        assert_eq!((offer.proposals.len(), offer.proposals[0].transforms.len()), (1, 1));
        let peer_nonce = payloads.require(PayloadType::NONCE).expect("a nonce");
        let public = payloads.of(PayloadType::KEY_EXCHANGE).next();
        let public_len = public.map(<[u8]>::len);
        let algorithms = Algorithms::Legacy;
        let encapsulation = Encapsulation::Udp;
        let policy = EspPolicy { algorithms, mtu: 1400, ipv6: false, encapsulation, public_len };
        let choice = choose_esp(&offer, policy).expect("a transform");
        assert_eq!(choice.pfs, self.profile.pfs, "the group that the client wants");
        let ids: Vec<Vec<u8>> = payloads.of(PayloadType::IDENTIFICATION).map(<[u8]>::to_vec).collect();
        let (client, server) = self.selectors();
        assert_eq!(ids, [server, client], "the initiator's comes first");

        let spi = Spi(self.rng.next_u32() | 0x1000);
        let nonce = self.random(16);
        let own = choice.pfs.map(|group| PrivateKey::generate(group, &mut self.rng));
        let shared = own.as_ref().zip(public).map(|(own, public)| own.shared(public).expect("shared"));
        let mut chain = Chain::default();
        chain.push_sa(choice.proposal, choice.transform, &spi.0.to_be_bytes());
        chain.push(PayloadType::NONCE, &nonce);
        if let Some(own) = &own {
            chain.push(PayloadType::KEY_EXCHANGE, &own.public());
        }
        for id in &ids {
            chain.push(PayloadType::IDENTIFICATION, id);
        }
        let chain = {
            let hash = keys.hash_2(message_id, peer_nonce, chain.as_bytes());
            chain.prefixed(PayloadType::HASH, &hash)
        };
        let mut iv = opened.iv;
        let writer = MessageWriter::new(self.cookies, ExchangeType::QUICK_MODE, message_id);
        let message2 = seal(&keys, &mut iv, writer, &chain, None);
        let nonces = Nonces { initiator: peer_nonce, responder: &nonce };
        let pair = ClientPair {
            suite: choice.suite,
            spi,
            server_spi: choice.peer_spi,
            outbound_keys: keys
                .esp_keys(choice.suite, choice.peer_spi, nonces, shared.as_ref())
                .expect("keys"),
            nat_oa: payloads.of(PayloadType::NAT_OA).count(),
            mode: choice.mode,
        };
        (message2, Answered { iv, hash_3: keys.hash_3(message_id, peer_nonce, &nonce), pair })
    }

    /// Whether it is message 3.
    pub(crate) fn accepts(&self, answered: &Answered, message3: &[u8]) -> bool {
        let (keys, _) = self.sa.as_ref().expect("phase 1");
        let message = Message::parse(message3).expect("message 3");
        let mut iv = answered.iv;
        let text = envelope::open(keys.cipher_key(), &mut iv, message.body).expect("whole blocks");
        let payloads = Payloads::parse(message.header.next_payload, &text).expect("payloads");
        answered.hash_3 == *payloads.first().expect("a hash").body
    }
}
