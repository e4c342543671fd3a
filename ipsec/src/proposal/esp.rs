//! Choice for phase 2.

use std::cmp::Reverse;
use std::time::Duration;

use super::{Algorithms, aes, cipher_strength, lifetime};
use crate::crypto::Cipher;
use crate::dh::Group;
use crate::esp::{AesBits, EspCipher, EspIntegrity, EspSuite, GcmIcv, Spi};
use crate::isakmp::iana::{
    AuthenticationAlgorithm, EncapsulationMode, EspAttribute, EspTransform, ProtocolId,
};
use crate::isakmp::{Proposal, SaPayload, Transform};
use crate::path::Encapsulation;

/// The transform we answer.
#[derive(Clone, Debug)]
pub(crate) struct EspChoice<'a> {
    pub(crate) suite: EspSuite,
    pub(crate) mode: EncapsulationMode,
    pub(crate) encapsulation: Encapsulation,
    pub(crate) lifetime: Duration,
    /// The group of the client's KE payload, if it wants perfect forward secrecy.
    pub(crate) pfs: Option<Group>,
    /// The client's inbound SPI: what our packets carry.
    pub(crate) peer_spi: Spi,
    pub(crate) proposal: &'a Proposal<'a>,
    pub(crate) transform: &'a Transform<'a>,
}

/// Why nothing of an offer can be had: what stands furthest down is what came nearest to it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum EspRefusal {
    /// Only AH, or ESP bundled with something.
    NotEsp,
    /// Only tunnel mode: not an L2TP client, or one misconfigured.
    TunnelMode,
    /// No transform we know and allow.
    NoneAllowed,
    /// Such a one only inside UDP, by a client that has not moved to its port.
    UdpTransport,
}

/// What we know when we choose.
#[derive(Clone, Copy, Debug)]
pub(crate) struct EspPolicy {
    pub(crate) algorithms: Algorithms,
    /// The inner MTU: an inner packet of that size should fit an outer one of 1500.
    pub(crate) mtu: u16,
    /// How the packets would travel.
    pub(crate) encapsulation: Encapsulation,
    /// Whether the outer packet is IPv6, whose header is longer.
    pub(crate) ipv6: bool,
    /// Octets of the KE payload, if one came.
    pub(crate) public_len: Option<usize>,
}

/// The best transform that the policy allows.
pub(crate) fn choose_esp<'a>(
    offer: &'a SaPayload<'a>,
    policy: EspPolicy,
) -> Result<EspChoice<'a>, EspRefusal> {
    let alone = |proposal: &&Proposal<'_>| {
        // RFC 2408 §4.2: equal numbers are one offer of several protocols together.
        let bundle = offer.proposals.iter().filter(|other| other.number == proposal.number).count();
        proposal.protocol == ProtocolId::ESP && bundle == 1
    };
    let encapsulation = policy.encapsulation;
    let mut refusal = EspRefusal::NotEsp;
    let mut choices = Vec::new();
    for proposal in offer.proposals.iter().filter(alone) {
        let Some(peer_spi) = spi(proposal) else { continue };
        for transform in &proposal.transforms {
            let read = read(transform, policy.public_len);
            let allowed = read.filter(|read| allowed(read, policy.algorithms));
            let Some(Read { suite, mode, pfs }) = allowed else {
                refusal = refusal.max(EspRefusal::NoneAllowed);
                continue;
            };
            if let Err(reason) = check_mode(mode, encapsulation) {
                refusal = refusal.max(reason);
                continue;
            }
            let lifetime = lifetime(transform, EspAttribute::LIFE_TYPE.0, EspAttribute::LIFE_DURATION.0);
            choices.push(EspChoice {
                suite,
                mode,
                encapsulation,
                lifetime,
                pfs,
                peer_spi,
                proposal,
                transform,
            });
        }
    }
    let ranked = choices
        .into_iter()
        .enumerate()
        .max_by_key(|(rank, choice)| (grade(choice.suite, policy), Reverse(*rank)));
    ranked.map(|(_, choice)| choice).ok_or(refusal)
}

