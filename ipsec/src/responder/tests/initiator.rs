//! A minimal initiator: the other half of Main Mode and Quick Mode.

mod aggressive;
mod answer;
mod signed;

use std::net::{IpAddr, SocketAddr};

use rand_chacha::ChaCha20Rng;
use rand_core::{Rng, SeedableRng};

pub(crate) use self::signed::Signer;
use super::addr;
use super::profile::{Profile, sa};
use crate::crypto::{Hash, Iv};
use crate::dh::{Group, PrivateKey};
use crate::envelope;
use crate::esp::{EspKeys, EspSuite, Spi};
use crate::isakmp::iana::{EncapsulationMode, ExchangeType, NotifyType, PayloadType, ProtocolId};
use crate::isakmp::{Chain, Cookie, Cookies, IdPayload, Message, MessageWriter, Payloads, SaPayload};
use crate::keymat::{IsakmpKeys, Nonces, Skeyid, Transcript};
use crate::nat::{Nat, NatTraversal, address_hash, original_address};
use crate::path::{Encapsulation, NAT_T_PORT, Path};
use crate::proposal::{Algorithms, EspPolicy, IkePolicy, IkeSuite, choose_esp, choose_ike};
use crate::vendor::Vendor;

/// A client, and where its packets come from.
pub(crate) struct Initiator {
    pub(crate) profile: Profile,
    psk: Vec<u8>,
    /// What it has instead of a pre-shared key.
    pub(crate) signer: Option<Signer>,
    /// Its own address; behind a NAT not the one that the server sees.
    pub(crate) inside: SocketAddr,
    pub(crate) outside: SocketAddr,
    /// The address it dialled.
    pub(crate) server: SocketAddr,
    /// The server's own address, if it is behind a NAT too.
    pub(crate) server_inside: SocketAddr,
    pub(crate) says_initial_contact: bool,
    pub(crate) cookies: Cookies,
    rng: ChaCha20Rng,
    last_message_id: u32,
    suite: Option<IkeSuite>,
    nat_traversal: Option<NatTraversal>,
    private: Option<PrivateKey>,
    nonce: Vec<u8>,
    /// `IDii_b` of an aggressive mode.
    identifier: Vec<u8>,
    /// The addresses its hashes are about in aggressive mode message 3, if not those it sends that from.
    pub(crate) hashes_of: Option<(SocketAddr, SocketAddr)>,
    main: Option<MainMode>,
    pub(crate) sa: Option<(IsakmpKeys, Iv)>,
    quick: Option<Quick>,
}

struct MainMode {
    suite: IkeSuite,
    skeyid: Skeyid,
    keys: IsakmpKeys,
    iv: Iv,
    public: Vec<u8>,
    peer_public: Vec<u8>,
}

struct Quick {
    message_id: u32,
    nonce: Vec<u8>,
    private: Option<PrivateKey>,
    iv: Iv,
    spi: Spi,
}

/// What a client knows after quick mode.
pub(crate) struct ClientPair {
    pub(crate) suite: EspSuite,
    /// Its inbound SPI.
    pub(crate) spi: Spi,
    pub(crate) server_spi: Spi,
    pub(crate) outbound_keys: EspKeys,
    pub(crate) nat_oa: usize,
    pub(crate) mode: EncapsulationMode,
}

impl Initiator {
    /// Behind a NAT, with the secret that [`super::config`] makes of a name.
    pub(crate) fn new(profile: Profile, psk: &str, number: u8) -> Self {
        let mut rng = ChaCha20Rng::from_seed([number; 32]);
        let cookie = rng.next_u64().to_be_bytes();
        Self {
            profile,
            psk: format!("the secret {psk}").into(),
            signer: None,
            inside: addr("10.0.0.2:500"),
            outside: SocketAddr::new(addr("198.51.100.7:0").ip(), 10_000 + u16::from(number)),
            server: addr("192.0.2.1:500"),
            server_inside: addr("192.0.2.1:500"),
            says_initial_contact: false,
            cookies: Cookies { initiator: Cookie(cookie), responder: Cookie::ZERO },
            rng,
            last_message_id: 0,
            suite: None,
            nat_traversal: None,
            private: None,
            nonce: Vec::new(),
            identifier: Vec::new(),
            hashes_of: None,
            main: None,
            sa: None,
            quick: None,
        }
    }

