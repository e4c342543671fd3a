//! NAT traversal: which version, who is behind one, RFC 3947 §3 and its drafts.

use std::net::IpAddr;

use hex_literal::hex;

use crate::crypto::Hash;
use crate::isakmp::{Cookie, Received};

/// UDP port of IKE.
pub const IKE_PORT: u16 = 500;
/// UDP port of IKE and ESP once a NAT was found.
pub const NAT_T_PORT: u16 = 4500;

/// Stands for the port where ESP travels as IP protocol 50, which has none.
pub const NO_PORT: u16 = 0;

/// The version both sides announced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NatT {
    /// None in common: no detection, no encapsulation.
    Absent,
    /// Drafts 00 to 03.
    Draft,
    /// RFC 3947.
    Rfc,
}

impl NatT {
    /// The best version among the responder's vendor IDs that the initiator announced too.
    pub(crate) fn choose(announced: &[Vec<u8>], payloads: &[Received<'_>]) -> Self {
        let both = |id: &[u8]| {
            announced.iter().any(|ours| ours == id) && payloads.iter().any(|payload| payload.body == id)
        };
        if both(&RFC_3947) {
            Self::Rfc
        } else if DRAFTS.iter().any(|id| both(id)) {
            Self::Draft
        } else {
            Self::Absent
        }
    }

    /// The payload type of NAT-D, if there is to be one.
    pub(crate) fn detection(self) -> Option<u8> {
        match self {
            Self::Absent => None,
            Self::Draft => Some(130),
            Self::Rfc => Some(20),
        }
    }

    /// The payload type of NAT-OA.
    pub(crate) fn original_address(self) -> u8 {
        if self == Self::Draft { 131 } else { 21 }
    }

    /// Encapsulation mode of transport in UDP, or of plain transport (RFC 2407 §4.5, RFC 3947 §5.1).
    pub(crate) fn transport_mode(self, nat: bool) -> u16 {
        match self {
            Self::Rfc if nat => 4,
            Self::Draft if nat => 61444,
            _ => 2,
        }
    }
}

/// HASH(CKY-I | CKY-R | IP | Port), RFC 3947 §3.2.
pub(crate) fn detection_hash(hash: Hash, cookies: (Cookie, Cookie), ip: IpAddr, port: u16) -> Vec<u8> {
    hash.digest(&[&cookies.0, &cookies.1, &address_bytes(ip), &port.to_be_bytes()])
}

/// Whether there is a NAT between the two: the first hash is of the receiver's address as the sender sees it, the others of the
/// sender's own (RFC 3947 §3.2).
pub(crate) fn is_between(detections: &[&[u8]], receiver: &[u8], sender: &[u8]) -> bool {
    match detections.split_first() {
        Some((ours, theirs)) => *ours != receiver || !theirs.contains(&sender),
        None => false,
    }
}

/// An address as its bytes.
pub(crate) fn address_bytes(ip: IpAddr) -> Vec<u8> {
    match ip {
        IpAddr::V4(ip) => ip.octets().to_vec(),
        IpAddr::V6(ip) => ip.octets().to_vec(),
    }
}

/// The identification type of an address (RFC 2407 §4.6.2.1), used by NAT-OA too.
pub(crate) fn address_type(ip: IpAddr) -> u8 {
    if ip.is_ipv4() { 1 } else { 5 }
}

const RFC_3947: [u8; 16] = hex!("4a131c81070358455c5728f20e95452f");
const DRAFTS: [[u8; 16]; 5] = [
    hex!("7d9419a65310ca6f2c179d9215529d56"),
    hex!("90cb80913ebb696e086381b5ec427b1f"),
    hex!("cd60464335df21f87cfdb2fc68b6a448"),
    hex!("16f6ca16e4a4066d83821a0f0aeaa862"),
    hex!("4485152d18b6bbcd0be8a8469579ddcc"),
];