/// RFC 4303 §2.1: SPIs up to 255 are reserved. RFC 2407 §4.6.1: an ESP proposal's SPI has four octets.
fn spi(proposal: &Proposal<'_>) -> Option<Spi> {
    let spi = u32::from_be_bytes(proposal.spi.try_into().ok()?);
    (spi >= 256).then_some(Spi(spi))
}

/// Whether it is transport mode: inside UDP under any of its names, for there plain `transport` means the encapsulated one to
/// some.
fn check_mode(mode: EncapsulationMode, encapsulation: Encapsulation) -> Result<(), EspRefusal> {
    match (mode, encapsulation) {
        (EncapsulationMode::TRANSPORT, _)
        | (EncapsulationMode::UDP_TRANSPORT | EncapsulationMode::UDP_TRANSPORT_DRAFT, Encapsulation::Udp) => {
            Ok(())
        }
        (EncapsulationMode::UDP_TRANSPORT | EncapsulationMode::UDP_TRANSPORT_DRAFT, _) => {
            Err(EspRefusal::UdpTransport)
        }
        _ => Err(EspRefusal::TunnelMode),
    }
}

fn allowed(read: &Read, policy: Algorithms) -> bool {
    let suite = match read.suite {
        EspSuite::Gcm { .. } => true,
        EspSuite::Separate { cipher, integrity } => {
            // RFC 2410: no secrecy at all. Windows offers it where "Optional encryption" is chosen.
            let cipher =
                cipher.cipher().map_or(policy == Algorithms::Legacy, |cipher| policy.allows_cipher(cipher));
            cipher && policy.allows_hash(integrity.hash())
        }
    };
    suite && read.pfs.is_none_or(|group| policy.allows_group(group))
}

/// How good a suite is: the kind of cipher first, then how sure we are that it works well, then strength.
fn grade(suite: EspSuite, policy: EspPolicy) -> (Family, Soundness, u16, Option<EspIntegrity>) {
    let (cipher, integrity) = match suite {
        EspSuite::Gcm { key, icv } => {
            let (family, soundness) = match icv {
                GcmIcv::O16 => (Family::AesGcm, Soundness::Fits),
                GcmIcv::O12 => (Family::Aes, Soundness::Fits),
                // A forgery in 2^64, made easier by every packet (RFC 4106 §9): as a last choice among AES.
                GcmIcv::O8 => (Family::Aes, Soundness::Broken),
            };
            return (family, soundness, cipher_strength(aes_cbc(key)), None);
        }
        EspSuite::Separate { cipher, integrity } => (cipher, integrity),
    };
    let family = match cipher {
        EspCipher::Null => Family::Null,
        EspCipher::Des => Family::Des,
        EspCipher::TripleDes => Family::TripleDes,
        EspCipher::Aes(_) => Family::Aes,
    };
    let soundness = match integrity {
        EspIntegrity::Md5_96 => Soundness::Broken,
        // Android 6 to 10 sends 96 or 128 bits of it, depending on the kernel, and nothing on the wire tells which before the
        // first packet.
        EspIntegrity::Sha256_128 | EspIntegrity::Sha256_96 => Soundness::InDoubt,
        EspIntegrity::Sha1_96 | EspIntegrity::Sha384_192 | EspIntegrity::Sha512_256 => {
            if fits(suite, policy) { Soundness::Fits } else { Soundness::Fragments }
        }
    };
    (family, soundness, cipher.cipher().map_or(0, cipher_strength), Some(integrity))
}

fn aes_cbc(key: AesBits) -> Cipher {
    match key {
        AesBits::B128 => Cipher::Aes128,
        AesBits::B192 => Cipher::Aes192,
        AesBits::B256 => Cipher::Aes256,
    }
}

