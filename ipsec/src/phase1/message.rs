//! What a client's main mode messages must contain, RFC 2409 §5.

use super::says_initial_contact;
use crate::certificate::payload::certificates;
use crate::isakmp::iana::PayloadType;
use crate::isakmp::{IdPayload, Malformed, Payloads, SaPayload};
use crate::vendor::Vendor;

/// `HDR, SA, VID …`
pub(crate) struct Message1<'a> {
    pub(crate) sa: SaPayload<'a>,
    pub(crate) vendor: Vendor,
}

impl<'a> TryFrom<&Payloads<'a>> for Message1<'a> {
    type Error = Malformed;

    fn try_from(payloads: &Payloads<'a>) -> Result<Self, Malformed> {
        let sa = SaPayload::parse(payloads.require(PayloadType::SECURITY_ASSOCIATION)?)?;
        Ok(Self { sa, vendor: Vendor::read(payloads) })
    }
}

/// `HDR, KE, Ni, NAT-D …`
pub(crate) struct Message3<'a> {
    pub(crate) public: &'a [u8],
    pub(crate) nonce: &'a [u8],
}

impl<'a> TryFrom<&Payloads<'a>> for Message3<'a> {
    type Error = Malformed;

    fn try_from(payloads: &Payloads<'a>) -> Result<Self, Malformed> {
        let public = payloads.require(PayloadType::KEY_EXCHANGE)?;
        Ok(Self { public, nonce: nonce(payloads)? })
    }
}

/// `HDR*, IDii, HASH_I`
pub(crate) struct Message5<'a> {
    pub(crate) id: IdPayload<'a>,
    pub(crate) hash: &'a [u8],
    pub(crate) initial_contact: bool,
}

impl<'a> TryFrom<&Payloads<'a>> for Message5<'a> {
    type Error = Malformed;

    fn try_from(payloads: &Payloads<'a>) -> Result<Self, Malformed> {
        let id = identity(payloads)?;
        let hash = payloads.require(PayloadType::HASH)?;
        Ok(Self { id, hash, initial_contact: says_initial_contact(payloads) })
    }
}

/// `HDR*, IDii, CERT …, SIG_I`
pub(crate) struct Signed5<'a> {
    pub(crate) id: IdPayload<'a>,
    /// DER, the client's own among them.
    pub(crate) certificates: Vec<Vec<u8>>,
    pub(crate) signature: &'a [u8],
    pub(crate) initial_contact: bool,
}

impl<'a> TryFrom<&Payloads<'a>> for Signed5<'a> {
    type Error = Malformed;

    fn try_from(payloads: &Payloads<'a>) -> Result<Self, Malformed> {
        let id = identity(payloads)?;
        let signature = payloads.require(PayloadType::SIGNATURE)?;
        let certificates = certificates(payloads);
        Ok(Self { id, certificates, signature, initial_contact: says_initial_contact(payloads) })
    }
}

/// The client's identity, which must not be longer than a name is.
pub(crate) fn identity<'a>(payloads: &Payloads<'a>) -> Result<IdPayload<'a>, Malformed> {
    let id = IdPayload::parse(payloads.require(PayloadType::IDENTIFICATION)?)?;
    if id.data.len() > MAX_ID_LEN { Err(Malformed::Length) } else { Ok(id) }
}

/// The nonce, whose length RFC 2409 §5 limits.
pub(crate) fn nonce<'a>(payloads: &Payloads<'a>) -> Result<&'a [u8], Malformed> {
    let nonce = payloads.require(PayloadType::NONCE)?;
    if (8..=256).contains(&nonce.len()) { Ok(nonce) } else { Err(Malformed::Length) }
}

/// A distinguished name is some hundred octets long; an identity is kept as long as its peer.
const MAX_ID_LEN: usize = 1024;
