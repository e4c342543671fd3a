//! The other half of Aggressive Mode.

use super::*;

impl Initiator {
    /// With this body of an ID payload, and a public value of the first group it offers.
    pub(crate) fn aggressive1(&mut self, id: &[u8]) -> Vec<u8> {
        let offer = SaPayload::parse(&self.profile.ike).expect("an SA");
        let group = offer.proposals[0].transforms[0].number_of(4).expect("a group");
        let group = Group::from_number(u16::try_from(group).expect("a group")).expect("a group");
        let private = PrivateKey::generate(group, &mut self.rng);
        self.nonce = self.random(16);
        self.identifier = id.into();
        let mut chain = Chain::default();
        chain.push(PayloadType::SECURITY_ASSOCIATION, &self.profile.ike);
        chain.push(PayloadType::KEY_EXCHANGE, &private.public());
        chain.push(PayloadType::NONCE, &self.nonce);
        chain.push(PayloadType::IDENTIFICATION, id);
        for vendor_id in &self.profile.vendor_ids {
            chain.push(PayloadType::VENDOR_ID, vendor_id);
        }
        self.private = Some(private);
        self.aggressive_writer().clear(&chain)
    }

    /// Reads message 2, moves to 4500 if it says that there is a NAT, and writes message 3, encrypted as strongSwan does or in
    /// clear as racoon does. `None` if the server has another key.
    pub(crate) fn aggressive3(&mut self, message2: &[u8], encrypted: bool) -> Option<Vec<u8>> {
        let message = Message::parse(message2).expect("message 2");
        assert_eq!(message.header.exchange, ExchangeType::AGGRESSIVE_MODE);
        assert_eq!(message.header.cookies.initiator, self.cookies.initiator);
        self.cookies = message.header.cookies;
        let payloads = message.payloads().expect("payloads");
        assert_eq!(payloads.first().expect("a payload").kind, PayloadType::SECURITY_ASSOCIATION);
        let kinds: Vec<PayloadType> = payloads.iter().map(|payload| payload.kind).collect();
        let behind =
            kinds.iter().skip_while(|kind| ![PayloadType::NAT_D, PayloadType::NAT_D_DRAFT].contains(kind));
        assert!(!behind.copied().any(|kind| kind == PayloadType::VENDOR_ID), "racoon would not know NAT-D");
        let body = payloads.require(PayloadType::SECURITY_ASSOCIATION).expect("an SA");
        let suite = choose_ike(&SaPayload::parse(body).expect("an SA"), IkePolicy::psk(Algorithms::Legacy))
            .expect("one")
            .suite;
        let version = Vendor::read(&payloads).nat.map(|(version, _)| version);
        let private = self.private.take().expect("a private value");
        let peer_public = payloads.require(PayloadType::KEY_EXCHANGE).expect("a KE").to_vec();
        let peer_nonce = payloads.require(PayloadType::NONCE).expect("a nonce");
        let shared = private.shared(&peer_public).expect("a shared secret");
        let public = private.public();
        let ike = self.profile.ike.clone();
        let said = transcript(self.cookies, &public, &peer_public, &ike);
        let skeyid = Skeyid::from_psk(suite.hash, &self.psk, &self.nonce, peer_nonce);
        let id = payloads.require(PayloadType::IDENTIFICATION).expect("an ID");
        assert_eq!(
            IdPayload::parse(id).expect("an ID").to_id().address(),
            Some(self.server_inside.ip()),
            "it calls itself by its address"
        );
        if skeyid.hash_r(&said, id).to_vec() != payloads.require(PayloadType::HASH).expect("HASH_R") {
            return None;
        }
        let path = Path { local: self.inside, remote: self.server };
        let nat = version.map(|version| {
            Nat::detect(&payloads, version, suite.hash, self.cookies, path).expect("two NAT-D")
        });
        if let Some(nat) = nat.filter(|nat| !nat.is_none()) {
            assert!(nat.server, "the client must think that it is behind a NAT");
            assert_eq!(nat.client, self.server != self.server_inside, "the truth about the server");
            self.move_to_4500();
        }

        let keys = skeyid.keys(suite.cipher, &shared, &said).expect("no weak key");
        let mut iv = said.iv(suite.hash, suite.cipher);
        let mut chain = Chain::default();
        chain.push(PayloadType::HASH, &skeyid.hash_i(&said, &self.identifier));
        let (server, inside) = self.hashes_of.unwrap_or((self.server, self.inside));
        for address in [server, inside] {
            let Some(version) = version else { continue };
            chain.push(version.nat_d(), &address_hash(suite.hash, self.cookies, address));
        }
        if self.says_initial_contact {
            let cookies = self.cookies.to_bytes();
            chain.push_notify(ProtocolId::ISAKMP, NotifyType::INITIAL_CONTACT, &cookies, &[]);
        }
        let message3 = if encrypted {
            seal(&keys, &mut iv, self.aggressive_writer(), &chain, None)
        } else {
            self.aggressive_writer().clear(&chain)
        };
        self.suite = Some(suite);
        self.sa = Some((keys, iv));
        Some(message3)
    }

    /// What racoon and strongSwan say to a message 2 with another key: an Informational under their own.
    pub(crate) fn turn_down(&mut self, message2: &[u8]) -> Vec<u8> {
        let message = Message::parse(message2).expect("message 2");
        self.cookies = message.header.cookies;
        let payloads = message.payloads().expect("payloads");
        let body = payloads.require(PayloadType::SECURITY_ASSOCIATION).expect("an SA");
        let suite = choose_ike(&SaPayload::parse(body).expect("an SA"), IkePolicy::psk(Algorithms::Legacy))
            .expect("one")
            .suite;
        let peer_public = payloads.require(PayloadType::KEY_EXCHANGE).expect("a KE");
        let peer_nonce = payloads.require(PayloadType::NONCE).expect("a nonce");
        let private = self.private.as_ref().expect("a private value");
        let (public, shared) = (private.public(), private.shared(peer_public).expect("a shared secret"));
        let said = transcript(self.cookies, &public, peer_public, &self.profile.ike);
        let skeyid = Skeyid::from_psk(suite.hash, &self.psk, &self.nonce, peer_nonce);
        let keys = skeyid.keys(suite.cipher, &shared, &said).expect("no weak key");
        let iv = said.iv(suite.hash, suite.cipher);
        self.sa = Some((keys, iv));
        self.notify(NotifyType::AUTHENTICATION_FAILED, &[])
    }

    fn aggressive_writer(&self) -> MessageWriter {
        MessageWriter::new(self.cookies, ExchangeType::AGGRESSIVE_MODE, 0)
    }
}
