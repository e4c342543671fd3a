//! Identification payload, RFC 2407 §4.6.2.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::Malformed;
use super::iana::IdType;
use crate::certificate::{name_of, shown};

/// Who speaks (phase 1) or which traffic is meant (phase 2).
#[derive(Clone, Copy, Debug)]
pub(crate) struct IdPayload<'a> {
    /// The payload's body as it came: hashed and echoed.
    pub(crate) body: &'a [u8],
    /// What kind of name the data is.
    pub(crate) kind: IdType,
    /// IP protocol, 0 for any.
    pub(crate) protocol: u8,
    /// Port, 0 for any.
    pub(crate) port: u16,
    /// The name.
    pub(crate) data: &'a [u8],
}

impl<'a> IdPayload<'a> {
    /// Takes type, protocol and port off.
    pub(crate) fn parse(body: &'a [u8]) -> Result<Self, Malformed> {
        let (&[kind, protocol, p0, p1], data) = body.split_first_chunk::<4>().ok_or(Malformed::Truncated)?;
        Ok(Self { body, kind: IdType(kind), protocol, port: u16::from_be_bytes([p0, p1]), data })
    }

    /// The identity as a value that outlives the message.
    pub(crate) fn to_id(self) -> Id {
        Id { kind: self.kind, data: self.data.into() }
    }
}

/// An identity, without the protocol and port that phase 1 sends along with it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Id {
    kind: IdType,
    data: Box<[u8]>,
}

impl Id {
    /// The address, if the identity is one.
    pub fn address(&self) -> Option<IpAddr> {
        match self.kind {
            IdType::IPV4_ADDR => Some(Ipv4Addr::from(<[u8; 4]>::try_from(&*self.data).ok()?).into()),
            IdType::IPV6_ADDR => Some(Ipv6Addr::from(<[u8; 16]>::try_from(&*self.data).ok()?).into()),
            _ => None,
        }
    }
}

impl Id {
    /// The octets, if the identity is of one of these kinds.
    pub(crate) fn bytes_of(&self, kinds: &[IdType]) -> Option<&[u8]> {
        kinds.contains(&self.kind).then_some(&*self.data)
    }
}

impl fmt::Display for Id {
    /// Octets that are not printable ASCII are escaped: the peer chose them, a log line shows them.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(address) = self.address() {
            return address.fmt(f);
        }
        match self.kind {
            IdType::FQDN | IdType::USER_FQDN | IdType::KEY_ID => {
                let shown = self.data.get(..SHOWN).unwrap_or(&self.data);
                write!(f, "{}", shown.escape_ascii())
            }
            IdType::DER_ASN1_DN => match name_of(&self.data) {
                Some(name) => f.write_str(&shown(&name)),
                None => write!(f, "subject of {} octets", self.data.len()),
            },
            kind => write!(f, "{kind} of {} octets", self.data.len()),
        }
    }
}

impl fmt::Debug for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Id({self})")
    }
}

/// How much of a name a log line shows.
const SHOWN: usize = 64;