/// Whether a full inner packet leaves as one outer packet of 1500.
fn fits(suite: EspSuite, policy: EspPolicy) -> bool {
    let outer = if policy.ipv6 { OUTER_OVERHEAD_IPV6 } else { OUTER_OVERHEAD };
    suite.packet_len(INNER_OVERHEAD + usize::from(policy.mtu)) + outer <= ETHERNET_MTU
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Family {
    Null,
    Des,
    TripleDes,
    Aes,
    AesGcm,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Soundness {
    Broken,
    InDoubt,
    Fragments,
    Fits,
}

/// A transform understood.
struct Read {
    suite: EspSuite,
    mode: EncapsulationMode,
    pfs: Option<Group>,
}

/// The suite and mode a transform describes, if we understand all of it (RFC 2407 §4.5).
fn read(transform: &Transform<'_>, public_len: Option<usize>) -> Option<Read> {
    let value = |class: EspAttribute| transform.number_of(class.0);
    let understood =
        transform.attributes.iter().all(|attribute| UNDERSTOOD.contains(&EspAttribute(attribute.class)));
    if !understood {
        return None;
    }
    let suite = suite(
        EspTransform(transform.id),
        value(EspAttribute::KEY_LENGTH),
        value(EspAttribute::AUTHENTICATION),
    )?;
    // RFC 2407 §4.5: without the attribute the mode is the host's affair; ours is transport.
    let mode = match value(EspAttribute::ENCAPSULATION_MODE) {
        None => EncapsulationMode::TRANSPORT,
        Some(mode) => EncapsulationMode(mode.try_into().ok()?),
    };
    // RFC 2409 §5.5: the KE payload is of the group that the transform names; one without the other is nonsense.
    let pfs = match (value(EspAttribute::GROUP), public_len) {
        (None, None) => None,
        (Some(number), Some(len)) => {
            let group = Group::from_number(number.try_into().ok()?)?;
            if group.public_len() != len {
                return None;
            }
            Some(group)
        }
        _ => return None,
    };
    Some(Read { suite, mode, pfs })
}

/// The suite of a transform, its key length in bits and its integrity algorithm.
fn suite(transform: EspTransform, key_length: Option<u64>, authentication: Option<u64>) -> Option<EspSuite> {
    let aes_bits = || {
        Some(match aes(key_length)? {
            Cipher::Aes256 => AesBits::B256,
            Cipher::Aes192 => AesBits::B192,
            _ => AesBits::B128,
        })
    };
    let icv = match transform {
        EspTransform::AES_GCM_8 => Some(GcmIcv::O8),
        EspTransform::AES_GCM_12 => Some(GcmIcv::O12),
        EspTransform::AES_GCM_16 => Some(GcmIcv::O16),
        _ => None,
    };
    if let Some(icv) = icv {
        // RFC 4106 §8.2: it needs no integrity algorithm, and there is none to be named.
        return authentication.is_none().then_some(EspSuite::Gcm { key: aes_bits()?, icv });
    }
    let cipher = match (transform, key_length) {
        (EspTransform::AES_CBC, _) => EspCipher::Aes(aes_bits()?),
        (EspTransform::TRIPLE_DES, None) => EspCipher::TripleDes,
        (EspTransform::DES, None) => EspCipher::Des,
        (EspTransform::NULL, None) => EspCipher::Null,
        _ => return None,
    };
    let integrity = match AuthenticationAlgorithm(authentication?.try_into().ok()?) {
        AuthenticationAlgorithm::HMAC_MD5 => EspIntegrity::Md5_96,
        AuthenticationAlgorithm::HMAC_SHA1 => EspIntegrity::Sha1_96,
        AuthenticationAlgorithm::HMAC_SHA2_256 => EspIntegrity::Sha256_128,
        AuthenticationAlgorithm::HMAC_SHA2_384 => EspIntegrity::Sha384_192,
        AuthenticationAlgorithm::HMAC_SHA2_512 => EspIntegrity::Sha512_256,
        _ => return None,
    };
    Some(EspSuite::Separate { cipher, integrity })
}

const UNDERSTOOD: [EspAttribute; 6] = [
    EspAttribute::LIFE_TYPE,
    EspAttribute::LIFE_DURATION,
    EspAttribute::GROUP,
    EspAttribute::ENCAPSULATION_MODE,
    EspAttribute::AUTHENTICATION,
    EspAttribute::KEY_LENGTH,
];

/// UDP 8, L2TP 6, PPP 4 octets before the inner packet.
const INNER_OVERHEAD: usize = 18;

/// IPv4 20, UDP 8 octets before the ESP packet.
const OUTER_OVERHEAD: usize = 28;

/// IPv6 40, UDP 8 octets before the ESP packet.
const OUTER_OVERHEAD_IPV6: usize = 48;

const ETHERNET_MTU: usize = 1500;