    /// Not behind a NAT.
    pub(crate) fn public(mut self) -> Self {
        self.inside = addr("198.51.100.7:500");
        self.outside = self.inside;
        self
    }

    /// The same device, starting over.
    pub(crate) fn again(&self, number: u8) -> Self {
        let fresh = Self::new(self.profile.clone(), "main", number);
        let (inside, outside) = (SocketAddr::new(self.inside.ip(), 500), self.outside);
        Self { psk: self.psk.clone(), inside, outside, ..fresh }
    }

    /// How its packets reach the server.
    pub(crate) fn path(&self) -> Path {
        Path { local: SocketAddr::new(self.server_inside.ip(), self.server.port()), remote: self.outside }
    }

    pub(crate) fn message1(&self) -> Vec<u8> {
        let mut chain = Chain::default();
        chain.push(PayloadType::SECURITY_ASSOCIATION, &self.profile.ike);
        for id in &self.profile.vendor_ids {
            chain.push(PayloadType::VENDOR_ID, id);
        }
        self.main_writer().clear(&chain)
    }

    pub(crate) fn message3(&mut self, message2: &[u8]) -> Vec<u8> {
        let message = Message::parse(message2).expect("message 2");
        assert_eq!(message.header.cookies.initiator, self.cookies.initiator);
        self.cookies = message.header.cookies;
        let payloads = message.payloads().expect("payloads");
        let body = payloads.require(PayloadType::SECURITY_ASSOCIATION).expect("an SA");
        let offer = SaPayload::parse(body).expect("an SA");
        assert_eq!(offer.proposals.iter().map(|proposal| proposal.transforms.len()).sum::<usize>(), 1);
        let policy = IkePolicy {
            signature: self.signer.as_ref().map(Signer::scheme),
            ..IkePolicy::psk(Algorithms::Legacy)
        };
        let suite = choose_ike(&offer, policy).expect("a transform").suite;
        self.suite = Some(suite);
        self.nat_traversal = Vendor::read(&payloads).nat.map(|(version, _)| version);

        let private = PrivateKey::generate(suite.group, &mut self.rng);
        self.nonce = self.random(16);
        let mut chain = Chain::default();
        chain.push(PayloadType::KEY_EXCHANGE, &private.public());
        chain.push(PayloadType::NONCE, &self.nonce);
        if let Some(version) = self.nat_traversal {
            chain.push(version.nat_d(), &address_hash(suite.hash, self.cookies, self.server));
            chain.push(version.nat_d(), &address_hash(suite.hash, self.cookies, self.inside));
        }
        self.private = Some(private);
        self.main_writer().clear(&chain)
    }

    /// Reads message 4, which must say that there is a NAT, and moves to port 4500.
    pub(crate) fn float(&mut self, message4: &[u8]) -> Path {
        let nat = self.read_message4(message4).expect("two NAT-D");
        assert!(nat.server, "the client must think that it is behind a NAT");
        assert_eq!(nat.client, self.server != self.server_inside, "the truth about the server");
        self.move_to_4500();
        self.path()
    }

    /// Reads message 4; where it says that NATs are, from the client's point of view.
    pub(crate) fn read_message4(&mut self, message4: &[u8]) -> Option<Nat> {
        let message = Message::parse(message4).expect("message 4");
        let payloads = message.payloads().expect("payloads");
        let peer_public = payloads.require(PayloadType::KEY_EXCHANGE).expect("a KE");
        let peer_nonce = payloads.require(PayloadType::NONCE).expect("a nonce");
        let suite = self.suite.expect("a suite");
        let path = Path { local: self.inside, remote: self.server };
        let nat = self
            .nat_traversal
            .and_then(|version| Nat::detect(&payloads, version, suite.hash, self.cookies, path));

        let private = self.private.take().expect("a private value");
        let shared = private.shared(peer_public).expect("a shared secret");
        let skeyid = match &self.signer {
            Some(_) => Skeyid::from_signatures(suite.hash, &shared, &self.nonce, peer_nonce),
            None => Skeyid::from_psk(suite.hash, &self.psk, &self.nonce, peer_nonce),
        };
        let (public, peer_public) = (private.public(), peer_public.to_vec());
        let said = transcript(self.cookies, &public, &peer_public, &self.profile.ike);
        let keys = skeyid.keys(suite.cipher, &shared, &said).expect("no weak key");
        let iv = said.iv(suite.hash, suite.cipher);
        self.main = Some(MainMode { suite, skeyid, keys, iv, public, peer_public });
        nat
    }

