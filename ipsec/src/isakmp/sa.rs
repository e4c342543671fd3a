//! Security Association, Proposal and Transform payloads and their attributes, RFC 2408 §3.3 to §3.6.

use super::Malformed;
use super::iana::{DOI_IPSEC, PayloadType, ProtocolId, SIT_IDENTITY_ONLY};
use super::payload::Generic;

/// What one side offers, RFC 2408 §3.4.
#[derive(Clone, Debug)]
pub(crate) struct SaPayload<'a> {
    /// The payload's body as it came: phase 1 hashes it (`SAi_b`, RFC 2409 §5).
    pub(crate) body: &'a [u8],
    /// In the order sent.
    pub(crate) proposals: Vec<Proposal<'a>>,
}

/// One protocol of an offer, RFC 2408 §3.5. Equal numbers mean *all of them* (a bundle), different numbers *one of them*.
#[derive(Clone, Debug)]
pub(crate) struct Proposal<'a> {
    /// Which alternative this belongs to.
    pub(crate) number: u8,
    /// ISAKMP, AH, ESP or IPComp.
    pub(crate) protocol: ProtocolId,
    /// The sender's inbound SPI; empty, or anything, in phase 1.
    pub(crate) spi: &'a [u8],
    /// In the order of the sender's preference.
    pub(crate) transforms: Vec<Transform<'a>>,
}

/// One way to do it, RFC 2408 §3.6.
#[derive(Clone, Debug)]
pub(crate) struct Transform<'a> {
    /// Its number within the proposal, which an answer keeps.
    pub(crate) number: u8,
    /// Meaning depends on the protocol.
    pub(crate) id: u8,
    /// The attributes' octets, for an answer that must not alter them (RFC 2409 §5).
    pub(crate) raw: &'a [u8],
    /// In any order.
    pub(crate) attributes: Vec<Attribute<'a>>,
}

/// One data attribute, RFC 2408 §3.3.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Attribute<'a> {
    /// Its class, the format bit taken off.
    pub(crate) class: u16,
    /// Its value.
    pub(crate) value: AttributeValue<'a>,
}

/// An attribute's value in either form.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum AttributeValue<'a> {
    /// Two octets (type/value).
    Basic(u16),
    /// Any number of octets (type/length/value).
    Variable(&'a [u8]),
}

impl AttributeValue<'_> {
    /// The number it stands for. Windows writes lifetimes as four octets where others use the two-octet form.
    pub(crate) fn number(self) -> Option<u64> {
        match self {
            Self::Basic(value) => Some(value.into()),
            Self::Variable(bytes) => {
                let significant = bytes.iter().position(|octet| *octet != 0).unwrap_or(bytes.len());
                let digits = bytes.get(significant..)?;
                (digits.len() <= 8).then(|| digits.iter().fold(0, |sum, octet| sum << 8 | u64::from(*octet)))
            }
        }
    }
}

impl<'a> SaPayload<'a> {
    /// Takes the offer apart down to its attributes.
    pub(crate) fn parse(body: &'a [u8]) -> Result<Self, Malformed> {
        let (doi, rest) = body.split_first_chunk::<4>().ok_or(Malformed::Truncated)?;
        let (situation, rest) = rest.split_first_chunk::<4>().ok_or(Malformed::Truncated)?;
        // RFC 2407 §4.6.1: labelled situations carry more fields than these; nobody sends them.
        if u32::from_be_bytes(*doi) != DOI_IPSEC || u32::from_be_bytes(*situation) != SIT_IDENTITY_ONLY {
            return Err(Malformed::Doi);
        }
        let mut proposals = Vec::new();
        let mut chain = Generic { kind: PayloadType::PROPOSAL, rest };
        while let Some(payload) = chain.next()? {
            if payload.kind != PayloadType::PROPOSAL {
                return Err(Malformed::Value);
            }
            proposals.push(Proposal::parse(payload.body)?);
        }
        Ok(Self { body, proposals })
    }
}

impl<'a> Proposal<'a> {
    /// RFC 2408 §3.5 counts the transforms besides chaining them; the chain is what is believed.
    fn parse(body: &'a [u8]) -> Result<Self, Malformed> {
        let (&[number, protocol, spi_size, _count], rest) =
            body.split_first_chunk::<4>().ok_or(Malformed::Truncated)?;
        let (spi, rest) = rest.split_at_checked(spi_size.into()).ok_or(Malformed::Length)?;
        let mut transforms = Vec::new();
        // No transform at all is legal to parse: the offer is then merely unacceptable.
        let first = if rest.is_empty() { PayloadType::NONE } else { PayloadType::TRANSFORM };
        let mut chain = Generic { kind: first, rest };
        while let Some(payload) = chain.next()? {
            if payload.kind != PayloadType::TRANSFORM {
                return Err(Malformed::Value);
            }
            transforms.push(Transform::parse(payload.body)?);
        }
        Ok(Self { number, protocol: ProtocolId(protocol), spi, transforms })
    }
}

impl<'a> Transform<'a> {
    fn parse(body: &'a [u8]) -> Result<Self, Malformed> {
        let (&[number, id, _, _], raw) = body.split_first_chunk::<4>().ok_or(Malformed::Truncated)?;
        let mut attributes = Vec::new();
        let mut rest = raw;
        while !rest.is_empty() {
            let (attribute, behind) = Attribute::parse(rest)?;
            attributes.push(attribute);
            rest = behind;
        }
        Ok(Self { number, id, raw, attributes })
    }

    /// Value of the first attribute of a class, as a number.
    pub(crate) fn number_of(&self, class: u16) -> Option<u64> {
        self.attributes.iter().find(|attribute| attribute.class == class)?.value.number()
    }

    /// Pairs each life type with the duration of the same rank, in whichever order they stand (RFC 2407 §4.5: a duration
    /// follows its type; some clients put other attributes between).
    pub(crate) fn lifetimes(&self, life_type: u16, duration: u16) -> impl Iterator<Item = (u64, u64)> {
        let values = |class| {
            self.attributes
                .iter()
                .filter(move |attribute| attribute.class == class)
                .filter_map(|attribute| attribute.value.number())
        };
        values(life_type).zip(values(duration))
    }
}

impl<'a> Attribute<'a> {
    fn parse(bytes: &'a [u8]) -> Result<(Self, &'a [u8]), Malformed> {
        let (&[c0, c1, v0, v1], rest) = bytes.split_first_chunk::<4>().ok_or(Malformed::Truncated)?;
        let class = u16::from_be_bytes([c0, c1]);
        let value = u16::from_be_bytes([v0, v1]);
        if class & BASIC != 0 {
            return Ok((Self { class: class & !BASIC, value: AttributeValue::Basic(value) }, rest));
        }
        let (value, rest) = rest.split_at_checked(value.into()).ok_or(Malformed::Length)?;
        Ok((Self { class, value: AttributeValue::Variable(value) }, rest))
    }
}

/// The attribute format bit, RFC 2408 §3.3.
const BASIC: u16 = 0x8000;
