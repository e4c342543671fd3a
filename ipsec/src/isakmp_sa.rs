//! An ISAKMP SA: what protects the second phase, RFC 2409 §5.5 and §5.7.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use zeroize::Zeroizing;

use crate::crypto::{Digest, Iv};
use crate::envelope;
use crate::event::Phase1;
use crate::isakmp::iana::{ExchangeType, PayloadType};
use crate::isakmp::{Chain, Cookies, Header, MessageWriter, Payloads};
use crate::keymat::IsakmpKeys;
use crate::nat::Traversal;
use crate::path::PeerId;
use crate::phase1::Keys;
use crate::phase2::QuickMode;

/// The outcome of a first phase.
pub(crate) struct IsakmpSa {
    pub(crate) cookies: Cookies,
    /// Whose it is.
    pub(crate) peer: PeerId,
    /// How it came about.
    pub(crate) origin: Origin,
    /// Message 5 and our answer to it.
    pub(crate) last: Answered,
    /// Quick modes under way, and those whose messages may still come again.
    /// Boxed because there is one now and then, and a node of the map has room for eleven.
    pub(crate) quick: BTreeMap<u32, Box<Exchange>>,
    /// The client has deleted it; it lingers for a Delete of ESP SAs that was overtaken.
    pub(crate) deleted: bool,
    /// INITIAL-CONTACT counts once: a recorded one must not close anything later.
    pub(crate) contacted: bool,
    /// Sequence number of the client's last R-U-THERE, RFC 3706 §6.1.
    pub(crate) are_you_there: Option<u32>,
    /// Of our last one.
    pub(crate) probe: u32,
    /// Our last one has not been answered yet.
    pub(crate) asked: bool,
    keys: IsakmpKeys,
    iv: Iv,
    /// Message ids of exchanges that are over.
    spent: VecDeque<u32>,
    /// There were more of them than are remembered.
    forgetful: bool,
}

/// The first phase that made an ISAKMP SA.
pub(crate) struct Origin {
    pub(crate) attempt: PeerId,
    pub(crate) traversal: Traversal,
    /// Long messages may go to the client in pieces.
    pub(crate) fragmentation: bool,
    /// The client has announced dead peer detection, so it answers it (RFC 3706 §5.1).
    pub(crate) dpd: bool,
    pub(crate) phase1: Arc<Phase1>,
}

/// One quick mode.
pub(crate) struct Exchange {
    pub(crate) last: Answered,
    pub(crate) state: QuickMode,
    /// How often message 2 was sent on our own.
    pub(crate) resent: u32,
}

/// The last request of an exchange and the answer to it: a retransmission is answered without running anything.
pub(crate) struct Answered {
    pub(crate) request: Digest,
    /// Nothing while the answer is still being computed.
    pub(crate) response: Vec<u8>,
}

impl IsakmpSa {
    /// Only a verified client's keys make one.
    pub(crate) fn new(cookies: Cookies, keys: Keys, last: Answered, origin: Origin) -> Self {
        Self {
            cookies,
            peer: origin.attempt,
            origin,
            last,
            quick: BTreeMap::new(),
            deleted: false,
            contacted: false,
            are_you_there: None,
            probe: 0,
            asked: false,
            keys: keys.keys,
            iv: keys.iv,
            spent: VecDeque::new(),
            forgetful: false,
        }
    }

    /// The keys, for the exchanges of the second phase.
    pub(crate) fn keys(&self) -> &IsakmpKeys {
        &self.keys
    }

    /// Decrypts the first message of an exchange of the second phase and verifies its `HASH(1)`.
    pub(crate) fn open_first(&self, header: &Header, body: &[u8]) -> Option<Opened> {
        open_first(&self.keys, &self.iv, header, body)
    }

    /// Encrypts a message of a quick mode whose hash is already in the chain.
    pub(crate) fn seal_quick(&self, message_id: u32, iv: &mut Iv, chain: &Chain) -> Vec<u8> {
        let writer = MessageWriter::new(self.cookies, ExchangeType::QUICK_MODE, message_id);
        envelope::seal(self.keys.cipher_key(), iv, writer, chain)
    }