    pub(crate) fn move_to_4500(&mut self) {
        self.server.set_port(NAT_T_PORT);
        self.server_inside.set_port(NAT_T_PORT);
        self.inside.set_port(NAT_T_PORT);
        self.outside.set_port(if self.inside.ip() == self.outside.ip() {
            NAT_T_PORT
        } else {
            self.outside.port() + 1000
        });
    }

    pub(crate) fn message5(&mut self) -> Vec<u8> {
        if self.signer.is_some() {
            return self.signed5();
        }
        let IpAddr::V4(own) = self.inside.ip() else { panic!("IPv4") };
        let id = [&[1, 17, 1, 0xf4][..], &own.octets()].concat();
        let main = self.main.as_mut().expect("message 4");
        let said = transcript(self.cookies, &main.public, &main.peer_public, &self.profile.ike);
        let mut chain = Chain::default();
        chain.push(PayloadType::IDENTIFICATION, &id);
        chain.push(PayloadType::HASH, &main.skeyid.hash_i(&said, &id));
        if self.says_initial_contact {
            let cookies = self.cookies.to_bytes();
            chain.push_notify(ProtocolId::ISAKMP, NotifyType::INITIAL_CONTACT, &cookies, &[]);
        }
        let writer = MessageWriter::new(self.cookies, ExchangeType::MAIN_MODE, 0);
        let rng = self.profile.random_padding.then_some(&mut self.rng);
        seal(&main.keys, &mut main.iv, writer, &chain, rng)
    }

    pub(crate) fn finish(&mut self, message6: &[u8]) {
        let main = self.main.take().expect("message 4");
        let message = Message::parse(message6).expect("message 6");
        let mut iv = main.iv;
        let text = envelope::open(main.keys.cipher_key(), &mut iv, message.body).expect("whole blocks");
        let payloads = Payloads::parse(message.header.next_payload, &text).expect("payloads");
        let id =
            IdPayload::parse(payloads.require(PayloadType::IDENTIFICATION).expect("an ID")).expect("an ID");
        let said = transcript(self.cookies, &main.public, &main.peer_public, &self.profile.ike);
        if let Some(signer) = &self.signer {
            signer.check(&payloads, &main.skeyid.signing(signer.scheme()).hash_r(&said, id.body));
            self.suite = Some(main.suite);
            self.sa = Some((main.keys, iv));
            return;
        }
        assert_eq!(id.to_id().address(), Some(self.server_inside.ip()));
        let hash = payloads.require(PayloadType::HASH).expect("a hash");
        assert_eq!(main.skeyid.hash_r(&said, id.body).to_vec(), hash, "HASH_R");
        self.suite = Some(main.suite);
        self.sa = Some((main.keys, iv));
    }

    pub(crate) fn quick1(&mut self) -> Vec<u8> {
        let message_id = self.message_id();
        let spi = Spi(self.rng.next_u32() | 0x1000);
        let private = self.profile.pfs.map(|group: Group| PrivateKey::generate(group, &mut self.rng));
        let nonce = self.random(16);
        let mut chain = Chain::default();
        let offer = sa(1, &spi.0.to_be_bytes(), &self.profile.esp);
        chain.push(PayloadType::SECURITY_ASSOCIATION, &offer);
        chain.push(PayloadType::NONCE, &nonce);
        if let Some(private) = &private {
            chain.push(PayloadType::KEY_EXCHANGE, &private.public());
        }
        let (client, server) = self.selectors();
        chain.push(PayloadType::IDENTIFICATION, &client);
        chain.push(PayloadType::IDENTIFICATION, &server);
        if self.profile.nat_oa {
            chain.push(PayloadType::NAT_OA, &original_address(self.inside.ip()));
            chain.push(PayloadType::NAT_OA, &original_address(self.server.ip()));
        }
        let (message, iv) = self.seal_first(ExchangeType::QUICK_MODE, message_id, chain);
        self.quick = Some(Quick { message_id, nonce, private, iv, spi });
        message
    }

