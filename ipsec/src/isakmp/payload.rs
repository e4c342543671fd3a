//! The payload chain, RFC 2408 §3.2.

use super::Malformed;
use super::iana::PayloadType;

/// One payload less its generic header.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Payload<'a> {
    /// What it is.
    pub(crate) kind: PayloadType,
    /// What stands behind the generic header.
    pub(crate) body: &'a [u8],
    /// The same with the generic header.
    pub(crate) whole: &'a [u8],
}

/// A message's payloads in order: parsed once, asked by kind.
#[derive(Clone, Debug)]
pub(crate) struct Payloads<'a> {
    all: Vec<Payload<'a>>,
    /// Octets of the chain; behind it stands only padding.
    len: usize,
}

impl<'a> Payloads<'a> {
    /// Follows the chain from its first kind to `NONE`.
    ///
    /// Every payload has four octets at least, so the walk ends with the bytes whatever the next-payload fields say.
    /// What lies behind the last payload is ignored: racoon pads with up to two random blocks.
    pub(crate) fn parse(first: PayloadType, bytes: &'a [u8]) -> Result<Self, Malformed> {
        let mut all = Vec::new();
        let mut chain = Generic { kind: first, rest: bytes };
        while let Some(payload) = chain.next()? {
            if all.len() == MAX_PAYLOADS {
                return Err(Malformed::TooMany);
            }
            all.push(payload);
        }
        let len = all.iter().map(|payload| payload.whole.len()).sum();
        Ok(Self { all, len })
    }

    /// All of them, in the order sent.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Payload<'a>> {
        self.all.iter()
    }

    /// Bodies of every payload of a kind.
    pub(crate) fn of(&self, kind: PayloadType) -> impl Iterator<Item = &'a [u8]> {
        self.all.iter().filter(move |payload| payload.kind == kind).map(|payload| payload.body)
    }

    /// Body of the first payload of a kind, which the exchange cannot do without.
    pub(crate) fn require(&self, kind: PayloadType) -> Result<&'a [u8], Malformed> {
        self.of(kind).next().ok_or(Malformed::Missing(kind))
    }

    /// The first payload of the message.
    pub(crate) fn first(&self) -> Option<&Payload<'a>> {
        self.all.first()
    }

    /// Octets of the chain, without padding.
    pub(crate) fn len(&self) -> usize {
        self.len
    }
}

/// The generic header's walk, shared by payloads, proposals and transforms (RFC 2408 §3.5: their next-payload field is
/// 2, 3 or 0).
pub(super) struct Generic<'a> {
    pub(super) kind: PayloadType,
    pub(super) rest: &'a [u8],
}

impl<'a> Generic<'a> {
    /// The next payload; `None` behind the last one. The reserved octet may hold anything: Android 4 fills it with rubbish.
    pub(super) fn next(&mut self) -> Result<Option<Payload<'a>>, Malformed> {
        if self.kind == PayloadType::NONE {
            return Ok(None);
        }
        let (&[next, _reserved, high, low], _) =
            self.rest.split_first_chunk::<GENERIC_LEN>().ok_or(Malformed::Truncated)?;
        let length = usize::from(u16::from_be_bytes([high, low]));
        let (whole, rest) = self.rest.split_at_checked(length).ok_or(Malformed::Length)?;
        let body = whole.get(GENERIC_LEN..).ok_or(Malformed::Length)?;
        let payload = Payload { kind: self.kind, body, whole };
        *self = Self { kind: PayloadType(next), rest };
        Ok(Some(payload))
    }
}

/// Octets of the generic payload header.
const GENERIC_LEN: usize = 4;

/// Windows 10 and Apple send 13 at most; certificates and NAT-OA may double that.
const MAX_PAYLOADS: usize = 64;
