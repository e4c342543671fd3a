//! Phase 1 and the ISAKMP SA, as data.

use std::time::Duration;

use super::{Identifier, Retransmit};
use crate::crypto::{Cipher, Hash};
use crate::dh::Group;

/// Phase 1 (RFC 2409 §5.4) as one client does it.
#[derive(Clone, Debug)]
pub struct IkeProfile {
    /// The transforms in order.
    pub transforms: Vec<IkeTransform>,
    /// How a transform's attributes are laid out.
    pub layout: IkeLayout,
    /// Proposed life of the ISAKMP SA.
    pub lifetime: Duration,
    /// Vendor IDs of message 1, in order.
    pub vendor_ids: Vec<Vec<u8>>,
    /// Bytes of a nonce, in both phases.
    pub nonce_len: usize,
    /// Protocol and port of the identity in message 5: 17/500 or 0/0 (RFC 2407 §4.6.2).
    pub identity_port: (u8, u16),
    /// When INITIAL-CONTACT is sent.
    pub initial_contact: InitialContact,
    /// Aggressive Mode with this name, in place of Main Mode with the address.
    pub identifier: Option<Identifier>,
    /// How encrypted messages are padded.
    pub padding: IkePadding,
    /// How Quick Mode's message ids are chosen.
    pub message_ids: MessageIds,
    /// Repetition of messages of both phases.
    pub retransmit: Retransmit,
    /// An unencrypted error notification ends the attempt (Windows) or is ignored (racoon).
    pub heeds_plain_notify: bool,
    /// Drops messages with payloads it does not expect, as racoon does.
    pub strict_payloads: bool,
    /// NAT keepalives on port 4500 (RFC 3948 §4).
    pub keepalive: Option<Duration>,
    /// Renews the ISAKMP SA this long after it was made.
    pub rekey_after: Option<Duration>,
    /// Sends a Delete for an ISAKMP SA that was replaced.
    pub deletes_replaced: bool,
    /// Message 1 of a renewal goes to port 4500 at once.
    pub renews_on_4500: bool,
}

/// One phase 1 transform.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IkeTransform {
    /// Encryption algorithm and key length.
    pub cipher: Cipher,
    /// Hash algorithm.
    pub hash: Hash,
    /// Group description.
    pub group: Group,
}

impl IkeTransform {
    /// A transform from its three choices.
    pub const fn new(cipher: Cipher, hash: Hash, group: Group) -> Self {
        Self { cipher, hash, group }
    }
}

/// The order of attributes in a phase 1 transform.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IkeLayout {
    /// Encryption, key length, hash, group, authentication, life type, life duration as a TLV of four bytes.
    Windows,
    /// Life type, life duration, encryption, key length, authentication, hash, group; all TV.
    Racoon,
    /// Encryption, key length, hash, group, authentication, life type, life duration; all TV.
    StrongSwan,
}

/// When a client says INITIAL-CONTACT (RFC 2407 §4.6.3.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InitialContact {
    /// Never.
    Never,
    /// As a payload of message 5.
    InMessage5,
    /// In an Informational right after the first phase 1.
    Informational,
}

/// Padding of encrypted ISAKMP messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IkePadding {
    /// Zeros up to the block (RFC 2409 App. B).
    Zeros,
    /// One to two blocks of random bytes, the last of which is their number less one.
    Random,
}

/// The sequence of Quick Mode's message ids.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MessageIds {
    /// Random.
    Random,
    /// 1, 2, 3, … in little-endian order: the same for every Windows since Vista.
    Counting,
}