    /// A message of the Informational exchange, RFC 2409 §5.7.
    pub(crate) fn informational(&self, message_id: u32, chain: Chain) -> Vec<u8> {
        self.seal_first(ExchangeType::INFORMATIONAL, message_id, chain).0
    }

    /// The first message of a quick mode of ours, and where its IV stands behind it.
    pub(crate) fn seal_quick_first(&self, message_id: u32, chain: Chain) -> (Vec<u8>, Iv) {
        self.seal_first(ExchangeType::QUICK_MODE, message_id, chain)
    }

    /// Puts `HASH(1)` in front and encrypts.
    fn seal_first(&self, exchange: ExchangeType, message_id: u32, chain: Chain) -> (Vec<u8>, Iv) {
        let hash = self.keys.hash_1(message_id, chain.as_bytes());
        let chain = chain.prefixed(PayloadType::HASH, &hash);
        let mut iv = self.keys.phase2_iv(&self.iv, message_id);
        let writer = MessageWriter::new(self.cookies, exchange, message_id);
        let message = envelope::seal(self.keys.cipher_key(), &mut iv, writer, &chain);
        (message, iv)
    }

    /// Whether an exchange of that id is over.
    pub(crate) fn is_spent(&self, message_id: u32) -> bool {
        self.spent.contains(&message_id)
    }

    /// Whether every exchange that is over is remembered: then one with an unspent id is no replay.
    pub(crate) fn remembers_all(&self) -> bool {
        !self.forgetful
    }

    /// Forgets a quick mode but for its message id.
    pub(crate) fn forget_quick(&mut self, message_id: u32) {
        if self.quick.remove(&message_id).is_some() {
            self.spend(message_id);
        }
        if self.quick.is_empty() {
            // For most of an SA's life: an empty tree may hold a node.
            self.quick = BTreeMap::new();
        }
    }

    /// Remembers that an exchange is over. RFC 2409 leaves how long to us: the oldest are forgotten.
    pub(crate) fn spend(&mut self, message_id: u32) {
        if self.spent.len() == MAX_SPENT {
            self.spent.pop_front();
            self.forgetful = true;
        }
        self.spent.push_back(message_id);
    }
}

/// Decrypts the first message of an exchange of the second phase, where `iv` is what the first left behind, and verifies its
/// `HASH(1)`.
pub(crate) fn open_first(keys: &IsakmpKeys, iv: &Iv, header: &Header, body: &[u8]) -> Option<Opened> {
    let mut iv = keys.phase2_iv(iv, header.message_id);
    let text = envelope::open(keys.cipher_key(), &mut iv, body)?;
    let payloads = Payloads::parse(header.next_payload, &text).ok()?;
    let (hash, rest) = split_hash(&payloads, &text)?;
    if keys.hash_1(header.message_id, rest) != *hash {
        return None;
    }
    Some(Opened { first: header.next_payload, text, iv })
}

/// A message decrypted and verified.
pub(crate) struct Opened {
    first: PayloadType,
    text: Zeroizing<Vec<u8>>,
    /// Where the exchange's IV stands behind it.
    pub(crate) iv: Iv,
}

impl Opened {
    /// Its payloads, which were parsed before.
    pub(crate) fn payloads(&self) -> Option<Payloads<'_>> {
        Payloads::parse(self.first, &self.text).ok()
    }
}

/// The hash that comes first and the payloads it covers, without padding.
pub(crate) fn split_hash<'a>(payloads: &Payloads<'a>, text: &'a [u8]) -> Option<(&'a [u8], &'a [u8])> {
    let first = payloads.first().filter(|payload| payload.kind == PayloadType::HASH)?;
    Some((first.body, text.get(first.whole.len()..payloads.len())?))
}

const MAX_SPENT: usize = 128;