    /// Seals payloads as the first message of an exchange, `HASH(1)` in front.
    pub(crate) fn seal_first(
        &mut self,
        exchange: ExchangeType,
        message_id: u32,
        chain: Chain,
    ) -> (Vec<u8>, Iv) {
        let (keys, phase1_iv) = self.sa.as_ref().expect("phase 1");
        let hash = keys.hash_1(message_id, chain.as_bytes());
        let chain = chain.prefixed(PayloadType::HASH, &hash);
        let mut iv = keys.phase2_iv(phase1_iv, message_id);
        let writer = MessageWriter::new(self.cookies, exchange, message_id);
        let rng = self.profile.random_padding.then_some(&mut self.rng);
        (seal(keys, &mut iv, writer, &chain, rng), iv)
    }

    /// Message id of the quick mode under way.
    pub(crate) fn quick_id(&self) -> u32 {
        self.quick.as_ref().expect("message 1").message_id
    }

    /// Reads message 2 of the quick mode and writes message 3.
    pub(crate) fn quick3(&mut self, message2: &[u8]) -> Vec<u8> {
        self.quick3_and_pair(message2).0
    }

    pub(crate) fn quick3_and_pair(&mut self, message2: &[u8]) -> (Vec<u8>, ClientPair) {
        let Quick { message_id, nonce, private, mut iv, spi } = self.quick.take().expect("message 1");
        let (keys, _) = self.sa.as_ref().expect("phase 1");
        let message = Message::parse(message2).expect("message 2");
        assert_eq!(message.header.message_id, message_id);
        let text = envelope::open(keys.cipher_key(), &mut iv, message.body).expect("whole blocks");
        let payloads = Payloads::parse(message.header.next_payload, &text).expect("payloads");
        let hash = payloads.first().expect("a payload");
        let rest = &text[hash.whole.len()..payloads.len()];
        assert_eq!(keys.hash_2(message_id, &nonce, rest).to_vec(), hash.body, "HASH(2)");

        let peer_nonce = payloads.require(PayloadType::NONCE).expect("a nonce");
        let public = payloads.of(PayloadType::KEY_EXCHANGE).next();
        let shared = private.map(|private| private.shared(public.expect("a KE")).expect("shared"));
        let body = payloads.require(PayloadType::SECURITY_ASSOCIATION).expect("an SA");
        let offer = SaPayload::parse(body).expect("an SA");
        let policy = EspPolicy {
            algorithms: Algorithms::Legacy,
            mtu: 1400,
            encapsulation: match self.server.port() {
                NAT_T_PORT => Encapsulation::Udp,
                _ => Encapsulation::Native,
            },
            ipv6: false,
            public_len: public.map(<[u8]>::len),
        };
        let choice = choose_esp(&offer, policy).expect("a transform");
        let ids: Vec<Vec<u8>> = payloads.of(PayloadType::IDENTIFICATION).map(<[u8]>::to_vec).collect();
        let (client, server) = self.selectors();
        assert_eq!(ids, [client, server], "echoed as sent");
        let nonces = Nonces { initiator: &nonce, responder: peer_nonce };
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
        let mut chain = Chain::default();
        chain.push(PayloadType::HASH, &keys.hash_3(message_id, &nonce, peer_nonce));
        let writer = MessageWriter::new(self.cookies, ExchangeType::QUICK_MODE, message_id);
        let rng = self.profile.random_padding.then_some(&mut self.rng);
        (seal(keys, &mut iv, writer, &chain, rng), pair)
    }

    /// A notification in the Informational exchange.
    pub(crate) fn notify(&mut self, kind: NotifyType, data: &[u8]) -> Vec<u8> {
        let mut chain = Chain::default();
        chain.push_notify(ProtocolId::ISAKMP, kind, &self.cookies.to_bytes(), data);
        let message_id = self.rng.next_u32();
        self.seal_first(ExchangeType::INFORMATIONAL, message_id, chain).0
    }

    /// A Delete in the Informational exchange.
    pub(crate) fn delete(&mut self, protocol: ProtocolId, spi: &[u8]) -> Vec<u8> {
        let mut chain = Chain::default();
        chain.push_delete(protocol, spi);
        let message_id = self.rng.next_u32();
        self.seal_first(ExchangeType::INFORMATIONAL, message_id, chain).0
    }

    /// The payloads of a message of the Informational exchange, verified: kind and body of each.
    pub(crate) fn read_informational(&self, message: &[u8]) -> Vec<(PayloadType, Vec<u8>)> {
        let (keys, phase1_iv) = self.sa.as_ref().expect("phase 1");
        let message = Message::parse(message).expect("a message");
        assert_eq!(message.header.exchange, ExchangeType::INFORMATIONAL);
        let message_id = message.header.message_id;
        let mut iv = keys.phase2_iv(phase1_iv, message_id);
        let text = envelope::open(keys.cipher_key(), &mut iv, message.body).expect("whole blocks");
        let payloads = Payloads::parse(message.header.next_payload, &text).expect("payloads");
        let hash = payloads.first().expect("a payload");
        assert_eq!(keys.hash_1(message_id, &text[hash.whole.len()..payloads.len()]).to_vec(), hash.body);
        payloads.iter().skip(1).map(|payload| (payload.kind, payload.body.to_vec())).collect()
    }

    fn selectors(&self) -> (Vec<u8>, Vec<u8>) {
        let (IpAddr::V4(own), IpAddr::V4(server)) = (self.inside.ip(), self.server.ip()) else {
            panic!("IPv4")
        };
        let [high, low] = self.profile.port.to_be_bytes();
        (
            [&[1, 17, high, low][..], &own.octets()].concat(),
            [&[1, 17, 0x06, 0xa5][..], &server.octets()].concat(),
        )
    }

    fn message_id(&mut self) -> u32 {
        self.last_message_id =
            if self.profile.counts_message_ids { self.last_message_id + 1 } else { self.rng.next_u32() };
        self.last_message_id
    }

    fn main_writer(&self) -> MessageWriter {
        MessageWriter::new(self.cookies, ExchangeType::MAIN_MODE, 0)
    }

    fn random(&mut self, len: usize) -> Vec<u8> {
        let mut bytes = vec![0; len];
        self.rng.fill_bytes(&mut bytes);
        bytes
    }
}

fn transcript<'a>(cookies: Cookies, public: &'a [u8], peer_public: &'a [u8], sa: &'a [u8]) -> Transcript<'a> {
    Transcript {
        initiator_cookie: cookies.initiator.0,
        responder_cookie: cookies.responder.0,
        initiator_public: public,
        responder_public: peer_public,
        initiator_sa: sa,
    }
}

/// Encrypts; racoon pads with one or two blocks of random octets, the last of which counts the others.
fn seal(
    keys: &IsakmpKeys,
    iv: &mut Iv,
    writer: MessageWriter,
    chain: &Chain,
    padding: Option<&mut ChaCha20Rng>,
) -> Vec<u8> {
    let Some(rng) = padding else { return envelope::seal(keys.cipher_key(), iv, writer, chain) };
    writer.encrypted(chain, |payloads| {
        let block = keys.cipher_key().cipher().block_len();
        let mut text = payloads.to_vec();
        let len = (text.len() / block + 1 + usize::from(rng.next_u32() % 2 == 0)) * block;
        let mut padding = vec![0; len - text.len()];
        rng.fill_bytes(&mut padding);
        *padding.last_mut().expect("at least one") = u8::try_from(padding.len() - 1).expect("two blocks");
        text.extend(padding);
        keys.cipher_key().encrypt(iv, &mut text).expect("whole blocks");
        text
    })
}

/// What hashes are for besides keys.
#[test]
fn a_recorded_address_hash_is_ours() {
    // RFC 3947 from both sides, hosts without NAT, recorded by the makers of tcpdump (isakmp4500.pcap): the initiator's
    // second NAT-D, MD5 of its cookies, address and port.
    let cookies = Cookies {
        initiator: Cookie(hex_literal::hex!("9e89f2388f90bc1e")),
        responder: Cookie(hex_literal::hex!("0a74357ce3d1a4bf")),
    };
    let hash = address_hash(Hash::Md5, cookies, addr("192.1.2.23:500"));
    assert_eq!(hash.to_vec(), hex_literal::hex!("6efe12f04af90dfbcfb15d71b841bb9e"));
}
